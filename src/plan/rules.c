#include "plan/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/rulefile.h"
#include "plan/decision.h"
#include "plan/loss.h"
#include "plan/recipe_book.h"
#include "plan/runtime.h"

enum { SCHEMA_VERSION = 1 };

static int load(struct rules *r, const char *name, struct yaml **tree, struct error *e)
{
    int64_t version = 0;
    int rc = rulefile_load(tree, name, &r->arena, e);
    if (!rc)
        rc = yaml_integer(*tree, "schema", true, &version, e);
    if (!rc && version != SCHEMA_VERSION)
        rc = yaml_expected(yaml_get(*tree, "schema"), e, "schema %d", SCHEMA_VERSION);
    if (!rc && rules_schema(name))
        rc = schema_check(*tree, rules_schema(name), e);
    return rc;
}

/* ------------------------------------------------------------------- levels */

static int compile_level(struct level *l, const struct yaml *row, struct error *e)
{
    const char *type = NULL;
    int64_t file_type = 0;
    *l = (struct level){.offered = true, .line = row->line, .source = row};
    int rc = yaml_text(row, "name", true, &l->name, e);
    rc = rc ? rc : yaml_text(row, "format", true, &l->format, e);
    rc = rc ? rc : yaml_text(row, "type", true, &type, e);
    rc = rc ? rc : yaml_integer(row, "file_type", true, &file_type, e);
    rc = rc ? rc : yaml_number(row, "bits", true, &l->nominal_bits, e);
    rc = rc ? rc : yaml_bool(row, "offered", false, &l->offered, e);
    rc = rc ? rc : yaml_bool(row, "imatrix", false, &l->imatrix, e);
    rc = rc ? rc : yaml_text(row, "summary", true, &l->summary, e);
    l->file_type = (int)file_type;
    l->type = rc ? NULL : quant_type_named(type);
    return rc;
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
        rc = compile_level(l, rows->items[i], e);
        if (!rc && rules_level(r, l->name))
            rc = yaml_expected(yaml_get(rows->items[i], "name"), e, "a name that no other level has");
        if (!rc && i && l->nominal_bits > l[-1].nominal_bits)
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

/* --------------------------------------------------------------------- all */

static int load_all(struct rules *r, struct error *e)
{
    const struct { const char *name; struct yaml **tree; } files[] = {
        {"levels", &r->levels_tree},       {"recipes", &r->recipes_tree},   {"runtimes", &r->runtimes_tree},
        {"decisions", &r->decisions_tree}, {"warnings", &r->warnings_tree}, {"usecases", &r->usecases_tree},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < ARRAY_LENGTH(files); i++)
        rc = load(r, files[i].name, files[i].tree, e);
    return rc;
}

int rules_load(struct rules **out, struct error *e)
{
    static int (*const compile[])(struct rules *r, struct error *e) = {
        load_all, compile_levels, losses_compile, recipe_book_compile, runtimes_compile, decisions_compile,
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
