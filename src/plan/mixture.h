/* The best mix of types for a model within a budget: a type for each weight, by what they were measured to cost in
 * divergence (eval/sensitivity.h), or by a preset (rules/mixes.yaml) that says what matters. */
#ifndef PLAN_MIXTURE_H
#define PLAN_MIXTURE_H

#include "machine/machine.h"
#include "plan/mix_book.h"
#include "plan/mix_costs.h"
#include "plan/recipe.h"
#include "plan/wishes.h"

#define MIX_LEVEL "mix"

struct mixture {
    struct level level;        /* "mix": what stands in the list of levels */
    const struct level *base;  /* what the file says it is, and what tensors outside of the list get: the largest level
                                * that is not larger */
    const struct mix_preset *preset; /* NULL: measured */
    const struct mix_costs *costs;
    struct recipe_pin *pins;   /* [count], in the model's order */
    int count;
    uint64_t file_bytes;       /* exact; with importance or a text, without the lines in the metadata that tell of it */
    uint64_t limit_bytes;      /* of the file, that it was made for */
    double kld;                /* predicted mean divergence; NaN: not measured */
    double bound;              /* no mix of these types within the limit is predicted less */
    double base_kld;           /* what the base level is predicted; NaN: it has types that were not measured */
    uint64_t base_bytes;       /* of its file */
    struct arena arena;
};

struct mixture_job {
    const struct model *model;
    const struct machine *machine; /* may be NULL */
    const struct wishes *wishes;   /* with their defaults: mix, file-budget, and all that says what fits */
    const struct rules *rules;
    const struct mix_costs *costs;
};

/* Whether the wishes ask for a mix (--mix, or --file-budget), and for one that has to be measured. */
bool mixture_wanted(const struct wishes *w);
bool mixture_measured(const struct wishes *w);
/* Takes that back, for a level that was chosen instead. */
void mixture_forget(struct wishes *w);
/* Within --file-budget, or else what fits by the estimates; takes some tenths of a second. ERROR_NOFIT where not even the
 * smallest mix does. Borrows all of the job. */
int mixture_make(struct mixture **out, const struct mixture_job *j, struct error *e);
void mixture_free(struct mixture *x);

/* As a person reads it: "Q6_K 3, Q5_K 17, IQ4_XS 23". free() it. */
char *mixture_types(const struct mixture *x);
/* How that is known, and what the level beside it is predicted; free() it. */
char *mixture_compare(const struct mixture *x);
/* A line that says what it is; free() it. */
char *mixture_describe(const struct mixture *x);

#endif
