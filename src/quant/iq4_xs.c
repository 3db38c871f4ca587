/* IQ4_XS: a super-block of 8 sub-blocks of 32 values with the levels of IQ4_NL, 4.25 bits a weight.
 *
 *     0        2              4            8              136
 *     | d: F16 | scales_h: 16 | scales_l[4] | qs[128]     |
 *
 *     x = d × (scale - 32) × level[code]   (the levels: iq4.h), scale 0..63
 *
 * Scale s: low four bits in half s % 2 of scales_l[s / 2], high two in bits 2s+1, 2s of scales_h.
 * Sub-block s: 16 bytes of qs, value j in the low, j+16 in the high four bits, as in IQ4_NL. */
#include "quant/fit.h"
#include "quant/iq4.h"

struct block_iq4_xs {
    uint16_t d, scales_h;
    uint8_t scales_l[QUANT_SUPER / 64];
    uint8_t qs[QUANT_SUPER / 2];
};
static_assert(sizeof(struct block_iq4_xs) == 136, "IQ4_XS is 136 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq4_xs *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int s = 0; s < 8; s++, x += 32) {
            int scale = (b->scales_l[s / 2] >> s % 2 * 4 & 15) | (b->scales_h >> s * 2 & 3) << 4;
            float unit = d * (scale - 32);
            for (int j = 0; j < 16; j++) {
                x[j] = unit * iq4_levels[b->qs[s * 16 + j] & 15];
                x[j + 16] = unit * iq4_levels[b->qs[s * 16 + j] >> 4];
            }
        }
    }
}

static void encode_block(const float *x, const float *scale, struct block_iq4_xs *b)
{
    b->d = half_scale(fit_largest(scale, 8) / -32);
    b->scales_h = 0;
    memset(b->scales_l, 0, sizeof b->scales_l);
    float d = half_to_float(b->d);
    for (int s = 0; s < 8; s++, x += 32) {
        int sc = fit_code(scale[s] * fit_inverse(d), -32, 31);
        b->scales_l[s / 2] |= (sc + 32) % 16 << s % 2 * 4;
        b->scales_h |= (sc + 32) / 16 << s * 2;
        float inverse = fit_inverse(d * sc);
        for (int j = 0; j < 16; j++)
            b->qs[s * 16 + j] = iq4_code(x[j] * inverse) | iq4_code(x[j + 16] * inverse) << 4;
    }
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    struct block_iq4_xs *b = blocks;
    struct tile t;
    float scale[TILE];
    for (int64_t i = 0; i < n; i += t.count * 32) {
        tile_load(&t, x + i, weight ? weight + i : NULL, 32, tile_count(n - i, 32), WEIGH_MIXED);
        fit_levels(&t, scale);
        for (int k = 0; k < t.count; k += QUANT_SUPER / 32)
            encode_block(x + i + k * 32, scale + k, b++);
    }
}

const struct quant_type KERNEL(iq4_xs) = {
    .id = QUANT_IQ4_XS,
    .name = "IQ4_XS",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq4_xs),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
