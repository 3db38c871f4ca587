/* What a YAML file may hold, as tables: checked while it is read, and printed into the manual page. */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/yaml.h"

enum schema_kind {
    SCHEMA_TEXT,
    SCHEMA_TEXTS,   /* a text, or a list of texts */
    SCHEMA_NUMBER,
    SCHEMA_INTEGER,
    SCHEMA_BOOL,
    SCHEMA_BYTES,   /* "512MiB" */
    SCHEMA_MAP,     /* a map with `fields` */
    SCHEMA_MAPS,    /* a list of maps with `fields` */
    SCHEMA_NAMED,   /* a map from names to maps with `fields` */
    SCHEMA_NUMBERS, /* a map from names to numbers */
    SCHEMA_WORDS,   /* a map from names to texts */
    SCHEMA_TREE,    /* anything; its reader checks it */
    SCHEMA_KIND_COUNT,
};

struct schema_field {
    const char *key;
    enum schema_kind kind;
    bool required;
    const struct schema_field *fields; /* of the nested maps; ends with {0} */
    bool (*valid)(const char *text);   /* a further check of each text; NULL: none */
    const char *expected;              /* what `valid` wants, for the error */
    const char *help;                  /* one line for the manual */
};

/* Refuses unknown keys, missing ones and values of the wrong kind: "FILE:LINE: expected WHAT, found …".
 * `fields` ends with {0}. */
int schema_check(const struct yaml *y, const struct schema_field *fields, struct error *e);

/* The same of one key, whatever else the map holds. */
int schema_check_field(const struct yaml *map, const struct schema_field *f, struct error *e);

/* Values of a map that schema_check has passed; the fallback where the key is absent. */
const char *checked_text(const struct yaml *map, const char *key);      /* NULL: absent */
int checked_integer(const struct yaml *map, const char *key, int fallback);
double checked_number(const struct yaml *map, const char *key, double fallback);
uint64_t checked_bytes(const struct yaml *map, const char *key, uint64_t fallback);
bool checked_bool(const struct yaml *map, const char *key, bool fallback);
const char *const *checked_texts(const struct yaml *map, const char *key, struct arena *a); /* NULL: absent */

/* The table as rows of mdoc(7), nested fields after their parents. */
void schema_manual(const struct schema_field *fields, FILE *out);

#endif
