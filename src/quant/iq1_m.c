/* IQ1_M: a super-block of 16 sub-blocks of 16 values, each two points of 8 values out of 2048, 1.75 bits a weight.
 *
 *     0        32       48              56
 *     | qs[32] | qh[16] | scales[4]: 16 |
 *
 *     x = d × (2 × scale + 1) × (level ± 1/8),  level -1, 0 or 1, scale 0..7   (lattice.h)
 *
 * Point g has the low 8 bits of its place in qs[g], the high 3 in half g % 2 of qh[g / 2], whose fourth bit is 1 for
 * minus. Scale s is bits 3 (s % 4) of scales[s / 4]; the top four bits of the four together are d, a half, the lowest
 * first. */
#include "quant/lattice.h"

struct block_iq1_m {
    uint8_t qs[QUANT_SUPER / 8];
    uint8_t qh[QUANT_SUPER / 16];
    uint16_t scales[QUANT_SUPER / 64];
};
static_assert(sizeof(struct block_iq1_m) == 56, "IQ1_M is 56 bytes");

static float scale_of(const struct block_iq1_m *b)
{
    unsigned d = 0;
    for (int i = 0; i < 4; i++)
        d |= b->scales[i] >> 12 << 4 * i;
    return half_to_float(d);
}

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_iq1_m *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = scale_of(b);
        for (int g = 0; g < 32; g++, x += 8) {
            int s = g / 2, high = b->qh[s] >> g % 2 * 4 & 15;
            float unit = d * (2 * (b->scales[s / 4] >> s % 4 * 3 & 7) + 1);
            lattice_shifted(x, unit, KERNEL(points_iq1)[b->qs[g] | (high & 7) << 8], high >> 3);
        }
    }
}

static const struct lattice lattice = {
    LATTICE_ONE_BIT,
    .shift_each = true,
};

static void put(const struct lattice_blocks *f, int k, void *block)
{
    struct block_iq1_m *b = block;
    (void)k; /* a tile is one super-block */
    memset(b->qh, 0, sizeof b->qh);
    for (int g = 0; g < 32; g++) {
        int s = g / 2, place = f->point[g % 2][s];
        b->qs[g] = place;
        b->qh[s] |= (place >> 8 | f->minus[g % 2][s] << 3) << g % 2 * 4;
    }
    for (int i = 0; i < 4; i++)
        b->scales[i] = (f->d[0] >> 4 * i & 15) << 12;
    for (int s = 0; s < 16; s++)
        b->scales[s / 4] |= f->scale[s] << s % 4 * 3;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    lattice_encode(x, weight, blocks, n, 16, &lattice, sizeof(struct block_iq1_m), put);
}

const struct quant_type KERNEL(iq1_m) = {
    .id = QUANT_IQ1_M,
    .name = "IQ1_M",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_iq1_m),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
