#include "base/yaml.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/file.h"

enum { DEPTH_LIMIT = 64, SIZE_LIMIT = 16 << 20 };

/* ------------------------------------------------------------------ reading */

struct loader {
    yaml_document_t doc;
    struct arena *arena;
    const char *file;
    struct error *e;
};

static struct yaml *convert(struct loader *l, int index, int depth)
{
    yaml_node_t *n = yaml_document_get_node(&l->doc, index);
    if (!n || depth > DEPTH_LIMIT) {
        error_set(l->e, ERROR_USAGE, "%s: nested deeper than %d levels", l->file, DEPTH_LIMIT);
        return NULL;
    }
    struct yaml *y = arena_alloc(l->arena, sizeof *y);
    y->line = (int)n->start_mark.line + 1;
    y->file = l->file;
    if (n->type == YAML_SCALAR_NODE) {
        const char *text = (const char *)n->data.scalar.value;
        y->plain = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        bool null = y->plain && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
        y->text = null ? NULL : arena_strndup(l->arena, text, n->data.scalar.length);
        return y;
    }
    bool map = n->type == YAML_MAPPING_NODE;
    y->kind = map ? YAML_MAP : YAML_LIST;
    y->count = map ? (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start)
                   : (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    y->items = arena_alloc(l->arena, y->count * sizeof *y->items);
    y->keys = map ? arena_alloc(l->arena, y->count * sizeof *y->keys) : NULL;
    for (size_t i = 0; i < y->count; i++) {
        int value = map ? n->data.mapping.pairs.start[i].value : n->data.sequence.items.start[i];
        if (map && !(y->keys[i] = convert(l, n->data.mapping.pairs.start[i].key, depth + 1)))
            return NULL;
        if (map && (y->keys[i]->kind != YAML_TEXT || !y->keys[i]->text)) {
            yaml_expected(y->keys[i], l->e, "a plain key");
            return NULL;
        }
        for (size_t j = 0; map && j < i; j++)
            if (strcmp(y->keys[j]->text, y->keys[i]->text) == 0) {
                error_set(l->e, ERROR_USAGE, "%s:%d: the key '%s' stands here a second time (first on line %d)",
                          l->file, y->keys[i]->line, y->keys[i]->text, y->keys[j]->line);
                return NULL;
            }
        if (!(y->items[i] = convert(l, value, depth + 1)))
            return NULL;
    }
    return y;
}

/* Aliases could blow a small file up to a huge tree; nothing of ours needs them. */
static int refuse_aliases(const char *text, size_t length, const char *name, struct error *e)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool done = false;
    int depth = 0;
    e->code = 0;
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    while (!done && !e->code) {
        if (!yaml_parser_parse(&parser, &event)) {
            error_set(e, ERROR_USAGE, "%s:%zu: %s", name, parser.problem_mark.line + 1,
                      parser.problem ? parser.problem : "is not YAML");
            break;
        }
        if (event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT)
            depth++;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT)
            depth--;
        if (event.type == YAML_ALIAS_EVENT)
            error_set(e, ERROR_USAGE, "%s:%zu: aliases (*name) are not read: write the value out", name,
                      event.start_mark.line + 1);
        else if (depth > DEPTH_LIMIT)
            error_set(e, ERROR_USAGE, "%s:%zu: nested deeper than %d levels", name, event.start_mark.line + 1,
                      DEPTH_LIMIT);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return e->code;
}

int yaml_parse(struct yaml **out, const char *text, size_t length, const char *name, struct arena *a, struct error *e)
{
    *out = NULL;
    if (length > SIZE_LIMIT)
        return error_set(e, ERROR_USAGE, "%s: larger than %d MiB", name, SIZE_LIMIT >> 20);
    int rc = refuse_aliases(text, length, name, e);
    if (rc)
        return rc;
    yaml_parser_t parser;
    struct loader l = {.arena = a, .file = arena_strdup(a, name), .e = e};
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &l.doc)) {
        rc = error_set(e, ERROR_USAGE, "%s:%zu: %s", name, parser.problem_mark.line + 1,
                       parser.problem ? parser.problem : "is not YAML");
    } else {
        if (!yaml_document_get_root_node(&l.doc))
            error_set(e, ERROR_USAGE, "%s: holds nothing", name);
        else
            *out = convert(&l, 1, 0);
        rc = *out ? 0 : e->code;
        yaml_document_delete(&l.doc);
    }
    yaml_parser_delete(&parser);
    return rc;
}

int yaml_load(struct yaml **out, const char *path, struct arena *a, struct error *e)
{
    char *text;
    size_t length;
    int rc = file_read(path, SIZE_LIMIT, &text, &length, e);
    if (rc)
        return rc;
    rc = yaml_parse(out, text, length, path, a, e);
    free(text);
    return rc;
}

