/* Numbers that no model should hold. */
#ifndef RUN_FINITE_H
#define RUN_FINITE_H

#include "model/model.h"

/* Index of the first NaN or infinity, -1: none. */
int64_t find_not_finite(const float *x, int64_t n);
/* The error for such a number. */
int not_finite_error(const struct tensor_place *p, float value, struct error *e);

#endif
