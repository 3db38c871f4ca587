/* What a mix is chosen by: the weights that get a type, and what each type costs. */
#ifndef PLAN_MIX_COSTS_H
#define PLAN_MIX_COSTS_H

#include "base/watch.h"
#include "eval/sensitivity.h"
#include "plan/rules.h"

/* What types were measured to cost, weight by weight. The budget has no part in it. */
struct mix_costs {
    int *tensors;              /* [s.tensor_count] in the model: those that a mix gives a type */
    const struct quant_type *const *types; /* [s.type_count], NULL-terminated */
    struct sensitivities s;    /* of these; loss NULL: nothing was measured */
};
/* `text`: what the file will be made by, or NULL: then the general text stands for it, and the encoder knows nothing of
 * it. The first time this takes minutes; an interrupted measurement goes on where it stopped. */
int mix_costs_measure(struct mix_costs **out, const struct model *m, const struct rules *r, const char *text,
                      struct watch *w, struct error *e);
/* The same without a measurement, for presets. */
struct mix_costs *mix_costs_plain(const struct model *m, const struct rules *r, const char *text);
void mix_costs_free(struct mix_costs *c);

#endif
