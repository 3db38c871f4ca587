/* What experts know, as data: rules/NAME.yaml, checked while read (an error names file, line and what was expected).
 * Schema: quantwiz-rules(5), printed from the tables in rules_schema.c. */
#ifndef PLAN_RULES_H
#define PLAN_RULES_H

#include "base/error.h"
#include "base/mem.h"
#include "base/schema.h"
#include "base/yaml.h"
#include "quant/quant_type.h"

struct level {                    /* rules/levels.yaml */
    const char *name;             /* "Q4_K_M" */
    const char *format;           /* "gguf" */
    const struct quant_type *type;/* main type */
    int file_type;                /* general.file_type */
    double nominal_bits;
    const char *summary;          /* one line for people */
    bool offered;                 /* a candidate of the estimates; false: for conversions only */
    bool imatrix;                 /* needs an importance matrix */
    int line;                     /* where it stands, for reasons */
    const struct yaml *source;    /* the row itself: expected losses by size and the like */
};

struct recipe_book;               /* rules/recipes.yaml, compiled: recipe_book.h */

struct rules {
    struct level *levels;         /* from the largest to the smallest */
    int level_count;
    struct yaml *recipes, *runtimes, *decisions, *warnings, *usecases; /* checked trees */
    struct recipe_book *book;
    struct arena arena;
};
int rules_load(struct rules **out, struct error *e);
void rules_free(struct rules *r);
const struct level *rules_level(const struct rules *r, const char *name); /* without case; NULL */
/* "levels.yaml:41": where a rule stands, for reasons. */
const char *rules_where(const struct yaml *y, struct arena *a);

/* The schema of rules/NAME.yaml, for checks and for the manual; NULL for files that another room reads. */
const struct schema_field *rules_schema(const char *name);

#endif
