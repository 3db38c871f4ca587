/* The grid of whole numbers that GPTQ, AWQ and the packed formats store (pack/scheme.h): a scale for each group of columns
 * of a row, and a zero point where the scheme has them.
 *
 * A group's scale is searched in two steps: some around the one that just spans its weights, each refitted to the
 * codes that it gives; and the nearest zero points of the best. Scales are rounded to what the checkpoint stores before
 * codes are chosen. */
#ifndef CALIB_CODE_GRID_H
#define CALIB_CODE_GRID_H

#include "calib/feedback.h"
#include "pack/scheme.h"

/* What a Hessian says, factored for a scheme: its columns by falling weight where the scheme wants that ("act order"). */
struct code_feedback {
    const struct scheme *scheme;
    struct feedback feedback;
    struct hessian sorted;          /* of columns in that order; else zeros */
    int32_t *order, *group_of;      /* [columns]: the column at a place, the group of a column; else NULL */
};
void code_feedback_init(struct code_feedback *f, const struct scheme *s, const struct hessian *h, double damp);
/* Every weight to the nearest code; scales searched by what inputs there are. */
void code_feedback_nearest(struct code_feedback *f, const struct scheme *s, const struct hessian *h);
void code_feedback_done(struct code_feedback *f);

/* Rows w[rows][columns], overwritten with what the codes decode to. The caller has made c->codes, scales and zeros for so
 * many rows; the rest is set here, c->group_of to what `f` owns. The same for any number of threads. */
void code_feedback_encode(const struct code_feedback *f, float *w, int64_t rows, struct codes *c,
                          struct feedback_result *r);

#endif
