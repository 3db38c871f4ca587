#include "calib/code_grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

enum { LANES = GRID_ROWS };

/* The search, in codes: the scale that spans the group and others, up to one that cuts off what lies beyond 0.6 of it. */
enum { SPANS = 16, ROUNDS = 2, ZEROS = 1 };
#define WIDEST 0.93f
#define NARROWEST 1.6f

/* What a column that inputs hardly reach counts, of the mean: the next text may reach it. */
#define RARE 0.01

struct code_grid {
    struct grid grid;
    const struct scheme *scheme;
    const int32_t *order;
    struct codes *codes;
    int64_t groups;
};

/* Scales and zero points of sixteen rows. */
struct code_scales {
    float scale[LANES], zero[LANES];
};

/* ------------------------------------------------------------------------- sums */

/* Σ weight × q × x and Σ weight × q², for codes q = code - zero that are nearest to x / scale. */
struct code_sums {
    float qx[LANES], qq[LANES];
};

static inline float code_of(float x, float inverse, float low, float high)
{
    float q = x * inverse;
    q = q > low ? q : low;
    q = q < high ? q : high;
    return q + 12582912.0f - 12582912.0f; /* to the nearest whole number */
}

static struct code_sums sum_codes(const float (*x)[LANES], const float *weight, int64_t n, const struct code_scales *s,
                                  float most)
{
    struct code_sums sums = {0};
    float inverse[LANES];
    for (int l = 0; l < LANES; l++)
        inverse[l] = s->scale[l] != 0 ? 1 / s->scale[l] : 0;
    for (int64_t j = 0; j < n; j++) {
        float w = weight ? weight[j] : 1;
#pragma omp simd
        for (int l = 0; l < LANES; l++) {
            float q = code_of(x[j][l], inverse[l], -s->zero[l], most - s->zero[l]);
            sums.qx[l] += w * q * x[j][l];
            sums.qq[l] += w * q * q;
        }
    }
    return sums;
}

/* ------------------------------------------------------------------------ search */

struct best {
    struct code_scales scales;
    float gain[LANES];      /* by how much the weighted error is less than that of all zeros */
};

static float stored_scale(const struct scheme *s, float scale)
{
    return scale == 0 ? 0 : copysignf(scheme_round_scale(s, fabsf(scale)), scale);
}

/* Refits scales to the codes that they give, and keeps what is better then. */
static void refit(struct best *b, const struct scheme *s, const float (*x)[LANES], const float *weight, int64_t n,
                  const struct code_scales *tried)
{
    struct code_sums sums = sum_codes(x, weight, n, tried, (float)((1 << s->bits) - 1));
    for (int l = 0; l < LANES; l++) {
        float scale = stored_scale(s, sums.qq[l] > 0 ? sums.qx[l] / sums.qq[l] : 0);
        float gain = scale * (sums.qx[l] + sums.qx[l] - scale * sums.qq[l]);
        if (gain > b->gain[l]) {
            b->gain[l] = gain;
            b->scales.scale[l] = scale;
            b->scales.zero[l] = tried->zero[l];
        }
    }
}

/* The scale that maps the group's ends to the codes' ends, and its zero point. Symmetric grids reach one code farther
 * below zero than above: there the largest weight goes, whatever its sign, which the scale takes. */
static struct code_scales spanning(const struct scheme *s, const float (*x)[LANES], int64_t n)
{
    struct code_scales span;
    float low[LANES] = {0}, high[LANES] = {0};
    int most = (1 << s->bits) - 1, half = 1 << (s->bits - 1), least = scheme_least_zero(s);
    for (int64_t j = 0; j < n; j++)
        for (int l = 0; l < LANES; l++) {
            low[l] = x[j][l] < low[l] ? x[j][l] : low[l];
            high[l] = x[j][l] > high[l] ? x[j][l] : high[l];
        }
    for (int l = 0; l < LANES; l++) {
        float largest = -low[l] > high[l] ? low[l] : high[l];
        span.scale[l] = s->symmetric ? -largest / (float)half : (high[l] - low[l]) / (float)most;
        span.zero[l] = s->symmetric ? (float)half : roundf(span.scale[l] > 0 ? -low[l] / span.scale[l] : 0);
        span.zero[l] = fmaxf(span.zero[l], (float)least);
    }
    return span;
}

