/* Q3_K: a super-block of 16 sub-blocks of 16 values, 3.4375 bits a weight.
 *
 *     0           32        96           108       110
 *     | hmask[32] | qs[64]  | scales[12] | d: F16  |
 *
 *     x = d × (scale - 32) × (code - 4),  code 0..7, scale 0..63
 *
 * Low two bits of the codes: as in Q2_K. Third bit: value i has bit i / 32 of hmask[i % 32], so that again 32
 * neighbours come with one mask. Scales, 6 bits each, for j = 0..3:
 *
 *     scales[j]      high 4: low bits of scale j+8   low 4: low bits of scale j
 *     scales[j + 4]  high 4: of scale j+12           low 4: of scale j+4
 *     scales[j + 8]  bits 7-6, 5-4, 3-2, 1-0: the two high bits of scales j+12, j+8, j+4, j */
#include "quant/super.h"

struct block_q3_k {
    uint8_t hmask[QUANT_SUPER / 8];
    uint8_t qs[QUANT_SUPER / 4];
    uint8_t scales[12];
    uint16_t d;
};
static_assert(sizeof(struct block_q3_k) == 110, "Q3_K is 110 bytes");

static int scale_at(const struct block_q3_k *b, int s)
{
    int low = b->scales[s % 8] >> s / 8 * 4 & 15, high = b->scales[8 + s % 4] >> s / 4 * 2 & 3;
    return (low | high << 4) - 32;
}

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q3_k *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int s = 0; s < 16; s++, x += 16) {
            const uint8_t *q = b->qs + s / 8 * 32 + s % 2 * 16, *h = b->hmask + s % 2 * 16;
            float scale = d * scale_at(b, s);
            for (int j = 0; j < 16; j++)
                x[j] = scale * ((q[j] >> s % 8 / 2 * 2 & 3) + (h[j] >> s / 2 & 1) * 4 - 4);
        }
    }
}

static void pack_scales(struct block_q3_k *b, const int8_t scale[16])
{
    memset(b->scales, 0, sizeof b->scales);
    for (int s = 0; s < 16; s++) {
        unsigned stored = scale[s] + 32;
        b->scales[s % 8] |= (stored & 15) << s / 8 * 4;
        b->scales[8 + s % 4] |= stored >> 4 << s / 4 * 2;
    }
}

static void pack(struct block_q3_k *b, const uint8_t code[QUANT_SUPER])
{
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = code + i / 32 * 128 + i % 32;
        b->qs[i] = (c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6;
    }
    for (int i = 0; i < 32; i++) {
        unsigned bits = 0;
        for (int k = 0; k < 8; k++)
            bits |= code[k * 32 + i] >> 2 << k;
        b->hmask[i] = bits;
    }
}

static void grid(const void *block, float *unit, float *minimum)
{
    const struct block_q3_k *b = block;
    float d = half_to_float(b->d);
    for (int i = 0; i < 16; i++) {
        unit[i] = d * scale_at(b, i);
        minimum[i] = 0;
    }
}

static void rescale(void *block, int run, float unit)
{
    struct block_q3_k *b = block;
    unsigned stored = fit_code(unit * fit_inverse(half_to_float(b->d)), -32, 31) + 32;
    b->scales[run % 8] = (b->scales[run % 8] & ~(15 << run / 8 * 4)) | (stored & 15) << run / 8 * 4;
    b->scales[8 + run % 4] = (b->scales[8 + run % 4] & ~(3 << run / 4 * 2)) | stored >> 4 << run / 4 * 2;
}

static void recode(const float *x, void *block)
{
    float unit[16], minimum[16];
    uint8_t code[QUANT_SUPER];
    grid(block, unit, minimum);
    super_codes(x, unit, minimum, 16, -4, 3, code);
    pack(block, code);
}

static const struct fit_codes codes = {.low = -4, .high = 3, .step = 0.25f, .down = 4, .up = 6};

static void put(const float *x, const struct super_scales *s, int k, void *block)
{
    struct block_q3_k *b = block;
    b->d = s->d[k];
    pack_scales(b, s->scale + k * 16);
    recode(x, b);
}

static const struct super_format format = {
    .codes = &codes,
    .size = 16,
    .levels = 32,
    .block_bytes = sizeof(struct block_q3_k),
    .put = put,
};

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    super_encode(&format, x, weight, blocks, n);
}

const struct quant_type KERNEL(q3_k) = {
    .id = QUANT_Q3_K,
    .name = "Q3_K",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_q3_k),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = 16,
    .low = -4,
    .high = 3,
    .grid = grid,
    .rescale = rescale,
    .recode = recode,
};
