/* The second level of the K formats: the scales (and minima) of a super-block's sub-blocks are themselves
 * stored as whole numbers, times one scale (and one for the minima) that they share, a half each.
 *
 * First the sub-blocks are fitted as if their scales were free (fit.h). The largest spans the stored numbers,
 * the others are rounded. Some of what that rounding spoils is won back: see each function. */
#ifndef QUANT_SUPER_H
#define QUANT_SUPER_H

#include "quant/fit.h"

/* For the one or two super-blocks of a tile: what is stored of them. */
struct super_scales {
    uint16_t d[2], dmin[2];
    int8_t scale[TILE], min[TILE];  /* of each sub-block */
};
struct super_format {
    /* Of a format without minima, whose scales are -levels..levels - 1. NULL: with minima, codes 0..high, scales and
     * minima 0..levels. Then each scale's neighbours are tried too, with the minimum that suits; last d and dmin are
     * fitted again to everything else. Against rounding alone this takes 1 % (Q4_K) or 2 % (Q5_K) off the error of
     * normal noise, and 30 % off that of weights which once were quantized to lines of 32 values. */
    const struct fit_codes *codes;
    int size, high, levels; /* size: values of a sub-block */
    /* Without minima: how far around a rounded scale to search for a better one. Where the levels are fine (Q6_K) this
     * replaces most of the search for the free scale, and sees the scales as they are stored: 2 % less error. Where they
     * are coarse (Q3_K, IQ4_XS) it gains less than 0.1 %, which is not worth the time. */
    int reach;
    size_t block_bytes;
    /* Stores super-block k of a tile, whose values are x. */
    void (*put)(const float *x, const struct super_scales *s, int k, void *block);
};
#define super_encode KERNEL(super_encode)
void super_encode(const struct super_format *f, const float *x, const float *importance, void *blocks, int64_t n);

/* The nearest codes of a super-block, `low` counted as 0, for what its sub-blocks of `size` values store. */
static inline void super_codes(const float *x, const float *unit, const float *minimum, int size, int low, int high,
                               uint8_t code[QUANT_SUPER])
{
    for (int i = 0; i < QUANT_SUPER; i += size, unit++, minimum++) {
        float inverse = fit_inverse(*unit);
        for (int j = i; j < i + size; j++)
            code[j] = fit_code((x[j] - *minimum) * inverse, low, high) - low;
    }
}

#endif
