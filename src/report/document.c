#include "report/document.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char not_measured[] = "not measured";

/* ---------------------------------------------------------------------- texts */

/* Texts come from files and models: whatever they hold must not break a line, a table or the YAML reader. */
static char *one_line(const char *text)
{
    char *copy = xstrdup(text);
    text_make_printable(copy);
    return copy;
}

/* Within a word, as in Q4_K, an underscore means itself. */
static bool is_markup(const char *text, const char *c)
{
    if (*c == '_')
        return c == text || !isalnum((unsigned char)c[-1]) || !isalnum((unsigned char)c[1]);
    return strchr("|\\*<`[", *c) != NULL;
}

static void add_escaped(struct str *s, const char *line)
{
    for (const char *c = line; *c; c++) {
        if (is_markup(line, c))
            str_add_char(s, '\\');
        str_add_char(s, *c);
    }
}

/* Line breaks are kept, in the form that suits: answers of models have some. */
static void add_lines(struct str *s, const char *text, const char *line_break,
                      void (*add)(struct str *s, const char *line))
{
    for (const char *end; text; text = *end ? end + 1 : NULL) {
        end = strchrnul(text, '\n');
        char *line = xstrndup(text, end - text);
        text_make_printable(line);
        add(s, line);
        free(line);
        if (*end)
            str_add(s, line_break);
    }
}

static void add_markdown(struct str *s, const char *text)
{
    add_lines(s, text, "<br>", add_escaped);
}

static void put_yaml(struct yaml_writer *w, const char *key, const char *value)
{
    struct str lines = {0};
    if (value)
        add_lines(&lines, value, "\n", str_add);
    char *clean = value ? str_take(&lines) : NULL;
    yaml_put_text(w, key, clean);
    free(clean);
}

static void add_formatted(struct str *s, const char *format, double value, const char *none)
{
    if (isnan(value))
        str_add(s, none);
    else
        str_addf(s, format, value);
}

static void add_label(struct document *d, const char *label)
{
    str_addf(&d->markdown, "- %s: ", label);
}

/* One blank line, whatever came before. */
static void add_blank(struct document *d)
{
    if (d->markdown.length && !str_ends(d->markdown.data, "\n\n"))
        str_add(&d->markdown, "\n");
}

static void add_heading(struct document *d, const char *label)
{
    add_blank(d);
    str_addf(&d->markdown, "%s:\n\n", label);
}

/* ------------------------------------------------------------------- structure */

void document_title(struct document *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    str_add(&d->markdown, "# ");
    add_markdown(&d->markdown, text);
    str_add(&d->markdown, "\n");
    put_yaml(&d->yaml, "title", text);
    free(text);
}

void document_say(struct document *d, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    add_blank(d);
    add_markdown(&d->markdown, text);
    str_add(&d->markdown, "\n");
    if (key)
        put_yaml(&d->yaml, key, text);
    free(text);
}

void document_part(struct document *d, const char *key, const char *title)
{
    add_blank(d);
    str_addf(&d->markdown, "## %s\n\n", title);
    yaml_begin(&d->yaml, key);
}

void document_part_end(struct document *d)
{
    yaml_end(&d->yaml);
}

/* ----------------------------------------------------------------------- facts */

void document_text(struct document *d, const char *key, const char *label, const char *value)
{
    add_label(d, label);
    add_markdown(&d->markdown, value ? value : "unknown");
    str_add(&d->markdown, "\n");
    put_yaml(&d->yaml, key, value);
}

void document_number(struct document *d, const char *key, const char *label, double value, const char *format,
                     double scale)
{
    add_label(d, label);
    add_formatted(&d->markdown, format, value * scale, not_measured);
    str_add(&d->markdown, "\n");
    yaml_put_number(&d->yaml, key, value);
}

void document_bytes(struct document *d, const char *key, const char *label, double bytes)
{
    char text[FORMAT_SIZE];
    add_label(d, label);
    if (isnan(bytes))
        str_add(&d->markdown, not_measured);
    else
        str_addf(&d->markdown, "%s (%.0f bytes)", format_bytes(text, bytes), bytes);
    str_add(&d->markdown, "\n");
    if (isnan(bytes))
        yaml_put_number(&d->yaml, key, bytes);
    else
        yaml_put_integer(&d->yaml, key, (int64_t)bytes);
}

void document_seconds(struct document *d, const char *key, const char *label, double seconds)
{
    char text[FORMAT_SIZE];
    add_label(d, label);
    str_addf(&d->markdown, "%s\n", isnan(seconds) ? not_measured : format_duration(text, seconds));
    yaml_put_number(&d->yaml, key, seconds);
}

void document_bool(struct document *d, const char *key, const char *label, bool value)
{
    add_label(d, label);
    str_addf(&d->markdown, "%s\n", value ? "yes" : "no");
    yaml_put_bool(&d->yaml, key, value);
}

