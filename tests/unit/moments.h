/* Second moments to test with, and what changes of weights do to outputs by their definition. */
#ifndef MOMENTS_H
#define MOMENTS_H

#include <stdlib.h>

#include "calib/hessian.h"
#include "tests/unit/noise.h"

static inline void moments_add(struct hessian *h, const float *x, const float *off, int64_t rows)
{
    struct columns inputs = {0}, differences = {0};
    columns_set(&inputs, x, rows, h->columns);
    if (off)
        columns_set(&differences, off, rows, h->columns);
    hessian_add(h, &inputs, off ? &differences : NULL);
    columns_done(&inputs);
    columns_done(&differences);
}

/* Of inputs of which neighbours are alike, and some columns larger than others; in two halves. */
static inline void moments_fill(struct hessian *h, int64_t columns, int inputs)
{
    struct noise noise = {3};
    float *x = malloc(sizeof *x * inputs * columns);
    for (int i = 0; i < inputs; i++) {
        double drift = 0;
        for (int64_t j = 0; j < columns; j++) {
            drift = 0.8 * drift + noise_normal(&noise);
            x[i * columns + j] = (float)(drift * (j % 37 ? 1 : 4));
        }
    }
    hessian_init(h, columns);
    moments_add(h, x, NULL, inputs / 2);
    moments_add(h, x + inputs / 2 * columns, NULL, inputs - inputs / 2);
    free(x);
}

static inline double moments_at(const struct hessian *h, int64_t i, int64_t j)
{
    return i < j ? h->sum[i * h->columns + j] : h->sum[j * h->columns + i];
}

/* out[columns][columns]: what is factored with this damping. */
static inline void moments_damped(const struct hessian *h, double damp, double *out)
{
    double known = hessian_known(h), more = damp * hessian_typical(h);
    int64_t n = h->columns;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            out[i * n + j] = i == j ? moments_at(h, i, i) + more : known * moments_at(h, i, j);
}

/* Σ over rows of D H Dᵀ, D = a - b; with a damping of what is factored, in the place of H */
static inline double moments_error(const struct hessian *h, const float *a, const float *b, int rows, double damp)
{
    double sum = 0, known = damp != 0 ? hessian_known(h) : 1, more = damp * hessian_typical(h);
    int64_t n = h->columns;
    for (int r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            double d = a[r * n + i] - b[r * n + i], part = (moments_at(h, i, i) * (1 - known) + more) * d;
            for (int64_t j = 0; j < n; j++)
                part += known * moments_at(h, i, j) * (a[r * n + j] - b[r * n + j]);
            sum += d * part;
        }
    return sum;
}

static inline int moments_dead(const struct hessian *h)
{
    int count = 0;
    for (int64_t i = 0; i < h->columns; i++)
        count += moments_at(h, i, i) == 0;
    return count;
}

#endif
