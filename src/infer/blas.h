/* The door to a BLAS and its LAPACK: dense float32 products and factors of row-major matrices, each given with the
 * distance between its rows. Inside of a parallel region a call runs on the calling thread alone, elsewhere on all
 * threads. */
#ifndef INFER_BLAS_H
#define INFER_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* Rows of a matrix that are one thread's work: enough that a product is worth packing its other side for. */
int64_t blas_stripe(int64_t rows);

/* c[m][n] = a[m][k] · b[n][k]ᵀ */
void blas_times_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                     int64_t b_step, float *c, int64_t c_step);
/* c[m][n] = a[m][k] · b[k][n] */
void blas_times(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                int64_t b_step, float *c, int64_t c_step);
/* c[m][n] = a[m][n] · b[n][n], which is symmetric and of which the upper triangle alone is read */
void blas_times_symmetric(int64_t m, int64_t n, const float *a, int64_t a_step, const float *b, int64_t b_step, float *c,
                          int64_t c_step);

/* a[m][n] = a · u with u[n][n] upper triangular, or a · uᵀ: half the work of a product with a full matrix */
void blas_times_upper(int64_t m, int64_t n, const float *u, int64_t u_step, bool transposed, float *a, int64_t a_step);

/* c[m][n] -= a[m][k] · b[k][n] */
void blas_subtract(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                   int64_t b_step, float *c, int64_t c_step);
/* c[m][n] -= a[m][k] · b[n][k]ᵀ */
void blas_subtract_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                        int64_t b_step, float *c, int64_t c_step);
/* c[m][n] += a[k][m]ᵀ · b[k][n] */
void blas_add_columns(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                      int64_t b_step, float *c, int64_t c_step);
/* The lower triangle of a[n][n] becomes l with l lᵀ = a; false where that is not positive definite. */
bool blas_factor(int64_t n, float *a, int64_t a_step);
/* a[m][n] = a · (lᵀ)⁻¹ with l[n][n] lower triangular */
void blas_divide_rows(int64_t m, int64_t n, const float *l, int64_t l_step, float *a, int64_t a_step);
/* b[n][m] = l⁻¹ · b */
void blas_solve(int64_t n, int64_t m, const float *l, int64_t l_step, float *b, int64_t b_step);

#endif
