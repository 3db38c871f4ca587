#include "calib/awq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/blas.h"
#include "pack/codes.h"

enum {
    RATIOS = 20,
    STRIPE = 128,      /* rows that are one thread's work: enough that a product is worth packing H for */
    ROWS_TRIED = 512,  /* of a weight; their loss stands for that of all */
};

/* What rounding to nearest changes some rows by, in terms of the weights as they were. */
static void changes(const struct scheme *s, const float *const *rows, int64_t count, int64_t n, const float *scales,
                    float *d)
{
    struct codes c;
    float *scaled = xmalloc(count * n * sizeof *scaled);
    for (int64_t r = 0; r < count; r++)
        for (int64_t j = 0; j < n; j++)
            scaled[r * n + j] = rows[r][j] * (scales ? scales[j] : 1);
    codes_init(&c, s, count, n);
    codes_nearest(&c, s, scaled);
    codes_floats(&c, d);
    for (int64_t r = 0; r < count; r++)
        for (int64_t j = 0; j < n; j++)
            d[r * n + j] = d[r * n + j] / (scales ? scales[j] : 1) - rows[r][j];
    codes_done(&c);
    free(scaled);
}

/* D · H · Dᵀ of each row, summed */
static double weighed(const struct hessian *h, const float *d, int64_t count)
{
    int64_t n = h->columns;
    float *dh = xmalloc(count * n * sizeof *dh);
    double sum = 0;
    blas_times_symmetric(count, n, d, n, h->sum, n, dh, n);
    for (int64_t i = 0; i < count * n; i++)
        sum += (double)dh[i] * d[i];
    free(dh);
    return sum;
}

/* The rows that are tried, of all weights. */
static const float **choose_rows(const struct awq_weight *w, int count, int64_t columns, int64_t *chosen)
{
    const float **rows = xmalloc((size_t)count * ROWS_TRIED * sizeof *rows);
    *chosen = 0;
    for (int i = 0; i < count; i++) {
        int64_t n = w[i].rows < ROWS_TRIED ? w[i].rows : ROWS_TRIED;
        for (int64_t k = 0; k < n; k++)
            rows[(*chosen)++] = w[i].w + k * w[i].rows / n * columns;
    }
    return rows;
}

/* Stripes are added up in order, so that threads make no difference. */
static double loss_of_rows(const struct scheme *s, const struct hessian *h, const float *const *rows, int64_t count,
                           const float *scales)
{
    int64_t stripes = (count + STRIPE - 1) / STRIPE;
    double *losses = xcalloc(stripes + 1, sizeof *losses), sum = 0;
#pragma omp parallel
    {
        float *d = xmalloc(STRIPE * h->columns * sizeof *d);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < stripes; i++) {
            int64_t n = count - i * STRIPE < STRIPE ? count - i * STRIPE : STRIPE;
            changes(s, rows + i * STRIPE, n, h->columns, scales, d);
            losses[i] = weighed(h, d, n);
        }
        free(d);
    }
    for (int64_t i = 0; i < stripes; i++)
        sum += losses[i];
    free(losses);
    return sum;
}

double awq_loss(const struct scheme *s, const struct hessian *h, const struct awq_weight *w, int count,
                const float *scales)
{
    int64_t chosen;
    const float **rows = choose_rows(w, count, h->columns, &chosen);
    double loss = loss_of_rows(s, h, rows, chosen, scales);
    free(rows);
    return loss;
}

/* Columns without inputs go with the smallest that have some. */
static void scales_at(double ratio, const float *size, int64_t n, float *scales)
{
    double most = 0, least = INFINITY;
    for (int64_t j = 0; j < n; j++) {
        most = fmax(most, size[j]);
        least = size[j] > 0 ? fmin(least, size[j]) : least;
    }
    least = fmax(least, 1e-4 * most); /* no column is shrunk to nothing */
    double middle = sqrt(pow(most, ratio) * pow(least, ratio));
    for (int64_t j = 0; j < n; j++)
        scales[j] = (float)(pow(fmax(size[j], least), ratio) / middle);
}

double awq_search(const struct scheme *s, const struct hessian *h, const float *size, const struct awq_weight *w, int count,
                  float *scales)
{
    int64_t n = h->columns, chosen;
    const float **rows = choose_rows(w, count, n, &chosen);
    float *tried = xmalloc(n * sizeof *tried);
    double first = loss_of_rows(s, h, rows, chosen, NULL), least = first;
    for (int64_t j = 0; j < n; j++)
        scales[j] = 1;
    for (int i = 1; i < RATIOS && h->rows > 0; i++) {
        scales_at((double)i / RATIOS, size, n, tried);
        double loss = loss_of_rows(s, h, rows, chosen, tried);
        if (loss < least) {
            least = loss;
            memcpy(scales, tried, n * sizeof *scales);
        }
    }
    free(tried);
    free(rows);
    return first > 0 ? least / first : 1;
}
