#include "calib/feedback.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/blas.h"
#include "quant/iq4.h"

enum {
    LANES = 16,   /* rows that go through a tile together */
    BATCH = 256,  /* columns whose errors reach the later ones in one product */
    SUBS = 16,    /* most scales of a block */
};

/* Rows of a matrix that are one thread's work. */
enum { STRIPE = 64 };

static int64_t stripe_length(int64_t rows, int64_t at)
{
    return rows - at < STRIPE ? rows - at : STRIPE;
}

/* drift · uᵀ · u */
static float *shift_of(const float *drift, const float *u, int64_t n)
{
    float *shift = xaligned((size_t)n * n * sizeof *shift);
#pragma omp parallel
    {
        float *half = xaligned(STRIPE * n * sizeof *half);
#pragma omp for schedule(dynamic)
        for (int64_t r = 0; r < n; r += STRIPE) {
            blas_times_rows(stripe_length(n, r), n, n, drift + r * n, n, u, n, half, n);
            blas_times(stripe_length(n, r), n, n, half, n, u, n, shift + r * n, n);
        }
        free(half);
    }
    return shift;
}

void feedback_init(struct feedback *f, const struct hessian *h, double damp)
{
    size_t n = h->columns;
    *f = (struct feedback){.hessian = h, .damp = damp, .u = xaligned(n * n * sizeof(float))};
    f->weight = xmalloc(n * sizeof *f->weight);
    if (!hessian_factor(h, &f->damp, f->u)) {
        free(f->u);
        f->u = NULL;
    }
    if (f->u && h->drift)
        f->shift = shift_of(h->drift, f->u, h->columns);
    for (size_t j = 0; j < n; j++)
        f->weight[j] = f->u ? 1 / (f->u[j * n + j] * f->u[j * n + j]) : 1;
}

void feedback_done(struct feedback *f)
{
    free(f->u);
    free(f->weight);
    free(f->shift);
    *f = (struct feedback){0};
}

/* ------------------------------------------------------------------- a tile */

/* Rows side by side: sixteen of them, over the columns of a batch. */
struct tile {
    float x[BATCH][LANES];           /* weights, compensated; behind the current column what was chosen */
    float error[BATCH][LANES];       /* over u[j][j] */
    float unit[SUBS][LANES], minimum[SUBS][LANES];
};

/* One call's constants. */
struct work {
    const struct feedback *f;
    const struct quant_type *type;
    int64_t columns, row_bytes;
    float *w;
    unsigned char *blocks;
    float *errors;                   /* [rows][BATCH] */
};

static void nearest_even(const struct quant_type *t, const float *x, const float *unit, const float *minimum, float *out)
{
#pragma omp simd
    for (int l = 0; l < LANES; l++) {
        float inverse = unit[l] != 0 ? 1 / unit[l] : 0, q = (x[l] - minimum[l]) * inverse;
        q = q > t->low ? q : t->low;
        q = q < t->high ? q : t->high;
        q = q + 12582912.0f - 12582912.0f; /* to the nearest whole number */
        out[l] = unit[l] * q + minimum[l];
    }
}

static void nearest_level(const float *x, const float *unit, float *out)
{
    for (int l = 0; l < LANES; l++)
        out[l] = unit[l] * iq4_levels[iq4_code(unit[l] != 0 ? x[l] / unit[l] : 0)];
}

/* The scales of the blocks that begin at column `at` of the tile, searched on their weights as they are now. */
static void find_scales(const struct work *k, struct tile *t, int64_t column, int at, unsigned char *blocks)
{
    int n = k->type->block;
    float y[LANES * BATCH], weight[LANES * BATCH], unit[SUBS], minimum[SUBS];
    for (int l = 0; l < LANES; l++)
        for (int j = 0; j < n; j++) {
            y[l * n + j] = t->x[at + j][l];
            weight[l * n + j] = k->f->weight[column + at + j];
        }
    k->type->encode(y, weight, blocks, (int64_t)LANES * n);
    for (int l = 0; l < LANES; l++) {
        k->type->grid(blocks + l * k->type->block_bytes, unit, minimum);
        for (int s = 0; s < n / k->type->sub; s++) {
            t->unit[s][l] = unit[s];
            t->minimum[s][l] = minimum[s];
        }
    }
}

/* Rounds column `at` of the tile and passes its error on within the tile, which has `width` columns. */
static void round_column(const struct work *k, struct tile *t, int64_t column, int at, int width)
{
    const float *u = k->f->u + (column + at) * k->columns + column;
    int s = at % k->type->block / k->type->sub;
    float chosen[LANES], inverse = 1 / u[at];
    if (k->type->uneven)
        nearest_level(t->x[at], t->unit[s], chosen);
    else
        nearest_even(k->type, t->x[at], t->unit[s], t->minimum[s], chosen);
    for (int l = 0; l < LANES; l++) {
        t->error[at][l] = (t->x[at][l] - chosen[l]) * inverse;
        t->x[at][l] = chosen[l];
    }
    for (int j = at + 1; j < width; j++)
#pragma omp simd
        for (int l = 0; l < LANES; l++)
            t->x[j][l] -= t->error[at][l] * u[j];
}

