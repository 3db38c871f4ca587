/* How much perplexity a level costs, from published tables (rules/levels.yaml), until it is measured. */
#ifndef PLAN_LOSS_H
#define PLAN_LOSS_H

#include "plan/rules.h"

struct loss_table {
    const char *model, *from, *source; /* from: "published, Llama-3-8B" */
    double parameters;
    double *loss;                      /* by level, a fraction; NaN: not in the table */
};
int losses_compile(struct rules *r, struct error *e);
/* The table that speaks for a model of this size and has this level: the nearest in size, but none of a model
 * much larger, whose losses would be too small; NULL where none does. */
const struct loss_table *loss_table(const struct rules *r, const struct level *level, double parameters);

#endif
