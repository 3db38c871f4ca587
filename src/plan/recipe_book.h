/* rules/recipes.yaml, compiled: what deciding the type of one tensor needs, without comparing texts. */
#ifndef PLAN_RECIPE_BOOK_H
#define PLAN_RECIPE_BOOK_H

#include "plan/rules.h"

/* How the layers of a role are numbered (recipes.yaml, "kind"). */
enum role_kind { KIND_PLAIN, KIND_VALUES, KIND_FEED_FORWARD };

/* A role is a name of the file's own; a tensor has the first whose pattern fits. */
struct role_pattern {
    int role;                  /* index into recipe_book.roles */
    enum role_kind kind;
    int stands_for;            /* role it takes where no tensor has that one (tied embeddings), or -1 */
    const char *const *names;  /* whole names, NULL-terminated; or NULL */
    const char *const *parts;  /* substrings, NULL-terminated; or NULL */
};

/* Tensors that stay as they are. */
struct keep_pattern {
    int dims_below;            /* 0: no matter */
    const char *suffix_not;    /* NULL: no matter */
    const char *const *names, *const *parts;
    const char *why;
};

/* "2" or "1/8" of the layers. */
struct share { int numerator, denominator; };
struct layer_set {
    const char *name;
    struct share first, last;  /* numerator 0: none */
    int every, at;             /* (i - first) % every == at; every 0: none */
    bool counted;              /* i counts the role's tensors, of which a layer with experts may have several */
};

enum { RULE_ANY = -1 };
struct recipe_rule {
    uint64_t levels, roles;    /* bits: index in rules.levels and in recipe_book.roles */
    const struct layer_set *layers; /* NULL: all */
    const char *const *archs, *const *archs_not;
    const struct quant_type **from; /* the type so far is one of these; NULL: any */
    int experts, experts_not, experts_min, model_layers, gqa_min, row_multiple, imatrix; /* RULE_ANY: no matter */
    const struct quant_type *type;
    const char *why;
};

/* Types that ruin what they encode unless importance tells them what to spare. */
struct need {
    const struct quant_type **types;
    uint64_t levels, roles_not; /* bits, as in recipe_rule */
};

struct fallback { const struct quant_type *type, *to; };

struct recipe_book {
    const char **roles;
    int role_count;
    int output;                /* the role "output", -1: none */
    struct role_pattern *patterns;
    int pattern_count;
    struct keep_pattern *keeps;
    int keep_count;
    struct layer_set *sets;
    int set_count;
    struct recipe_rule *rules;
    int rule_count;
    struct need *needs;
    int need_count;
    struct fallback *fallbacks;
    int fallback_count;
    const struct quant_type *last_resort;
};

/* From the checked tree; everything lives in the rules' arena. */
int recipe_book_compile(struct rules *r, struct error *e);
int recipe_book_role(const struct recipe_book *b, const char *name); /* -1: none */

#endif