int yaml_expected(const struct yaml *y, struct error *e, const char *fmt, ...)
{
    static const char *const kinds[] = {"text", "a list", "a map"};
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (y->kind == YAML_TEXT)
        return error_set(e, ERROR_USAGE, "%s:%d: expected %s, found '%.80s'", y->file, y->line, what,
                         y->text ? y->text : "nothing");
    return error_set(e, ERROR_USAGE, "%s:%d: expected %s, found %s", y->file, y->line, what, kinds[y->kind]);
}

struct yaml *yaml_get(const struct yaml *y, const char *key)
{
    for (size_t i = 0; y && y->kind == YAML_MAP && i < y->count; i++)
        if (strcmp(y->keys[i]->text, key) == 0)
            return y->items[i];
    return NULL;
}

int yaml_only(const struct yaml *y, const char *const *keys, struct error *e)
{
    if (y->kind != YAML_MAP)
        return yaml_expected(y, e, "a map");
    for (size_t i = 0; i < y->count; i++) {
        bool known = false;
        struct str list = {0};
        for (const char *const *k = keys; *k; k++) {
            known |= strcmp(*k, y->keys[i]->text) == 0;
            str_addf(&list, "%s%s", k == keys ? "" : ", ", *k);
        }
        if (!known)
            yaml_expected(y->keys[i], e, "one of the keys %s", list.data ? list.data : "(none)");
        str_done(&list);
        if (!known)
            return e->code;
    }
    return 0;
}

/* The scalar at map[key]: 1 where there is one, 0 where it is absent and may be, or an error. */
static int scalar(const struct yaml *map, const char *key, bool required, const char *what, struct yaml **out,
                  struct error *e)
{
    struct yaml *y = yaml_get(map, key);
    if (!y || (y->kind == YAML_TEXT && !y->text))
        return required ? error_set(e, ERROR_USAGE, "%s:%d: expected the key '%s' (%s)", map->file, map->line, key, what)
                        : 0;
    if (y->kind != YAML_TEXT)
        return yaml_expected(y, e, "%s for '%s'", what, key);
    *out = y;
    return 1;
}

int yaml_text(const struct yaml *map, const char *key, bool required, const char **value, struct error *e)
{
    struct yaml *y = NULL;
    int rc = scalar(map, key, required, "a text", &y, e);
    if (rc > 0)
        *value = y->text;
    return rc > 0 ? 0 : rc;
}

int yaml_number(const struct yaml *map, const char *key, bool required, double *value, struct error *e)
{
    struct yaml *y = NULL;
    int rc = scalar(map, key, required, "a number", &y, e);
    if (rc > 0 && !parse_double(y->text, value))
        return yaml_expected(y, e, "a number for '%s'", key);
    return rc > 0 ? 0 : rc;
}

int yaml_integer(const struct yaml *map, const char *key, bool required, int64_t *value, struct error *e)
{
    struct yaml *y = NULL;
    int rc = scalar(map, key, required, "a whole number", &y, e);
    if (rc > 0 && !parse_int(y->text, INT64_MIN, INT64_MAX, value))
        return yaml_expected(y, e, "a whole number for '%s'", key);
    return rc > 0 ? 0 : rc;
}

int yaml_bool(const struct yaml *map, const char *key, bool required, bool *value, struct error *e)
{
    struct yaml *y = NULL;
    int rc = scalar(map, key, required, "true or false", &y, e);
    if (rc <= 0)
        return rc;
    *value = strcasecmp(y->text, "true") == 0 || strcasecmp(y->text, "yes") == 0;
    if (!*value && strcasecmp(y->text, "false") != 0 && strcasecmp(y->text, "no") != 0)
        return yaml_expected(y, e, "true or false for '%s'", key);
    return 0;
}

int yaml_bytes(const struct yaml *map, const char *key, bool required, uint64_t *value, struct error *e)
{
    struct yaml *y = NULL;
    int rc = scalar(map, key, required, "a size such as 24GiB", &y, e);
    if (rc > 0 && !parse_bytes(y->text, value))
        return yaml_expected(y, e, "a size such as 24GiB for '%s'", key);
    return rc > 0 ? 0 : rc;
}

int yaml_texts(const struct yaml *map, const char *key, bool required, const char ***value, struct arena *a,
               struct error *e)
{
    struct yaml *y = yaml_get(map, key);
    if (!y || y->kind != YAML_LIST) {
        const char *one = NULL;
        int rc = yaml_text(map, key, required, &one, e);
        if (rc || !one)
            return rc;
        *value = arena_alloc(a, 2 * sizeof **value);
        (*value)[0] = one;
        return 0;
    }
    *value = arena_alloc(a, (y->count + 1) * sizeof **value);
    for (size_t i = 0; i < y->count; i++) {
        if (y->items[i]->kind != YAML_TEXT || !y->items[i]->text)
            return yaml_expected(y->items[i], e, "a text in the list '%s'", key);
        (*value)[i] = y->items[i]->text;
    }
    return 0;
}