static void try_spans(struct best *b, const struct scheme *s, const float (*x)[LANES], const float *weight, int64_t n)
{
    const struct code_scales span = spanning(s, x, n);
    for (int i = 0; i < SPANS; i++) {
        struct code_scales t = span;
        float narrower = 1 / (WIDEST + (NARROWEST - WIDEST) * (float)i / (SPANS - 1));
        for (int l = 0; l < LANES; l++)
            t.scale[l] *= narrower;
        refit(b, s, x, weight, n, &t);
    }
}

/* With the zero points beside the best one. */
static void try_zeros(struct best *b, const struct scheme *s, const float (*x)[LANES], const float *weight, int64_t n)
{
    float least = (float)scheme_least_zero(s), most = (float)((1 << s->bits) - 1);
    for (int by = -ZEROS; by <= ZEROS; by++) {
        struct code_scales t = b->scales;
        for (int l = 0; l < LANES; l++)
            t.zero[l] = fminf(fmaxf(t.zero[l] + (float)by, least), most);
        refit(b, s, x, weight, n, &t);
    }
}

/* A group of zeros gets some scale, too: readers divide by it. */
CPU_CLONES static struct code_scales search(const struct scheme *s, const float (*x)[LANES], const float *weight, int64_t n)
{
    struct best b = {0};
    for (int l = 0; l < LANES; l++)
        b.scales.zero[l] = (float)(1 << (s->bits - 1));
    try_spans(&b, s, x, weight, n);
    for (int i = 0; i < ROUNDS; i++)
        if (s->symmetric)
            refit(&b, s, x, weight, n, &b.scales);
        else
            try_zeros(&b, s, x, weight, n);
    for (int l = 0; l < LANES; l++)
        b.scales.scale[l] = b.scales.scale[l] != 0 ? b.scales.scale[l] : 1;
    return b.scales;
}

/* --------------------------------------------------------------------------- grid */

static int64_t group_at(const struct code_grid *g, int64_t column)
{
    return column / g->codes->group;
}

static void keep_scales(const struct code_grid *g, int64_t row, int rows, int64_t group, const struct code_scales *s)
{
    for (int l = 0; l < rows; l++) {
        g->codes->scales[(row + l) * g->groups + group] = s->scale[l];
        g->codes->zeros[(row + l) * g->groups + group] = (uint8_t)s->zero[l];
    }
}

/* One scale for a whole row, by the weights before any of them is rounded. */
static void find_row_scales(struct grid *grid, const struct feedback *f, const float *w, int64_t rows)
{
    struct code_grid *g = (struct code_grid *)grid;
    int64_t n = g->codes->columns;
#pragma omp parallel
    {
        float (*x)[LANES] = xaligned(n * sizeof *x);
#pragma omp for schedule(dynamic)
        for (int64_t row = 0; row < rows; row += LANES) {
            int count = rows - row < LANES ? (int)(rows - row) : LANES;
            grid_load(w + row * n, n, count, n, x);
            struct code_scales s = search(g->scheme, (const float(*)[LANES])x, f->weight, n);
            keep_scales(g, row, count, 0, &s);
        }
        free(x);
    }
}

static void set_units(const struct code_grid *g, const struct grid_block *b, struct grid_scales *out)
{
    for (int l = 0; l < b->rows; l++) {
        int64_t at = (b->row + l) * g->groups + group_at(g, b->column);
        out->unit[0][l] = g->codes->scales[at];
        out->minimum[0][l] = -g->codes->scales[at] * (float)g->codes->zeros[at];
    }
}

static void find_group_scales(struct grid *grid, const struct feedback *f, const struct grid_block *b,
                              struct grid_scales *out)
{
    struct code_grid *g = (struct code_grid *)grid;
    const float *weight = f->weight ? f->weight + b->column : NULL;
    struct code_scales s = search(g->scheme, (const float(*)[LANES])b->x, weight, b->columns);
    keep_scales(g, b->row, b->rows, group_at(g, b->column), &s);
    set_units(g, b, out);
}

static void rescale_group(struct grid *grid, const struct grid_block *b, int run, const float *wanted,
                          struct grid_scales *out)
{
    const struct code_grid *g = (const struct code_grid *)grid;
    (void)run; /* a block is a group */
    for (int l = 0; l < b->rows; l++)
        g->codes->scales[(b->row + l) * g->groups + group_at(g, b->column)] = stored_scale(g->scheme, wanted[l]);
    set_units(g, b, out);
}