void document_list(struct document *d, const char *key, const char *label, const char *const *items, int count)
{
    if (!count)
        return;
    add_heading(d, label);
    yaml_begin(&d->yaml, key);
    for (int i = 0; i < count; i++) {
        char *clean = one_line(items[i]);
        str_add(&d->markdown, "- ");
        add_markdown(&d->markdown, clean);
        str_add(&d->markdown, "\n");
        yaml_item_text(&d->yaml, clean);
        free(clean);
    }
    str_add(&d->markdown, "\n");
    yaml_end(&d->yaml);
}

/* ---------------------------------------------------------------------- tables */

static void add_table_head(struct str *s, const struct document_column *columns, int count)
{
    for (int c = 0; c < count; c++)
        str_addf(s, "| %s ", columns[c].title);
    str_add(s, "|\n");
    for (int c = 0; c < count; c++)
        str_add(s, columns[c].format ? "|---:" : "|---");
    str_add(s, "|\n");
}

static void add_cell(struct document *d, const struct document_column *column, struct document_cell cell)
{
    str_add(&d->markdown, "| ");
    if (column->format) {
        add_formatted(&d->markdown, column->format, cell.number, column->none ? column->none : not_measured);
        yaml_put_number(&d->yaml, column->key, cell.number);
    } else {
        add_markdown(&d->markdown, cell.text ? cell.text : "");
        put_yaml(&d->yaml, column->key, cell.text);
    }
    str_add(&d->markdown, " ");
}

void document_table(struct document *d, const char *key, const char *label, const struct document_column *columns,
                    int column_count, int rows, struct document_cell (*cell)(void *user, int row, int column),
                    void *user)
{
    if (!rows)
        return;
    add_heading(d, label);
    add_table_head(&d->markdown, columns, column_count);
    yaml_begin(&d->yaml, key);
    for (int r = 0; r < rows; r++) {
        yaml_item(&d->yaml);
        for (int c = 0; c < column_count; c++)
            add_cell(d, &columns[c], cell(user, r, c));
        str_add(&d->markdown, "|\n");
        yaml_item_end(&d->yaml);
    }
    str_add(&d->markdown, "\n");
    yaml_end(&d->yaml);
}

void document_code(struct document *d, const char *key, const char *label, const char *const *lines, int count)
{
    if (!count)
        return;
    add_heading(d, label);
    str_add(&d->markdown, "```sh\n");
    yaml_begin(&d->yaml, key);
    for (int i = 0; i < count; i++) {
        struct str clean = {0};
        add_lines(&clean, lines[i], "\n", str_add);
        str_addf(&d->markdown, "%s%s", clean.data, str_ends(clean.data, "\n") ? "" : "\n");
        yaml_item_text(&d->yaml, clean.data);
        str_done(&clean);
    }
    str_add(&d->markdown, "```\n\n");
    yaml_end(&d->yaml);
}

/* ----------------------------------------------------------------------- trees */

static void add_tree(struct document *d, const char *key, const struct yaml *y, int depth);

static void add_children(struct document *d, const struct yaml *y, int depth)
{
    for (size_t i = 0; i < y->count; i++) {
        if (y->kind == YAML_MAP) {
            add_tree(d, y->keys[i]->text, y->items[i], depth);
        } else if (y->items[i]->kind == YAML_TEXT) {
            str_addf(&d->markdown, "%*s- ", 2 * depth, "");
            add_markdown(&d->markdown, y->items[i]->text ? y->items[i]->text : "unknown");
            str_add(&d->markdown, "\n");
            yaml_item_text(&d->yaml, y->items[i]->text ? y->items[i]->text : "");
        } else {
            yaml_item(&d->yaml);
            add_children(d, y->items[i], depth);
            yaml_item_end(&d->yaml);
        }
    }
}

static void add_tree(struct document *d, const char *key, const struct yaml *y, int depth)
{
    str_addf(&d->markdown, "%*s- ", 2 * depth, "");
    add_markdown(&d->markdown, key);
    if (y->kind == YAML_TEXT) {
        str_add(&d->markdown, ": ");
        add_markdown(&d->markdown, y->text ? y->text : "unknown");
        str_add(&d->markdown, "\n");
        put_yaml(&d->yaml, key, y->text);
        return;
    }
    str_add(&d->markdown, "\n");
    yaml_begin(&d->yaml, key);
    add_children(d, y, depth + 1);
    yaml_end(&d->yaml);
}

void document_tree(struct document *d, const char *key, const char *label, const struct yaml *tree)
{
    if (!tree->count)
        return;
    add_heading(d, label);
    yaml_begin(&d->yaml, key);
    add_children(d, tree, 0);
    yaml_end(&d->yaml);
    str_add(&d->markdown, "\n");
}

void document_done(struct document *d)
{
    str_done(&d->markdown);
    str_done(&d->yaml.out);
}
