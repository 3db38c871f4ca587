#include "quant/fit.h"

#include "quant/iq4.h"
#include "quant/lanes.h"

/* How far around the spanning scale a search goes, in codes, and how often the best is then refined. */
#define SCALE_STEPS 5
#define SCALE_STEP 0.25f
#define SCALE_ROUNDS 2
#define LINE_DOWN 6
#define LINE_UP 3
#define LINE_STEP 0.3f
#define LINE_ROUNDS 2
#define LEVEL_STEPS 6
#define LEVEL_STEP 1.5f
#define LEVEL_ROUNDS 2

/* ---------------------------------------------------------------- loading */

/* Beyond every format's reach, and far enough from the end of the float range that sums of squares stay finite. */
#define HUGE_VALUE 1e9f
/* Below it a block's scale is zero as a half anyway. */
#define TINY_VALUE 1e-12f

static void transpose(float out[][TILE], const float *x, int size, int count)
{
    for (int j = 0; j < size; j++)
        for (int b = 0; b < count; b++)
            out[j][b] = x[b * size + j];
    for (int j = 0; j < size && count < TILE; j++)
        memset(&out[j][count], 0, (TILE - count) * sizeof **out);
}

static lanes root(lanes v)
{
    for (int i = 0; i < LANES; i++)
        v[i] = sqrtf(v[i]);
    return v;
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

void tile_load(struct tile *t, const float *x, const float *importance, int size, int count, enum weighting weighting)
{
    t->size = size;
    t->count = count;
    transpose(t->x, x, size, count);
    if (importance)
        transpose(t->weight, importance, size, count);
    tame(t);
    for (int l = 0; l < TILE; l += LANES) {
        lanes square = mean_square(t, l), deviation = root(square);
        for (int j = 0; j < size; j++) {
            lanes v = lanes_load(&t->x[j][l]), w;
            if (importance)
                w = lanes_load(&t->weight[j][l]) * root(square + v * v);
            else if (weighting == WEIGH_MIXED)
                w = deviation + lanes_abs(v);
            else
                w = v * v;
            lanes_store(&t->weight[j][l], w);
        }
    }
}

/* ------------------------------------------------------------ scale alone */

struct scale_fit {
    lanes scale, gain; /* `gain`: by how much the error is less than that of all zeros */
};

static inline void scale_keep(struct scale_fit *best, struct scale_fit found)
{
    lanes_int better = found.gain > best->gain;
    best->scale = lanes_select(better, found.scale, best->scale);
    best->gain = lanes_select(better, found.gain, best->gain);
}

/* Nearest codes for x × inverse, and the least-squares scale for these. */
static struct scale_fit scale_try(const struct tile *t, int l, lanes inverse, float low, float high)
{
    lanes xq = lanes_set(0), qq = lanes_set(0);
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]), q = lanes_clamp(lanes_round(x * inverse), low, high);
        lanes wq = lanes_load(&t->weight[j][l]) * q;
        xq += wq * x;
        qq += wq * q;
    }
    lanes scale = lanes_ratio(xq, qq);
    return (struct scale_fit){scale, scale * xq};
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

void fit_scale(const struct tile *t, int low, int high, float scale[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes unit = lanes_ratio(lanes_set(1), largest(t, l));
        struct scale_fit best = {lanes_set(0), lanes_set(0)};
        for (int step = -SCALE_STEPS; step <= SCALE_STEPS; step++)
            scale_keep(&best, scale_try(t, l, unit * (low + step * SCALE_STEP), low, high));
        for (int i = 0; i < SCALE_ROUNDS; i++)
            scale_keep(&best, scale_try(t, l, lanes_ratio(lanes_set(1), best.scale), low, high));
        lanes_store(&scale[l], best.scale);
    }
}

/* ------------------------------------------------------ scale and minimum */

struct line_fit {
    lanes scale, minimum, gain;
};

static inline void line_keep(struct line_fit *best, struct line_fit found)
{
    lanes_int better = found.gain > best->gain;
    best->scale = lanes_select(better, found.scale, best->scale);
    best->minimum = lanes_select(better, found.minimum, best->minimum);
    best->gain = lanes_select(better, found.gain, best->gain);
}

