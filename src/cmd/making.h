/* What `quantize` and `convert` share: one GGUF file made from another, and the account of it. */
#ifndef CMD_MAKING_H
#define CMD_MAKING_H

#include "plan/recipe.h"

struct making {
    const char *in, *out, *level;
    struct recipe_options options; /* `strict` also: refuse with the whole list of fallbacks */
    bool dry_run, resume, json;
};
int making_run(const struct making *m, struct error *e);

#endif
