#include "plan/recipe_book.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

int recipe_book_role(const struct recipe_book *b, const char *name)
{
    for (int i = 0; i < b->role_count; i++)
        if (strcmp(b->roles[i], name) == 0)
            return i;
    return -1;
}

/* -------------------------------------------------------------------- roles */

static int add_role(struct recipe_book *b, const struct yaml *name, struct error *e)
{
    int role = recipe_book_role(b, name->text);
    if (role >= 0)
        return role;
    if (b->role_count == 64)
        return yaml_expected(name, e, "at most 64 roles");
    b->roles[b->role_count] = name->text;
    return b->role_count++;
}

static enum role_kind kind_of(const char *word)
{
    if (!word)
        return KIND_PLAIN;
    return strcmp(word, "values") == 0 ? KIND_VALUES : KIND_FEED_FORWARD;
}

static int compile_roles(struct rules *r, struct recipe_book *b, struct error *e)
{
    const struct yaml *rows = yaml_get(r->recipes_tree, "roles");
    b->roles = arena_alloc(&r->arena, 64 * sizeof *b->roles);
    b->patterns = arena_alloc(&r->arena, rows->count * sizeof *b->patterns);
    for (size_t i = 0; i < rows->count; i++) {
        const struct yaml *row = rows->items[i], *other = yaml_get(row, "stands_for");
        struct role_pattern *p = &b->patterns[b->pattern_count++];
        *p = (struct role_pattern){.stands_for = -1,
                                   .kind = kind_of(checked_text(row, "kind")),
                                   .names = checked_texts(row, "name", &r->arena),
                                   .parts = checked_texts(row, "contains", &r->arena)};
        if ((p->role = add_role(b, yaml_get(row, "role"), e)) < 0)
            return p->role;
        if (!p->names && !p->parts)
            return yaml_expected(row, e, "the key 'name' or 'contains'");
        if (other && (p->stands_for = add_role(b, other, e)) < 0)
            return p->stands_for;
    }
    b->output = recipe_book_role(b, "output");
    return 0;
}

static void compile_keeps(struct rules *r, struct recipe_book *b)
{
    const struct yaml *rows = yaml_get(r->recipes_tree, "keep");
    b->keeps = arena_alloc(&r->arena, rows->count * sizeof *b->keeps);
    for (size_t i = 0; i < rows->count; i++)
        b->keeps[b->keep_count++] = (struct keep_pattern){
            .dims_below = checked_integer(rows->items[i], "dims_below", 0),
            .suffix_not = checked_text(rows->items[i], "suffix_not"),
            .names = checked_texts(rows->items[i], "name", &r->arena),
            .parts = checked_texts(rows->items[i], "contains", &r->arena),
            .why = checked_text(rows->items[i], "why"),
        };
}

/* --------------------------------------------------------------- layer sets */

static struct share share(const char *s)
{
    struct share v = {0, 0};
    if (s && sscanf(s, "%d/%d", &v.numerator, &v.denominator) == 1)
        v.denominator = 0; /* a plain count */
    return v;
}

static void compile_sets(struct rules *r, struct recipe_book *b)
{
    const struct yaml *rows = yaml_get(r->recipes_tree, "layer_sets");
    b->sets = arena_alloc(&r->arena, rows->count * sizeof *b->sets);
    for (size_t i = 0; i < rows->count; i++)
        b->sets[b->set_count++] = (struct layer_set){
            .name = rows->keys[i]->text,
            .first = share(checked_text(rows->items[i], "first")),
            .last = share(checked_text(rows->items[i], "last")),
            .every = checked_integer(rows->items[i], "every", 0),
            .at = checked_integer(rows->items[i], "at", 0),
            .counted = checked_bool(rows->items[i], "counted", false),
        };
}

static const struct layer_set *find_set(const struct recipe_book *b, const char *name)
{
    for (int i = 0; i < b->set_count; i++)
        if (strcmp(b->sets[i].name, name) == 0)
            return &b->sets[i];
    return NULL;
}

/* -------------------------------------------------------------------- rules */

static int role_bits(struct rules *r, const struct yaml *row, const char *key, uint64_t *bits, struct error *e)
{
    *bits = 0;
    for (const char *const *name = checked_texts(row, key, &r->arena); name && *name; name++) {
        int role = recipe_book_role(r->book, *name);
        if (role < 0)
            return error_set(e, ERROR_USAGE, "%s:%d: expected a role from the list 'roles', found '%s'",
                             row->file, row->line, *name);
        *bits |= UINT64_C(1) << role;
    }
    return 0;
}

static int level_bits(struct rules *r, const struct yaml *row, const char *key, uint64_t *bits,
                      struct error *e)
{
    for (const char *const *name = checked_texts(row, key, &r->arena); name && *name; name++) {
        const struct level *l = rules_level(r, *name);
        if (!l)
            return error_set(e, ERROR_USAGE, "%s:%d: expected a level from levels.yaml in '%s', found '%s'",
                             row->file, row->line, key, *name);
        *bits |= UINT64_C(1) << (l - r->levels);
    }
    return 0;
}

