/* MXFP4: 32 values of four bits, one power of two for a scale, 4.25 bits a weight (OCP Microscaling Formats, 1.0).
 *
 *     0        1                                    17
 *     | e: u8  | 16 bytes: value j in the low, j+16 in the high four bits |
 *
 *     x = 2^(e - 127) × the E2M1 number of the code
 *
 * Read only: GPT-OSS is published so, and its experts are carried along or decoded. */
#include "quant/kernel.h"

struct block_mxfp4 {
    uint8_t e;
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_mxfp4) == 17, "MXFP4 is 17 bytes");

/* S EE M: 1 and 3 halves between the powers of two, and one half below them. */
static const float levels[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

/* 2^(e - 127) for every e: e is a float's exponent, but for 0, which is a denormal, and 255, which is NaN. */
static float power(uint8_t e)
{
    return float_from_bits(e == 0 ? 0x00400000 : e == 255 ? 0x7fc00000 : (uint32_t)e << 23);
}

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_mxfp4 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = power(b->e);
        for (int j = 0; j < QUANT_BLOCK / 2; j++) {
            x[j] = d * levels[b->qs[j] & 15];
            x[j + QUANT_BLOCK / 2] = d * levels[b->qs[j] >> 4];
        }
    }
}

const struct quant_type KERNEL(mxfp4) = {
    .id = QUANT_MXFP4,
    .name = "MXFP4",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_mxfp4),
    .quantized = true,
    .decode = decode,
};
