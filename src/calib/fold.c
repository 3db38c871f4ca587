#include "calib/fold.h"

void fold_columns(float *w, int64_t rows, int64_t columns, const float *scales)
{
#pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            w[r * columns + c] *= scales[c];
}

void fold_rows(float *w, int64_t rows, int64_t columns, const float *scales)
{
#pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            w[r * columns + c] /= scales[r];
}

static void fold_both_sides(float *sum, int64_t n, const float *scales)
{
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            sum[i * n + j] /= scales[i] * scales[j];
}

void fold_inputs(struct hessian *h, const float *scales)
{
    fold_both_sides(h->sum, h->columns, scales);
    if (h->drift)
        fold_both_sides(h->drift, h->columns, scales);
    for (int64_t i = 0; i < h->columns; i++) {
        h->size[i] /= scales[i];
        h->most[i] /= scales[i];
    }
}

/* With x' = S⁻¹ x: Σ o x'ᵀ is the drift and Σ x' x'ᵀ together. */
void fold_drift(struct hessian *h, const float *scales)
{
    int64_t n = h->columns;
    if (!h->drift)
        return;
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double x = i <= j ? h->sum[i * n + j] : h->sum[j * n + i];
            h->drift[i * n + j] = (float)((h->drift[i * n + j] + x) / scales[i] - x);
        }
}
