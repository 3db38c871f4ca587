/* One GGUF file, mapped: header, metadata, tensor table. Versions 2 and 3, little endian.
 * Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * Every count, length, offset and type is checked against the mapped size before use; an error names the
 * field and its offset. Everything here borrows from the map and lives until gguf_close. */
#ifndef MODEL_GGUF_H
#define MODEL_GGUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "quant/quant_type.h"

enum gguf_kind { /* as stored */
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY,
    GGUF_U64, GGUF_I64, GGUF_F64,
    GGUF_KINDS,
};

struct gguf_value {
    const char *key;           /* NUL-terminated, owned by the arena */
    enum gguf_kind kind;
    enum gguf_kind item_kind;  /* of an array's items */
    uint64_t count;            /* items of an array; 1 otherwise */
    const unsigned char *data; /* the value as stored (of an array: its first item); a text starts with its length */
    uint64_t bytes;            /* length of the value at `data` */
    uint64_t offset;           /* of the key, in the file */
};

struct gguf_tensor {
    const char *name;
    const struct quant_type *type;
    int dims;
    int64_t shape[4];          /* shape[0] is the row length; unused ones are 1 */
    uint64_t offset, bytes;    /* absolute, in the file */
    uint64_t entry;            /* offset of its row in the tensor table */
};

struct gguf {
    struct file_map map;
    struct arena arena;
    uint32_t version;
    uint32_t alignment;
    uint64_t data_offset;
    struct gguf_value *values;
    uint64_t value_count;
    struct gguf_tensor *tensors; /* in the file's order */
    uint64_t tensor_count;
    bool complete;               /* the data of all tensors lies within the file */
    bool borrowed;               /* `map` holds the caller's bytes (gguf_parse) */
};

/* Refuses a file that ends before its tensors do, unless GGUF_HEADER_ONLY: then `complete` says so. */
enum { GGUF_HEADER_ONLY = 1 };
int gguf_open(struct gguf *g, const char *path, int flags, struct error *e);
/* The same over bytes in memory, which must outlive `g`; `name` is what errors call them. */
int gguf_parse(struct gguf *g, const void *bytes, uint64_t size, const char *name, int flags, struct error *e);
/* After success or failure of either. */
void gguf_close(struct gguf *g);

const char *gguf_kind_name(enum gguf_kind kind);  /* "uint32" */
unsigned gguf_kind_bytes(enum gguf_kind kind);    /* 0 for texts and arrays */
const struct gguf_value *gguf_find(const struct gguf *g, const char *key);
/* Any integer, bool or float kind converts; false where the key is missing or of another kind. A float must be whole;
 * what int64_t cannot hold counts as missing. */
bool gguf_integer(const struct gguf *g, const char *key, int64_t *value);
/* Not NUL-terminated in the file: copied into the arena. NULL where missing. */
const char *gguf_text(struct gguf *g, const char *key);
/* Item i of a numeric array (or of a scalar, for any i); NaN for texts and past the end. */
double gguf_item(const struct gguf_value *v, uint64_t i);
/* Strings of an array in order: *at starts at v->data; returns the text and its length, moves *at. */
const char *gguf_next_string(const unsigned char **at, uint64_t *length);

/* Writing: describe all, then write header + metadata + table, then each tensor at its offset. Version 3; the
 * same calls always give the same bytes. */
struct gguf_writer;
struct gguf_writer *gguf_writer_new(void);
void gguf_writer_free(struct gguf_writer *w);
/* Copies a value as it is (from any shard). For this and all below: a later value of the same key replaces an
 * earlier one, in its place. A value of general.alignment sets the alignment (32 without one). */
void gguf_writer_copy(struct gguf_writer *w, const struct gguf_value *v);
void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t value);
void gguf_writer_u16(struct gguf_writer *w, const char *key, uint16_t value);
void gguf_writer_i32(struct gguf_writer *w, const char *key, int32_t value);
void gguf_writer_f32(struct gguf_writer *w, const char *key, float value);
void gguf_writer_bool(struct gguf_writer *w, const char *key, bool value);
void gguf_writer_text(struct gguf_writer *w, const char *key, const char *value);
void gguf_writer_texts(struct gguf_writer *w, const char *key, const char *const *values, uint64_t count);
/* `count` numbers of a fixed-size kind, in the byte order of the machine. */
void gguf_writer_array(struct gguf_writer *w, const char *key, enum gguf_kind item, const void *items, uint64_t count);
void gguf_writer_remove(struct gguf_writer *w, const char *key);
/* Returns the tensor's index. Offsets follow the order of these calls. */
int gguf_writer_tensor(struct gguf_writer *w, const char *name, const struct quant_type *type, int dims,
                       const int64_t *shape);
/* Fixes the layout: returns the header's bytes (owned by the writer) and its size, which is padded to the
 * alignment; tensor i then starts at gguf_writer_offset(w, i), and the file ends at gguf_writer_size(w), the
 * last tensor's padding included, as in llama.cpp's files. */
const void *gguf_writer_header(struct gguf_writer *w, uint64_t *bytes);
uint64_t gguf_writer_offset(const struct gguf_writer *w, int tensor);
uint64_t gguf_writer_size(const struct gguf_writer *w);

#endif
