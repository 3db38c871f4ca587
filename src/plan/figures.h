/* The figures that a rule's reason may name: "{loss} is more than {limit}". */
#ifndef PLAN_FIGURES_H
#define PLAN_FIGURES_H

#include "base/str.h"
#include "plan/decision.h"

struct telling {
    const struct facts *facts;
    const struct model *model;
    const struct estimate *row; /* NULL: none */
};

/* Whether every {name} in the text is a figure. */
bool figures_known(const char *text);
/* The text with its figures filled in, in the arena. */
char *figures_fill(const char *text, const struct telling *t, struct arena *a);

#endif
