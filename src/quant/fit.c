#include "quant/fit.h"

#include "quant/sums.h"

/* Deviations of its block from which on a value is an outlier, see fit.h. */
#define OUTLIER 3.0f

/* The search for a line: steps below and above the spanning one, their size in codes, refinements of the
 * best. A smaller scale, which cuts the largest values off, pays less often than a larger one. */
enum { LINE_DOWN = 6, LINE_UP = 3, LINE_ROUNDS = 2 };
#define LINE_STEP 0.3f

/* ---------------------------------------------------------------- loading */

/* Beyond every format's reach, and so far below the largest float that sums of squares are finite. */
#define HUGE_VALUE 1e9f
/* Below it a block's scale is zero as a half anyway. */
#define TINY_VALUE 1e-12f
/* The least importance: a block that never mattered still has a scale. */
#define TINY_IMPORTANCE 1e-9f

static void transpose(float out[][TILE], const float *x, int size, int count)
{
    for (int j = 0; j < size; j++)
        for (int b = 0; b < count; b++)
            out[j][b] = x[b * size + j];
    for (int j = 0; j < size && count < TILE; j++)
        memset(&out[j][count], 0, (TILE - count) * sizeof **out);
}

static void tame(struct tile *t)
{
    for (int j = 0; j < t->size; j++)
        for (int l = 0; l < TILE; l += LANES)
            lanes_store(&t->x[j][l], lanes_clamp(lanes_load(&t->x[j][l]), -HUGE_VALUE, HUGE_VALUE));
}

static lanes mean_square(const struct tile *t, int l)
{
    lanes sum = lanes_set(0);
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]);
        sum += x * x;
    }
    return sum / (float)t->size;
}

static void weigh(struct tile *t, int l, bool known)
{
    lanes usual = lanes_inverse(mean_square(t, l));
    for (int j = 0; j < t->size; j++) {
        lanes v = lanes_load(&t->x[j][l]), square = v * v * usual, far = square / (OUTLIER * OUTLIER), far2 = far * far;
        lanes w = 1.0f + far2 * far2;
        if (known) {
            w += lanes_sqrt(1.0f + square) - 1.0f;
            w *= lanes_max(lanes_load(&t->weight[j][l]), lanes_set(TINY_IMPORTANCE));
        }
        lanes_store(&t->weight[j][l], w);
    }
}

void tile_load(struct tile *t, const float *x, const float *importance, int size, int count)
{
    t->size = size;
    t->count = count;
    t->weighed = importance;
    transpose(t->x, x, size, count);
    if (importance)
        transpose(t->weight, importance, size, count);
    tame(t);
    for (int l = 0; l < TILE; l += LANES)
        weigh(t, l, importance);
}

/* ------------------------------------------------------------ scale alone */

struct scale_fit {
    lanes scale, gain; /* `gain`: by how much the error is less than that of all zeros */
};

static inline void scale_keep(struct scale_fit *best, struct scale_sums s)
{
    lanes scale = lanes_ratio(s.qx, s.qq), gain = scale * s.qx;
    lanes_int better = gain > best->gain;
    best->scale = lanes_select(better, scale, best->scale);
    best->gain = lanes_select(better, gain, best->gain);
}

static lanes largest(const struct tile *t, int l)
{
    lanes most = lanes_set(0);
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]);
        most = lanes_select(lanes_abs(x) > lanes_abs(most), x, most);
    }
    return lanes_select(lanes_abs(most) > TINY_VALUE, most, lanes_set(0));
}

void fit_scale(const struct tile *t, const struct fit_codes *c, float scale[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes unit = lanes_inverse(largest(t, l));
        struct scale_fit best = {lanes_set(0), lanes_set(0)};
        for (int i = -c->down; i <= c->up; i++)
            scale_keep(&best, scale_sums(t, l, c, unit * (c->low + i * c->step)));
        scale_keep(&best, scale_sums(t, l, c, lanes_inverse(best.scale)));
        lanes_store(&scale[l], best.scale);
    }
}

/* ------------------------------------------------------ scale and minimum */

struct line_fit {
    lanes scale, minimum, gain;
};

/* Below this, relative to the products whose difference it is, a determinant is their rounding errors. Two codes
 * of a block of 32 that differ by one, at the upper end of 32 codes, still make 3e-5. */
#define SINGULAR 4e-6f

/* The least-squares line. A block whose codes are all alike has no slope: its minimum is the mean. */
static inline void free_line(struct line_sums s, lanes *scale, lanes *minimum)
{
    lanes determinant = s.w * s.qq - s.q * s.q;
    lanes_int flat = determinant <= SINGULAR * s.w * s.qq;
    *scale = lanes_ratio(s.w * s.qx - s.x * s.q, determinant);
    *minimum = lanes_ratio(s.qq * s.x - s.q * s.qx, determinant);
    *scale = lanes_select(flat, lanes_set(0), *scale);
    *minimum = lanes_select(flat, lanes_ratio(s.x, s.w), *minimum);
}