int yaml_child(const struct yaml *map, const char *key, bool required, enum yaml_kind kind, struct yaml **value,
               struct error *e)
{
    static const char *const kinds[] = {"a text", "a list", "a map"};
    struct yaml *y = yaml_get(map, key);
    if (!y || (y->kind == YAML_TEXT && !y->text))
        return required ? error_set(e, ERROR_USAGE, "%s:%d: expected the key '%s' (%s)", map->file, map->line, key,
                                    kinds[kind])
                        : 0;
    if (y->kind != kind)
        return yaml_expected(y, e, "%s for '%s'", kinds[kind], key);
    *value = y;
    return 0;
}

/* ------------------------------------------------------------------ writing */

/* Plain where every YAML 1.1 and 1.2 reader takes it for the same text; else double-quoted. */
static void put_scalar(struct str *out, const char *s)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    double number;
    bool plain = *s && !strpbrk(s, "\"\\\n\r\t") && !strchr("-?:,[]{}#&*!|>'%@` =~.+0123456789", *s) &&
                 !strstr(s, ": ") && !strstr(s, " #") && !str_ends(s, ":") && !str_ends(s, " ") &&
                 !parse_double(s, &number);
    for (const char *c = s; *c; c++)
        plain &= (unsigned char)*c >= 0x20 && (unsigned char)*c != 0x7f;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        plain &= strcasecmp(s, words[i]) != 0;
    if (plain) {
        str_add(out, s);
        return;
    }
    str_add_char(out, '"');
    for (const char *c = s; *c; c++) {
        if (*c == '"' || *c == '\\')
            str_addf(out, "\\%c", *c);
        else if (*c == '\n')
            str_add(out, "\\n");
        else if ((unsigned char)*c < 0x20 || (unsigned char)*c == 0x7f)
            str_addf(out, "\\x%02x", (unsigned char)*c);
        else
            str_add_char(out, *c);
    }
    str_add_char(out, '"');
}

static void indent(struct yaml_writer *w)
{
    if (!w->in_item)
        for (int i = 0; i < w->depth; i++)
            str_add(&w->out, "  ");
    w->in_item = false;
}

static void put_key(struct yaml_writer *w, const char *key)
{
    indent(w);
    put_scalar(&w->out, key);
    str_add_char(&w->out, ':');
}

void yaml_put_text(struct yaml_writer *w, const char *key, const char *value)
{
    put_key(w, key);
    str_add_char(&w->out, ' ');
    if (value)
        put_scalar(&w->out, value);
    else
        str_add(&w->out, "null");
    str_add_char(&w->out, '\n');
}

void yaml_put_number(struct yaml_writer *w, const char *key, double value)
{
    put_key(w, key);
    if (value == floor(value) && fabs(value) < 0x1p53)
        str_addf(&w->out, " %.0f\n", value);
    else if (isfinite(value))
        str_addf(&w->out, " %.10g\n", value);
    else
        str_add(&w->out, " null\n");
}

void yaml_put_integer(struct yaml_writer *w, const char *key, int64_t value)
{
    put_key(w, key);
    str_addf(&w->out, " %lld\n", (long long)value);
}

void yaml_put_bool(struct yaml_writer *w, const char *key, bool value)
{
    put_key(w, key);
    str_addf(&w->out, " %s\n", value ? "true" : "false");
}

void yaml_put_comment(struct yaml_writer *w, const char *text)
{
    indent(w);
    str_addf(&w->out, "# %s\n", text);
}

void yaml_begin(struct yaml_writer *w, const char *key)
{
    put_key(w, key);
    str_add_char(&w->out, '\n');
    w->depth++;
}

void yaml_end(struct yaml_writer *w)
{
    w->depth--;
}

void yaml_item(struct yaml_writer *w)
{
    indent(w);
    str_add(&w->out, "- ");
    w->depth++;
    w->in_item = true;
}

void yaml_item_end(struct yaml_writer *w)
{
    w->depth--;
    w->in_item = false;
}

void yaml_item_text(struct yaml_writer *w, const char *value)
{
    indent(w);
    str_add(&w->out, "- ");
    put_scalar(&w->out, value);
    str_add_char(&w->out, '\n');
}

static void put_child(struct yaml_writer *w, const char *key, const struct yaml *child)
{
    if (child->kind == YAML_TEXT && child->plain && child->text) {
        put_key(w, key);
        str_addf(&w->out, " %s\n", child->text);
        return;
    }
    if (child->kind == YAML_TEXT) {
        yaml_put_text(w, key, child->text);
        return;
    }
    yaml_begin(w, key);
    yaml_put_tree(w, child);
    yaml_end(w);
}

void yaml_put_tree(struct yaml_writer *w, const struct yaml *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct yaml *child = tree->items[i];
        if (tree->kind == YAML_MAP) {
            put_child(w, tree->keys[i]->text, child);
        } else if (child->kind == YAML_TEXT) {
            yaml_item_text(w, child->text ? child->text : "");
        } else {
            yaml_item(w);
            yaml_put_tree(w, child);
            yaml_item_end(w);
        }
    }
}
