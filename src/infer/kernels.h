/* The row operations of the forward pass: what happens to one row of activations between two products.
 *
 * Each instruction set has its own build of kernels.c, chosen at run time (base/cpu.h). All of them give the
 * same bits: a sum runs in sixteen lanes that are added up in double at the end, products are never fused.
 * The row `kernels_reference` says the same in plain C with libm and double precision; the tests hold the
 * others to it. */
#ifndef INFER_KERNELS_H
#define INFER_KERNELS_H

#include <stdint.h>

#include "base/cpu.h"

struct kernels {
    /* y[n] = x[n] · weight[n] / sqrt(mean(x²) + eps); y may be x. https://arxiv.org/abs/1910.07467 */
    void (*rms_norm)(const float *x, const float *weight, float *y, int64_t n, double eps);
    /* x[n] = exp(x - max x) / Σ exp(x - max x) */
    void (*softmax)(float *x, int64_t n);
    /* ln Σ exp(x[n]), with the largest element taken out first */
    double (*log_sum_exp)(const float *x, int64_t n);
    /* gate[n] = act(gate) · up, with act the SiLU or the tanh form of GELU */
    void (*gate_silu)(float *gate, const float *up, int64_t n);
    void (*gate_gelu)(float *gate, const float *up, int64_t n);
    /* gate[n] = g · sigmoid(1.702 g) · (u + 1), with g = min(gate, 7) and u = up within ±7
     * (https://arxiv.org/abs/2508.10925, section 2.1; the numbers are those of the published models) */
    void (*gate_clamped)(float *gate, const float *up, int64_t n);
    /* x[n] = cap · tanh(x / cap) */
    void (*soft_cap)(float *x, float cap, int64_t n);
    /* y[n] += scale · x[n] */
    void (*add)(float *y, const float *x, float scale, int64_t n);
    /* Σ a[n] · b[n] */
    float (*dot)(const float *a, const float *b, int64_t n);
    /* Turns pairs of x[2·pairs] by angles given as cosine[pairs] and sine[pairs]; the pairs are (2i, 2i+1), or
     * (i, i+pairs). */
    void (*rotate_adjacent)(float *x, const float *cosine, const float *sine, int64_t pairs);
    void (*rotate_halves)(float *x, const float *cosine, const float *sine, int64_t pairs);
    /* x[n] = exp(x[n]): within 3e-7 of the true value, 0 below -87, infinite above 88, NaN of NaN */
    void (*exp)(float *x, int64_t n);
};

/* For this processor. */
const struct kernels *kernels(void);
/* For a given instruction set, which the processor must have. */
const struct kernels *kernels_for(enum cpu_isa isa);
extern const struct kernels kernels_reference;

#endif
