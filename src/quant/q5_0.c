/* Q5_0: Q4_0 with a fifth bit, 5.5 bits a weight.
 *
 *     0        2                    6                                    22
 *     | d: F16 | qh: bit j = code j's fifth bit | 16 bytes: value j low, j+16 high four bits |
 *
 *     x = d × (code - 16),  code 0..31 */
#include "quant/fit.h"

struct block_q5_0 {
    uint16_t d;
    uint8_t qh[4]; /* a little-endian word; bytes, because the block is aligned to 2 only */
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_q5_0) == 22, "Q5_0 is 22 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q5_0 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d);
        uint32_t high;
        memcpy(&high, b->qh, sizeof high);
        for (int j = 0; j < 16; j++) {
            x[j] = d * ((int)((b->qs[j] & 15) | (high >> j & 1) << 4) - 16);
            x[j + 16] = d * ((int)((b->qs[j] >> 4) | (high >> (j + 16) & 1) << 4) - 16);
        }
    }
}

static const struct fit_codes codes = {.low = -16, .high = 15, .step = 0.25f, .down = 2, .up = 8};

static void recode(const float *x, void *block)
{
    struct block_q5_0 *b = block;
    float inverse = fit_inverse(half_to_float(b->d));
    uint32_t high = 0;
    for (int j = 0; j < 16; j++) {
        unsigned lower = fit_code(x[j] * inverse, -16, 15) + 16;
        unsigned upper = fit_code(x[j + 16] * inverse, -16, 15) + 16;
        b->qs[j] = (lower & 15) | (upper & 15) << 4;
        high |= lower >> 4 << j | upper >> 4 << (j + 16);
    }
    memcpy(b->qh, &high, sizeof high);
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    fit_scaled_blocks(x, weight, blocks, n, &codes, sizeof(struct block_q5_0), recode);
}

const struct quant_type KERNEL(q5_0) = {
    .id = QUANT_Q5_0,
    .name = "Q5_0",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_q5_0),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = -16,
    .high = 15,
    .grid = fit_scaled_grid,
    .rescale = fit_scaled_rescale,
    .recode = recode,
};
