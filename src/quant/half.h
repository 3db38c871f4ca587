/* The 16-bit floats of tensor files, one value at a time: IEEE binary16 (F16) and bfloat16 (BF16).
 *
 *   F16   s eeeee mmmmmmmmmm          bias  15, 2^-24 .. 65504
 *   BF16  s eeeeeeee mmmmmmm          the upper half of a float
 *
 * Narrowing rounds to nearest, ties to even, as F16C and AVX-512 do; NaN stays NaN (quiet). */
#ifndef QUANT_HALF_H
#define QUANT_HALF_H

#include <stdint.h>
#include <string.h>
#ifdef __F16C__
#include <immintrin.h>
#endif

#define HALF_MAX 65504.0f

static inline uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* The processor's own conversion where there is one: the same bits, quiet NaN included. Else written without
 * branches, so that loops over it vectorize. */
static inline float half_to_float(uint16_t h)
{
#ifdef __F16C__
    return _cvtsh_ss(h);
#else
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = (uint32_t)(h & 0x7fff) << 13;
    uint32_t normal = magnitude + (112u << 23);
    /* A denormal half is mantissa × 2^-24: put the mantissa below 2^-14's leading one, take that one away. */
    uint32_t denormal = float_bits(float_from_bits(magnitude + (113u << 23)) - 0x1p-14f);
    uint32_t special = magnitude | 0x7f800000 | (magnitude > 0x0f800000 ? 0x400000 : 0);
    uint32_t bits = magnitude < 0x00800000 ? denormal : magnitude < 0x0f800000 ? normal : special;
    return float_from_bits(sign | bits);
#endif
}

static inline uint16_t half_from_float(float f)
{
    uint32_t bits = float_bits(f), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    /* Below 2^-14 the unit of a half is 2^-24, which is the unit of a float near 0.5: the addition rounds. */
    uint32_t denormal = float_bits(float_from_bits(a < 0x38800000 ? a : 0) + 0.5f) - 0x3f000000;
    uint32_t rebased = a - (112u << 23);
    uint32_t normal = (rebased + 0xfff + (rebased >> 13 & 1)) >> 13;
    uint32_t special = a > 0x7f800000 ? 0x7e00 | (a >> 13 & 0x3ff) : 0x7c00;
    return sign | (a < 0x38800000 ? denormal : a < 0x47800000 ? normal : special);
}

static inline float bf16_to_float(uint16_t h)
{
    return float_from_bits((uint32_t)h << 16);
}

static inline uint16_t bf16_from_float(float f)
{
    uint32_t bits = float_bits(f);
    uint32_t quiet = (bits >> 16) | 0x40, rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
}

/* E8M0: an exponent alone, 2^(e - 127), as blocks in microscaling formats have for a scale. A float's own exponent, but
 * for 0, which is a denormal, and 255, which is NaN. */
static inline float e8m0_to_float(uint8_t e)
{
    return float_from_bits(e == 0 ? 0x00400000 : e == 255 ? 0x7fc00000 : (uint32_t)e << 23);
}

/* E4M3: S EEEE MMM, bias 7, no infinity, NaN where all of E and M are set (OCP 8-bit Floating Point Specification).
 * Written without branches, so that the loop over it vectorizes: where E is 0, M goes below the leading one of 2^-6, and
 * that one is taken away. */
#define E4M3_MAX 448.0f

static inline float e4m3_to_float(uint8_t b)
{
    uint32_t sign = (uint32_t)(b & 0x80) << 24, rest = (uint32_t)(b & 0x7f) << 20;
    uint32_t normal = rest + (120u << 23);
    uint32_t denormal = float_bits(float_from_bits(rest + (121u << 23)) - 0x1p-6f);
    uint32_t bits = rest < 0x00800000 ? denormal : rest == 0x07f00000 ? 0x7fc00000 : normal;
    return float_from_bits(sign | bits);
}

/* Beyond E4M3_MAX: that. NaN stays NaN. */
static inline uint8_t e4m3_from_float(float f)
{
    uint32_t bits = float_bits(f), sign = bits >> 24 & 0x80, a = bits & 0x7fffffff;
    /* Below 2^-6 the unit is 2^-9, which is the unit of a float near 2^14: the addition rounds. */
    uint32_t denormal = float_bits(float_from_bits(a < 0x3c800000 ? a : 0) + 0x1p14f) - 0x46800000;
    uint32_t rebased = a - (120u << 23);
    uint32_t normal = (rebased + 0x7ffff + (rebased >> 20 & 1)) >> 20;
    uint32_t special = a > 0x7f800000 ? 0x7f : 0x7e;
    return (uint8_t)(sign | (a < 0x3c800000 ? denormal : a <= 0x43e00000 ? normal : special));
}

/* A block's scale as it is stored: kept finite where a float overflows the half, so that a block of huge
 * values is wrong by its size only and not infinite. */
static inline uint16_t half_scale(float f)
{
    float low = f > -HALF_MAX ? f : -HALF_MAX;
    return half_from_float(low < HALF_MAX ? low : HALF_MAX);
}

#endif
