/* Weights of a checkpoint folder that are packed, see hf_packed.c; for hf.c. */
#ifndef MODEL_HF_PACKED_H
#define MODEL_HF_PACKED_H

#include "base/error.h"

struct hf;

/* Where quantization_config names a method that packs weights (GPTQ, AWQ, bitsandbytes, pack-quantized): replaces the
 * parts of each packed weight among the stored tensors by one tensor NAME.weight that has `packed`. */
int hf_packed_find(struct hf *h, struct error *e);

#endif
