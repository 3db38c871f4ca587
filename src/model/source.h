/* Where the numbers of a GGUF tensor come from in a checkpoint folder: which stored tensors, in which order
 * of rows, in which number format, with which scales. A description, read by one function: what architectures
 * do differently is data.
 *
 * Element i of the GGUF tensor stands in row i / columns, column i % columns. So many rows belong to each
 * part (the experts of a layer are parts, one after another). Row r of a part is, in the stored tensor, row s
 * = turned(r), and
 *
 *     x[r][c] = stored[s * row_stride + c * column_stride] * scales[s / block_rows][c / block_columns] + add
 *
 * turned() is r itself, or the order of rotary pairs: Hugging Face rotates (i, i + n/2) of a head's n rows,
 * and some architectures of GGUF rotate neighbours (2i, 2i + 1), so that row 2i + j of a head is stored as
 * row j * n/2 + i. */
#ifndef MODEL_SOURCE_H
#define MODEL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/dtype.h"

struct packed; /* pack/pack.h */

struct source_part {
    const unsigned char *data;
    const struct packed *packed;    /* of packed weights, which have no `data` */
    int64_t first_row;              /* of them: where this part begins */
    const unsigned char *scales;    /* NULL: none */
    const char *path,
        *name; /* file and stored tensor, for errors; NULL path: `data` is computed, not mapped */
};

/* How the libraries that serve a format round the inputs of its weights, as they come: a token's share a scale. */
enum source_inputs {
    INPUTS_EXACT,
    INPUTS_INT8,
    INPUTS_LLM_INT8,                /* likewise; columns that hold a number of 6 or more stay as they are */
    INPUTS_E4M3,
    INPUTS_E4M3_BLOCKS,             /* a scale for 128 of a token's numbers */
};

struct tensor_source {
    const struct quant_type *type;  /* of the GGUF tensor */
    const struct dtype *dtype;      /* as stored; of MXFP4, NULL: see `mxfp4` */
    int64_t columns, rows;          /* rows of one part */
    int64_t row_stride, column_stride;
    int64_t head_rows;              /* 0: rows in their order */
    const struct dtype *scale_dtype;
    int64_t block_rows, block_columns, scale_columns;
    float add;
    /* GPT-OSS: `data` holds the 16 bytes of each block of 32, element 2i in the lower half of byte i and 2i +
     * 1 in the upper, `scales` a byte for each; GGUF has i and i + 16 in a byte, after the scale. */
    bool mxfp4;
    enum source_inputs inputs;
    const char *apart;              /* see hf_names.h; NULL: parts have tensors of their own, or cannot have them */
    bool packed;                    /* every part is: x = what it decodes to, rows turned as others */
    struct source_part *parts;
    int part_count;
};

/* Where the numbers stand in order and in the GGUF tensor's type, so that nothing is left to do; else NULL.
 */
const unsigned char *source_direct(const struct tensor_source *s);
/* The part that an element belongs to, and its row there, as stored, and column. */
const struct source_part *source_place(const struct tensor_source *s, int64_t element, int64_t *row,
                                       int64_t *column);
/* As tensor_read and so on of model.h; `first` and `count` are multiples of the type's block. */
void source_read(const struct tensor_source *s, int64_t first, int64_t count, float *x);
/* In the GGUF tensor's type. */
void source_blocks(const struct tensor_source *s, int64_t first, int64_t count, void *blocks);
void source_ahead(const struct tensor_source *s, int64_t first, int64_t count);
void source_forget(const struct tensor_source *s, int64_t first, int64_t count);

#endif
