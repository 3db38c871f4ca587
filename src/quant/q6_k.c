/* Q6_K: a super-block of 16 sub-blocks of 16 values, 6.5625 bits a weight.
 *
 *     0          128      192          208       210
 *     | ql[128]  | qh[64] | scales[16] | d: F16  |
 *
 *     x = d × scale × (code - 32),  code 0..63, scale a signed byte
 *
 * Of each 128 values, with l = 0..31: ql[l] has the low four bits of values l (low half) and l+64 (high
 * half), ql[l+32] those of l+32 and l+96; qh[l] has the two high bits of l, l+32, l+64, l+96 from bit 0 up.
 * So 32 bytes of qh and 64 of ql give four runs of 32 neighbours by masks and shifts alone. */
#include "quant/super.h"

struct block_q6_k {
    uint8_t ql[QUANT_SUPER / 2];
    uint8_t qh[QUANT_SUPER / 4];
    int8_t scales[QUANT_SUPER / 16];
    uint16_t d;
};
static_assert(sizeof(struct block_q6_k) == 210, "Q6_K is 210 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q6_k *b = blocks;
    for (; n > 0; n -= QUANT_SUPER, b++) {
        float d = half_to_float(b->d);
        for (int s = 0; s < 16; s++, x += 16) {
            const uint8_t *low = b->ql + s / 8 * 64 + s % 4 * 16, *high = b->qh + s / 8 * 32 + s % 2 * 16;
            float scale = d * b->scales[s];
            for (int j = 0; j < 16; j++)
                x[j] = scale * (((low[j] >> s % 8 / 4 * 4 & 15) | (high[j] >> s % 8 / 2 * 2 & 3) << 4) - 32);
        }
    }
}

static void pack(struct block_q6_k *b, const uint8_t code[QUANT_SUPER])
{
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = code + i / 64 * 128 + i % 64;
        b->ql[i] = (c[0] & 15) | (c[64] & 15) << 4;
    }
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = code + i / 32 * 128 + i % 32;
        b->qh[i] = c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6;
    }
}

/* Coarse, because `reach` stored scales to either side are tried afterwards. */
static const struct fit_codes codes = {.low = -32, .high = 31, .step = 0.5f, .up = 3};

static void grid(const void *block, float *unit, float *minimum)
{
    const struct block_q6_k *b = block;
    float d = half_to_float(b->d);
    for (int i = 0; i < 16; i++) {
        unit[i] = d * b->scales[i];
        minimum[i] = 0;
    }
}

static void rescale(void *block, int run, float unit)
{
    struct block_q6_k *b = block;
    b->scales[run] = fit_code(unit * fit_inverse(half_to_float(b->d)), -128, 127);
}

static void recode(const float *x, void *block)
{
    float unit[16], minimum[16];
    uint8_t code[QUANT_SUPER];
    grid(block, unit, minimum);
    super_codes(x, unit, minimum, 16, -32, 31, code);
    pack(block, code);
}

static void put(const float *x, const struct super_scales *s, int k, void *block)
{
    struct block_q6_k *b = block;
    b->d = s->d[k];
    memcpy(b->scales, s->scale + k * 16, sizeof b->scales);
    recode(x, b);
}

static const struct super_format format = {
    .codes = &codes,
    .size = 16,
    .levels = 128,
    .reach = 8,
    .block_bytes = sizeof(struct block_q6_k),
    .put = put,
};

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    super_encode(&format, x, weight, blocks, n);
}

const struct quant_type KERNEL(q6_k) = {
    .id = QUANT_Q6_K,
    .name = "Q6_K",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_q6_k),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = 16,
    .low = -32,
    .high = 31,
    .grid = grid,
    .rescale = rescale,
    .recode = recode,
};
