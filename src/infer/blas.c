#include "infer/blas.h"

#include <cblas.h>

/* LAPACK's own name: it comes in OpenBLAS's library, without a header of its own in Debian. Column-major. */
void spotrf_(const char *triangle, const blasint *n, float *a, const blasint *step, blasint *info);

int64_t blas_stripe(int64_t rows)
{
    enum { STRIPES = 16, LEAST = 32, MOST = 512 };
    int64_t stripe = (rows + STRIPES - 1) / STRIPES;
    return stripe < LEAST ? LEAST : stripe < MOST ? stripe : MOST;
}

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

void blas_times_symmetric(int64_t m, int64_t n, const float *a, int64_t a_step, const float *b, int64_t b_step, float *c,
                          int64_t c_step)
{
    cblas_ssymm(CblasRowMajor, CblasRight, CblasUpper, (blasint)m, (blasint)n, 1, b, (blasint)b_step, a, (blasint)a_step, 0,
                c, (blasint)c_step);
}

void blas_times_upper(int64_t m, int64_t n, const float *u, int64_t u_step, bool transposed, float *a, int64_t a_step)
{
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (blasint)m,
                (blasint)n, 1, u, (blasint)u_step, a, (blasint)a_step);
}

void blas_subtract(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                   int64_t b_step, float *c, int64_t c_step)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, -1, a,
                (blasint)a_step, b, (blasint)b_step, 1, c, (blasint)c_step);
}

void blas_subtract_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                        int64_t b_step, float *c, int64_t c_step)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, -1, a,
                (blasint)a_step, b, (blasint)b_step, 1, c, (blasint)c_step);
}

void blas_add_columns(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                      int64_t b_step, float *c, int64_t c_step)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
                (blasint)a_step, b, (blasint)b_step, 1, c, (blasint)c_step);
}

/* Rows are LAPACK's columns: what is lower here is upper there. */
bool blas_factor(int64_t n, float *a, int64_t a_step)
{
    blasint size = (blasint)n, step = (blasint)a_step, info;
    spotrf_("U", &size, a, &step, &info);
    return info == 0;
}

void blas_divide_rows(int64_t m, int64_t n, const float *l, int64_t l_step, float *a, int64_t a_step)
{
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (blasint)m, (blasint)n, 1, l,
                (blasint)l_step, a, (blasint)a_step);
}

void blas_solve(int64_t n, int64_t m, const float *l, int64_t l_step, float *b, int64_t b_step)
{
    cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)n, (blasint)m, 1, l,
                (blasint)l_step, b, (blasint)b_step);
}
