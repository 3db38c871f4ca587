/* Vectors of the width that the instruction set likes, in which every lane works on a block of its own: a
 * search is then plain arithmetic, without sums across lanes, and gives the same bits whatever the width. */
#ifndef QUANT_LANES_H
#define QUANT_LANES_H

#include <math.h>
#include <stdint.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined __AVX512F__
enum { LANES = 16 };
#define LANES_OP(op) _mm512_##op##_ps
#elif defined __AVX2__
enum { LANES = 8 };
#define LANES_OP(op) _mm256_##op##_ps
#else
enum { LANES = 4 };
#define LANES_OP(op) _mm_##op##_ps
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES))); /* also masks: -1 and 0 */

static inline lanes lanes_set(float v)
{
    return (lanes){0} + v;
}

static inline lanes lanes_load(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void lanes_store(float *p, lanes v)
{
    memcpy(p, &v, sizeof v);
}

static inline lanes lanes_select(lanes_int mask, lanes yes, lanes no)
{
    return (lanes)((mask & (lanes_int)yes) | (~mask & (lanes_int)no));
}

/* a < b ? a : b, so that not-a-number in `a` gives `b`; likewise the other. */
static inline lanes lanes_min(lanes a, lanes b)
{
#ifdef __SSE2__
    return (lanes)LANES_OP(min)(a, b);
#else
    return lanes_select(a < b, a, b);
#endif
}

static inline lanes lanes_max(lanes a, lanes b)
{
#ifdef __SSE2__
    return (lanes)LANES_OP(max)(a, b);
#else
    return lanes_select(a > b, a, b);
#endif
}

static inline lanes lanes_abs(lanes v)
{
    return (lanes)((lanes_int)v & 0x7fffffff);
}

static inline lanes lanes_sqrt(lanes v)
{
#ifdef __SSE2__
    return (lanes)LANES_OP(sqrt)(v);
#else
    for (int i = 0; i < LANES; i++)
        v[i] = sqrtf(v[i]);
    return v;
#endif
}

/* To the nearest whole number, ties to even, for |v| < 2^22: there the unit of 1.5 × 2^23 is one. */
static inline lanes lanes_round(lanes v)
{
    return v + 12582912.0f - 12582912.0f;
}

static inline lanes lanes_clamp(lanes v, float low, float high)
{
    return lanes_min(lanes_max(v, lanes_set(low)), lanes_set(high));
}

/* a / b, and 0 where b is 0. */
static inline lanes lanes_ratio(lanes a, lanes b)
{
    lanes_int zero = b == 0;
    return (lanes)((lanes_int)(a / lanes_select(zero, lanes_set(1), b)) & ~zero);
}

static inline lanes lanes_inverse(lanes v)
{
    return lanes_ratio(lanes_set(1), v);
}

#endif
