/* Q5_K: Q4_K with a fifth bit, 5.5 bits a weight.
 *
 *     0         2           4            16        48              176
 *     | d: F16  | dmin: F16 | scales[12] | qh[32]  | qs[128]       |
 *
 *     x = d × scale × code - dmin × min,  code 0..31, scale and min 0..63 (packed as k_scales.h draws it)
 *
 * qs as in Q4_K; the fifth bit of value j of sub-block s is bit s of qh[j]. */
#include "quant/k_scales.h"

struct block_q5_k {
    struct k_head head;
    uint8_t qh[QUANT_SUPER / 8];
    uint8_t qs[QUANT_SUPER / 2];
};
static_assert(sizeof(struct block_q5_k) == 176, "Q5_K is 176 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q5_k *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->head.d), dmin = half_to_float(b->head.dmin);
        for (int s = 0; s < 8; s++, x += 32) {
            const uint8_t *q = b->qs + s / 2 * 32;
            float scale = d * k_scale(b->head.scales, s), minimum = dmin * k_min(b->head.scales, s);
            for (int j = 0; j < 32; j++)
                x[j] = scale * ((q[j] >> s % 2 * 4 & 15) | (b->qh[j] >> s & 1) << 4) - minimum;
        }
    }
}

static void pack(struct block_q5_k *b, const uint8_t code[QUANT_SUPER])
{
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = code + i / 32 * 64 + i % 32;
        b->qs[i] = (c[0] & 15) | (c[32] & 15) << 4;
    }
    for (int i = 0; i < 32; i++) {
        unsigned bits = 0;
        for (int s = 0; s < 8; s++)
            bits |= code[s * 32 + i] >> 4 << s;
        b->qh[i] = bits;
    }
}

static void recode(const float *x, void *block)
{
    float unit[8], minimum[8];
    uint8_t code[QUANT_SUPER];
    k_grid(block, unit, minimum);
    super_codes(x, unit, minimum, 32, 0, 31, code);
    pack(block, code);
}

static void put(const float *x, const struct super_scales *s, int k, void *block)
{
    struct block_q5_k *b = block;
    k_head_put(&b->head, s, k);
    recode(x, b);
}

static const struct super_format format = {
    .size = 32,
    .high = 31,
    .levels = 63,
    .block_bytes = sizeof(struct block_q5_k),
    .put = put,
};

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    super_encode(&format, x, weight, blocks, n);
}

const struct quant_type KERNEL(q5_k) = {
    .id = QUANT_Q5_K,
    .name = "Q5_K",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_q5_k),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = 32,
    .low = 0,
    .high = 31,
    .grid = k_grid,
    .rescale = k_rescale,
    .recode = recode,
};
