/* Scales moved out of a weight's inputs and into the weight, which leaves its outputs as they are:
 *
 *     y = W x = (W S)(S⁻¹ x),    S diagonal
 *
 * S⁻¹ goes into what makes the inputs: the weight and the bias of a norm, the rows of another weight. */
#ifndef CALIB_FOLD_H
#define CALIB_FOLD_H

#include <stdint.h>

/* w[rows][columns] · S */
void fold_columns(float *w, int64_t rows, int64_t columns, const float *scales);
/* S⁻¹ · w[rows][columns]; of norms and biases columns is 1. */
void fold_rows(float *w, int64_t rows, int64_t columns, const float *scales);

#endif
