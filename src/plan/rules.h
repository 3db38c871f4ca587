/* What experts know, as data: rules/NAME.yaml, checked while read (an error names file, line and what was
 * expected). Schema: quantwiz-rules(5), printed from the tables in rules_schema.c. */
#ifndef PLAN_RULES_H
#define PLAN_RULES_H

#include "base/error.h"
#include "base/mem.h"
#include "base/schema.h"
#include "base/yaml.h"
#include "pack/scheme.h"
#include "quant/quant_type.h"

struct level {                    /* rules/levels.yaml */
    const char *name;             /* "Q4_K_M", "awq-int4-g128" */
    const char *format;           /* "gguf", "awq": as rules/runtimes.yaml has it */
    const struct quant_type *type;/* of GGUF: main type; NULL: the file is a checkpoint folder */
    int file_type;                /* of GGUF: general.file_type */
    const struct scheme *scheme;  /* of a checkpoint folder; NULL, and no type either: the folder as it is */
    double nominal_bits;
    const char *summary;          /* one line for people */
    bool offered;                 /* a candidate of the estimates; false: for conversions only */
    bool imatrix;                 /* needs an importance matrix */
    bool with_text;               /* a candidate only where there is a text to make one from, or nothing else fits */
    bool calibrated;              /* made with a calibration text */
    int index;                    /* in the list; -1: made for a name that stands there not */
    int line;                     /* where it stands, for reasons */
    const struct yaml *source;    /* the row itself: expected losses by size and the like */
};

struct recipe_book;               /* rules/recipes.yaml, compiled: recipe_book.h */
struct runtime;                   /* rules/runtimes.yaml: runtime.h */
struct decision;                  /* rules/decisions.yaml, warnings.yaml, necessity.yaml and usecases.yaml: decision.h */
struct loss_table;                /* levels.yaml, what was published: loss.h */
struct kernel;                    /* rules/kernels.yaml: kernel.h */
struct lever_rule;                /* rules/levers.yaml: lever.c */
struct mix_book;                  /* rules/mixes.yaml: mix_book.h */

struct rules {
    struct level *levels;         /* from the largest to the smallest */
    int level_count;
    struct loss_table *losses;
    int loss_count;
    double larger_at_most;        /* than a model, the one whose losses are taken for it */
    struct recipe_book *book;
    struct runtime *runtimes;
    int runtime_count;
    struct kernel *kernels;
    int kernel_count;
    struct mix_book *mixes;
    struct decision *decisions, *warnings, *doubts;
    int decision_count, warning_count, doubt_count;
    struct lever_rule *lever_rules; /* the cheapest first */
    int lever_rule_count;
    /* the files themselves, checked */
    struct yaml *levels_tree, *recipes_tree, *runtimes_tree, *kernels_tree, *decisions_tree, *warnings_tree,
        *usecases_tree, *necessity_tree, *levers_tree, *mixes_tree;
    struct arena arena;
};
int rules_load(struct rules **out, struct error *e);
void rules_free(struct rules *r);
const struct level *rules_level(const struct rules *r, const char *name); /* without case; NULL */
/* Whatever a person may ask for by name: a level of the list, or any scheme of checkpoint folders, whose level is then
 * made in the arena. */
int rules_level_find(const struct rules *r, const char *name, const struct level **out, struct arena *a,
                     struct error *e);
/* Tokens of a typical prompt with its answer, for a use case of rules/usecases.yaml; 0: not said. */
int rules_prompt_tokens(const struct rules *r, const char *use_case);
/* Of these the answer's. */
int rules_answer_tokens(const struct rules *r, const char *use_case);
/* What both models are asked for a use case, NULL-terminated, in the arena; NULL: no such use case, or nothing. */
int rules_prompts(const char *const **out, const char *use_case, struct arena *a, struct error *e);
/* The types of these names, NULL-terminated; NULL for no list. The schema has checked the names. */
const struct quant_type **rules_types(struct rules *r, const char *const *names);
/* "levels.yaml:41": where a rule stands, for reasons. */
const char *rules_where(const struct yaml *y, struct arena *a);

/* The schema of rules/NAME.yaml, for checks and for the manual; NULL for files that another room reads. */
const struct schema_field *rules_schema(const char *name);

#endif
