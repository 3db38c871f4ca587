/* Floats that are no numbers: NaN and the infinities. */
#ifndef BASE_FINITE_H
#define BASE_FINITE_H

#include <stdint.h>

/* Index of the first, -1: none. */
int64_t find_not_finite(const float *x, int64_t n);
/* They become 0; returns how many there were. */
int64_t drop_not_finite(float *x, int64_t n);

#endif
