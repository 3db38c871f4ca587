/* What is said of numbers that no model should hold; base/finite.h finds them. */
#ifndef RUN_BAD_NUMBER_H
#define RUN_BAD_NUMBER_H

#include "model/model.h"

/* The error for NaN or an infinity. */
int bad_number_error(const struct tensor_place *p, float value, struct error *e);

#endif
