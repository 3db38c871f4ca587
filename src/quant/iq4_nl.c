/* IQ4_NL: 32 values, one scale, sixteen uneven levels, 4.5 bits a weight.
 *
 *     0        2                                    18
 *     | d: F16 | 16 bytes: value j in the low, j+16 in the high four bits |
 *
 *     x = d × level[code]   (the levels: iq4.h) */
#include "quant/fit.h"
#include "quant/iq4.h"

struct block_iq4_nl {
    uint16_t d;
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_iq4_nl) == 18, "IQ4_NL is 18 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq4_nl *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d);
        for (int j = 0; j < 16; j++) {
            x[j] = d * iq4_levels[b->qs[j] & 15];
            x[j + 16] = d * iq4_levels[b->qs[j] >> 4];
        }
    }
}

static const struct fit_codes codes = {.low = -127, .step = 1.5f, .down = 8, .up = 8, .uneven = true};

static void recode(const float *x, void *block)
{
    struct block_iq4_nl *b = block;
    float inverse = fit_inverse(half_to_float(b->d));
    for (int j = 0; j < 16; j++)
        b->qs[j] = iq4_code(x[j] * inverse) | iq4_code(x[j + 16] * inverse) << 4;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    fit_scaled_blocks(x, weight, blocks, n, &codes, sizeof(struct block_iq4_nl), recode);
}

const struct quant_type KERNEL(iq4_nl) = {
    .id = QUANT_IQ4_NL,
    .name = "IQ4_NL",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_iq4_nl),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = -127,
    .high = 113,
    .uneven = true,
    .grid = fit_scaled_grid,
    .rescale = fit_scaled_rescale,
    .recode = recode,
};
