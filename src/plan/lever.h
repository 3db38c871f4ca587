/* Levers: what can be changed beside the level where the one that the rules want does not fit, or is slower than was
 * wished for; each with what it gains. rules/levers.yaml has them in the order of what they cost the person. */
#ifndef PLAN_LEVER_H
#define PLAN_LEVER_H

#include "plan/estimate.h"

int levers_compile(struct rules *r, struct error *e);

/* The levers that help `row` of the estimates; -1: what the rules want, and of it only what helps alone where some
 * other level fits. Texts and list live in the arena. */
void levers_find(struct levers *out, struct arena *a, const struct estimates *s, int row, const struct machine *m,
                 const struct model *model, const struct wishes *w, const struct rules *r);
/* The cheapest that is enough alone, one without too much loss first; NULL: none is. */
const struct lever *levers_first(const struct levers *l);
/* What is to be done where nothing fits: "nothing fits; --kv-type q8_0 makes Q3_K_M fit". */
char *levers_headline(const struct levers *l, struct arena *a);

#endif
