/* YAML as a tree that remembers its lines, so that an error can name file, line and what was expected.
 * Read with libyaml; aliases and documents over 16 MiB or deeper than 64 levels are refused. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind;
    int line;               /* 1-based */
    const char *file;       /* the name given at parsing */
    char *text;             /* YAML_TEXT: the scalar; plain `null`, `~` and nothing give NULL */
    bool plain;             /* it stood without quotes, so it may be a number or a truth value */
    size_t count;           /* children of a list or a map */
    struct yaml **items;    /* their values */
    struct yaml **keys;     /* YAML_MAP: their names (YAML_TEXT) */
};

/* The tree lives in `a`. `name` is what errors call it. */
int yaml_parse(struct yaml **out, const char *text, size_t length, const char *name, struct arena *a, struct error *e);
int yaml_load(struct yaml **out, const char *path, struct arena *a, struct error *e);

/* ERROR_USAGE, "FILE:LINE: expected WHAT, found …". */
int yaml_expected(const struct yaml *y, struct error *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A key's value, or NULL (also where `y` is NULL or no map). */
struct yaml *yaml_get(const struct yaml *y, const char *key);
/* Refuses a map with a key outside the NULL-terminated list, naming the known ones; or anything but a map. */
int yaml_only(const struct yaml *y, const char *const *keys, struct error *e);

/* Typed reading of map[key]. A missing or null key leaves *value as it was; with `required` it is an error. */
int yaml_text(const struct yaml *map, const char *key, bool required, const char **value, struct error *e);
int yaml_number(const struct yaml *map, const char *key, bool required, double *value, struct error *e);
int yaml_integer(const struct yaml *map, const char *key, bool required, int64_t *value, struct error *e);
int yaml_bool(const struct yaml *map, const char *key, bool required, bool *value, struct error *e);
int yaml_bytes(const struct yaml *map, const char *key, bool required, uint64_t *value, struct error *e); /* "10GiB" */
/* A list of texts (a single text counts as a list of one): NULL-terminated, in `a`. */
int yaml_texts(const struct yaml *map, const char *key, bool required, const char ***value, struct arena *a, struct error *e);
/* A list or map child of the wanted kind. */
int yaml_child(const struct yaml *map, const char *key, bool required, enum yaml_kind kind, struct yaml **value, struct error *e);

/* Writing: block style, quoted where needed. Zero it to start; the text grows in `out`. */
struct yaml_writer {
    struct str out;
    int depth;
    bool in_item; /* the next key stands on the line of its "- " */
};
void yaml_put_text(struct yaml_writer *w, const char *key, const char *value); /* NULL value: null */
void yaml_put_number(struct yaml_writer *w, const char *key, double value);
void yaml_put_integer(struct yaml_writer *w, const char *key, int64_t value);
void yaml_put_bool(struct yaml_writer *w, const char *key, bool value);
void yaml_put_comment(struct yaml_writer *w, const char *text);
void yaml_begin(struct yaml_writer *w, const char *key); /* a map or a list under `key` */
void yaml_end(struct yaml_writer *w);
void yaml_item(struct yaml_writer *w);                    /* begins a map as a list's next item */
void yaml_item_end(struct yaml_writer *w);
void yaml_item_text(struct yaml_writer *w, const char *value);
/* A whole tree: the keys of a map, the items of a list. */
void yaml_put_tree(struct yaml_writer *w, const struct yaml *tree);

#endif
