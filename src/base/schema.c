#include "base/schema.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[SCHEMA_KIND_COUNT] = {
    [SCHEMA_TEXT] = "text",     [SCHEMA_TEXTS] = "text or list of texts", [SCHEMA_NUMBER] = "number",
    [SCHEMA_INTEGER] = "whole number", [SCHEMA_BOOL] = "true or false", [SCHEMA_BYTES] = "size",
    [SCHEMA_MAP] = "map",       [SCHEMA_MAPS] = "list of maps", [SCHEMA_NAMED] = "map of maps",
    [SCHEMA_NUMBERS] = "map of numbers", [SCHEMA_WORDS] = "map of texts", [SCHEMA_TREE] = "map",
};

static int check_text(const struct yaml *y, const struct schema_field *f, struct error *e)
{
    if (y->kind != YAML_TEXT || !y->text)
        return yaml_expected(y, e, "a text for '%s'", f->key);
    if (f->valid && !f->valid(y->text))
        return yaml_expected(y, e, "%s for '%s'", f->expected, f->key);
    return 0;
}

static int check_texts(const struct yaml *y, const struct schema_field *f, struct error *e)
{
    int rc = 0;
    if (y->kind != YAML_LIST)
        return check_text(y, f, e);
    for (size_t i = 0; !rc && i < y->count; i++)
        rc = check_text(y->items[i], f, e);
    return rc;
}

/* One scalar that has a reader of its own in yaml.h. */
static int check_scalar(const struct yaml *map, const struct schema_field *f, struct error *e)
{
    double number;
    int64_t integer;
    uint64_t bytes;
    bool truth;
    switch (f->kind) {
    case SCHEMA_NUMBER: return yaml_number(map, f->key, false, &number, e);
    case SCHEMA_INTEGER: return yaml_integer(map, f->key, false, &integer, e);
    case SCHEMA_BYTES: return yaml_bytes(map, f->key, false, &bytes, e);
    default: return yaml_bool(map, f->key, false, &truth, e);
    }
}

static int check_numbers(const struct yaml *y, const struct schema_field *f, struct error *e)
{
    double number;
    int rc = 0;
    if (y->kind != YAML_MAP)
        return yaml_expected(y, e, "a map of numbers for '%s'", f->key);
    for (size_t i = 0; !rc && i < y->count; i++)
        rc = yaml_number(y, y->keys[i]->text, true, &number, e);
    return rc;
}

static int check_words(const struct yaml *y, const struct schema_field *f, struct error *e)
{
    int rc = 0;
    if (y->kind != YAML_MAP)
        return yaml_expected(y, e, "a map of texts for '%s'", f->key);
    for (size_t i = 0; !rc && i < y->count; i++) {
        struct schema_field named = *f;
        named.key = y->keys[i]->text;
        rc = check_text(y->items[i], &named, e);
    }
    return rc;
}

static int check_children(const struct yaml *y, const struct schema_field *f, struct error *e)
{
    int rc = 0;
    if (y->kind != (f->kind == SCHEMA_MAPS ? YAML_LIST : YAML_MAP))
        return yaml_expected(y, e, "a %s for '%s'", kind_names[f->kind], f->key);
    for (size_t i = 0; !rc && i < y->count; i++)
        rc = schema_check(y->items[i], f->fields, e);
    return rc;
}

int schema_check_field(const struct yaml *map, const struct schema_field *f, struct error *e)
{
    const struct yaml *y = yaml_get(map, f->key);
    bool absent = !y || (y->kind == YAML_TEXT && !y->text);
    if (absent)
        return f->required ? error_set(e, ERROR_USAGE, "%s:%d: expected the key '%s' (%s)", map->file,
                                       map->line, f->key, kind_names[f->kind])
                           : 0;
    switch (f->kind) {
    case SCHEMA_TEXT: return check_text(y, f, e);
    case SCHEMA_TEXTS: return check_texts(y, f, e);
    case SCHEMA_MAP: return schema_check(y, f->fields, e);
    case SCHEMA_NUMBERS: return check_numbers(y, f, e);
    case SCHEMA_WORDS: return check_words(y, f, e);
    case SCHEMA_TREE: return 0;
    case SCHEMA_MAPS:
    case SCHEMA_NAMED: return check_children(y, f, e);
    default: return check_scalar(map, f, e);
    }
}

static int check_known(const struct yaml *y, const struct schema_field *fields, struct error *e)
{
    const char *keys[64];
    size_t n = 0;
    for (const struct schema_field *f = fields; f->key && n + 1 < ARRAY_LENGTH(keys); f++)
        keys[n++] = f->key;
    keys[n] = NULL;
    return yaml_only(y, keys, e);
}

int schema_check(const struct yaml *y, const struct schema_field *fields, struct error *e)
{
    int rc = check_known(y, fields, e);
    for (const struct schema_field *f = fields; !rc && f->key; f++)
        rc = schema_check_field(y, f, e);
    return rc;
}

const char *checked_text(const struct yaml *map, const char *key)
{
    const struct yaml *y = yaml_get(map, key);
    return y ? y->text : NULL;
}

int checked_integer(const struct yaml *map, const char *key, int fallback)
{
    struct error unused;
    int64_t value = fallback;
    yaml_integer(map, key, false, &value, &unused);
    return (int)value;
}

double checked_number(const struct yaml *map, const char *key, double fallback)
{
    struct error unused;
    yaml_number(map, key, false, &fallback, &unused);
    return fallback;
}

uint64_t checked_bytes(const struct yaml *map, const char *key, uint64_t fallback)
{
    struct error unused;
    yaml_bytes(map, key, false, &fallback, &unused);
    return fallback;
}

bool checked_bool(const struct yaml *map, const char *key, bool fallback)
{
    struct error unused;
    yaml_bool(map, key, false, &fallback, &unused);
    return fallback;
}

const char *const *checked_texts(const struct yaml *map, const char *key, struct arena *a)
{
    struct error unused;
    const char **list = NULL;
    yaml_texts(map, key, false, &list, a, &unused);
    return list;
}

static void manual(const struct schema_field *fields, const char *prefix, FILE *out)
{
    for (const struct schema_field *f = fields; f->key; f++) {
        char *name = xasprintf("%s%s", prefix, f->key);
        const char *below = f->kind == SCHEMA_MAPS ? "[]." : f->kind == SCHEMA_NAMED ? ".NAME." : ".";
        fprintf(out, ".It Cm %s\n%s%s%s: %s\n", name, kind_names[f->kind], f->valid ? ", " : "",
                f->valid ? f->expected : "", f->help);
        if (f->fields) {
            char *inner = xasprintf("%s%s", name, below);
            manual(f->fields, inner, out);
            free(inner);
        }
        free(name);
    }
}

void schema_manual(const struct schema_field *fields, FILE *out)
{
    fprintf(out, ".Bl -tag -width Ds\n");
    manual(fields, "", out);
    fprintf(out, ".El\n");
}
