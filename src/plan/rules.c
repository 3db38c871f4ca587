#include "plan/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/rulefile.h"
#include "base/str.h"
#include "plan/decision.h"
#include "plan/kernel.h"
#include "plan/lever.h"
#include "plan/loss.h"
#include "plan/mix_book.h"
#include "plan/recipe_book.h"
#include "plan/runtime.h"

/* ------------------------------------------------------------------- levels */

static int compile_scheme(struct rules *r, struct level *l, const char *name, struct error *e)
{
    struct scheme *s = arena_alloc(&r->arena, sizeof *s);
    l->scheme = s;
    return scheme_parse(s, name, e);
}

static int compile_level(struct rules *r, struct level *l, const struct yaml *row, struct error *e)
{
    const char *type = NULL, *scheme = NULL;
    int64_t file_type = -1;
    *l = (struct level){.offered = true, .line = row->line, .source = row};
    int rc = yaml_text(row, "name", true, &l->name, e);
    rc = rc ? rc : yaml_text(row, "format", true, &l->format, e);
    rc = rc ? rc : yaml_text(row, "type", false, &type, e);
    rc = rc ? rc : yaml_integer(row, "file_type", type != NULL, &file_type, e);
    rc = rc ? rc : yaml_text(row, "scheme", false, &scheme, e);
    rc = rc ? rc : yaml_number(row, "bits", true, &l->nominal_bits, e);
    rc = rc ? rc : yaml_bool(row, "offered", false, &l->offered, e);
    rc = rc ? rc : yaml_bool(row, "imatrix", false, &l->imatrix, e);
    rc = rc ? rc : yaml_bool(row, "with_text", false, &l->with_text, e);
    rc = rc ? rc : yaml_bool(row, "calibrated", false, &l->calibrated, e);
    rc = rc ? rc : yaml_text(row, "summary", true, &l->summary, e);
    if (!rc && type && scheme)
        rc = yaml_expected(row, e, "a type or a scheme, not both");
    l->file_type = (int)file_type;
    l->type = rc || !type ? NULL : quant_type_named(type);
    return rc || !scheme ? rc : compile_scheme(r, l, scheme, e);
}

static int compile_levels(struct rules *r, struct error *e)
{
    const struct yaml *rows = yaml_get(r->levels_tree, "levels");
    int rc = 0;
    if (rows->count > 64)
        return yaml_expected(rows, e, "at most 64 levels");
    r->levels = arena_alloc(&r->arena, rows->count * sizeof *r->levels);
    for (size_t i = 0; !rc && i < rows->count; i++) {
        struct level *l = &r->levels[i];
        rc = compile_level(r, l, rows->items[i], e);
        l->index = (int)i;
        if (!rc && rules_level(r, l->name))
            rc = yaml_expected(yaml_get(rows->items[i], "name"), e, "a name that no other level has");
        if (!rc && i && !l->type == !l[-1].type && l->nominal_bits > l[-1].nominal_bits)
            rc = yaml_expected(yaml_get(rows->items[i], "bits"), e, "at most the %g bits of the level before",
                               l[-1].nominal_bits);
        r->level_count++;
    }
    return rc;
}

const struct level *rules_level(const struct rules *r, const char *name)
{
    for (int i = 0; i < r->level_count; i++)
        if (strcasecmp(r->levels[i].name, name) == 0)
            return &r->levels[i];
    return NULL;
}

/* "gptq-int4" is "gptq-int4-g128", since 128 is what it means. */
static bool same_scheme(const struct scheme *a, const struct scheme *b)
{
    char x[SCHEME_NAME], y[SCHEME_NAME];
    scheme_name(a, x);
    scheme_name(b, y);
    return strcmp(x, y) == 0;
}

/* The level that differs from a scheme by the least: same format and bits. */
static const struct level *nearest_level(const struct rules *r, const struct scheme *s)
{
    const struct level *near = NULL;
    for (int i = 0; i < r->level_count; i++) {
        const struct level *l = &r->levels[i];
        if (l->scheme && same_scheme(l->scheme, s))
            return l;
        if (l->scheme && l->scheme->format == s->format && (!near || l->scheme->bits == s->bits))
            near = l;
    }
    return near;
}

