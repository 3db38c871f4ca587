/* Second moments of the inputs of a weight, H = Σ x xᵀ: what a change of its columns does to its outputs. A change
 * D[columns] of a row changes the outputs by D H Dᵀ (the sum of squares over the inputs).
 *
 * And how far they have drifted, where the weights before have been quantized already: with o the inputs in the
 * original model, Σ (o - x) xᵀ. */
#ifndef CALIB_HESSIAN_H
#define CALIB_HESSIAN_H

#include <stdbool.h>
#include <stdint.h>

#include "infer/columns.h"

struct hessian {
    int64_t columns;
    double rows;       /* inputs that were summed */
    float *sum;        /* [columns][columns]; of what lies below the diagonal nothing is known */
    float *drift;      /* [columns][columns]; NULL: not known */
    double *size;      /* [columns]: Σ |x| */
    float *most;       /* [columns]: the largest |x| */
};

void hessian_init(struct hessian *h, int64_t columns);
void hessian_done(struct hessian *h);
/* x[rows][columns]; and how far they have drifted: off[rows][columns] is o - x. NULL: that is not known. */
void hessian_add(struct hessian *h, const struct columns *x, const struct columns *off);

/* The same with its columns by falling diagonal: order[columns] says which stands where. Free with hessian_done. */
void hessian_sort(struct hessian *out, const struct hessian *h, int32_t *order);

/* The diagonal's middle number, of columns that some input reached. The mean would be that of the few columns with huge
 * inputs that most models have; 0 where there are none, or what is no number. */
double hessian_typical(const struct hessian *h);
/* What the sums of products of two columns are worth, 0 to 1: what few inputs say of them is mostly chance. The experts of
 * a mixture that a text hardly reached are rounded by their columns' importance, and little else. */
double hessian_known(const struct hessian *h);

/* u[columns][columns], upper triangular (zeros below), with uᵀ u = (H' + damp · typical · 1)⁻¹, where H' is H with all but
 * its diagonal times what is known. Where that cannot be factored, `*damp` is raised tenfold until it can; false when
 * even 10⁴ does not help. */
bool hessian_factor(const struct hessian *h, double *damp, float *u);

#endif