/* Where not `free` the best line whose minimum is at most 0. */
static inline void line_keep(struct line_fit *best, struct line_sums s, bool free)
{
    lanes scale, minimum;
    free_line(s, &scale, &minimum);
    if (!free) {
        lanes_int above = minimum > 0;
        scale = lanes_select(above, lanes_ratio(s.qx, s.qq), scale);
        minimum = lanes_select(above, lanes_set(0), minimum);
    }
    lanes gain = line_gain(s, scale, minimum);
    lanes_int better = gain > best->gain;
    best->scale = lanes_select(better, scale, best->scale);
    best->minimum = lanes_select(better, minimum, best->minimum);
    best->gain = lanes_select(better, gain, best->gain);
}

static void span(const struct tile *t, int l, bool free, lanes *low, lanes *high)
{
    *low = *high = lanes_load(&t->x[0][l]);
    if (!free)
        *low = lanes_min(*low, lanes_set(0));
    for (int j = 1; j < t->size; j++) {
        *low = lanes_min(lanes_load(&t->x[j][l]), *low);
        *high = lanes_max(lanes_load(&t->x[j][l]), *high);
    }
}

void fit_line(const struct tile *t, int high, bool free, float scale[TILE], float minimum[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes low, top;
        span(t, l, free, &low, &top);
        lanes unit = lanes_inverse(top - low);
        struct line_sums s = plain_sums(t, l);
        struct line_fit best = {(top - low) / (float)high, low, lanes_set(-INFINITY)};
        for (int i = -LINE_DOWN; i <= LINE_UP; i++)
            line_keep(&best, line_sums(t, l, s, low, unit * (high + i * LINE_STEP), high), free);
        for (int i = 0; i < LINE_ROUNDS; i++)
            line_keep(&best, line_sums(t, l, s, best.minimum, lanes_inverse(best.scale), high), free);
        lanes_store(&scale[l], best.scale);
        lanes_store(&minimum[l], best.minimum);
    }
}

/* Without bound for the minimum, and `scale` rounded to halves, with the minima that suit these. */
static void fit_half_line(const struct tile *t, int high, float scale[TILE], float minimum[TILE])
{
    fit_line(t, high, true, scale, minimum);
    for (int i = 0; i < TILE; i++)
        scale[i] = half_to_float(half_scale(scale[i]));
    for (int l = 0; l < TILE; l += LANES) {
        lanes unit = lanes_load(&scale[l]);
        struct line_sums s = plain_sums(t, l);
        s = line_sums(t, l, s, lanes_load(&minimum[l]), lanes_inverse(unit), high);
        lanes_store(&minimum[l], lanes_ratio(s.x - unit * s.q, s.w));
    }
}

/* --------------------------------------------------- blocks with one scale */

void fit_scaled_blocks(const float *x, const float *importance, void *blocks, int64_t n, const struct fit_codes *c,
                       size_t block_bytes, void (*recode)(const float *x, void *block))
{
    unsigned char *block = blocks;
    struct tile t;
    float scale[TILE];
    for (int64_t i = 0; i < n; i += t.count * QUANT_BLOCK) {
        tile_load(&t, x + i, importance ? importance + i : NULL, QUANT_BLOCK, tile_count(n - i, QUANT_BLOCK));
        fit_scale(&t, c, scale);
        for (int k = 0; k < t.count; k++, block += block_bytes) {
            uint16_t d = half_scale(scale[k]);
            memcpy(block, &d, sizeof d);
            recode(x + i + k * QUANT_BLOCK, block);
        }
    }
}

void fit_scaled_grid(const void *block, float *unit, float *minimum)
{
    uint16_t d;
    memcpy(&d, block, sizeof d);
    *unit = half_to_float(d);
    *minimum = 0;
}

void fit_scaled_rescale(void *block, int run, float unit)
{
    uint16_t d = half_scale(unit);
    (void)run;
    memcpy(block, &d, sizeof d);
}

/* --------------------------------------------- blocks with scale and minimum */

void fit_line_blocks(const float *x, const float *importance, void *blocks, int64_t n, int high, size_t block_bytes,
                     void (*recode)(const float *x, void *block))
{
    unsigned char *block = blocks;
    struct tile t;
    float scale[TILE], minimum[TILE];
    for (int64_t i = 0; i < n; i += t.count * QUANT_BLOCK) {
        tile_load(&t, x + i, importance ? importance + i : NULL, QUANT_BLOCK, tile_count(n - i, QUANT_BLOCK));
        fit_half_line(&t, high, scale, minimum);
        for (int k = 0; k < t.count; k++, block += block_bytes) {
            uint16_t halves[2] = {half_scale(scale[k]), half_scale(minimum[k])};
            memcpy(block, halves, sizeof halves);
            recode(x + i + k * QUANT_BLOCK, block);
        }
    }
}

void fit_line_grid(const void *block, float *unit, float *minimum)
{
    uint16_t halves[2];
    memcpy(halves, block, sizeof halves);
    *unit = half_to_float(halves[0]);
    *minimum = half_to_float(halves[1]);
}
