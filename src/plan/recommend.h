/* Applies the decisions to the rows: points, prohibitions, the winner and the reason of every other row. */
#ifndef PLAN_RECOMMEND_H
#define PLAN_RECOMMEND_H

#include "plan/estimate.h"

/* Fills reasons, scores, `forbidden`, `recommended`, the headline and the warnings. */
void recommend(struct estimates *s, const struct machine *m, const struct model *model,
               const struct wishes *w, const struct rules *r);
/* The warnings that apply when this row is chosen (-1: none), and measured or not; replaces the list. */
void recommend_warnings(struct estimates *s, int row, bool evaluation, const struct machine *m,
                        const struct model *model, const struct wishes *w, const struct rules *r);

#endif
