#include "plan/recipe_book.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Lists that the schema has already checked; an absent one is NULL. */
static const char *const *texts(struct rules *r, const struct yaml *map, const char *key)
{
    struct error unused;
    const char **list = NULL;
    yaml_texts(map, key, false, &list, &r->arena, &unused);
    return list;
}

static const char *text(const struct yaml *map, const char *key)
{
    const struct yaml *y = yaml_get(map, key);
    return y ? y->text : NULL;
}

static int integer(const struct yaml *map, const char *key, int fallback)
{
    struct error unused;
    int64_t value = fallback;
    yaml_integer(map, key, false, &value, &unused);
    return (int)value;
}

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
    const struct yaml *rows = yaml_get(r->recipes, "roles");
    b->roles = arena_alloc(&r->arena, 64 * sizeof *b->roles);
    b->patterns = arena_alloc(&r->arena, rows->count * sizeof *b->patterns);
    for (size_t i = 0; i < rows->count; i++) {
        const struct yaml *row = rows->items[i], *other = yaml_get(row, "stands_for");
        struct role_pattern *p = &b->patterns[b->pattern_count++];
        *p = (struct role_pattern){.stands_for = -1, .kind = kind_of(text(row, "kind")), .names = texts(r, row, "name"),
                                   .parts = texts(r, row, "contains")};
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
    const struct yaml *rows = yaml_get(r->recipes, "keep");
    b->keeps = arena_alloc(&r->arena, rows->count * sizeof *b->keeps);
    for (size_t i = 0; i < rows->count; i++)
        b->keeps[b->keep_count++] = (struct keep_pattern){
            .dims_below = integer(rows->items[i], "dims_below", 0),
            .suffix_not = text(rows->items[i], "suffix_not"),
            .names = texts(r, rows->items[i], "name"),
            .parts = texts(r, rows->items[i], "contains"),
            .why = text(rows->items[i], "why"),
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
    const struct yaml *rows = yaml_get(r->recipes, "layer_sets");
    b->sets = arena_alloc(&r->arena, rows->count * sizeof *b->sets);
    for (size_t i = 0; i < rows->count; i++)
        b->sets[b->set_count++] = (struct layer_set){
            .name = rows->keys[i]->text,
            .first = share(text(rows->items[i], "first")),
            .last = share(text(rows->items[i], "last")),
            .every = integer(rows->items[i], "every", 0),
            .at = integer(rows->items[i], "at", 0),
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

static int role_bits(struct rules *r, const struct yaml *row, uint64_t *bits, struct error *e)
{
    *bits = 0;
    for (const char *const *name = texts(r, row, "roles"); *name; name++) {
        int role = recipe_book_role(r->book, *name);
        if (role < 0)
            return error_set(e, ERROR_USAGE, "%s:%d: expected a role from the list 'roles', found '%s'", row->file,
                             row->line, *name);
        *bits |= UINT64_C(1) << role;
    }
    return 0;
}

static int level_bits(struct rules *r, const struct yaml *row, const char *key, uint64_t *bits, struct error *e)
{
    for (const char *const *name = texts(r, row, key); name && *name; name++) {
        const struct level *l = rules_level(r, *name);
        if (!l)
            return error_set(e, ERROR_USAGE, "%s:%d: expected a level from levels.yaml in '%s', found '%s'", row->file,
                             row->line, key, *name);
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
        *bits |= (uint64_t)r->levels[i].type->quantized << i;
    int rc = level_bits(r, row, "levels", bits, e);
    rc = rc ? rc : level_bits(r, row, "levels_not", &without, e);
    *bits &= ~without;
    return rc;
}

static const struct quant_type **type_list(struct rules *r, const char *const *names)
{
    size_t n = 0;
    while (names && names[n])
        n++;
    const struct quant_type **types = names ? arena_alloc(&r->arena, (n + 1) * sizeof *types) : NULL;
    for (size_t i = 0; i < n; i++)
        types[i] = quant_type_named(names[i]);
    return types;
}

static int compile_rule(struct rules *r, const struct yaml *row, struct recipe_rule *rule, struct error *e)
{
    const char *set = text(row, "layers");
    bool imatrix = false;
    *rule = (struct recipe_rule){
        .layers = set ? find_set(r->book, set) : NULL,
        .archs = texts(r, row, "arch"),
        .archs_not = texts(r, row, "arch_not"),
        .from = type_list(r, texts(r, row, "from")),
        .experts = integer(row, "experts", RULE_ANY),
        .experts_not = integer(row, "experts_not", RULE_ANY),
        .model_layers = integer(row, "model_layers", RULE_ANY),
        .gqa_min = integer(row, "gqa_min", RULE_ANY),
        .imatrix = RULE_ANY,
        .type = quant_type_named(text(row, "type")),
        .why = text(row, "why"),
    };
    if (set && !rule->layers)
        return yaml_expected(yaml_get(row, "layers"), e, "a name from 'layer_sets'");
    int rc = yaml_bool(row, "imatrix", false, &imatrix, e);
    if (yaml_get(row, "imatrix"))
        rule->imatrix = imatrix;
    rc = rc ? rc : role_bits(r, row, &rule->roles, e);
    return rc ? rc : rule_levels(r, row, &rule->levels, e);
}

static int compile_rules(struct rules *r, struct recipe_book *b, struct error *e)
{
    const struct yaml *rows = yaml_get(r->recipes, "rules");
    int rc = 0;
    b->rules = arena_alloc(&r->arena, rows->count * sizeof *b->rules);
    for (size_t i = 0; !rc && i < rows->count; i++)
        rc = compile_rule(r, rows->items[i], &b->rules[b->rule_count++], e);
    return rc;
}

static void compile_fallbacks(struct rules *r, struct recipe_book *b)
{
    const struct yaml *rows = yaml_get(r->recipes, "fallbacks");
    size_t n = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct yaml *types = yaml_get(rows->items[i], "type");
        n += types->kind == YAML_LIST ? types->count : 1;
    }
    b->fallbacks = arena_alloc(&r->arena, n * sizeof *b->fallbacks);
    for (size_t i = 0; i < rows->count; i++)
        for (const char *const *from = texts(r, rows->items[i], "type"); *from; from++)
            b->fallbacks[b->fallback_count++] =
                (struct fallback){quant_type_named(*from), quant_type_named(text(rows->items[i], "to"))};
    b->last_resort = quant_type_named(text(r->recipes, "last_resort"));
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
    return compile_rules(r, b, e);
}
