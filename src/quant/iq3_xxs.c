/* IQ3_XXS: a super-block of 8 sub-blocks of 32 values, each eight points of 4 values out of 256, 3.0625 bits a weight.
 *
 *     0        2             66            98
 *     | d: F16 | 64 places   | 8 × 32 bits: four times 7 signs, from the low bits up; scale in the upper 4
 *
 *     x = d × (scale + 1/2) / 2 × sign × level,  scale 0..15   (lattice.h)
 *
 * Levels 4, 12, 20, 28, 36, 44, 52, and 62 instead of 60. */
#include "quant/lattice.h"

struct block_iq3_xxs {
    uint16_t d;
    uint8_t qs[QUANT_SUPER / 4];
    uint16_t signs[8][2]; /* the low half first: a block is aligned to 2 bytes only */
};
static_assert(sizeof(struct block_iq3_xxs) == 98, "IQ3_XXS is 98 bytes");

static void decode_four(float *restrict x, float unit, unsigned point, unsigned signs)
{
    for (int j = 0; j < 4; j++) {
        int code = point >> 3 * j & 7;
        x[j] = lattice_signed(unit * (4 + 8 * code + (code == 7) * 2), signs, j);
    }
}

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq3_xxs *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int s = 0; s < 8; s++) {
            uint32_t stored = b->signs[s][0] | (uint32_t)b->signs[s][1] << 16;
            float unit = d * (0.5f + (stored >> 28)) * 0.5f;
            for (int g = 0; g < 8; g++, x += 4)
                decode_four(x, unit, KERNEL(points_iq3_xxs)[b->qs[s * 8 + g]],
                            lattice_even_signs(stored >> g / 2 * 7 & 127) >> g % 2 * 4);
        }
    }
}

static const struct lattice lattice = {
    .points = KERNEL(points_iq3_xxs),
    .count = 256,
    .dims = 4,
    .bits = 3,
    .levels = 8,
    .level = {1, 3, 5, 7, 9, 11, 13, 15.5f},
    .signs = LATTICE_EVEN,
    .scales = 16,
    .narrow = 0.7f,
    .wide = 1.3f,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq3_xxs *b = block;
    b->d = f->d[k];
    for (int s = 0; s < 8; s++) {
        int i = k * 8 + s;
        uint32_t signs = (uint32_t)f->scale[i] << 28;
        for (int g = 0; g < 8; g++)
            b->qs[s * 8 + g] = f->point[g][i];
        for (int g = 0; g < 4; g++)
            signs |= (uint32_t)(f->sign[g][i] & 127) << 7 * g;
        b->signs[s][0] = signs;
        b->signs[s][1] = signs >> 16;
    }
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 32, &lattice, sizeof(struct block_iq3_xxs), put);
}

const struct quant_type KERNEL(iq3_xxs) = {
    .id = QUANT_IQ3_XXS,
    .name = "IQ3_XXS",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq3_xxs),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