struct sums {
    lanes w, x; /* Σ weight, Σ weight × x */
};

static struct sums plain_sums(const struct tile *t, int l)
{
    struct sums s = {lanes_set(0), lanes_set(0)};
    for (int j = 0; j < t->size; j++) {
        lanes w = lanes_load(&t->weight[j][l]);
        s.w += w;
        s.x += w * lanes_load(&t->x[j][l]);
    }
    return s;
}

/* Nearest codes for (x - minimum) × inverse, and the least-squares line through these. */
static struct line_fit line_try(const struct tile *t, int l, struct sums s, lanes minimum, lanes inverse, float high,
                                bool free)
{
    lanes wq = lanes_set(0), wqq = lanes_set(0), wqx = lanes_set(0);
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]), q = lanes_clamp(lanes_round((x - minimum) * inverse), 0, high);
        lanes p = lanes_load(&t->weight[j][l]) * q;
        wq += p;
        wqq += p * q;
        wqx += p * x;
    }
    lanes determinant = s.w * wqq - wq * wq;
    struct line_fit f;
    f.scale = lanes_ratio(s.w * wqx - s.x * wq, determinant);
    f.minimum = lanes_ratio(wqq * s.x - wq * wqx, determinant);
    if (!free) {
        lanes_int above = f.minimum > 0;
        f.scale = lanes_select(above, lanes_ratio(wqx, wqq), f.scale);
        f.minimum = lanes_select(above, lanes_set(0), f.minimum);
    }
    f.gain = f.scale * wqx + f.minimum * s.x;
    return f;
}

void fit_line(const struct tile *t, int high, bool free, float scale[TILE], float minimum[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes low = lanes_load(&t->x[0][l]), top = low;
        if (!free)
            low = lanes_min(low, lanes_set(0));
        for (int j = 1; j < t->size; j++) {
            low = lanes_min(lanes_load(&t->x[j][l]), low);
            top = lanes_max(lanes_load(&t->x[j][l]), top);
        }
        struct sums s = plain_sums(t, l);
        lanes unit = lanes_ratio(lanes_set(1), top - low);
        struct line_fit best = {(top - low) / (float)high, low, lanes_set(-1e30f)};
        for (int step = -LINE_DOWN; step <= LINE_UP; step++)
            line_keep(&best, line_try(t, l, s, low, unit * (high + step * LINE_STEP), high, free));
        for (int i = 0; i < LINE_ROUNDS; i++)
            line_keep(&best, line_try(t, l, s, best.minimum, lanes_ratio(lanes_set(1), best.scale), high, free));
        lanes_store(&scale[l], best.scale);
        lanes_store(&minimum[l], best.minimum);
    }
}

/* ------------------------------------------------------------ uneven levels */

static inline lanes nearest_level(lanes v)
{
    lanes level = lanes_set(iq4_levels[0]);
    for (int i = 1; i < 16; i++) {
        lanes_int above = v > 0.5f * (iq4_levels[i - 1] + iq4_levels[i]);
        level += (lanes)(above & (lanes_int)lanes_set(iq4_levels[i] - iq4_levels[i - 1]));
    }
    return level;
}

static struct scale_fit levels_try(const struct tile *t, int l, lanes inverse)
{
    lanes xq = lanes_set(0), qq = lanes_set(0);
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]), q = nearest_level(x * inverse);
        lanes wq = lanes_load(&t->weight[j][l]) * q;
        xq += wq * x;
        qq += wq * q;
    }
    lanes scale = lanes_ratio(xq, qq);
    return (struct scale_fit){scale, scale * xq};
}

void fit_levels(const struct tile *t, float scale[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes unit = lanes_ratio(lanes_set(1), largest(t, l));
        struct scale_fit best = {lanes_set(0), lanes_set(0)};
        for (int step = -LEVEL_STEPS; step <= LEVEL_STEPS; step++)
            scale_keep(&best, levels_try(t, l, unit * (iq4_levels[0] + step * LEVEL_STEP)));
        for (int i = 0; i < LEVEL_ROUNDS; i++)
            scale_keep(&best, levels_try(t, l, lanes_ratio(lanes_set(1), best.scale)));
        lanes_store(&scale[l], best.scale);
    }
}