static void get_row_scales(struct grid *grid, const struct feedback *f, const struct grid_block *b,
                           struct grid_scales *out)
{
    (void)f;
    set_units((const struct code_grid *)grid, b, out);
}

static void recall(struct grid *grid, const struct grid_block *b, struct grid_scales *out)
{
    set_units((const struct code_grid *)grid, b, out);
}

static void keep_codes(struct grid *grid, const struct grid_block *b)
{
    const struct code_grid *g = (const struct code_grid *)grid;
    struct codes *c = g->codes;
    for (int l = 0; l < b->rows; l++) {
        int64_t at = (b->row + l) * g->groups + group_at(g, b->column);
        float scale = c->scales[at], zero = c->zeros[at];
        for (int j = 0; j < b->columns; j++) {
            int64_t column = g->order ? g->order[b->column + j] : b->column + j;
            float q = scale != 0 ? rintf(b->x[j][l] / scale) : 0;
            c->codes[(b->row + l) * c->columns + column] = (uint8_t)(q + zero);
            b->x[j][l] = scale * q;
        }
    }
}

static struct code_grid grid_of(const struct code_feedback *f, struct codes *c)
{
    bool long_groups = c->group > GRID_COLUMNS;
    int block = long_groups ? GRID_COLUMNS : c->group;
    return (struct code_grid){
        .grid = {.block = block, .sub = block, .low = 0, .high = (float)((1 << f->scheme->bits) - 1),
                 .begin = long_groups ? find_row_scales : NULL,
                 .find = long_groups ? get_row_scales : find_group_scales,
                 .rescale = long_groups ? NULL : rescale_group, .recall = recall, .keep = keep_codes},
        .scheme = f->scheme, .order = f->order, .codes = c, .groups = scheme_groups(f->scheme, c->columns),
    };
}

/* ------------------------------------------------------------------------- a weight */

void code_feedback_init(struct code_feedback *f, const struct scheme *s, const struct hessian *h, double damp)
{
    int64_t n = h->columns, group = scheme_group(s, n);
    *f = (struct code_feedback){.scheme = s};
    if (s->act_order) {
        f->order = xmalloc(n * sizeof *f->order);
        f->group_of = xmalloc(n * sizeof *f->group_of);
        hessian_sort(&f->sorted, h, f->order);
        for (int64_t i = 0; i < n; i++)
            f->group_of[f->order[i]] = (int32_t)(i / group);
    }
    feedback_init(&f->feedback, s->act_order ? &f->sorted : h, damp);
}

void code_feedback_nearest(struct code_feedback *f, const struct scheme *s, const struct hessian *h)
{
    int64_t n = h->columns;
    double sum = 0;
    *f = (struct code_feedback){.scheme = s, .feedback.hessian = h};
    for (int64_t j = 0; j < n && h->rows > 0; j++)
        sum += h->sum[j * n + j];
    if (!(sum > 0) || !isfinite(sum))
        return;
    f->feedback.weight = xmalloc(n * sizeof *f->feedback.weight);
    for (int64_t j = 0; j < n; j++)
        f->feedback.weight[j] = h->sum[j * n + j] + (float)(RARE * sum / (double)n);
}

void code_feedback_done(struct code_feedback *f)
{
    feedback_done(&f->feedback);
    hessian_done(&f->sorted);
    free(f->order);
    free(f->group_of);
    *f = (struct code_feedback){0};
}

/* Columns into the order, or back. */
static void reorder(float *w, int64_t rows, int64_t n, const int32_t *order, bool back)
{
#pragma omp parallel
    {
        float *row = xmalloc(n * sizeof *row);
#pragma omp for
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t i = 0; i < n; i++)
                row[back ? order[i] : i] = w[r * n + (back ? i : order[i])];
            memcpy(w + r * n, row, n * sizeof *row);
        }
        free(row);
    }
}

void code_feedback_encode(const struct code_feedback *f, float *w, int64_t rows, struct codes *c,
                          struct feedback_result *r)
{
    int64_t n = f->feedback.hessian->columns;
    c->rows = rows;
    c->columns = n;
    c->group = (int)scheme_group(f->scheme, n);
    c->group_of = f->group_of;
    struct code_grid g = grid_of(f, c);
    if (f->order)
        reorder(w, rows, n, f->order, false);
    feedback_encode(&f->feedback, &g.grid, w, rows, r);
    if (f->order)
        reorder(w, rows, n, f->order, true);
}
