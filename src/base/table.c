#include "base/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/str.h"

int text_width(const char *utf8)
{
    int width = 0;
    for (const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)utf8; *p;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate(p, -1, &code);
        width += n > 0 ? utf8proc_charwidth(code) : 1;
        p += n > 0 ? n : 1;
    }
    return width;
}

void table_init(struct table *t, const char *align)
{
    *t = (struct table){.columns = (int)strlen(align), .align = align};
}

void table_add(struct table *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *cell = xvasprintf(fmt, ap);
    va_end(ap);
    text_make_printable(cell);
    array_push(t->cells, t->count, t->capacity) = cell;
}

static int column_width(const struct table *t, int column)
{
    int width = 0;
    for (int i = column; i < t->count; i += t->columns) {
        int w = text_width(t->cells[i]);
        width = w > width ? w : width;
    }
    return width;
}

void table_print(const struct table *t, FILE *out, int rule)
{
    int *width = xcalloc(t->columns, sizeof *width);
    int total = 0;
    for (int c = 0; c < t->columns; c++)
        total += (width[c] = column_width(t, c)) + (c ? 2 : 0);
    for (int i = 0; i < t->count; i++) {
        int c = i % t->columns, pad = width[c] - text_width(t->cells[i]);
        bool last = c == t->columns - 1 || i == t->count - 1;
        if (t->align[c] == 'r')
            fprintf(out, "%*s%s", pad, "", t->cells[i]);
        else
            fprintf(out, "%s%*s", t->cells[i], last ? 0 : pad, "");
        fputs(last ? "\n" : "  ", out);
        if (rule && i == t->columns - 1) {
            for (int k = 0; k < total; k++)
                fputc('-', out);
            fputc('\n', out);
        }
    }
    free(width);
}

void table_done(struct table *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
}
