/* IQ4_XS: a super-block of 8 sub-blocks of 32 values with the levels of IQ4_NL, 4.25 bits a weight.
 *
 *     0        2              4            8              136
 *     | d: F16 | scales_h: 16 | scales_l[4] | qs[128]     |
 *
 *     x = d × (scale - 32) × level[code]   (the levels: iq4.h), scale 0..63
 *
 * Scale s: low four bits in half s % 2 of scales_l[s / 2], high two in bits 2s+1, 2s of scales_h.
 * Sub-block s: 16 bytes of qs, value j in the low, j+16 in the high four bits, as in IQ4_NL. */
#include "quant/super.h"
#include "quant/iq4.h"

struct block_iq4_xs {
    uint16_t d, scales_h;
    uint8_t scales_l[QUANT_SUPER / 64];
    uint8_t qs[QUANT_SUPER / 2];
};
static_assert(sizeof(struct block_iq4_xs) == 136, "IQ4_XS is 136 bytes");

static int scale_at(const struct block_iq4_xs *b, int s)
{
    return ((b->scales_l[s / 2] >> s % 2 * 4 & 15) | (b->scales_h >> s * 2 & 3) << 4) - 32;
}

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq4_xs *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int s = 0; s < 8; s++, x += 32) {
            float unit = d * scale_at(b, s);
            for (int j = 0; j < 16; j++) {
                x[j] = unit * iq4_levels[b->qs[s * 16 + j] & 15];
                x[j + 16] = unit * iq4_levels[b->qs[s * 16 + j] >> 4];
            }
        }
    }
}

static const struct fit_codes codes = {.low = -127, .step = 1.5f, .down = 8, .up = 8, .uneven = true};

static void grid(const void *block, float *unit, float *minimum)
{
    const struct block_iq4_xs *b = block;
    float d = half_to_float(b->d);
    for (int i = 0; i < 8; i++) {
        unit[i] = d * scale_at(b, i);
        minimum[i] = 0;
    }
}

static void rescale(void *block, int run, float unit)
{
    struct block_iq4_xs *b = block;
    unsigned stored = fit_code(unit * fit_inverse(half_to_float(b->d)), -32, 31) + 32;
    b->scales_l[run / 2] = (b->scales_l[run / 2] & ~(15 << run % 2 * 4)) | (stored & 15) << run % 2 * 4;
    b->scales_h = (b->scales_h & ~(3 << run * 2)) | stored >> 4 << run * 2;
}

static void recode(const float *x, void *block)
{
    struct block_iq4_xs *b = block;
    float unit[8], minimum[8];
    grid(block, unit, minimum);
    for (int i = 0; i < 8; i++, x += 32) {
        float inverse = fit_inverse(unit[i]);
        for (int j = 0; j < 16; j++)
            b->qs[i * 16 + j] = iq4_code(x[j] * inverse) | iq4_code(x[j + 16] * inverse) << 4;
    }
}

static void put(const float *x, const struct super_scales *s, int k, void *block)
{
    struct block_iq4_xs *b = block;
    b->d = s->d[k];
    b->scales_h = 0;
    memset(b->scales_l, 0, sizeof b->scales_l);
    for (int i = 0; i < 8; i++) {
        unsigned scale = s->scale[k * 8 + i] + 32;
        b->scales_l[i / 2] |= (scale & 15) << i % 2 * 4;
        b->scales_h |= scale >> 4 << i * 2;
    }
    recode(x, b);
}

static const struct super_format format = {
    .codes = &codes,
    .size = 32,
    .levels = 32,
    .block_bytes = sizeof(struct block_iq4_xs),
    .put = put,
};

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    super_encode(&format, x, weight, blocks, n);
}

const struct quant_type KERNEL(iq4_xs) = {
    .id = QUANT_IQ4_XS,
    .name = "IQ4_XS",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq4_xs),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = 32,
    .low = -127,
    .high = 113,
    .uneven = true,
    .grid = grid,
    .rescale = rescale,
    .recode = recode,
};
