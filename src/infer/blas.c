#include "infer/blas.h"

#include <cblas.h>

/* LAPACK's own names: it comes in OpenBLAS's library, without a header of its own in Debian. Column-major. */
void spotrf_(const char *triangle, const blasint *n, float *a, const blasint *step, blasint *info);
void strtri_(const char *triangle, const char *diagonal, const blasint *n, float *a, const blasint *step,
             blasint *info);

void blas_times_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                     int64_t b_step, float *c, int64_t c_step)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
                (blasint)a_step, b, (blasint)b_step, 0, c, (blasint)c_step);
}

void blas_times(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                int64_t b_step, float *c, int64_t c_step)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
                (blasint)a_step, b, (blasint)b_step, 0, c, (blasint)c_step);
}

void blas_subtract(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                   int64_t b_step, float *c, int64_t c_step)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, -1, a,
                (blasint)a_step, b, (blasint)b_step, 1, c, (blasint)c_step);
}

void blas_add_squares(int64_t m, int64_t n, const float *x, float *sum)
{
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)n, (blasint)m, 1, x, (blasint)n, 1, sum, (blasint)n);
}

/* Rows are LAPACK's columns: what is lower here is upper there. */
bool blas_factor(int64_t n, float *a)
{
    blasint size = (blasint)n, info;
    spotrf_("U", &size, a, &size, &info);
    for (int64_t i = 0; i < n && !info; i++)
        for (int64_t j = i + 1; j < n; j++)
            a[i * n + j] = 0;
    return info == 0;
}

bool blas_invert_lower(int64_t n, float *a)
{
    blasint size = (blasint)n, info;
    strtri_("U", "N", &size, a, &size, &info);
    return info == 0;
}
