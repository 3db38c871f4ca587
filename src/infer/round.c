#include "infer/round.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "quant/half.h"

enum { BLOCK = 32, SUPER = 256, E4M3_BLOCK = 128 };
static const float llm_int8_outlier = 6;

static const struct {
    enum quant_id weights;
    enum rounding rounding;
} pairs[] = {
    {QUANT_F16, ROUND_F16},     {QUANT_BF16, ROUND_BF16},     {QUANT_Q4_0, ROUND_BLOCKS},
    {QUANT_Q4_1, ROUND_BLOCKS}, {QUANT_Q5_0, ROUND_BLOCKS},   {QUANT_Q5_1, ROUND_BLOCKS},
    {QUANT_Q8_0, ROUND_BLOCKS}, {QUANT_IQ4_NL, ROUND_BLOCKS}, {QUANT_MXFP4, ROUND_BLOCKS},
    {QUANT_Q2_K, ROUND_SUPERS}, {QUANT_Q3_K, ROUND_SUPERS},   {QUANT_Q4_K, ROUND_SUPERS},
    {QUANT_Q5_K, ROUND_SUPERS}, {QUANT_Q6_K, ROUND_SUPERS},   {QUANT_IQ4_XS, ROUND_SUPERS},
};

enum rounding rounding_for(const struct quant_type *weights)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].weights == weights->id)
            return pairs[i].rounding;
    return ROUND_NOT;
}

static void round_half(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = half_to_float(half_from_float(x[i]));
}

static void round_bf16(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = bf16_to_float(bf16_from_float(x[i]));
}

/* The largest by size, with its sign. */
static float extreme(const float *x, int64_t n)
{
    float size = 0, best = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabsf(x[i]) > size) {
            size = fabsf(x[i]);
            best = x[i];
        }
    return best;
}

static void round_blocks(float *x, int64_t n)
{
    for (int64_t b = 0; b + BLOCK <= n; b += BLOCK) {
        float scale = fabsf(extreme(x + b, BLOCK)) / 127, inverse = scale > 0 ? 1 / scale : 0;
        float stored = half_to_float(half_from_float(scale));
        for (int i = 0; i < BLOCK; i++)
            x[b + i] = stored * rintf(x[b + i] * inverse);
    }
}

/* The scale's sign is such that the extreme becomes -127. */
static void round_supers(float *x, int64_t n)
{
    for (int64_t b = 0; b + SUPER <= n; b += SUPER) {
        float top = extreme(x + b, SUPER);
        float inverse = top != 0 ? -127 / top : 0, scale = top != 0 ? 1 / inverse : 0;
        for (int i = 0; i < SUPER; i++)
            x[b + i] = scale * fminf(rintf(x[b + i] * inverse), 127);
    }
}

enum rounding rounding_of_inputs(enum source_inputs inputs)
{
    static const enum rounding of[] = {
        [INPUTS_EXACT] = ROUND_NOT,   [INPUTS_INT8] = ROUND_INT8, [INPUTS_LLM_INT8] = ROUND_LLM_INT8,
        [INPUTS_E4M3] = ROUND_E4M3,   [INPUTS_E4M3_BLOCKS] = ROUND_E4M3_BLOCKS,
    };
    return of[inputs];
}

static void round_int8(float *x, int64_t n)
{
    float scale = fabsf(extreme(x, n)) / 127, inverse = scale > 0 ? 1 / scale : 0;
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * rintf(x[i] * inverse);
}

static void round_e4m3(float *x, int64_t n)
{
    float scale = fabsf(extreme(x, n)) / E4M3_MAX, inverse = scale > 0 ? 1 / scale : 0;
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * e4m3_to_float(e4m3_from_float(x[i] * inverse));
}

static void round_e4m3_blocks(float *x, int64_t n)
{
    for (int64_t b = 0; b < n; b += E4M3_BLOCK)
        round_e4m3(x + b, n - b < E4M3_BLOCK ? n - b : E4M3_BLOCK);
}

/* Outliers count neither for the scale nor, as their columns, for what is rounded. */
static void round_llm_int8_but(float *x, int64_t n, const bool *outlier)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabsf(x[i]) < llm_int8_outlier)
            top = fmaxf(top, fabsf(x[i]));
    for (int64_t i = 0; i < n; i++)
        if (!outlier[i])
            x[i] = rintf(x[i] * (top > 0 ? 127 / top : 0)) * (top / 127);
}

/* Columns with an outlier in any row; free() them. */
static bool *outlier_columns(const float *x, int64_t rows, int64_t columns)
{
    bool *outlier = xcalloc(columns, sizeof *outlier);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            outlier[c] |= fabsf(x[r * columns + c]) >= llm_int8_outlier;
    return outlier;
}

static void round_llm_int8(float *x, int64_t n)
{
    bool *outlier = outlier_columns(x, 1, n);
    round_llm_int8_but(x, n, outlier);
    free(outlier);
}

void round_row(enum rounding r, float *x, int64_t n)
{
    static void (*const rounders[])(float *x, int64_t n) = {
        [ROUND_F16] = round_half,
        [ROUND_BF16] = round_bf16,
        [ROUND_BLOCKS] = round_blocks,
        [ROUND_SUPERS] = round_supers,
        [ROUND_INT8] = round_int8,
        [ROUND_LLM_INT8] = round_llm_int8,
        [ROUND_E4M3] = round_e4m3,
        [ROUND_E4M3_BLOCKS] = round_e4m3_blocks,
    };
    if (r != ROUND_NOT)
        rounders[r](x, n);
}

void round_rows(enum rounding r, const float *x, int64_t rows, int64_t columns, int threads, float *to)
{
    bool *outlier = r == ROUND_LLM_INT8 ? outlier_columns(x, rows, columns) : NULL;
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < rows; i++) {
        float *row = to + i * columns;
        memcpy(row, x + i * columns, columns * sizeof *row);
        if (outlier)
            round_llm_int8_but(row, columns, outlier);
        else
            round_row(r, row, columns);
    }
    free(outlier);
}
