/* Q5_1: Q4_1 with a fifth bit, 6 bits a weight.
 *
 *     0        2        4                    8                                    24
 *     | d: F16 | m: F16 | qh: bit j = code j's fifth bit | 16 bytes: value j low, j+16 high four bits |
 *
 *     x = d × code + m,  code 0..31 */
#include "quant/fit.h"

struct block_q5_1 {
    uint16_t d, m;
    uint8_t qh[4]; /* a little-endian word */
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_q5_1) == 24, "Q5_1 is 24 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q5_1 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d), m = half_to_float(b->m);
        uint32_t high;
        memcpy(&high, b->qh, sizeof high);
        for (int j = 0; j < 16; j++) {
            x[j] = d * (int)((b->qs[j] & 15) | (high >> j & 1) << 4) + m;
            x[j + 16] = d * (int)((b->qs[j] >> 4) | (high >> (j + 16) & 1) << 4) + m;
        }
    }
}

static void recode(const float *x, void *block)
{
    struct block_q5_1 *b = block;
    float inverse = fit_inverse(half_to_float(b->d)), m = half_to_float(b->m);
    uint32_t high = 0;
    for (int j = 0; j < 16; j++) {
        unsigned lower = fit_code((x[j] - m) * inverse, 0, 31);
        unsigned upper = fit_code((x[j + 16] - m) * inverse, 0, 31);
        b->qs[j] = (lower & 15) | (upper & 15) << 4;
        high |= lower >> 4 << j | upper >> 4 << (j + 16);
    }
    memcpy(b->qh, &high, sizeof high);
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    fit_line_blocks(x, weight, blocks, n, 31, sizeof(struct block_q5_1), recode);
}

const struct quant_type KERNEL(q5_1) = {
    .id = QUANT_Q5_1,
    .name = "Q5_1",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_q5_1),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = 0,
    .high = 31,
    .grid = fit_line_grid,
    .rescale = fit_scaled_rescale,
    .recode = recode,
};
