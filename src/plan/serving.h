/* How the artefact of a plan is served on the machine that the plan is for: facts that tips ask about, and texts that stand
 * for {placeholders} in start lines and tips. All of it comes from the plan, whose record has the estimates. */
#ifndef PLAN_SERVING_H
#define PLAN_SERVING_H

#include "plan/plan.h"

/* What tips ask about; unknown ones (NaN, NULL) meet no condition. */
enum serving_fact {
    SERVING_OFFLOAD, SERVING_KV_TYPE,                                             /* words */
    SERVING_HYPERTHREADS, SERVING_DRAFT,                                          /* 0 or 1 */
    SERVING_PARALLEL, SERVING_GPUS, SERVING_NUMA, SERVING_CAPABILITY,             /* numbers */
    SERVING_KV_SHARE /* of all memory */, SERVING_RAM_SHARE /* of what was free */,
    SERVING_FACTS,
};

enum { SERVING_VALUES = 32 };
struct serving {
    double number[SERVING_FACTS];
    const char *word[SERVING_FACTS];
    const char *value[SERVING_VALUES]; /* of the placeholders, in the order of the table; NULL: unknown */
};

/* `artefact`: its path. `draft`: a small model of the same vocabulary; NULL: none was found. Texts live in the arena. */
void serving_of(struct serving *s, const struct plan *p, const char *artefact, const char *draft, struct arena *a);
/* A text with each {placeholder} replaced. What stands in [brackets] with a placeholder goes where that is unknown, and
 * loses its brackets where it is known; other braces and brackets stay as they are. */
char *serving_fill(const struct serving *s, const char *text, struct arena *a);

#endif
