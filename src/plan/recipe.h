/* Which tensor gets which type for a level (rules/recipes.yaml), and what replaces a type whose block does not
 * divide a row. The estimator and the writer both call this, so their sizes agree. */
#ifndef PLAN_RECIPE_H
#define PLAN_RECIPE_H

#include "base/error.h"
#include "model/model.h"

struct recipe_override { const char *pattern /* regex over tensor names */; const struct quant_type *type; };
struct recipe_options {
    const struct recipe_override *overrides; /* --tensor-type, first match wins */
    int override_count;
    bool pure;                               /* every tensor the level's main type */
    const struct quant_type *output_type, *embedding_type; /* NULL: as the recipe says */
    bool strict;                             /* a fallback is an error */
};

struct tensor_plan {
    const struct tensor *tensor;
    const struct quant_type *wanted, *type;  /* differ where the row length forced a fallback */
    uint64_t bytes;
    const char *why;                         /* the recipe's reason, or the fallback's; NULL: the main type */
};
struct recipe {
    char level[24];
    int file_type;                           /* general.file_type */
    struct tensor_plan *tensors;             /* in the model's order */
    int count, fallbacks;
    uint64_t bytes;                          /* of all tensors, each padded to the alignment */
    uint64_t data_bytes;                     /* unpadded */
    double bits_per_weight;
};
/* `level` as people write it: "Q4_K_M". Free with recipe_done whatever is returned. */
int recipe_apply(struct recipe *r, const struct model *m, const char *level, const struct recipe_options *o,
                 struct error *e);
void recipe_done(struct recipe *r);

#endif
