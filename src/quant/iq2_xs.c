/* IQ2_XS: a super-block of 16 sub-blocks of 16 values, each two points of 8 values out of 512, 2.3125 bits a weight.
 *
 *     0        2                   66          74
 *     | d: F16 | 32 × 16 bits:     | scales[8] |
 *                place in the low 9, 7 signs   scale s in half s % 2 of scales[s / 2]
 *
 *     x = d × (scale + 1/2) / 4 × sign × level,  level 8, 25 or 43, scale 0..15   (lattice.h) */
#include "quant/lattice.h"

struct block_iq2_xs {
    uint16_t d;
    uint16_t qs[QUANT_SUPER / 8];
    uint8_t scales[QUANT_SUPER / 32];
};
static_assert(sizeof(struct block_iq2_xs) == 74, "IQ2_XS is 74 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq2_xs *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int g = 0; g < 32; g++, x += 8) {
            float unit = d * (0.5f + (b->scales[g / 4] >> g / 2 % 2 * 4 & 15)) * 0.25f;
            lattice_eight(x, unit, KERNEL(points_iq2_xs)[b->qs[g] & 511], lattice_even_signs(b->qs[g] >> 9));
        }
    }
}

static const struct lattice lattice = {
    .points = KERNEL(points_iq2_xs),
    .count = 512,
    LATTICE_TWO_BITS,
    .signs = LATTICE_EVEN,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq2_xs *b = block;
    (void)k; /* a tile is one super-block */
    b->d = f->d[0];
    for (int s = 0; s < 16; s++)
        for (int g = 0; g < 2; g++)
            b->qs[s * 2 + g] = f->point[g][s] | (f->sign[g][s] & 127) << 9;
    for (int s = 0; s < 8; s++)
        b->scales[s] = f->scale[s * 2] | f->scale[s * 2 + 1] << 4;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 16, &lattice, sizeof(struct block_iq2_xs), put);
}

const struct quant_type KERNEL(iq2_xs) = {
    .id = QUANT_IQ2_XS,
    .name = "IQ2_XS",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq2_xs),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
