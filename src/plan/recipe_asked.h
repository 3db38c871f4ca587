/* Types that are asked for beside a level: pins by name, then options, then patterns over names (recipe_options). */
#ifndef PLAN_RECIPE_ASKED_H
#define PLAN_RECIPE_ASKED_H

#include "plan/recipe_walk.h"

struct asked_pattern;
struct asked {
    const struct recipe_walk *walk;
    const struct recipe_options *options;
    struct asked_pattern *patterns; /* [options->override_count], compiled */
};
/* Refuses pins of what cannot be quantized, and patterns that are none. Call asked_done whatever is returned. */
int asked_init(struct asked *a, const struct recipe_walk *w, const struct recipe_options *o, struct error *e);
void asked_done(struct asked *a);
/* Gives a tensor the type that is asked for; false: none is. */
bool asked_follow(const struct asked *a, const struct walk_tensor *t, struct tensor_plan *p);
/* After all tensors: refuses patterns that gave none a type. */
int asked_check_used(const struct asked *a, struct error *e);

#endif
