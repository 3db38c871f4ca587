/* IQ3_S: a super-block of 8 sub-blocks of 32 values, each eight points of 4 values out of 512, 3.4375 bits a weight.
 *
 *     0        2        66      74          106         110
 *     | d: F16 | qs[64] | qh[8] | signs[32] | scales[4] |
 *
 *     x = d × (2 × scale + 1) × sign × level,  level 1, 3 .. 15, scale 0..15   (lattice.h)
 *
 * Point g of sub-block s has the low 8 bits of its place in qs[8s + g], the ninth in bit g of qh[s]; scale s is half
 * s % 2 of scales[s / 2]. */
#include "quant/lattice.h"

struct block_iq3_s {
    uint16_t d;
    uint8_t qs[QUANT_SUPER / 4];
    uint8_t qh[QUANT_SUPER / 32];
    uint8_t signs[QUANT_SUPER / 8];
    uint8_t scales[QUANT_SUPER / 64];
};
static_assert(sizeof(struct block_iq3_s) == 110, "IQ3_S is 110 bytes");

static void decode_four(float *restrict x, float unit, unsigned point, unsigned signs)
{
    for (int j = 0; j < 4; j++)
        x[j] = lattice_signed(unit * (1 + 2 * (point >> 3 * j & 7)), signs, j);
}

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq3_s *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int g = 0; g < 64; g++, x += 4) {
            int s = g / 8, place = b->qs[g] | (b->qh[s] >> g % 8 & 1) << 8;
            float unit = d * (1 + 2 * (b->scales[s / 2] >> s % 2 * 4 & 15));
            decode_four(x, unit, KERNEL(points_iq3_s)[place], b->signs[g / 2] >> g % 2 * 4);
        }
    }
}

static const struct lattice lattice = {
    .points = KERNEL(points_iq3_s),
    .count = 512,
    .dims = 4,
    .bits = 3,
    .levels = 8,
    .level = {1, 3, 5, 7, 9, 11, 13, 15},
    .signs = LATTICE_FREE,
    .scales = 16,
    .narrow = 0.7f,
    .wide = 1.3f,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq3_s *b = block;
    b->d = f->d[k];
    for (int s = 0; s < 8; s++) {
        int i = k * 8 + s;
        b->qh[s] = 0;
        for (int g = 0; g < 8; g++) {
            b->qs[s * 8 + g] = f->point[g][i];
            b->qh[s] |= f->point[g][i] >> 8 << g;
        }
        for (int g = 0; g < 4; g++)
            b->signs[s * 4 + g] = f->sign[g][i];
    }
    for (int s = 0; s < 4; s++)
        b->scales[s] = f->scale[k * 8 + s * 2] | f->scale[k * 8 + s * 2 + 1] << 4;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 32, &lattice, sizeof(struct block_iq3_s), put);
}

const struct quant_type KERNEL(iq3_s) = {
    .id = QUANT_IQ3_S,
    .name = "IQ3_S",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq3_s),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
