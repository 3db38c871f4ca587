/* A line being edited: UTF-8, cursor, the usual Emacs keys, and Tab completion where the field has one. */
#ifndef UI_FIELD_H
#define UI_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "ui/paint.h"

struct field {
    struct str text;
    size_t cursor;                   /* in bytes, at a character's beginning */
    /* Replaces the text before the cursor by its completion (malloc'ed), and describes the candidates. */
    char *(*complete)(const char *text, char **candidates);
    char *candidates;                /* of the last Tab; NULL: none */
};
void field_set(struct field *f, const char *text);
const char *field_text(const struct field *f);
void field_done(struct field *f);
bool field_key(struct field *f, int key); /* false: not a key for editing */
void field_paint(const struct field *f, struct rect r, int y, int x, int width);

/* Completes a path: as far as all candidates agree; a folder gets its slash. `~` is understood. */
char *field_complete_path(const char *text, char **candidates);

#endif
