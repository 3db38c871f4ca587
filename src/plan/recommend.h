/* Applies the decisions to the rows: points, prohibitions, the winner and the reason of every other row. */
#ifndef PLAN_RECOMMEND_H
#define PLAN_RECOMMEND_H

#include "plan/estimate.h"

/* Fills reasons, scores, `forbidden`, `recommended`, the headline and the warnings. */
void recommend(struct estimates *s, const struct machine *m, const struct model *model,
               const struct wishes *w, const struct rules *r);
/* What was settled after the estimates. */
struct chosen {
    int row;                     /* -1: none */
    bool evaluated;              /* the result will be measured */
    bool importance;             /* there is an importance matrix */
};
/* The warnings that apply then; replaces the list. */
void recommend_warnings(struct estimates *s, const struct chosen *c, const struct machine *m, const struct model *model,
                        const struct wishes *w, const struct rules *r);

#endif
