#include "ui/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ui/key.h"

void text_clear(struct text *t)
{
    for (int i = 0; i < t->count; i++) {
        free(t->lines[i].text);
        free(t->lines[i].right);
    }
    t->count = 0;
}

void text_done(struct text *t)
{
    text_clear(t);
    free(t->lines);
    *t = (struct text){0};
}

static struct text_line *add_line(struct text *t, enum style s, char *owned)
{
    struct text_line *line = &array_push(t->lines, t->count, t->capacity);
    *line = (struct text_line){.text = owned, .style = s};
    return line;
}

/* Bytes of the longest beginning that fits into `width` columns and ends before a blank; a word that is longer than a
 * line is cut, and a character that is wider than a line stands in it all the same. */
static size_t line_bytes(const char *text, int width)
{
    size_t fits = paint_fitting(text, width), end = fits;
    if (!text[fits])
        return fits;
    while (end && text[end] != ' ')
        end--;
    return end ? end : fits ? fits : strlen(text);
}

/* Columns before the first word, a list mark ("- ", "+ ", "1. ") included. */
static int hanging_indent(const char *line)
{
    size_t blanks = strspn(line, " "), mark = strcspn(line + blanks, " ");
    bool is_mark = mark > 0 && mark <= 2 && line[blanks + mark] == ' ' &&
                   strpbrk(line + blanks, "-+*.x!") == line + blanks + mark - 1;
    return (int)(is_mark ? blanks + mark + 1 : blanks);
}

/* "label<Tab>meaning": the meaning starts at a column of its own. */
static char *spread_label(const char *line, int *indent)
{
    enum { LABEL_COLUMNS = 15 };
    const char *tab = strchr(line, '\t');
    char *label = xstrndup(line, tab - line);
    int pad = LABEL_COLUMNS - paint_width(label);
    char *spread = xasprintf("%s%*s%s", label, pad < 2 ? 2 : pad, "", tab + 1);
    free(label);
    *indent = LABEL_COLUMNS;
    return spread;
}

static void add_wrapped(struct text *t, int width, enum style s, const char *line, size_t length)
{
    char *whole = xstrndup(line, length);
    int indent = hanging_indent(whole);
    if (strchr(whole, '\t')) {
        char *spread = spread_label(whole, &indent);
        free(whole);
        whole = spread;
    }
    indent = indent < width / 2 ? indent : 0;
    const char *p = whole;
    for (int first = 1; first || *p; first = 0) {
        size_t n = line_bytes(p, first ? width : width - indent);
        add_line(t, s, xasprintf("%*s%.*s", first ? 0 : indent, "", (int)n, p));
        p += n;
        p += strspn(p, " ");
    }
    free(whole);
}

void text_add(struct text *t, int width, enum style s, const char *paragraph, const char *right)
{
    width = width < 1 ? 1 : width;
    for (const char *p = paragraph;; p++) {
        size_t n = strcspn(p, "\n");
        add_wrapped(t, width, s, p, n);
        p += n;
        if (!*p)
            break;
    }
    if (!right)
        return;
    struct text_line *last = &t->lines[t->count - 1];
    if (paint_width(last->text) + 2 + paint_width(right) > width)
        last = add_line(t, s, xstrdup(""));
    last->right = xstrdup(right);
}

void text_addf(struct text *t, int width, enum style s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *paragraph = xvasprintf(fmt, ap);
    va_end(ap);
    text_add(t, width, s, paragraph, NULL);
    free(paragraph);
}

static void clamp_top(struct text *t)
{
    if (t->top > t->count - t->height)
        t->top = t->count - t->height;
    if (t->top < 0)
        t->top = 0;
}

void text_paint(struct text *t, struct rect r)
{
    t->height = r.h;
    clamp_top(t);
    for (int y = 0; y < r.h && t->top + y < t->count; y++) {
        const struct text_line *line = &t->lines[t->top + y];
        paint_text(r, y, 0, line->style, line->text);
        if (line->right)
            paint_right(r, y, 0, STYLE_DIM, line->right);
    }
    text_scrollbar((struct rect){r.y, r.x, r.h, r.w + 1}, t->top, t->count);
}

bool text_key(struct text *t, int key)
{
    switch (key) {
    case K_UP: case 'k': t->top--; break;
    case K_DOWN: case 'j': t->top++; break;
    case K_PAGE_UP: t->top -= t->height; break;
    case K_PAGE_DOWN: case ' ': t->top += t->height; break;
    case K_HOME: t->top = 0; break;
    case K_END: t->top = t->count; break;
    default: return false;
    }
    clamp_top(t);
    return true;
}

void text_turn(struct text *t)
{
    bool last = t->top + t->height >= t->count;
    t->top = last ? 0 : t->top + t->height;
    clamp_top(t);
}

void text_scrollbar(struct rect in, int top, int total)
{
    if (total <= in.h || in.h < 2)
        return;
    int size = in.h * in.h / total, at = top * (in.h - 1) / (total - in.h ? total - in.h : 1);
    size = size < 1 ? 1 : size;
    if (at > in.h - size)
        at = in.h - size;
    struct rect border = {in.y, in.x + in.w, in.h, 1};
    for (int i = 0; i < size; i++)
        paint_over(border, at + i, 0, STYLE_ACCENT, STYLE_NORMAL, theme_glyph(GLYPH_SCROLL));
}
