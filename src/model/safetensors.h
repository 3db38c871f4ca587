/* One safetensors file, mapped. Layout: https://github.com/huggingface/safetensors#format
 *
 *     length of the header, u64 little endian | header, JSON | data
 *     {"__metadata__": {...}, "NAME": {"dtype": "BF16", "shape": [4096, 4096], "data_offsets": [begin, end]},
 * ...}
 *
 * Offsets count from the start of the data. Everything is checked before use: the header's length against the
 * file; names that are there twice; number formats; shapes against the bytes; that the tensors cover the data
 * without holes, overlaps and rest, as the format demands. Everything here lives until safetensors_close. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/dtype.h"

enum { STORED_DIMS_MAX = 8 };

struct stored_tensor {
    const char *name;
    const struct dtype *dtype;
    int dims;
    int64_t shape[STORED_DIMS_MAX]; /* as written: the last is the row length; unused ones are 1 */
    int64_t elements;
    uint64_t bytes;
    const unsigned char *data;
    const char *path;               /* of its file */
    const struct packed *packed;    /* pack.h: it stands for the tensors of a packed weight, `data` is NULL; else NULL */
};

struct safetensors {
    struct file_map map;
    struct arena arena;
    uint64_t data_offset;           /* of the header's end */
    struct stored_tensor *tensors;  /* in order of their data */
    int count;
    bool borrowed;                  /* `map` holds the caller's bytes */
};

int safetensors_open(struct safetensors *s, const char *path, struct error *e);
/* The same over bytes in memory, which must outlive `s`; `name` is what errors call them. */
int safetensors_parse(struct safetensors *s, const void *bytes, uint64_t size, const char *name,
                      struct error *e);
/* After success or failure of either. */
void safetensors_close(struct safetensors *s);

#endif
