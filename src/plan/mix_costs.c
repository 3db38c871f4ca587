#include "plan/mix_costs.h"

#include <stdlib.h>

#include "plan/mix_book.h"
#include "plan/recipe.h"

/* A weight that the forward pass meets: of others nothing is known, and they get what the base level has for them. */
static bool takes_part(const struct recipe_walk *w, const struct model *m, int i)
{
    const struct tensor *t = &m->tensors[i];
    return !recipe_walk_keeps(w, i) && t->role != ROLE_OTHER && !t->bias && t->type->decode;
}

struct mix_costs *mix_costs_plain(const struct model *m, const struct rules *r, const char *text)
{
    struct mix_costs *c = xcalloc(1, sizeof *c);
    struct recipe_walk *walk = recipe_walk_new(m, r);
    c->tensors = xcalloc(m->tensor_count + 1, sizeof *c->tensors);
    for (int i = 0; i < m->tensor_count; i++)
        if (takes_part(walk, m, i))
            c->tensors[c->s.tensor_count++] = i;
    c->types = text ? r->mixes->told_types : r->mixes->types;
    while (c->types[c->s.type_count])
        c->s.type_count++;
    recipe_walk_free(walk);
    return c;
}

int mix_costs_measure(struct mix_costs **out, const struct model *m, const struct rules *r, const char *text,
                      struct watch *w, struct error *e)
{
    struct mix_costs *c = mix_costs_plain(m, r, text);
    const struct sensitivity_job job = {
        .model = m,
        .tensors = c->tensors,
        .tensor_count = c->s.tensor_count,
        .types = c->types,
        .type_count = c->s.type_count,
        .probes = r->mixes->probes,
        .text = text ? text : CALIBRATION_GENERAL,
        .told = text,
        .groups = r->mixes->groups,
        .watch = w,
    };
    int rc = m->complete ? sensitivities_measure(&c->s, &job, e)
                         : error_set(e, ERROR_FAILED, "%s: a mix is measured on the weights, and they are not here:"
                                     " fetch them first, or take a preset (--mix=attention)", m->path);
    if (rc)
        mix_costs_free(c);
    *out = rc ? NULL : c;
    return rc;
}

void mix_costs_free(struct mix_costs *c)
{
    if (!c)
        return;
    sensitivities_done(&c->s);
    free(c->tensors);
    free(c);
}
