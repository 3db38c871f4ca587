/* Weights of a checkpoint folder that are packed, see hf_packed.c; for the other files hf_*.c. */
#ifndef MODEL_HF_PACKED_H
#define MODEL_HF_PACKED_H

#include <stdbool.h>

#include "base/error.h"

struct hf;

/* Does quantization_config name a method whose weights are packed (GPTQ, AWQ, bitsandbytes, pack-quantized)? */
bool hf_packed_is(const struct hf *h);
/* Replaces the parts of each packed weight among the stored tensors by one tensor NAME.weight that has `packed`. */
int hf_packed_find(struct hf *h, struct error *e);

#endif
