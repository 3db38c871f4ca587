/* What is said of numbers that no model should hold. */
#ifndef RUN_FINITE_H
#define RUN_FINITE_H

#include "base/finite.h"
#include "model/model.h"

/* The error for NaN or an infinity. */
int not_finite_error(const struct tensor_place *p, float value, struct error *e);

#endif
