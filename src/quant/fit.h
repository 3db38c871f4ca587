/* Scales of sub-blocks: the values of one, x[0..n), become whole numbers times a scale, and for the affine formats
 * minus a minimum. */
#ifndef QUANT_FIT_H
#define QUANT_FIT_H

#include <math.h>

#include "quant/kernel.h"

/* Nearest whole number within low..high; not-a-number gives `low`. */
static inline int fit_code(float v, int low, int high)
{
    v = v > low ? v : low;
    v = v < high ? v : high;
    return (int)(v + 12582912.0f - 12582912.0f);
}

static inline float fit_inverse(float scale)
{
    return scale != 0 ? 1 / scale : 0;
}

/* The scale that maps the value of the largest magnitude to `low` (negative: the longer end of the code's range). */
static inline float fit_signed(const float *x, int n, int low)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    return most / low;
}

/* Scale and minimum (<= 0) so that codes 0..high span the values. */
static inline float fit_span(const float *x, int n, int high, float *minimum)
{
    float low = 0, top = x[0];
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        top = x[i] > top ? x[i] : top;
    }
    *minimum = low;
    return (top - low) / high;
}

#endif
