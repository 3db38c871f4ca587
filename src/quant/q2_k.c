/* Q2_K: a super-block of 16 sub-blocks of 16 values, 2.625 bits a weight.
 *
 *     0                          16                  80        82           84
 *     | scales[16]               | qs[64]            | d: F16  | dmin: F16  |
 *       low 4: scale, high 4: min  four codes a byte
 *
 *     x = d × scale × code - dmin × min,  code 0..3
 *
 * A byte of qs holds values 32 apart: of the first 128 values, byte l has l in bits 0-1, l+32 in 2-3, l+64 in 4-5 and
 * l+96 in 6-7, so a register of 32 bytes yields 32 neighbours per mask. */
#include "quant/fit.h"

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

static void encode_block(const float *x, const float *scale, const float *minimum, struct block_q2_k *b)
{
    uint8_t code[QUANT_SUPER];
    b->d = half_scale(fit_largest(scale, 16) / 15);
    b->dmin = half_scale(-fit_largest(minimum, 16) / 15);
    float d = half_to_float(b->d), dmin = half_to_float(b->dmin);
    for (int s = 0; s < 16; s++) {
        int sc = fit_code(scale[s] * fit_inverse(d), 0, 15), m = fit_code(-minimum[s] * fit_inverse(dmin), 0, 15);
        float inverse = fit_inverse(d * sc);
        b->scales[s] = sc | m << 4;
        for (int j = 0; j < 16; j++)
            code[s * 16 + j] = fit_code((x[s * 16 + j] + dmin * m) * inverse, 0, 3);
    }
    pack(b, code);
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    struct block_q2_k *b = blocks;
    struct tile t;
    float scale[TILE], minimum[TILE];
    for (int64_t i = 0; i < n; i += t.count * 16) {
        tile_load(&t, x + i, weight ? weight + i : NULL, 16, tile_count(n - i, 16), WEIGH_MIXED);
        fit_line(&t, 3, false, scale, minimum);
        for (int k = 0; k < t.count; k += QUANT_SUPER / 16)
            encode_block(x + i + k * 16, scale + k, minimum + k, b++);
    }
}

const struct quant_type KERNEL(q2_k) = {
    .id = QUANT_Q2_K,
    .name = "Q2_K",
    .block = QUANT_SUPER,
    .block_bytes = sizeof(struct block_q2_k),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
