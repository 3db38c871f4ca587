/* Rotary position embedding: pair i of a head's first `dims` numbers turns by position · base^(-2i/dims).
 * https://arxiv.org/abs/2104.09864. Scaling for contexts longer than the trained one:
 *   linear   all angles divided by the factor (https://arxiv.org/abs/2306.15595)
 *   yarn     slow pairs divided, fast ones left, a ramp between; and a larger magnitude
 *            (https://arxiv.org/abs/2309.00071)
 *   factors  each pair's angle divided by a number of its own: the tensor rope_freqs.weight (llama 3)
 *   longrope such factors for texts within the original context, and others for longer ones
 *            (https://arxiv.org/abs/2402.13753); the file gives the magnitude */
#ifndef INFER_ROPE_H
#define INFER_ROPE_H

#include <stdint.h>

#include "infer/kernels.h"
#include "model/model.h"

struct rope {
    int dims, positions;
    void (*rotate)(float *x, const float *cosine, const float *sine, int64_t pairs);
    float *cosine, *sine; /* [positions][dims / 2] */
};

/* `factors`: [dims / 2] or NULL. Returns the table's bytes. A kind of scaling that is not known here counts
 * as none: rope_knows says so. */
uint64_t rope_init(struct rope *r, const struct architecture *a, const struct hparams *hp, double base,
                   const float *factors, int positions);
void rope_done(struct rope *r);
bool rope_knows(const char *scaling);
/* Turns `heads` heads of `length` numbers each, which lie one after the other. */
void rope_apply(const struct rope *r, float *x, int heads, int length, int position);

#endif
