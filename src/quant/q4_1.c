/* Q4_1: 32 values, a scale and a minimum, 5 bits a weight.
 *
 *     0        2        4                                    20
 *     | d: F16 | m: F16 | 16 bytes: value j in the low, j+16 in the high four bits |
 *
 *     x = d × code + m,  code 0..15 */
#include "quant/fit.h"

struct block_q4_1 {
    uint16_t d, m;
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_q4_1) == 20, "Q4_1 is 20 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q4_1 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d), m = half_to_float(b->m);
#pragma omp simd
        for (int j = 0; j < 16; j++)
            x[j] = d * (b->qs[j] & 15) + m;
#pragma omp simd
        for (int j = 0; j < 16; j++)
            x[j + 16] = d * (b->qs[j] >> 4) + m;
    }
}

static void recode(const float *x, void *block)
{
    struct block_q4_1 *b = block;
    float inverse = fit_inverse(half_to_float(b->d)), m = half_to_float(b->m);
    for (int j = 0; j < 16; j++)
        b->qs[j] = fit_code((x[j] - m) * inverse, 0, 15) | fit_code((x[j + 16] - m) * inverse, 0, 15) << 4;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    fit_line_blocks(x, weight, blocks, n, 15, sizeof(struct block_q4_1), recode);
}

const struct quant_type KERNEL(q4_1) = {
    .id = QUANT_Q4_1,
    .name = "Q4_1",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_q4_1),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = 0,
    .high = 15,
    .grid = fit_line_grid,
    .rescale = fit_scaled_rescale,
    .recode = recode,
};
