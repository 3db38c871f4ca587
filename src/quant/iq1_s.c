/* IQ1_S: a super-block of 8 sub-blocks of 32 values, each four points of 8 values out of 2048, 1.5625 bits a weight.
 *
 *     0        2        34              50
 *     | d: F16 | qs[32] | qh[8]: 16     |
 *
 *     x = d × (2 × scale + 1) × (level ± 1/8),  level -1, 0 or 1, scale 0..7   (lattice.h)
 *
 * Point g of sub-block s has the low 8 bits of its place in qs[4s + g], the high 3 in bits 3g of qh[s]; above those lie
 * the scale and, in the top bit, 1 for minus. */
#include "quant/lattice.h"

struct block_iq1_s {
    uint16_t d;
    uint8_t qs[QUANT_SUPER / 8];
    uint16_t qh[QUANT_SUPER / 32];
};
static_assert(sizeof(struct block_iq1_s) == 50, "IQ1_S is 50 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq1_s *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int g = 0; g < 32; g++, x += 8) {
            unsigned high = b->qh[g / 4], place = b->qs[g] | (high >> g % 4 * 3 & 7) << 8;
            lattice_shifted(x, d * (2 * (high >> 12 & 7) + 1), KERNEL(points_iq1)[place], high >> 15);
        }
    }
}

static const struct lattice lattice = {
    LATTICE_ONE_BIT,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq1_s *b = block;
    b->d = f->d[k];
    for (int s = 0; s < 8; s++) {
        int i = k * 8 + s;
        b->qh[s] = f->scale[i] << 12 | f->minus[0][i] << 15;
        for (int g = 0; g < 4; g++) {
            b->qs[s * 4 + g] = f->point[g][i];
            b->qh[s] |= f->point[g][i] >> 8 << 3 * g;
        }
    }
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 32, &lattice, sizeof(struct block_iq1_s), put);
}

const struct quant_type KERNEL(iq1_s) = {
    .id = QUANT_IQ1_S,
    .name = "IQ1_S",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq1_s),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
