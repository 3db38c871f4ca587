/* rules/tips.yaml: what makes a served model faster or smaller, where it holds. */
#ifndef PLAN_TIPS_H
#define PLAN_TIPS_H

#include "plan/serving.h"

struct tip { const char *name, *text, *where; }; /* where: "tips.yaml:4" */

/* Those of a runtime whose conditions all hold, with their texts filled in, in the arena. */
int tips_of(struct tip **tips, int *count, const char *runtime, const struct serving *s, struct arena *a, struct error *e);
extern const struct schema_field tip_fields[];

#endif
