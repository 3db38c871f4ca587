/* IQ2_S: a super-block of 16 sub-blocks of 16 values, each two points of 8 values out of 1024, 2.5625 bits a weight.
 *
 *     0        2        34          66      74          82
 *     | d: F16 | qs[32] | signs[32] | qh[8] | scales[8] |
 *
 *     x = d × (scale + 1/2) / 4 × sign × level,  level 8, 25 or 43, scale 0..15   (lattice.h)
 *
 * Point g has the low 8 bits of its place in qs[g], the high 2 in bits 2g % 8 of qh[g / 4], its 8 signs in signs[g];
 * scale s is half s % 2 of scales[s / 2]. */
#include "quant/lattice.h"

struct block_iq2_s {
    uint16_t d;
    uint8_t qs[QUANT_SUPER / 8];
    uint8_t signs[QUANT_SUPER / 8];
    uint8_t qh[QUANT_SUPER / 32];
    uint8_t scales[QUANT_SUPER / 32];
};
static_assert(sizeof(struct block_iq2_s) == 82, "IQ2_S is 82 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq2_s *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int g = 0; g < 32; g++, x += 8) {
            float unit = d * (0.5f + (b->scales[g / 4] >> g / 2 % 2 * 4 & 15)) * 0.25f;
            int place = b->qs[g] | (b->qh[g / 4] >> g % 4 * 2 & 3) << 8;
            lattice_eight(x, unit, KERNEL(points_iq2_s)[place], b->signs[g]);
        }
    }
}

static const struct lattice lattice = {
    .points = KERNEL(points_iq2_s),
    .count = 1024,
    LATTICE_TWO_BITS,
    .signs = LATTICE_FREE,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq2_s *b = block;
    (void)k; /* a tile is one super-block */
    b->d = f->d[0];
    memset(b->qh, 0, sizeof b->qh);
    for (int g = 0; g < 32; g++) {
        int place = f->point[g % 2][g / 2];
        b->qs[g] = place;
        b->qh[g / 4] |= place >> 8 << g % 4 * 2;
        b->signs[g] = f->sign[g % 2][g / 2];
    }
    for (int s = 0; s < 8; s++)
        b->scales[s] = f->scale[s * 2] | f->scale[s * 2 + 1] << 4;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 16, &lattice, sizeof(struct block_iq2_s), put);
}

const struct quant_type KERNEL(iq2_s) = {
    .id = QUANT_IQ2_S,
    .name = "IQ2_S",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq2_s),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
