/* Q4_0: 32 values, one scale, 4.5 bits a weight.
 *
 *     0        2                                    18
 *     | d: F16 | 16 bytes: value j in the low, j+16 in the high four bits |
 *
 *     x = d × (code - 8),  code 0..15
 *
 * Both halves of a byte belong to elements sixteen apart, so that a vector register of bytes splits into two
 * runs of neighbours with one mask and one shift. The range has one more step below zero (-8..7) than above:
 * `d` may be negative, so the longer end is given to the larger side. */
#include "quant/fit.h"

struct block_q4_0 {
    uint16_t d;
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_q4_0) == 18, "Q4_0 is 18 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q4_0 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d);
#pragma omp simd
        for (int j = 0; j < 16; j++)
            x[j] = d * ((b->qs[j] & 15) - 8);
#pragma omp simd
        for (int j = 0; j < 16; j++)
            x[j + 16] = d * ((b->qs[j] >> 4) - 8);
    }
}

static const struct fit_codes codes = {.low = -8, .high = 7, .step = 0.25f, .down = 2, .up = 8};

static void recode(const float *x, void *block)
{
    struct block_q4_0 *b = block;
    float inverse = fit_inverse(half_to_float(b->d));
    for (int j = 0; j < 16; j++)
        b->qs[j] = (fit_code(x[j] * inverse, -8, 7) + 8) | (fit_code(x[j + 16] * inverse, -8, 7) + 8) << 4;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    fit_scaled_blocks(x, weight, blocks, n, &codes, sizeof(struct block_q4_0), recode);
}

const struct quant_type KERNEL(q4_0) = {
    .id = QUANT_Q4_0,
    .name = "Q4_0",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_q4_0),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = -8,
    .high = 7,
    .grid = fit_scaled_grid,
    .rescale = fit_scaled_rescale,
    .recode = recode,
};
