#include "infer/round.h"

#include <math.h>

#include "quant/half.h"

enum { BLOCK = 32, SUPER = 256 };

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
static float extreme(const float *x, int n)
{
    float size = 0, best = 0;
    for (int i = 0; i < n; i++)
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

void round_row(enum rounding r, float *x, int64_t n)
{
    static void (*const rounders[])(float *x, int64_t n) = {
        [ROUND_F16] = round_half,
        [ROUND_BF16] = round_bf16,
        [ROUND_BLOCKS] = round_blocks,
        [ROUND_SUPERS] = round_supers,
    };
    if (r != ROUND_NOT)
        rounders[r](x, n);
}