/* Without `levels`: every level whose main type is quantized; `levels_not` takes from that. */
static int rule_levels(struct rules *r, const struct yaml *row, uint64_t *bits, struct error *e)
{
    uint64_t without = 0;
    *bits = 0;
    for (int i = 0; i < r->level_count && !yaml_get(row, "levels"); i++)
        *bits |= (uint64_t)(r->levels[i].type && r->levels[i].type->quantized) << i;
    int rc = level_bits(r, row, "levels", bits, e);
    rc = rc ? rc : level_bits(r, row, "levels_not", &without, e);
    *bits &= ~without;
    return rc;
}

static int compile_rule(struct rules *r, const struct yaml *row, struct recipe_rule *rule, struct error *e)
{
    const char *set = checked_text(row, "layers");
    bool imatrix = false;
    *rule = (struct recipe_rule){
        .layers = set ? find_set(r->book, set) : NULL,
        .archs = checked_texts(row, "arch", &r->arena),
        .archs_not = checked_texts(row, "arch_not", &r->arena),
        .from = rules_types(r, checked_texts(row, "from", &r->arena)),
        .experts = checked_integer(row, "experts", RULE_ANY),
        .experts_not = checked_integer(row, "experts_not", RULE_ANY),
        .experts_min = checked_integer(row, "experts_min", RULE_ANY),
        .model_layers = checked_integer(row, "model_layers", RULE_ANY),
        .gqa_min = checked_integer(row, "gqa_min", RULE_ANY),
        .row_multiple = checked_integer(row, "row_multiple", RULE_ANY),
        .imatrix = RULE_ANY,
        .type = quant_type_named(checked_text(row, "type")),
        .why = checked_text(row, "why"),
    };
    if (set && !rule->layers)
        return yaml_expected(yaml_get(row, "layers"), e, "a name from 'layer_sets'");
    int rc = yaml_bool(row, "imatrix", false, &imatrix, e);
    if (yaml_get(row, "imatrix"))
        rule->imatrix = imatrix;
    rc = rc ? rc : role_bits(r, row, "roles", &rule->roles, e);
    return rc ? rc : rule_levels(r, row, &rule->levels, e);
}

static int compile_rules(struct rules *r, struct recipe_book *b, struct error *e)
{
    const struct yaml *rows = yaml_get(r->recipes_tree, "rules");
    int rc = 0;
    b->rules = arena_alloc(&r->arena, rows->count * sizeof *b->rules);
    for (size_t i = 0; !rc && i < rows->count; i++)
        rc = compile_rule(r, rows->items[i], &b->rules[b->rule_count++], e);
    return rc;
}

static int compile_needs(struct rules *r, struct recipe_book *b, struct error *e)
{
    const struct yaml *rows = yaml_get(r->recipes_tree, "imatrix_needed");
    int rc = 0;
    b->needs = arena_alloc(&r->arena, rows->count * sizeof *b->needs);
    for (size_t i = 0; !rc && i < rows->count; i++) {
        struct need *n = &b->needs[b->need_count++];
        *n = (struct need){.types = rules_types(r, checked_texts(rows->items[i], "type", &r->arena))};
        rc = role_bits(r, rows->items[i], "roles_not", &n->roles_not, e);
        rc = rc ? rc : rule_levels(r, rows->items[i], &n->levels, e);
    }
    return rc;
}

static void compile_fallbacks(struct rules *r, struct recipe_book *b)
{
    const struct yaml *rows = yaml_get(r->recipes_tree, "fallbacks");
    size_t n = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct yaml *types = yaml_get(rows->items[i], "type");
        n += types->kind == YAML_LIST ? types->count : 1;
    }
    b->fallbacks = arena_alloc(&r->arena, n * sizeof *b->fallbacks);
    for (size_t i = 0; i < rows->count; i++)
        for (const char *const *from = checked_texts(rows->items[i], "type", &r->arena); *from; from++)
            b->fallbacks[b->fallback_count++] = (struct fallback){
                quant_type_named(*from), quant_type_named(checked_text(rows->items[i], "to"))};
    b->last_resort = quant_type_named(checked_text(r->recipes_tree, "last_resort"));
}

int recipe_book_compile(struct rules *r, struct error *e)
{
    struct recipe_book *b = r->book = arena_alloc(&r->arena, sizeof *b);
    int rc = compile_roles(r, b, e);
    if (rc)
        return rc;
    compile_keeps(r, b);
    compile_sets(r, b);
    compile_fallbacks(r, b);
    rc = compile_needs(r, b, e);
    return rc ? rc : compile_rules(r, b, e);
}
