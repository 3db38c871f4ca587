/* Grouped-query attention of one layer, as blocked matrix products: the queries of a block of positions, of
 * all heads that share a key-value head, meet the keys up to the block's end at once; what lies beyond a
 * query's own position or its window is left out by the softmax. https://arxiv.org/abs/1706.03762,
 * https://arxiv.org/abs/2305.13245 */
#ifndef INFER_ATTENTION_H
#define INFER_ATTENTION_H

#include <stdint.h>

#include "infer/kernels.h"
#include "model/model.h"

struct attention {
    const struct kernels *kernels;
    const struct layer_shape *shape;
    double scale;          /* of the scores */
    double softcap;        /* of the scaled scores; 0: none */
    const float *sinks;    /* [heads], or NULL: scores that join each softmax and bring no value */
    int sequences, length; /* queries: sequences × length */
    int past;              /* positions before them that have keys already */
    const float *q;        /* [sequences][length][heads][key_length] */
    const float *k;        /* [sequences][past + length][kv_heads][key_length] */
    const float *v;        /* [sequences][past + length][kv_heads][value_length] */
    float *out;            /* [sequences][length][heads][value_length] */
    float *scratch;        /* [threads][attention_scratch(…)] */
    int threads;
};

/* Floats that a thread needs for at most `positions` keys. */
int64_t attention_scratch(const struct layer_shape *s, int64_t positions);
void attention(const struct attention *a);

#endif
