#include "ui/paint.h"

#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

/* What reads alike in ASCII; anything that is not listed becomes '?'. */
static const struct { utf8proc_int32_t code; const char *ascii;
} alike[] = {
    {0x2026, ".."}, {0x2264, "<="},    {0x2265, ">="},    {0x00d7, "x"},      {0x00b7, "*"},   {0x00b1, "+-"},
    {0x2212, "-"},  {0x2192, "->"},    {0x2190, "<-"},    {0x2013, "-"},      {0x2014, "-"},   {0x2018, "'"},
    {0x2019, "'"},  {0x201c, "\""},    {0x201d, "\""},    {0x0394, "d"},      {0x03a3, "sum"}, {0x2248, "~"},
    {0x00b2, "^2"}, {0x2308, "ceil("}, {0x2309, ")"},     {0x230a, "floor("}, {0x230b, ")"},   {0x2713, "v"},
    {0x2717, "x"},  {0x2605, "*"},     {0x25b8, ">"},     {0x25c2, "<"},      {0x00a0, " "},   {0x2191, "^"},
    {0x2193, "v"},  {0x2022, "*"},     {0x03c3, "sigma"}, {0x2211, "sum"},    {0x2500, "-"},   {0x2502, "|"},
    {0x2588, "#"},
};

static const char *ascii_for(utf8proc_int32_t code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(alike); i++)
        if (alike[i].code == code)
            return alike[i].ascii;
    return "?";
}

/* Text as it will stand in cells: wide characters, and how many columns each takes (0: combines). */
struct cells {
    wchar_t *code;
    unsigned char *width;
    int count, columns;
};

static void cells_add(struct cells *c, wchar_t code, int width)
{
    c->code[c->count] = code;
    c->width[c->count++] = width;
    c->columns += width;
}

static bool is_control(utf8proc_int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CS ||
           c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

static void cells_add_code(struct cells *c, utf8proc_int32_t code)
{
    if (code == '\t' || code == '\n')
        code = ' ';
    if (code < 0 || is_control(code))
        cells_add(c, '?', 1);
    else if (code < 128)
        cells_add(c, code, 1);
    else if (theme_ascii())
        for (const char *p = ascii_for(code); *p; p++)
            cells_add(c, *p, 1);
    else
        cells_add(c, code, utf8proc_charwidth(code));
}

enum { LONGEST_REPLACEMENT = 6 };

/* The next character, -1 for a byte that is none; *text goes on. */
static utf8proc_int32_t next_code(const char **text)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)*text, -1, &code);
    *text += used > 0 ? used : 1;
    return used > 0 ? code : -1;
}

static struct cells cells_of(const char *text)
{
    size_t n = strlen(text) * LONGEST_REPLACEMENT + 1;
    struct cells c = {.code = xmalloc(n * sizeof(wchar_t)), .width = xmalloc(n)};
    while (*text)
        cells_add_code(&c, next_code(&text));
    return c;
}

static void cells_done(struct cells *c)
{
    free(c->code);
    free(c->width);
}

static void use_style(enum style s, enum style over)
{
    struct style_bits b = theme_style(s, over);
    attr_set(b.attributes, b.pair, NULL);
}

/* Characters of `c` that take at most `columns`. */
static int fitting(const struct cells *c, int columns)
{
    int n = 0, used = 0;
    while (n < c->count && used + c->width[n] <= columns)
        used += c->width[n++];
    return n;
}

static int columns_of(const struct cells *c, int n)
{
    int columns = 0;
    for (int i = 0; i < n; i++)
        columns += c->width[i];
    return columns;
}

static int put(struct rect r, int y, int x, enum style s, const struct cells *c, int limit)
{
    int room = r.w - x < limit ? r.w - x : limit;
    if (y < 0 || y >= r.h || x < 0 || room <= 0)
        return 0;
    int n = fitting(c, room);
    use_style(s, STYLE_NORMAL);
    mvaddnwstr(r.y + y, r.x + x, c->code, n);
    return columns_of(c, n);
}

int paint_width(const char *text)
{
    struct cells c = cells_of(text);
    int columns = c.columns;
    cells_done(&c);
    return columns;
}

size_t paint_fitting(const char *text, int columns)
{
    wchar_t code[LONGEST_REPLACEMENT];
    unsigned char width[LONGEST_REPLACEMENT];
    const char *p = text, *fits = text;
    for (int used = 0; *p; fits = p) {
        struct cells c = {code, width, 0, 0};
        cells_add_code(&c, next_code(&p));
        used += c.columns;
        if (used > columns)
            break;
    }
    return (size_t)(fits - text);
}

int paint_text(struct rect r, int y, int x, enum style s, const char *text)
{
    struct cells c = cells_of(text);
    int columns = put(r, y, x, s, &c, r.w);
    cells_done(&c);
    return columns;
}

int paintf(struct rect r, int y, int x, enum style s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    int columns = paint_text(r, y, x, s, text);
    free(text);
    return columns;
}

int paint_right(struct rect r, int y, int margin, enum style s, const char *text)
{
    int x = r.w - margin - paint_width(text);
    return paint_text(r, y, x < 0 ? 0 : x, s, text);
}

void paint_field(struct rect r, int y, int x, int width, enum align a, enum style s, const char *text)
{
    struct cells c = cells_of(text);
    paint_repeat(r, y, x, width, s, " ");
    if (c.columns <= width) {
        int pad = a == ALIGN_LEFT ? 0 : a == ALIGN_RIGHT ? width - c.columns : (width - c.columns) / 2;
        put(r, y, x + pad, s, &c, width);
    } else if (width > 0) {
        int used = put(r, y, x, s, &c, width - 1);
        paint_over(r, y, x + used, s, STYLE_NORMAL, theme_ascii() ? "~" : "…");
    }
    cells_done(&c);
}

void paint_over(struct rect r, int y, int x, enum style s, enum style over, const char *glyph)
{
    if (y < 0 || y >= r.h || x < 0 || x >= r.w)
        return;
    struct cells c = cells_of(glyph);
    use_style(s, over);
    mvaddnwstr(r.y + y, r.x + x, c.code, 1);
    cells_done(&c);
}

void paint_repeat(struct rect r, int y, int x, int n, enum style s, const char *glyph)
{
    struct cells c = cells_of(glyph);
    for (int i = 0; i < n; i++)
        put(r, y, x + i, s, &c, 1);
    cells_done(&c);
}

void paint_fill(struct rect r, enum style s)
{
    for (int y = 0; y < r.h; y++)
        paint_repeat(r, y, 0, r.w, s, " ");
}

void paint_restyle(struct rect r, int y, int x, int n, enum style s)
{
    struct style_bits b = theme_style(s, STYLE_NORMAL);
    if (x + n > r.w)
        n = r.w - x;
    if (y >= 0 && y < r.h && n > 0)
        mvchgat(r.y + y, r.x + x, n, b.attributes, b.pair, NULL);
}
