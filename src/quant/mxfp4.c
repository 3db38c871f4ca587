/* MXFP4: 32 values of four bits, one power of two for a scale, 4.25 bits a weight (OCP Microscaling Formats, 1.0).
 *
 *     0        1                                    17
 *     | e: u8  | 16 bytes: value j in the low, j+16 in the high four bits |
 *
 *     x = 2^(e - 127) × the E2M1 number of the code
 *
 * GPT-OSS is published so. */
#include <math.h>

#include "quant/kernel.h"

enum { BIAS = 127, LARGEST_SCALE = 254 };

struct block_mxfp4 {
    uint8_t e;
    uint8_t qs[QUANT_BLOCK / 2];
};
static_assert(sizeof(struct block_mxfp4) == 17, "MXFP4 is 17 bytes");

/* S EE M: 1 and 3 halves between the powers of two, and one half below them. */
static const float levels[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_mxfp4 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = e8m0_to_float(b->e);
        for (int j = 0; j < QUANT_BLOCK / 2; j++) {
            x[j] = d * levels[b->qs[j] & 15];
            x[j + QUANT_BLOCK / 2] = d * levels[b->qs[j] >> 4];
        }
    }
}

/* The code of the level nearest to v. */
static int code(float v)
{
    float size = fabsf(v);
    int c = 0;
    for (int i = 1; i < 8; i++)
        c += size > 0.5f * (levels[i - 1] + levels[i]);
    return v < 0 ? c | 8 : c;
}

/* Σ weight · (what is lost)² of a block with the scale 2^(e - 127). */
static double loss(const float *x, const float *weight, int e)
{
    float scale = e8m0_to_float((uint8_t)e), inverse = 1 / scale;
    double sum = 0;
    for (int j = 0; j < QUANT_BLOCK; j++) {
        double error = x[j] - scale * levels[code(x[j] * inverse)];
        sum += (weight ? weight[j] : 1) * error * error;
    }
    return sum;
}

static int within_range(int e)
{
    return e < 0 ? 0 : e > LARGEST_SCALE ? LARGEST_SCALE : e;
}

/* With the larger of two scales nothing is cut off; with the smaller, small values are told apart better. */
static int best_exponent(const float *x, const float *weight)
{
    float largest = 0;
    int exponent;
    for (int j = 0; j < QUANT_BLOCK; j++)
        largest = fmaxf(largest, fabsf(x[j]));
    if (!(largest > 0) || !isfinite(largest))
        return 0;
    frexpf(largest, &exponent); /* largest < 2^exponent */
    int small = within_range(exponent - 3 + BIAS), large = within_range(exponent - 2 + BIAS);
    return loss(x, weight, small) <= loss(x, weight, large) ? small : large;
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    struct block_mxfp4 *b = blocks;
    for (int64_t i = 0; i < n; i += QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        b->e = (uint8_t)best_exponent(x, weight ? weight + i : NULL);
        float inverse = 1 / e8m0_to_float(b->e);
        for (int j = 0; j < QUANT_BLOCK / 2; j++)
            b->qs[j] = (uint8_t)(code(x[j] * inverse) | code(x[j + QUANT_BLOCK / 2] * inverse) << 4);
    }
}

const struct quant_type KERNEL(mxfp4) = {
    .id = QUANT_MXFP4,
    .name = "MXFP4",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_mxfp4),
    .quantized = true,
    .decode = decode,
    .encode = encode,
};
