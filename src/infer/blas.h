/* The door to a BLAS: dense float32 products of row-major matrices, each given with the distance between its
 * rows. Inside of a parallel region a call runs on the calling thread alone, elsewhere on all threads. */
#ifndef INFER_BLAS_H
#define INFER_BLAS_H

#include <stdint.h>

/* c[m][n] = a[m][k] · b[n][k]ᵀ */
void blas_times_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                     int64_t b_step, float *c, int64_t c_step);
/* c[m][n] = a[m][k] · b[k][n] */
void blas_times(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_step, const float *b,
                int64_t b_step, float *c, int64_t c_step);

#endif
