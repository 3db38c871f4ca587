#include "calib/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "infer/blas.h"

enum { LANES = GRID_ROWS, BATCH = GRID_COLUMNS };

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void sweep_init(struct sweep *s, const struct feedback *f, struct grid *g, const float *wanted, int64_t rows)
{
    size_t floats = (size_t)rows * f->hessian->columns;
    *s = (struct sweep){.hessian = f->hessian, .grid = g, .rows = rows, .off = xaligned(floats * sizeof *s->off)};
    s->known = (float)hessian_known(f->hessian);
    s->damp = (float)(f->damp * hessian_typical(f->hessian));
    s->pull = xaligned(rows * BATCH * sizeof *s->pull);
    s->h = xaligned(BATCH * sizeof *s->h);
    s->gain = xcalloc(rows, sizeof *s->gain);
    memcpy(s->off, wanted, floats * sizeof *s->off);
}

void sweep_done(struct sweep *s)
{
    free(s->off);
    free(s->pull);
    free(s->h);
    free(s->gain);
    *s = (struct sweep){0};
}

/* --------------------------------------------------------------------- a tile */

/* Sixteen rows side by side, over the columns of a batch. */
struct tile {
    int64_t row, column;
    int rows, width;
    float x[BATCH][LANES];     /* chosen */
    float off[BATCH][LANES];
    float pull[BATCH][LANES];  /* E H */
};

static void load(const struct sweep *s, const float *w, struct tile *t)
{
    int64_t n = s->hessian->columns, at = t->row * n + t->column;
    grid_load(w + at, n, t->rows, t->width, t->x);
    grid_load(s->off + at, n, t->rows, t->width, t->off);
    grid_load(s->pull + t->row * BATCH, BATCH, t->rows, t->width, t->pull);
    for (int j = 0; j < t->width; j++)
        for (int l = 0; l < LANES; l++)
            t->pull[j][l] = -t->pull[j][l];
}

static void store(struct sweep *s, const struct tile *t, float *w)
{
    int64_t n = s->hessian->columns, at = t->row * n + t->column;
    grid_store((const float(*)[LANES])t->x, t->rows, t->width, w + at, n);
    grid_store((const float(*)[LANES])t->off, t->rows, t->width, s->off + at, n);
}

/* Weight `at` to its best place on the grid: by how much it moves, and what that gains. */
static void move(const struct sweep *s, int at, const float *x, const float *pull, const float *unit, const float *minimum,
                 float *delta, float *gain)
{
    float best[LANES], chosen[LANES], size = s->h[at][at];
    for (int l = 0; l < LANES; l++)
        best[l] = x[l] + pull[l] / size;
    grid_nearest(s->grid, best, unit, minimum, chosen);
#pragma omp simd
    for (int l = 0; l < LANES; l++) {
        delta[l] = chosen[l] - x[l];
        gain[l] += (2 * pull[l] - delta[l] * size) * delta[l];
    }
}

/* Column `at` has moved: what that changes for the columns [first, first + n). */
static void spread(const struct sweep *s, int at, const float *delta, int first, int n, float (*pull)[LANES])
{
    const float *h = s->h[at] + first;
    for (int i = 0; i < n; i++)
#pragma omp simd
        for (int l = 0; l < LANES; l++)
            pull[i][l] -= delta[l] * h[i];
}

/* A block of a tile, for the scales that are tried. */
struct trial {
    const struct sweep *s;
    const struct tile *t;
    int at;
};

/* What going over a run costs, less than nothing where it gains. */
CPU_CLONES static void cost_of(const void *user, const struct grid_block *b, int run, const struct grid_scales *scales, float *cost)
{
    const struct trial *t = user;
    int sub = t->s->grid->sub, first = run * sub, n = (int)smaller(sub, b->columns - first), at = t->at + first;
    float pull[BATCH][LANES], delta[LANES], gain[LANES] = {0};
    memcpy(pull, t->t->pull + at, n * sizeof *pull);
    for (int j = 0; j < n; j++) {
        move(t->s, at + j, t->t->x[at + j], pull[j], scales->unit[run], scales->minimum[run], delta, gain);
        spread(t->s, at + j, delta, at + j + 1, n - j - 1, pull + j + 1);
    }
    for (int l = 0; l < LANES; l++)
        cost[l] = -gain[l];
}

