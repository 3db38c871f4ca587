/* What one position says about a model: how likely it held the true next token, and how far its prediction is from
 * the original model's. */
#ifndef EVAL_DIVERGENCE_H
#define EVAL_DIVERGENCE_H

#include <stdbool.h>
#include <stdint.h>

struct divergence {
    double nll, nll_base; /* -ln p(true token); nll_base NaN without a base */
    double kld;           /* Σ p_base · ln(p_base / p), ≥ 0; NaN without a base */
    bool same_top;        /* both hold the same token most likely (of equal ones the first) */
};

/* logits[vocab], base[vocab] or NULL; target: the token that really follows. Sums run in double precision, over
 * exponentials in single precision. */
struct divergence divergence_at(const float *logits, const float *base, int vocab, int32_t target);

#endif
