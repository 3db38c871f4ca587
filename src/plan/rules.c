#include "plan/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/rulefile.h"
#include "plan/recipe_book.h"

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

static int compile_levels(struct rules *r, const struct yaml *tree, struct error *e)
{
    const struct yaml *rows = yaml_get(tree, "levels");
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

int rules_load(struct rules **out, struct error *e)
{
    struct rules *r = xcalloc(1, sizeof *r);
    struct yaml *levels;
    int rc = load(r, "levels", &levels, e);
    rc = rc ? rc : load(r, "recipes", &r->recipes, e);
    rc = rc ? rc : load(r, "runtimes", &r->runtimes, e);
    rc = rc ? rc : load(r, "decisions", &r->decisions, e);
    rc = rc ? rc : load(r, "warnings", &r->warnings, e);
    rc = rc ? rc : load(r, "usecases", &r->usecases, e);
    rc = rc ? rc : compile_levels(r, levels, e);
    rc = rc ? rc : recipe_book_compile(r, e);
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