static void sweep_block(const struct sweep *s, struct tile *t, int at, int columns, float *gain)
{
    struct grid *g = s->grid;
    struct grid_scales scales = {0};
    struct grid_block b = {t->x + at, t->row, t->column + at, t->rows, columns};
    g->recall(g, &b, &scales);
    for (int j = 0; j < columns; j++) {
        int run = j / g->sub, k = at + j;
        float delta[LANES];
        if (g->rescale && j % g->sub == 0)
            grid_adjust(g, &b, run, &scales, cost_of, &(struct trial){s, t, at});
        move(s, k, t->x[k], t->pull[k], scales.unit[run], scales.minimum[run], delta, gain);
        for (int l = 0; l < LANES; l++) {
            t->x[k][l] += delta[l];
            t->off[k][l] -= delta[l];
        }
        spread(s, k, delta, k + 1, t->width - k - 1, t->pull + k + 1);
    }
    g->keep(g, &b);
}

CPU_CLONES static void sweep_tile(struct sweep *s, struct tile *t, float *w)
{
    float gain[LANES] = {0};
    load(s, w, t);
    for (int at = 0; at < t->width; at += s->grid->block)
        sweep_block(s, t, at, (int)smaller(s->grid->block, t->width - at), gain);
    store(s, t, w);
    for (int l = 0; l < t->rows; l++)
        s->gain[t->row + l] += gain[l];
}

/* ------------------------------------------------------------------- a matrix */

static void load_hessian(struct sweep *s, int64_t column, int width)
{
    int64_t n = s->hessian->columns;
    const float *sum = s->hessian->sum + column * n + column;
    for (int i = 0; i < width; i++) {
        s->h[i][i] = sum[i * n + i] + s->damp;
        for (int j = i + 1; j < width; j++)
            s->h[i][j] = s->h[j][i] = s->known * sum[i * n + j];
    }
}

/* Of rows of a stripe: of H only what lies on and above its diagonal is there. */
static void find_pull(struct sweep *s, int64_t row, int64_t rows, int64_t column, int width)
{
    int64_t n = s->hessian->columns, next = column + width;
    const float *sum = s->hessian->sum, *off = s->off + row * n;
    float *pull = s->pull + row * BATCH;
    memset(pull, 0, rows * BATCH * sizeof *pull);
    if (column > 0)
        blas_subtract(rows, width, column, off, n, sum + column, n, pull, BATCH);
    if (next < n)
        blas_subtract_rows(rows, width, n - next, off + next, n, sum + column * n + next, n, pull, BATCH);
    for (int64_t i = 0; i < rows * BATCH; i++)
        pull[i] *= s->known;
    blas_subtract(rows, width, width, off + column, n, s->h[0], BATCH, pull, BATCH);
}

static void sweep_batch(struct sweep *s, float *w, int64_t column, int width)
{
    int64_t stripe = blas_stripe(s->rows);
    load_hessian(s, column, width);
#pragma omp parallel for schedule(dynamic)
    for (int64_t r = 0; r < s->rows; r += stripe)
        find_pull(s, r, smaller(stripe, s->rows - r), column, width);
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < s->rows; row += LANES) {
        struct tile t = {.row = row, .column = column, .rows = (int)smaller(LANES, s->rows - row), .width = width};
        sweep_tile(s, &t, w);
    }
}

static double take_gain(struct sweep *s)
{
    double sum = 0;
    for (int64_t r = 0; r < s->rows; r++)
        sum += s->gain[r];
    return sum;
}

double sweep(struct sweep *s, float *w, int times)
{
    int64_t n = s->hessian->columns;
#pragma omp parallel for
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t i = r * n; i < (r + 1) * n; i++)
            s->off[i] -= w[i];
    for (int i = 0; i < times; i++)
        for (int64_t column = 0; column < n; column += BATCH)
            sweep_batch(s, w, column, (int)smaller(BATCH, n - column));
    return take_gain(s);
}
