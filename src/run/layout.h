/* The output, fixed before a byte of it is written: its file or its shards, their headers, where each tensor
 * lies, and what tells it from the output of other inputs.
 *
 * Shards are as llama.cpp's gguf-split makes them: whole tensors in the source's order, all metadata in the
 * first one, and in each of them split.no (from 0), split.count and split.tensors.count. */
#ifndef RUN_LAYOUT_H
#define RUN_LAYOUT_H

#include <stdint.h>

#include "base/hash.h"
#include "plan/recipe.h"
#include "run/slices.h"

/* The largest shards that are wanted; 0: no limit. A file without limits is not cut. */
struct split {
    uint64_t max_bytes; /* of a file; a tensor that is larger gets a file of its own */
    int max_tensors;
};

struct layout_file {
    struct gguf_writer *writer;
    const void *header;           /* metadata and tensor table */
    uint64_t header_bytes, bytes; /* of the header, and of the whole file */
    int first, count;             /* its tensors */
};

struct layout {
    const struct model *model;
    const struct recipe *recipe;
    struct layout_file *files;
    int file_count;              /* 1: not in shards */
    uint64_t bytes;              /* of all files */
    int count;                   /* tensors */
    struct slice_tensor *slices; /* [count]: how the tensors are cut; none skipped */
    char fingerprint[HASH_TEXT]; /* of the source files, the headers and this program's version */
};
/* Metadata as the source's, but for what quantizing changes (not with a recipe of file_type -1):
 * general.file_type, general.quantization_version, quantize.imatrix.*; and for the split.* keys. Tensors in the source's order.
 * Borrows model and recipe; `split` NULL: one file. */
void layout_make(struct layout *l, const struct model *m, const struct recipe *r, const struct split *split);
void layout_done(struct layout *l);
/* What tells the source's files from changed ones: for the fingerprint of what is made of them. */
struct str;
void layout_add_source(struct str *s, const struct model *m);
/* The file that a tensor lies in, and its byte offset there. */
int layout_file(const struct layout *l, int tensor);
uint64_t layout_offset(const struct layout *l, int tensor);
/* The name of one of the files of the output `out`: that itself, or a shard's; free() it. */
char *layout_path(const struct layout *l, const char *out, int file);

#endif
