/* What experts know, as data: rules/NAME.yaml, checked while read (an error names file, line and what was expected).
 * Schema: quantwiz-rules(5). */
#ifndef PLAN_RULES_H
#define PLAN_RULES_H

#include "base/error.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "quant/quant_type.h"

struct level {                    /* rules/levels.yaml */
    const char *name;             /* "Q4_K_M" */
    const char *format;           /* "gguf" */
    const struct quant_type *type;/* main type */
    int file_type;                /* general.file_type */
    double nominal_bits;
    const char *summary;          /* one line for people */
    int line;                     /* where it stands, for reasons */
    const struct yaml *source;    /* the row itself: expected losses by size and the like */
};

struct rules {
    struct level *levels;         /* from the largest to the smallest */
    int level_count;
    struct yaml *recipes, *runtimes, *decisions, *warnings, *usecases; /* checked trees */
    struct arena arena;
};
int rules_load(struct rules **out, struct error *e);
void rules_free(struct rules *r);
const struct level *rules_level(const struct rules *r, const char *name); /* without case; NULL */

#endif
