/* One document in two forms, written side by side so that they cannot disagree: Markdown for people, YAML for
 * programs. A number that is NaN was not measured: Markdown says so, YAML has null. */
#ifndef REPORT_DOCUMENT_H
#define REPORT_DOCUMENT_H

#include "base/str.h"
#include "base/yaml.h"

struct document {
    struct str markdown;
    struct yaml_writer yaml;
};

struct document_column {
    const char *key, *title;
    const char *format;      /* of numbers, for people: "%.4f"; NULL: a column of texts */
    const char *none;        /* what people read for NaN; NULL: "not measured" */
};
struct document_cell { const char *text; double number; };

void document_title(struct document *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A paragraph; `key` NULL: in Markdown only. */
void document_say(struct document *d, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A part, and its end. */
void document_part(struct document *d, const char *key, const char *title);
void document_part_end(struct document *d);

void document_text(struct document *d, const char *key, const char *label, const char *value); /* NULL: unknown */
/* `format` for people, with the unit in it; `scale` is applied there only ("%.2f %%" of a fraction: 100). */
void document_number(struct document *d, const char *key, const char *label, double value, const char *format,
                     double scale);
void document_bytes(struct document *d, const char *key, const char *label, double bytes);
void document_seconds(struct document *d, const char *key, const char *label, double seconds);
void document_bool(struct document *d, const char *key, const char *label, bool value);
/* Nothing where there are no items. */
void document_list(struct document *d, const char *key, const char *label, const char *const *items, int count);
void document_table(struct document *d, const char *key, const char *label, const struct document_column *columns,
                    int column_count, int rows, struct document_cell (*cell)(void *user, int row, int column),
                    void *user);
/* Lines to copy: a code block in Markdown, a list in YAML. */
void document_code(struct document *d, const char *key, const char *label, const char *const *lines, int count);
/* A tree of YAML under `key`, as a list of lists in Markdown. */
void document_tree(struct document *d, const char *key, const char *label, const struct yaml *tree);

void document_done(struct document *d);

#endif
