/* Q8_0: 32 values, one scale, 8.5 bits a weight.
 *
 *     0        2                      34
 *     | d: F16 | 32 signed bytes, in order |
 *
 *     x = d × code,  code -127..127 (-128 is left unused, so that negation never overflows) */
#include "quant/fit.h"
#include "quant/lanes.h"

struct block_q8_0 {
    uint16_t d;
    int8_t qs[QUANT_BLOCK];
};
static_assert(sizeof(struct block_q8_0) == 34, "Q8_0 is 34 bytes");

static void decode(const void *blocks, float *restrict x, int64_t n)
{
    const struct block_q8_0 *b = blocks;
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        float d = half_to_float(b->d);
        for (int j = 0; j < QUANT_BLOCK; j++)
            x[j] = d * b->qs[j];
    }
}

/* The largest magnitude. A maximum is the same in any order, so this may go across lanes. */
static float reach(const float x[QUANT_BLOCK])
{
    lanes most = lanes_set(0);
    for (int j = 0; j < QUANT_BLOCK; j += LANES)
        most = lanes_max(lanes_abs(lanes_load(x + j)), most);
    float result = most[0];
    for (int i = 1; i < LANES; i++)
        result = most[i] > result ? most[i] : result;
    return result;
}

static void grid(const void *block, float *unit, float *minimum)
{
    const struct block_q8_0 *b = block;
    *unit = half_to_float(b->d);
    *minimum = 0;
}

static void recode(const float *x, void *block)
{
    struct block_q8_0 *b = block;
    float inverse = fit_inverse(half_to_float(b->d));
    for (int j = 0; j < QUANT_BLOCK; j++)
        b->qs[j] = fit_code(x[j] * inverse, -127, 127);
}

static void encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    struct block_q8_0 *b = blocks;
    (void)weight; /* at 8 bits a search gains nothing: the largest value decides */
    for (; n > 0; n -= QUANT_BLOCK, x += QUANT_BLOCK, b++) {
        b->d = half_scale(reach(x) / 127);
        recode(x, b);
    }
}

const struct quant_type KERNEL(q8_0) = {
    .id = QUANT_Q8_0,
    .name = "Q8_0",
    .block = QUANT_BLOCK,
    .block_bytes = sizeof(struct block_q8_0),
    .quantized = true,
    .decode = decode,
    .encode = encode,
    .sub = QUANT_BLOCK,
    .low = -127,
    .high = 127,
    .grid = grid,
    .recode = recode,
};
