/* What recipe.h calls a walk, for the files that carry a recipe out: what each tensor is for, and whether it is kept. */
#ifndef PLAN_RECIPE_WALK_H
#define PLAN_RECIPE_WALK_H

#include "plan/recipe.h"
#include "plan/recipe_book.h"

enum { NO_ROLE = -1 };

struct walk_tensor {
    int role;          /* NO_ROLE: none of the book's */
    enum role_kind kind;
    bool embedding;    /* token embeddings, also where they stand for the output */
    int layer, layers; /* what the layer sets of a rule are asked about */
    int counted;       /* tensors of its role before it */
    const char *kept;  /* why it keeps its type, or NULL */
};

struct recipe_walk {
    const struct model *model;
    const struct rules *rules;
    struct walk_tensor *tensors; /* in the model's order */
    uint64_t elements;
    uint64_t header_bytes;       /* of the file, whatever the level */
};

#endif
