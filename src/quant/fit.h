/* The search for a block's scale, sixteen blocks side by side.
 *
 * A block of values x[0..n) is stored as codes q (whole numbers within low..high, or the levels
 * of iq4.h), with
 *
 *     x ≈ scale × q                     (fit_scale)
 *     x ≈ scale × q + minimum           (fit_line)
 *
 * so that the weighted error Σ weight × (x - approximation)² is small. The best codes for a given scale are
 * the nearest ones; the best scale for given codes is a least-squares fit. Neither alone finds the best pair,
 * because the error as a function of the scale has a dent wherever a code changes. So each search tries a few
 * steps around the scale that just spans the block, fits each one's codes, and goes on from the best: nearest
 * codes, fit, again.
 *
 * What counts as error: a weight that towers over its block is rare, and likelier than others to be one of
 * the few that a model depends on (M. Yu et al., The Super Weight in Large Language Models, arXiv
 * 2411.07191). Least squares alone would clip it, for the others' sake. So value x of a block with root mean
 * square s counts
 *
 *     1 + (x / 3s)^8
 *
 * all alike, but for those beyond three deviations. Measured on activations of SmolLM2 this loses less in the
 * products than weights of x^2 or s + |x|, in every kind of layer. Where the importance of its column is known it counts
 *
 *     importance × (sqrt(1 + (x / s)^2) + (x / 3s)^8)
 *
 * because then larger weights deserve some more: the divergence of the demo model falls by 2 to 5 % at 2 and 3
 * bits against the importance times the above, and rises again with exponents beyond the root. */
#ifndef QUANT_FIT_H
#define QUANT_FIT_H

#include <math.h>

#include "quant/kernel.h"

enum { TILE = 16 };

/* Up to sixteen blocks, transposed: a row holds one element of each. Missing blocks are zeros. */
struct tile {
    int size;  /* elements of a block: 16 or 32 */
    int count; /* blocks present */
    bool weighed; /* importance is known */
    float x[32][TILE] __attribute__((aligned(64)));
    float weight[32][TILE] __attribute__((aligned(64)));
};

/* `count` blocks of `size` values from x. `importance` as in quant_type.encode, or NULL. */
#define tile_load KERNEL(tile_load)
void tile_load(struct tile *t, const float *x, const float *importance, int size, int count);

/* The codes of a format without minimum. */
struct fit_codes {
    float low, high; /* `low`: the end that reaches farther */
    float step;      /* of the search, in codes; and how many steps, */
    int down, up;    /* to smaller and to larger scales than the one that spans the block */
    bool uneven;     /* the levels of iq4.h, else whole numbers */
};
#define fit_scale KERNEL(fit_scale)
void fit_scale(const struct tile *t, const struct fit_codes *c, float scale[TILE]);

/* Codes 0..high. Where not `free` the minimum is at most 0. */
#define fit_line KERNEL(fit_line)
void fit_line(const struct tile *t, int high, bool free, float scale[TILE], float minimum[TILE]);

/* By how much to enlarge values of which a share `kept` is left in products with the original: 1 / kept would take those
 * back to where they were, on average. The least error is not the least divergence, for a layer whose outputs shrink by
 * a tenth is wrong in the same direction everywhere. On the demo model an exponent of 5/8 has 4 % (3 bits) to 14 %
 * (IQ1) less divergence than none, and 1 loses some of that again. */
static inline float fit_unshrink(float kept)
{
    float root = sqrtf(kept);
    return kept > 0.5f ? 1 / (root * sqrtf(sqrtf(root))) : 1.5f;
}

/* How many of the blocks that hold the next `n` values go into a tile. */
static inline int tile_count(int64_t n, int size)
{
    return n < TILE * size ? n / size : TILE;
}

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

/* The value of the largest magnitude. */
static inline float fit_largest(const float *v, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = fabsf(v[i]) > fabsf(most) ? v[i] : most;
    return most;
}

/* What all sub-blocks of super-block k share, `per` of them, stands in every column of the tile that is theirs, so that
 * the lanes find it: `value` as a half, which is returned. */
static inline uint16_t fit_share(float column[TILE], int k, int per, float value)
{
    uint16_t half = half_scale(value);
    for (int i = k * per; i < (k + 1) * per; i++)
        column[i] = half_to_float(half);
    return half;
}

/* Blocks of 32 values that begin with their one scale, a half; the rest is `recode`'s (quant_type.h). */
#define fit_scaled_blocks KERNEL(fit_scaled_blocks)
void fit_scaled_blocks(const float *x, const float *importance, void *blocks, int64_t n, const struct fit_codes *c,
                       size_t block_bytes, void (*recode)(const float *x, void *block));
#define fit_scaled_grid KERNEL(fit_scaled_grid)
void fit_scaled_grid(const void *block, float *unit, float *minimum);
#define fit_scaled_rescale KERNEL(fit_scaled_rescale)
void fit_scaled_rescale(void *block, int run, float unit);

/* The same where a minimum follows the scale, another half; codes 0..high. Rescaling is that of a scale alone. */
#define fit_line_blocks KERNEL(fit_line_blocks)
void fit_line_blocks(const float *x, const float *importance, void *blocks, int64_t n, int high, size_t block_bytes,
                     void (*recode)(const float *x, void *block));
#define fit_line_grid KERNEL(fit_line_grid)
void fit_line_grid(const void *block, float *unit, float *minimum);

#endif
