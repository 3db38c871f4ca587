#include "calib/hessian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/blas.h"

void hessian_init(struct hessian *h, int64_t columns)
{
    size_t bytes = (size_t)columns * columns * sizeof *h->sum;
    *h = (struct hessian){.columns = columns, .sum = xaligned(bytes)};
    memset(h->sum, 0, bytes);
}

void hessian_done(struct hessian *h)
{
    free(h->sum);
    *h = (struct hessian){0};
}

void hessian_add(struct hessian *h, const float *x, int64_t rows)
{
    blas_add_squares(rows, h->columns, x, h->sum);
    h->rows += (double)rows;
}

static double mean_diagonal(const struct hessian *h)
{
    double sum = 0;
    for (int64_t i = 0; i < h->columns; i++)
        sum += h->sum[i * h->columns + i];
    return sum / (double)h->columns;
}

int64_t hessian_dead(const struct hessian *h)
{
    int64_t count = 0;
    for (int64_t i = 0; i < h->columns; i++)
        count += h->sum[i * h->columns + i] == 0;
    return count;
}

/* All of the symmetric matrix, its last row and column first, and `more` on the diagonal. */
static void reverse_into(const struct hessian *h, float more, float *out)
{
    int64_t n = h->columns;
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i; j < n; j++) {
            float value = h->sum[i * n + j];
            out[(n - 1 - i) * n + n - 1 - j] = value;
            out[(n - 1 - j) * n + n - 1 - i] = value;
        }
        out[(n - 1 - i) * n + n - 1 - i] += more;
    }
}

/* Back to the first column first. */
static void reverse_back(float *a, int64_t n)
{
    for (int64_t i = 0, j = n * n - 1; i < j; i++, j--) {
        float kept = a[i];
        a[i] = a[j];
        a[j] = kept;
    }
}

/* With J that reverses the order: J H J = L Lᵀ, so H = (J L J)(J L J)ᵀ, where J L J is upper triangular; its inverse
 * J L⁻¹ J is the u that is wanted. One factorization and one triangular inverse do what inverting H and factoring
 * that would need three for. */
bool hessian_factor(const struct hessian *h, double *damp, float *u)
{
    int64_t n = h->columns;
    double mean = mean_diagonal(h);
    for (; *damp <= 1; *damp *= 10) {
        reverse_into(h, (float)(*damp * mean), u);
        if (mean > 0 && isfinite(mean) && blas_factor(n, u) && blas_invert_lower(n, u)) {
            reverse_back(u, n);
            return true;
        }
    }
    return false;
}
