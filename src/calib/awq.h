/* The scales of AWQ (J. Lin et al., arXiv 2306.00978): columns that meet large inputs are made larger before they are
 * rounded, so that they lose less, and their inputs smaller (fold.h). With a the mean |x| of a column's inputs, its scale is
 *
 *     a^r / sqrt(max a^r · min a^r),    r the best of 0, 1/20 ... 19/20
 *
 * The best is the one with the least loss in the outputs when all weights that meet these inputs go to the nearest
 * codes: Σ D H Dᵀ over their rows, with D the change of a row and H the second moments of the inputs (hessian.h). For
 * linear outputs that is the mean square error over the samples, which the paper measures by running them.
 *
 * The paper then searches how much of each group's range to cut off. Here the search for a group's scale does that for
 * every format of codes (code_grid.h). */
#ifndef CALIB_AWQ_H
#define CALIB_AWQ_H

#include "calib/hessian.h"
#include "pack/scheme.h"

/* A weight that meets the inputs: w[rows][columns]. */
struct awq_weight {
    const float *w;
    int64_t rows;
};

/* Σ D H Dᵀ over rows, of wide weights some that are evenly spread, when columns are scaled so (NULL: not) and go to the
 * nearest codes. */
double awq_loss(const struct scheme *s, const struct hessian *h, const struct awq_weight *w, int count,
                const float *scales);
/* `size`[columns]: mean |x|. Sets scales[columns]; returns the loss over that without scales, 1 where these are best. */
double awq_search(const struct scheme *s, const struct hessian *h, const float *size, const struct awq_weight *w, int count,
                  float *scales);

#endif
