/* What llama.cpp's CPU kernels do to the inputs of a product before it: they are rounded to the type that the
 * weights' dot product wants (vec_dot_type in ggml-cpu.c), and queries, keys and values to halves. Imitated so that
 * figures can be compared. They agree on the average only: which way a number is rounded hangs on the last bits of a
 * sum, so that llama.cpp's own builds for AVX2 and for AVX-512 differ by 0.5 % in perplexity over 12 chunks of 512
 * (SmolLM2 135M in Q2_K), and by 0.1 % over 60. */
#ifndef INFER_ROUND_H
#define INFER_ROUND_H

#include <stdint.h>

#include "quant/quant_type.h"

enum rounding {
    ROUND_NOT,
    ROUND_F16,
    ROUND_BF16,
    ROUND_BLOCKS, /* Q8_0, Q8_1: 32 numbers share a scale, which is a half */
    ROUND_SUPERS, /* Q8_K: 256 numbers share a scale, which is a float */
};
enum rounding rounding_for(const struct quant_type *weights);
/* In place; n is a multiple of the weights' block length. */
void round_row(enum rounding r, float *x, int64_t n);

#endif
