/* What stands beside weights of 8 bits, see hf_scales.c; for hf_source.c and hf.c. */
#ifndef MODEL_HF_SCALES_H
#define MODEL_HF_SCALES_H

#include "model/safetensors.h"
#include "model/source.h"

struct hf;

struct hf_scales {
    const struct stored_tensor *stored;    /* NULL: none */
    int64_t block_rows, block_columns, columns;
};
/* Of one stored tensor. */
int hf_scales_find(struct hf *h, const struct stored_tensor *t, struct hf_scales *s, struct error *e);
/* How a weight with scales meets its inputs, by quantization_config. What was measured beforehand (static scales) is
 * not told from no rounding. */
enum source_inputs hf_inputs(const struct hf *h);
/* An error where quantization_config speaks of a format whose weights cannot be read. */
int hf_quantization_check(const struct hf *h, struct error *e);

#endif