static struct level *level_of_scheme(const struct rules *r, const struct scheme *s, struct arena *a)
{
    const struct level *near = nearest_level(r, s);
    struct level *l = arena_alloc(a, sizeof *l);
    struct scheme *own = arena_alloc(a, sizeof *own);
    char name[SCHEME_NAME];
    *own = *s;
    scheme_name(s, name);
    *l = (struct level){.name = arena_strdup(a, name), .format = near ? near->format : "unknown", .scheme = own,
                        .nominal_bits = s->bits, .summary = "asked for by name", .index = -1,
                        .calibrated = near && near->calibrated};
    return l;
}

static int unknown_level(const struct rules *r, const char *level, struct error *e)
{
    struct str names = {0};
    for (int i = 0; i < r->level_count; i++)
        str_addf(&names, "%s%s", i ? ", " : "", r->levels[i].name);
    error_set(e, ERROR_USAGE, "there is no quant level '%s'; known are %s", level, names.data);
    str_done(&names);
    return e->code;
}

int rules_level_find(const struct rules *r, const char *name, const struct level **out, struct arena *a,
                     struct error *e)
{
    struct scheme s;
    *out = rules_level(r, name);
    if (*out)
        return 0;
    if (!scheme_is_name(name))
        return unknown_level(r, name, e);
    int rc = scheme_parse(&s, name, e);
    const struct level *near = rc ? NULL : nearest_level(r, &s);
    if (!rc)
        *out = near && same_scheme(near->scheme, &s) ? near : level_of_scheme(r, &s, a);
    return rc;
}

/* A row of usecases.yaml; NULL: there is none of this name. */
static const struct yaml *use_case_row(const struct yaml *file, const char *use_case)
{
    const struct yaml *uses = yaml_get(file, "usecases");
    for (size_t i = 0; i < uses->count; i++)
        if (strcmp(checked_text(uses->items[i], "name"), use_case) == 0)
            return uses->items[i];
    return NULL;
}

int rules_prompt_tokens(const struct rules *r, const char *use_case)
{
    return checked_integer(use_case_row(r->usecases_tree, use_case), "prompt_tokens", 0);
}

int rules_answer_tokens(const struct rules *r, const char *use_case)
{
    return checked_integer(use_case_row(r->usecases_tree, use_case), "answer_tokens", 0);
}

int rules_prompts(const char *const **out, const char *use_case, struct arena *a, struct error *e)
{
    struct yaml *file;
    int rc = rulefile_load_checked(&file, "usecases", rules_schema("usecases"), a, e);
    *out = rc ? NULL : checked_texts(use_case_row(file, use_case), "prompts", a);
    return rc;
}

/* --------------------------------------------------------------------- all */

static int load_all(struct rules *r, struct error *e)
{
    const struct { const char *name; struct yaml **tree; } files[] = {
        {"levels", &r->levels_tree},       {"recipes", &r->recipes_tree},   {"runtimes", &r->runtimes_tree},
        {"kernels", &r->kernels_tree},     {"decisions", &r->decisions_tree}, {"warnings", &r->warnings_tree},
        {"usecases", &r->usecases_tree},   {"necessity", &r->necessity_tree}, {"levers", &r->levers_tree},
        {"mixes", &r->mixes_tree},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < ARRAY_LENGTH(files); i++)
        rc = rulefile_load_checked(files[i].tree, files[i].name, rules_schema(files[i].name), &r->arena, e);
    return rc;
}

int rules_load(struct rules **out, struct error *e)
{
    static int (*const compile[])(struct rules *r, struct error *e) = {
        load_all, compile_levels, losses_compile, recipe_book_compile, runtimes_compile, kernels_compile,
        decisions_compile, levers_compile, mix_book_compile,
    };
    struct rules *r = xcalloc(1, sizeof *r);
    int rc = 0;
    for (size_t i = 0; !rc && i < ARRAY_LENGTH(compile); i++)
        rc = compile[i](r, e);
    if (rc)
        rules_free(r);
    *out = rc ? NULL : r;
    return rc;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    arena_done(&r->arena);
    free(r);
}

const char *rules_where(const struct yaml *y, struct arena *a)
{
    char text[256];
    snprintf(text, sizeof text, "%s:%d", path_name(y->file), y->line);
    return arena_strdup(a, text);
}

const struct quant_type **rules_types(struct rules *r, const char *const *names)
{
    size_t n = 0;
    while (names && names[n])
        n++;
    const struct quant_type **types = names ? arena_alloc(&r->arena, (n + 1) * sizeof *types) : NULL;
    for (size_t i = 0; i < n; i++)
        types[i] = quant_type_named(names[i]);
    return types;
}
