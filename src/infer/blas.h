/* The door to a BLAS and its LAPACK: dense float32 products and factors of row-major matrices, each given with the distance between its
 * rows. Inside of a parallel region a call runs on the calling thread alone, elsewhere on all threads. */
#ifndef INFER_BLAS_H
#define INFER_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* c[m][n] = a[m][k] · b[n][k]ᵀ */
void blas_times_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                     int64_t b_step, float *c, int64_t c_step);
/* c[m][n] = a[m][k] · b[k][n] */
void blas_times(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                int64_t b_step, float *c, int64_t c_step);

/* c[m][n] -= a[m][k] · b[k][n] */
void blas_subtract(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                   int64_t b_step, float *c, int64_t c_step);
/* sum[n][n] += x[m][n]ᵀ · x, the upper triangle alone */
void blas_add_squares(int64_t m, int64_t n, const float *x, float *sum);
/* a[n][n], symmetric, becomes the lower triangular l with l lᵀ = a, zeros above; false where it is not positive
 * definite. */
bool blas_factor(int64_t n, float *a);
/* The inverse of a lower triangular matrix, in place; false where it has none. */
bool blas_invert_lower(int64_t n, float *a);

#endif
