/* What becomes of the inputs of a product before it, where what runs the model rounds them.
 *
 * llama.cpp's CPU kernels round them to the type that the weights' dot product wants (vec_dot_type in ggml-cpu.c), and
 * queries, keys and values to halves. Imitated so that figures can be compared. They agree on the average only: which
 * way a number is rounded hangs on the last bits of a sum, so that llama.cpp's own builds for AVX2 and for AVX-512
 * differ by 0.5 % in perplexity over 12 chunks of 512 (SmolLM2 135M in Q2_K), and by 0.1 % over 60.
 *
 * The libraries that serve checkpoint folders multiply weights of 8 bits with inputs of 8 bits: vLLM (dynamic per-token
 * quantization, csrc/quantization; 448 and 127 are the largest codes), transformers (blocks of 128, finegrained_fp8),
 * bitsandbytes (LLM.int8, https://arxiv.org/abs/2208.07339: numbers from 6 on leave their column out; a row's scale
 * comes from the others). */
#ifndef INFER_ROUND_H
#define INFER_ROUND_H

#include <stdint.h>

#include "model/source.h"
#include "quant/quant_type.h"

enum rounding {
    ROUND_NOT,
    ROUND_F16,
    ROUND_BF16,
    ROUND_BLOCKS, /* Q8_0, Q8_1: 32 numbers share a scale, which is a half */
    ROUND_SUPERS, /* Q8_K: 256 numbers share a scale, which is a float */
    ROUND_INT8,   /* a row shares a scale */
    ROUND_LLM_INT8,
    ROUND_E4M3,
    ROUND_E4M3_BLOCKS,
};
enum rounding rounding_for(const struct quant_type *weights);
enum rounding rounding_of_inputs(enum source_inputs inputs);
/* In place; n is a multiple of the weights' block length. ROUND_LLM_INT8 looks at this row alone. */
void round_row(enum rounding r, float *x, int64_t n);
/* to[rows][columns] from x, on so many threads. */
void round_rows(enum rounding r, const float *x, int64_t rows, int64_t columns, int threads, float *to);

#endif
