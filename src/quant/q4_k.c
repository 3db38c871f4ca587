/* Q4_K: a super-block of 8 sub-blocks of 32 values, 4.5 bits a weight.
 *
 *     0         2           4            16              144
 *     | d: F16  | dmin: F16 | scales[12] | qs[128]       |
 *
 *     x = d × scale × code - dmin × min,  code 0..15, scale and min 0..63 (packed as k_scales.h draws it)
 *
 * Of each 32 bytes of qs the low four bits are one sub-block and the high four bits the next. */
#include "quant/k_scales.h"

struct block_q4_k {
    struct k_head head;
    uint8_t qs[QUANT_SUPER / 2];
};
static_assert(sizeof(struct block_q4_k) == 144, "Q4_K is 144 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q4_k *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->head.d), dmin = half_to_float(b->head.dmin);
        for (int s = 0; s < 8; s++, x += 32) {
            const uint8_t *q = b->qs + s / 2 * 32;
            float scale = d * k_scale(b->head.scales, s), minimum = dmin * k_min(b->head.scales, s);
            for (int j = 0; j < 32; j++)
                x[j] = scale * (q[j] >> s % 2 * 4 & 15) - minimum;
        }
    }
}

static void pack(struct block_q4_k *b, const uint8_t code[QUANT_SUPER])
{
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = code + i / 32 * 64 + i % 32;
        b->qs[i] = c[0] | c[32] << 4;
    }
}

static void recode(const float *x, void *block)
{
    float unit[8], minimum[8];
    uint8_t code[QUANT_SUPER];
    k_grid(block, unit, minimum);
    super_codes(x, unit, minimum, 32, 0, 15, code);
    pack(block, code);
}

static void put(const float *x, const struct super_scales *s, int k, void *block)
{
    struct block_q4_k *b = block;
    k_head_put(&b->head, s, k);
    recode(x, b);
}

static const struct super_format format = {
    .size = 32,
    .high = 15,
    .levels = 63,
    .block_bytes = sizeof(struct block_q4_k),
    .put = put,
};

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    super_encode(&format, x, weight, blocks, n);
}

const struct quant_type KERNEL(q4_k) = {
    .id = QUANT_Q4_K,
    .name = "Q4_K",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_q4_k),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = 32,
    .low = 0,
    .high = 15,
    .grid = k_grid,
    .rescale = k_rescale,
    .recode = recode,
};
