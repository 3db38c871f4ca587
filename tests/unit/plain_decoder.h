/* The forward pass written down plainly: one position after the other, in loops and double precision. What the
 * decoder is held to. */
#ifndef PLAIN_DECODER_H
#define PLAIN_DECODER_H

#include "model/model.h"

enum plain_gate { PLAIN_SILU, PLAIN_GELU, PLAIN_CLAMPED };

/* What neither a model's metadata nor the presence of a tensor says about its block. Zeros: Llama's. */
struct plain_block {
    enum plain_gate gate;
    bool halves;           /* rotary pairs are (i, i + d/2) */
    int skip_period;       /* layer n - 1, 2n - 1, ... rotates nothing */
    int window, window_period; /* but for layers n - 1, 2n - 1, ..., positions see so many, themselves among them */
    const char *factors;   /* name of the tensor that divides angles; NULL: rope_freqs.weight, where there is one */
    double local_base;     /* rotary base of layers with a window, which then are not scaled */
    bool whole_norms;      /* queries and keys are normalized over all heads at once */
    const char *ffn_norm;  /* name of the norm before the feed-forward part; NULL: ffn_norm.weight */
    bool share_all;        /* experts weigh by the softmax over all of them */
    bool divide_logits;    /* by logit_scale */
    double embedding_scale; /* 0: the metadata's */
};

/* logits[count][vocab] of one sequence; free() it. At most 80 tokens, 4 layers, and rows of 1024. */
double *plain_forward(const struct model *m, const struct plain_block *b, const int32_t *tokens, int count);

#endif
