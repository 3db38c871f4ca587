/* Q2_K: a super-block of 16 sub-blocks of 16 values, 2.625 bits a weight.
 *
 *     0                          16                  80        82           84
 *     | scales[16]               | qs[64]            | d: F16  | dmin: F16  |
 *       low 4: scale, high 4: min  four codes a byte
 *
 *     x = d × scale × code - dmin × min,  code 0..3
 *
 * A byte of qs holds values 32 apart: of the first 128 values, byte l has l in bits 0-1, l+32 in 2-3, l+64 in
 * 4-5 and l+96 in 6-7, so a register of 32 bytes yields 32 neighbours per mask. */
#include "quant/super.h"

struct block_q2_k {
    uint8_t scales[QUANT_SUPER / 16];
    uint8_t qs[QUANT_SUPER / 4];
    uint16_t d, dmin;
};
static_assert(sizeof(struct block_q2_k) == 84, "Q2_K is 84 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q2_k *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
        for (int s = 0; s < 16; s++, x += 16) {
            const uint8_t *q = b->qs + s / 8 * 32 + s % 2 * 16;
            float scale = d * (b->scales[s] & 15), minimum = dmin * (b->scales[s] >> 4);
            for (int j = 0; j < 16; j++)
                x[j] = scale * (q[j] >> s % 8 / 2 * 2 & 3) - minimum;
        }
    }
}

static void pack(struct block_q2_k *b, const uint8_t code[QUANT_SUPER])
{
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = code + i / 32 * 128 + i % 32;
        b->qs[i] = c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6;
    }
}

static void grid(const void *block, float *unit, float *minimum)
{
    const struct block_q2_k *b = block;
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    for (int i = 0; i < 16; i++) {
        unit[i] = d * (b->scales[i] & 15);
        minimum[i] = -(dmin * (b->scales[i] >> 4));
    }
}

static void rescale(void *block, int run, float unit)
{
    struct block_q2_k *b = block;
    b->scales[run] = (b->scales[run] & 0xf0) | fit_code(unit * fit_inverse(half_to_float(b->d)), 0, 15);
}

static void recode(const float *x, void *block)
{
    float unit[16], minimum[16];
    uint8_t code[QUANT_SUPER];
    grid(block, unit, minimum);
    super_codes(x, unit, minimum, 16, 0, 3, code);
    pack(block, code);
}

static void put(const float *x, const struct super_scales *s, int k, void *block)
{
    struct block_q2_k *b = block;
    b->d = s->d[k];
    b->dmin = s->dmin[k];
    for (int i = 0; i < 16; i++)
        b->scales[i] = s->scale[k * 16 + i] | s->min[k * 16 + i] << 4;
    recode(x, b);
}

static const struct super_format format = {
    .size = 16,
    .high = 3,
    .levels = 15,
    .block_bytes = sizeof(struct block_q2_k),
    .put = put,
};

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    super_encode(&format, x, weight, blocks, n);
}

const struct quant_type KERNEL(q2_k) = {
    .id = QUANT_Q2_K,
    .name = "Q2_K",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_q2_k),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = 16,
    .low = 0,
    .high = 3,
    .grid = grid,
    .rescale = rescale,
    .recode = recode,
};
