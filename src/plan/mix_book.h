/* rules/mixes.yaml, compiled: what a mix of types may be made of. */
#ifndef PLAN_MIX_BOOK_H
#define PLAN_MIX_BOOK_H

#include "model/model.h"
#include "plan/rules.h"

/* How much more the weights of some roles, or of layers at one end, matter. */
struct mix_weight {
    uint64_t roles;      /* bits of enum tensor_role; 0: all */
    int first, last;     /* so many layers; 0 and 0: all */
    double times;
};
struct mix_preset {
    const char *name, *why, *where;
    struct mix_weight *weights;
    int count;
};
struct mix_book {
    const struct quant_type **types;      /* NULL-terminated */
    const struct quant_type **told_types; /* the same and those that need importance */
    const struct quant_type **probes;     /* NULL-terminated, the last one has the smallest block */
    int groups;
    struct mix_preset *presets;
    int preset_count;
};

extern const struct schema_field mixes_schema[];
/* From the checked tree; lives in the rules' arena. */
int mix_book_compile(struct rules *r, struct error *e);
const struct mix_preset *mix_preset_named(const struct mix_book *b, const char *name); /* NULL: none */
/* How much a weight matters by a preset: the product of all that are about it. */
double mix_preset_weight(const struct mix_preset *p, const struct model *m, const struct tensor *t);

#endif
