#include "calib/feedback.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/finite.h"
#include "base/mem.h"
#include "calib/sweep.h"
#include "infer/blas.h"

enum {
    LANES = GRID_ROWS,    /* rows that go through a tile together */
    BATCH = GRID_COLUMNS, /* columns whose errors reach the later ones in one product */
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void feedback_init(struct feedback *f, const struct hessian *h, double damp)
{
    size_t n = h->columns;
    *f = (struct feedback){.hessian = h, .damp = damp, .sweeps = FEEDBACK_SWEEPS,
                           .u = xaligned(n * n * sizeof(float))};
    f->weight = xmalloc(n * sizeof *f->weight);
    if (!hessian_factor(h, &f->damp, f->u)) {
        free(f->u);
        f->u = NULL;
    }
    if (f->u && h->drift && find_not_finite(h->drift, (int64_t)(n * n)) < 0)
        f->drift = h->drift;
    for (size_t j = 0; j < n; j++)
        f->weight[j] = f->u ? 1 / (f->u[j * n + j] * f->u[j * n + j]) : 1;
}

void feedback_done(struct feedback *f)
{
    free(f->u);
    free(f->weight);
    *f = (struct feedback){0};
}

/* ------------------------------------------------------------------- a tile */

/* Rows side by side: sixteen of them, over the columns of a batch. */
struct tile {
    int64_t row, column;             /* where it begins */
    int rows, width;
    float x[BATCH][LANES];           /* weights, compensated; behind the current column what was chosen */
    float error[BATCH][LANES];       /* over u[j][j] */
};

/* One call's constants. */
struct work {
    const struct feedback *f;
    struct grid *grid;
    int64_t columns;
    float *w;
    float *errors;                   /* [rows][BATCH] */
};

/* Rounds column `at` of the tile, by its unit and minimum; `diagonal` is its u[j][j]. */
static void round_column(const struct grid *g, struct tile *t, int at, const float *unit, const float *minimum,
                         float diagonal)
{
    float chosen[LANES], inverse = 1 / diagonal;
    grid_nearest(g, t->x[at], unit, minimum, chosen);
    for (int l = 0; l < LANES; l++) {
        t->error[at][l] = (t->x[at][l] - chosen[l]) * inverse;
        t->x[at][l] = chosen[l];
    }
}

/* A column's error, to those that follow in the tile; `u` is the column's row of it, from the tile's first column on. */
static void spread(struct tile *t, int at, const float *u)
{
    for (int j = at + 1; j < t->width; j++)
#pragma omp simd
        for (int l = 0; l < LANES; l++)
            t->x[j][l] -= t->error[at][l] * u[j];
}

static void load(const struct work *k, struct tile *t)
{
    grid_load(k->w + t->row * k->columns + t->column, k->columns, t->rows, t->width, t->x);
}

static void store(const struct work *k, const struct tile *t)
{
    grid_store((const float(*)[LANES])t->x, t->rows, t->width, k->w + t->row * k->columns + t->column, k->columns);
    grid_store((const float(*)[LANES])t->error, t->rows, t->width, k->errors + t->row * BATCH, BATCH);
}

/* What rounding a run's columns in turn costs: Σ (e / u[j][j])², each column's error on what those before it left. */
CPU_CLONES static void cost_of(const void *user, const struct grid_block *b, int run, const struct grid_scales *s,
                               float *cost)
{
    const struct work *k = user;
    float y[BATCH][LANES];
    int first = run * k->grid->sub, n = b->columns - first < k->grid->sub ? b->columns - first : k->grid->sub;
    memcpy(y, b->x + first, n * sizeof *y);
    memset(cost, 0, LANES * sizeof *cost);
    for (int j = 0; j < n; j++) {
        const float *u = k->f->u + (b->column + first + j) * k->columns + b->column + first;
        float chosen[LANES], error[LANES], inverse = 1 / u[j];
        grid_nearest(k->grid, y[j], s->unit[run], s->minimum[run], chosen);
#pragma omp simd
        for (int l = 0; l < LANES; l++) {
            error[l] = (y[j][l] - chosen[l]) * inverse;
            cost[l] += error[l] * error[l];
        }
        for (int i = j + 1; i < n; i++)
#pragma omp simd
            for (int l = 0; l < LANES; l++)
                y[i][l] -= error[l] * u[i];
    }
}

static void encode_block(const struct work *k, struct tile *t, int at, int columns)
{
    struct grid_scales s = {0};
    struct grid_block b = {t->x + at, t->row, t->column + at, t->rows, columns};
    k->grid->find(k->grid, k->f, &b, &s);
    for (int j = 0; j < columns; j++) {
        const float *u = k->f->u ? k->f->u + (t->column + at + j) * k->columns + t->column : NULL;
        int sub = j / k->grid->sub;
        if (u && k->grid->rescale && j % k->grid->sub == 0)
            grid_adjust(k->grid, &b, sub, &s, cost_of, k);
        round_column(k->grid, t, at + j, s.unit[sub], s.minimum[sub], u ? u[at + j] : 1);
        if (u)
            spread(t, at + j, u);
    }
    k->grid->keep(k->grid, &b);
}

CPU_CLONES static void encode_tile(const struct work *k, struct tile *t)
{
    load(k, t);
    for (int at = 0; at < t->width; at += k->grid->block)
        encode_block(k, t, at, t->width - at < k->grid->block ? t->width - at : k->grid->block);
    store(k, t);
}

/* ----------------------------------------------------------------- a matrix */

/* Added up row by row, so that threads make no difference. */
static void add_squares(const struct work *k, int64_t rows, int width, double *squares)
{
#pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        for (int j = 0; j < width; j++)
            squares[r] += (double)k->errors[r * BATCH + j] * k->errors[r * BATCH + j];
}

void feedback_undrift(const struct feedback *f, float *w, int64_t rows)
{
    int64_t n = f->hessian->columns, stripe = blas_stripe(rows);
    if (!f->drift)
        return;
#pragma omp parallel
    {
        float *more = xaligned(stripe * n * sizeof *more);
#pragma omp for schedule(dynamic)
        for (int64_t r = 0; r < rows; r += stripe) {
            int64_t count = smaller(stripe, rows - r);
            blas_times(count, n, n, w + r * n, n, f->drift, n, more, n);
            blas_times_upper(count, n, f->u, n, true, more, n);
            blas_times_upper(count, n, f->u, n, false, more, n);
            for (int64_t i = 0; i < count * n; i++)
                w[r * n + i] += more[i];
        }
        free(more);
    }
}

/* The errors of a batch of columns, to all columns behind it. */
static void pass_on(const struct work *k, int64_t rows, int64_t column, int width, int64_t rest)
{
    const float *u = k->f->u + column * k->columns + column + width;
    int64_t stripe = blas_stripe(rows);
#pragma omp parallel for schedule(dynamic)
    for (int64_t r = 0; r < rows; r += stripe)
        blas_subtract(smaller(stripe, rows - r), rest, width, k->errors + r * BATCH, BATCH, u, k->columns,
                      k->w + r * k->columns + column + width, k->columns);
}

static void encode_batch(const struct work *k, int64_t rows, int64_t column, int width)
{
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < rows; row += LANES) {
        struct tile t = {.row = row, .column = column, .width = width};
        t.rows = rows - row < LANES ? (int)(rows - row) : LANES;
        encode_tile(k, &t);
    }
}

