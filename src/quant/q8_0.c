/* Q8_0: 32 values, one scale, 8.5 bits a weight.
 *
 *     0        2                      34
 *     | d: F16 | 32 signed bytes, in order |
 *
 *     x = d × code,  code -127..127 (-128 is left unused, so that negation never overflows) */
#include "quant/fit.h"

struct block_q8_0 {
    uint16_t d;
    int8_t qs[QUANT_BLOCK];
};
static_assert(sizeof(struct block_q8_0) == 34, "Q8_0 is 34 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q8_0 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d);
        for (int j = 0; j < QUANT_BLOCK; j++)
            x[j] = d * b->qs[j];
    }
}

/* There is nothing to clip at 8 bits: only scales from the spanning one up are tried. But the squared rounding
 * errors of 32 values vary by 16 % around their mean, and four scales, a code apart so that most values round
 * anew, give four chances: normal noise is stored with 17 % less squared error than by the spanning scale. */
static const struct fit_codes codes = {.low = -127, .high = 127, .step = 1, .up = 3};

static void recode(const float *x, void *block)
{
    struct block_q8_0 *b = block;
    float inverse = fit_inverse(half_to_float(b->d));
    for (int j = 0; j < QUANT_BLOCK; j++)
        b->qs[j] = fit_code(x[j] * inverse, -127, 127);
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    fit_scaled_blocks(x, weight, blocks, n, &codes, sizeof(struct block_q8_0), recode);
}

const struct quant_type KERNEL(q8_0) = {
    .id = QUANT_Q8_0,
    .name = "Q8_0",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_q8_0),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = -127,
    .high = 127,
    .grid = fit_scaled_grid,
    .rescale = fit_scaled_rescale,
    .recode = recode,
};