static void store_blocks(const struct work *k, const struct tile *t, int64_t row, int rows, int64_t column, int at,
                         unsigned char *blocks)
{
    float y[BATCH];
    for (int l = 0; l < rows; l++) {
        unsigned char *block = blocks + l * k->type->block_bytes;
        for (int j = 0; j < k->type->block; j++)
            y[j] = t->x[at + j][l];
        k->type->recode(y, block);
        memcpy(k->blocks + (row + l) * k->row_bytes + (column + at) / k->type->block * k->type->block_bytes, block,
               k->type->block_bytes);
    }
}

static void load(const struct work *k, struct tile *t, int64_t row, int rows, int64_t column, int width)
{
    for (int j = 0; j < width; j++)
        for (int l = 0; l < LANES; l++)
            t->x[j][l] = l < rows ? k->w[(row + l) * k->columns + column + j] : 0;
}

static void store(const struct work *k, const struct tile *t, int64_t row, int rows, int64_t column, int width)
{
    for (int l = 0; l < rows; l++)
        for (int j = 0; j < width; j++) {
            k->w[(row + l) * k->columns + column + j] = t->x[j][l];
            k->errors[(row + l) * BATCH + j] = t->error[j][l];
        }
}

static void encode_tile(const struct work *k, int64_t row, int rows, int64_t column, int width)
{
    struct tile t;
    unsigned char blocks[LANES * BATCH * 2];
    load(k, &t, row, rows, column, width);
    for (int at = 0; at < width; at += k->type->block) {
        find_scales(k, &t, column, at, blocks);
        for (int j = at; j < at + k->type->block; j++)
            round_column(k, &t, column, j, width);
        store_blocks(k, &t, row, rows, column, at, blocks);
    }
    store(k, &t, row, rows, column, width);
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

/* w += w · shift */
static void undrift(const struct feedback *f, float *w, int64_t rows)
{
    int64_t n = f->hessian->columns;
#pragma omp parallel
    {
        float *more = xaligned(STRIPE * n * sizeof *more);
#pragma omp for schedule(dynamic)
        for (int64_t r = 0; r < rows; r += STRIPE) {
            blas_times(stripe_length(rows, r), n, n, w + r * n, n, f->shift, n, more, n);
            for (int64_t i = 0; i < stripe_length(rows, r) * n; i++)
                w[r * n + i] += more[i];
        }
        free(more);
    }
}

/* The errors of a batch of columns, to all columns behind it. */
static void pass_on(const struct work *k, int64_t rows, int64_t column, int width, int64_t rest)
{
    const float *u = k->f->u + column * k->columns + column + width;
#pragma omp parallel for schedule(dynamic)
    for (int64_t r = 0; r < rows; r += STRIPE)
        blas_subtract(stripe_length(rows, r), rest, width, k->errors + r * BATCH, BATCH, u, k->columns,
                      k->w + r * k->columns + column + width, k->columns);
}

/* Returns Σ (e / u[j][j])², which is the sum over rows of D H Dᵀ with the damped H. */
static double encode_columns(const struct work *k, int64_t rows)
{
    double *squares = xcalloc(rows, sizeof *squares), sum = 0;
    for (int64_t column = 0; column < k->columns; column += BATCH) {
        int width = k->columns - column < BATCH ? (int)(k->columns - column) : BATCH;
        int64_t rest = k->columns - column - width;
#pragma omp parallel for schedule(dynamic)
        for (int64_t row = 0; row < rows; row += LANES)
            encode_tile(k, row, rows - row < LANES ? (int)(rows - row) : LANES, column, width);
        add_squares(k, rows, width, squares);
        if (rest > 0)
            pass_on(k, rows, column, width, rest);
    }
    for (int64_t r = 0; r < rows; r++)
        sum += squares[r];
    free(squares);
    return sum;
}

void feedback_encode(const struct feedback *f, const struct quant_type *type, float *w, int64_t rows, void *blocks,
                     struct feedback_result *r)
{
    int64_t n = f->hessian->columns;
    struct work k = {.f = f, .type = type, .columns = n, .row_bytes = (int64_t)quant_bytes(type, n), .w = w,
                     .blocks = blocks};
    *r = (struct feedback_result){.damp = f->damp, .plain = !f->u, .loss = NAN};
    if (f->shift)
        undrift(f, w, rows);
    if (f->u) {
        k.errors = xmalloc((size_t)rows * BATCH * sizeof *k.errors);
        r->loss = encode_columns(&k, rows) / (f->hessian->rows * (double)rows);
        free(k.errors);
    } else {
        type->encode(w, NULL, blocks, rows * n);
        type->decode(blocks, w, rows * n);
    }
}
