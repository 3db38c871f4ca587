#include "ui/gauge.h"

#include <math.h>

bool gauge_eighths(const struct gauge *g, int cells, int out[static GAUGE_PARTS_MAX])
{
    double sum = 0;
    int end = 0, all = cells * 8;
    for (int i = 0; i < g->parts; i++) {
        sum += isnan(g->part[i].value) ? 0 : g->part[i].value;
        double at = g->whole > 0 ? sum / g->whole * all : 0;
        int next = at >= all ? all : (int)lround(at);
        if (next <= end && g->part[i].value > 0 && end < all)
            next = end + 1;
        out[i] = next > end ? next - end : 0;
        end += out[i];
    }
    return sum > g->whole;
}

/* Without colour the parts differ by their shade. */
static const char *full_glyph(int part)
{
    static const enum glyph shade[GAUGE_PARTS_MAX] = {GLYPH_FULL, GLYPH_SHADE_1, GLYPH_SHADE_2,
                                                      GLYPH_SHADE_2};
    return theme_glyph(theme_colour() && !theme_ascii() ? GLYPH_FULL : shade[part]);
}

/* The cell in which `part` ends after `n` eighths: the next part, if any, shows behind it. */
static void paint_boundary(struct rect r, int y, int x, const struct gauge *g, int part, int n, bool next)
{
    enum style over = next && theme_colour() ? g->part[part + 1].style : STYLE_NORMAL;
    if (next && !theme_colour())
        paint_over(r, y, x, g->part[part].style, STYLE_NORMAL,
                   n >= 4 ? full_glyph(part) : full_glyph(part + 1));
    else
        paint_over(r, y, x, g->part[part].style, over, theme_eighth(n));
}

static void paint_parts(struct rect r, int y, int x, int cells, const struct gauge *g)
{
    int size[GAUGE_PARTS_MAX] = {0}, at = 0;
    bool over = gauge_eighths(g, cells, size);
    for (int i = 0; i < g->parts; i++) {
        int end = at + size[i];
        for (int cell = (at + 7) / 8; cell < end / 8; cell++)
            paint_over(r, y, x + cell, g->part[i].style, STYLE_NORMAL, full_glyph(i));
        if (end % 8 && (end / 8 > at / 8 || at % 8 == 0))
            paint_boundary(r, y, x + end / 8, g, i, end % 8, i + 1 < g->parts && size[i + 1] > 0);
        at = end;
    }
    if (over)
        paint_over(r, y, x + cells - 1, STYLE_BAD, STYLE_NORMAL, theme_glyph(GLYPH_OVER));
}

void gauge_paint(struct rect r, int y, int x, int width, const struct gauge *g)
{
    int edges = g->edges && width > 3;
    if (edges) {
        paint_over(r, y, x, STYLE_BORDER, STYLE_NORMAL, theme_glyph(GLYPH_EDGE_LEFT));
        paint_over(r, y, x + width - 1, STYLE_BORDER, STYLE_NORMAL, theme_glyph(GLYPH_EDGE_RIGHT));
    }
    paint_parts(r, y, x + edges, width - 2 * edges, g);
}
