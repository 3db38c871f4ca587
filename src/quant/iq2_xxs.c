/* IQ2_XXS: a super-block of 8 sub-blocks of 32 values, each four points of 8 values out of 256, 2.0625 bits a weight.
 *
 *     0        2              66
 *     | d: F16 | 8 × 8 bytes: | four places in the list, a byte each
 *                             | 32 bits: four times 7 signs, from the low bits up; scale in the upper 4
 *
 *     x = d × (scale + 1/2) / 4 × sign × level,  level 8, 25 or 43, scale 0..15   (lattice.h) */
#include "quant/lattice.h"

struct block_iq2_xxs {
    uint16_t d;
    struct {
        uint8_t point[4];
        uint16_t signs[2]; /* the low half first: a block is aligned to 2 bytes only */
    } part[8];
};
static_assert(sizeof(struct block_iq2_xxs) == 66, "IQ2_XXS is 66 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq2_xxs *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int s = 0; s < 8; s++) {
            uint32_t signs = b->part[s].signs[0] | (uint32_t)b->part[s].signs[1] << 16;
            float unit = d * (0.5f + (signs >> 28)) * 0.25f;
            for (int g = 0; g < 4; g++, x += 8)
                lattice_eight(x, unit, KERNEL(points_iq2_xxs)[b->part[s].point[g]],
                              lattice_even_signs(signs >> 7 * g & 127));
        }
    }
}

static const struct lattice lattice = {
    .points = KERNEL(points_iq2_xxs),
    .count = 256,
    LATTICE_TWO_BITS,
    .signs = LATTICE_EVEN,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq2_xxs *b = block;
    b->d = f->d[k];
    for (int s = 0; s < 8; s++) {
        int i = k * 8 + s;
        uint32_t signs = (uint32_t)f->scale[i] << 28;
        for (int g = 0; g < 4; g++) {
            b->part[s].point[g] = f->point[g][i];
            signs |= (uint32_t)(f->sign[g][i] & 127) << 7 * g;
        }
        b->part[s].signs[0] = signs;
        b->part[s].signs[1] = signs >> 16;
    }
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 32, &lattice, sizeof(struct block_iq2_xxs), put);
}

const struct quant_type KERNEL(iq2_xxs) = {
    .id = QUANT_IQ2_XXS,
    .name = "IQ2_XXS",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq2_xxs),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