/* Returns Σ (e / u[j][j])², which is the sum over rows of D H Dᵀ with the damped H. */
static double encode_columns(const struct work *k, int64_t rows)
{
    double *squares = xcalloc(rows, sizeof *squares), sum = 0;
    for (int64_t column = 0; column < k->columns; column += BATCH) {
        int width = k->columns - column < BATCH ? (int)(k->columns - column) : BATCH;
        int64_t rest = k->columns - column - width;
        encode_batch(k, rows, column, width);
        add_squares(k, rows, width, squares);
        if (rest > 0 && k->f->u)
            pass_on(k, rows, column, width, rest);
    }
    for (int64_t r = 0; r < rows; r++)
        sum += squares[r];
    free(squares);
    return sum;
}

void feedback_encode(const struct feedback *f, struct grid *g, float *w, int64_t rows, struct feedback_result *r)
{
    int64_t n = f->hessian->columns;
    struct work k = {.f = f, .grid = g, .columns = n, .w = w};
    struct sweep s = {0};
    k.errors = xmalloc((size_t)rows * BATCH * sizeof *k.errors);
    feedback_undrift(f, w, rows);
    if (g->begin)
        g->begin(g, f, w, rows);
    if (f->u && f->sweeps > 0)
        sweep_init(&s, f, g, w, rows);
    double squares = encode_columns(&k, rows);
    if (s.off)
        squares -= sweep(&s, w, f->sweeps);
    *r = (struct feedback_result){.damp = f->damp, .plain = !f->u, .inputs = f->hessian->rows};
    r->loss = f->u ? squares / (f->hessian->rows * (double)rows) : NAN;
    sweep_done(&s);
    free(k.errors);
}
