/* Number formats of safetensors files, a row each. Names: https://github.com/huggingface/safetensors, Dtype.
 */
#ifndef MODEL_DTYPE_H
#define MODEL_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "quant/quant_type.h"

struct dtype {
    const char *name;               /* "BF16" */
    int bytes;                      /* of an element */
    int gguf;                       /* enum quant_id of GGUF's type of the same bytes; -1: none */
    bool integer;
    /* n elements, wherever they start (a header of odd length leaves them unaligned). */
    void (*decode)(const unsigned char *stored, float *x, int64_t n);
};

/* NULL for a name that is none. */
const struct dtype *dtype_named(const char *name);
/* In order of the table, NULL at the end. */
const struct dtype *dtype_at(int i);
/* GGUF's type of the same bytes, or NULL. */
const struct quant_type *dtype_type(const struct dtype *d);

#endif
