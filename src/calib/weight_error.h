/* What a type would lose on a weight: the squared error of its outputs, as far as the errors of columns add up on their
 * own. With inputs x and an error d of a row, E (Σ d x)² is Σ d² E x² where the errors of two columns have nothing to
 * do with each other, and rounding errors hardly do. So errors are weighed by the mean square of the inputs that meet
 * their column: importance (imatrix.h). */
#ifndef CALIB_WEIGHT_ERROR_H
#define CALIB_WEIGHT_ERROR_H

#include "calib/imatrix.h"

struct weight_error_job {
    const struct tensor *tensor;
    const struct imatrix_entry *inputs;     /* NULL: not known, all columns count alike */
    const struct quant_type *const *types;  /* [count] */
    int count;
    bool told;                              /* the encoder knows the importance, too */
};
/* error[count]: of one input, summed over the outputs; NaN where the block does not divide the row. Of a large tensor some
 * rows are tried, evenly spread, and stand for the others. */
void weight_errors(const struct weight_error_job *j, double *error);

#endif
