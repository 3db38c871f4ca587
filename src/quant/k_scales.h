/* The 12 bytes with which Q4_K and Q5_K store eight 6-bit scales and eight 6-bit minima, for j = 0..3:
 *
 *     byte j      7-6: high bits of scale j+4   5-0: scale j
 *     byte j + 4  7-6: high bits of min j+4     5-0: min j
 *     byte j + 8  7-4: low bits of min j+4      3-0: low bits of scale j+4
 *
 * 16 × 6 bits are exactly 12 bytes; scale and min 0..3 are read with one mask, and every field of 4..7 is put
 * together from the same places of two words. */
#ifndef QUANT_K_SCALES_H
#define QUANT_K_SCALES_H

#include "quant/super.h"

static inline int k_scale(const uint8_t bytes[12], int s)
{
    return s < 4 ? bytes[s] & 63 : (bytes[s + 4] & 15) | bytes[s - 4] >> 6 << 4;
}

static inline void k_scale_set(uint8_t bytes[12], int s, int scale)
{
    if (s < 4)
        bytes[s] = (bytes[s] & 0xc0) | scale;
    else {
        bytes[s + 4] = (bytes[s + 4] & 0xf0) | (scale & 15);
        bytes[s - 4] = (bytes[s - 4] & 63) | scale >> 4 << 6;
    }
}

static inline int k_min(const uint8_t bytes[12], int s)
{
    return s < 4 ? bytes[s + 4] & 63 : bytes[s + 4] >> 4 | bytes[s] >> 6 << 4;
}

static inline void k_scales_pack(uint8_t bytes[12], const int8_t scale[8], const int8_t min[8])
{
    for (int j = 0; j < 4; j++) {
        bytes[j] = scale[j] | scale[j + 4] >> 4 << 6;
        bytes[j + 4] = min[j] | min[j + 4] >> 4 << 6;
        bytes[j + 8] = (scale[j + 4] & 15) | (min[j + 4] & 15) << 4;
    }
}

/* What blocks of both formats begin with, and what follows from it alone: columns of quant_type.h's table. */
struct k_head {
    uint16_t d, dmin;
    uint8_t scales[12];
};

static void k_grid(const void *block, float *unit, float *minimum)
{
    const struct k_head *h = block;
    float d = half_to_float(h->d), dmin = half_to_float(h->dmin);
    for (int i = 0; i < 8; i++) {
        unit[i] = d * k_scale(h->scales, i);
        minimum[i] = -(dmin * k_min(h->scales, i));
    }
}

static void k_rescale(void *block, int run, float unit)
{
    struct k_head *h = block;
    k_scale_set(h->scales, run, fit_code(unit * fit_inverse(half_to_float(h->d)), 0, 63));
}

/* Of super-block k of a tile. */
static void k_head_put(struct k_head *h, const struct super_scales *s, int k)
{
    h->d = s->d[k];
    h->dmin = s->dmin[k];
    k_scales_pack(h->scales, s->scale + k * 8, s->min + k * 8);
}

#endif
