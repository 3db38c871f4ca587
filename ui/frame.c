#include "ui/frame.h"

#include <stdlib.h>

#include "base/mem.h"

enum { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8 };

/* Directions per cell of the smallest rectangle that holds all borders. */
struct grid {
    struct rect area;
    unsigned char *directions;
};

static struct rect border_of(struct rect in)
{
    return (struct rect){in.y - 1, in.x - 1, in.h + 2, in.w + 2};
}

static struct rect union_of(struct rect a, struct rect b)
{
    int bottom = a.y + a.h > b.y + b.h ? a.y + a.h : b.y + b.h,
        right = a.x + a.w > b.x + b.w ? a.x + a.w : b.x + b.w;
    struct rect u = {a.y < b.y ? a.y : b.y, a.x < b.x ? a.x : b.x, 0, 0};
    u.h = bottom - u.y;
    u.w = right - u.x;
    return u;
}

static void mark(struct grid *g, int y, int x, unsigned directions)
{
    g->directions[(y - g->area.y) * g->area.w + x - g->area.x] |= directions;
}

static void mark_border(struct grid *g, struct rect b)
{
    int bottom = b.y + b.h - 1, right = b.x + b.w - 1;
    for (int x = b.x; x <= right; x++) {
        unsigned along = (x > b.x ? LEFT : 0) | (x < right ? RIGHT : 0);
        mark(g, b.y, x, along);
        mark(g, bottom, x, along);
    }
    for (int y = b.y; y <= bottom; y++) {
        unsigned along = (y > b.y ? UP : 0) | (y < bottom ? DOWN : 0);
        mark(g, y, b.x, along);
        mark(g, y, right, along);
    }
}

static void paint_grid(const struct grid *g)
{
    for (int y = 0; y < g->area.h; y++)
        for (int x = 0; x < g->area.w; x++) {
            unsigned d = g->directions[y * g->area.w + x];
            if (d)
                paint_over(g->area, y, x, STYLE_BORDER, STYLE_NORMAL, theme_line(d));
        }
}

/* On the upper line, a blank each side; the note gives way to the title. */
static void paint_titles(const struct pane *p)
{
    struct rect line = {p->in.y - 1, p->in.x, 1, p->in.w};
    int title = p->title && *p->title ? paint_width(p->title) + 2 : 0;
    int note = p->note && *p->note ? paint_width(p->note) + 2 : 0;
    if (title) {
        int width = title < line.w ? title : line.w;
        paint_text(line, 0, 0, STYLE_HEADING, " ");
        paint_field(line, 0, 1, width - 2, ALIGN_LEFT, STYLE_HEADING, p->title);
        paint_text(line, 0, width - 1, STYLE_HEADING, " ");
    }
    if (note && title + note + 1 <= line.w)
        paintf(line, 0, line.w - note, STYLE_NORMAL, " %s ", p->note);
}

void frame_paint(const struct pane *panes, int count)
{
    if (count < 1)
        return;
    struct grid g = {.area = border_of(panes[0].in)};
    for (int i = 1; i < count; i++)
        g.area = union_of(g.area, border_of(panes[i].in));
    g.directions = xcalloc(g.area.h, g.area.w);
    for (int i = 0; i < count; i++)
        mark_border(&g, border_of(panes[i].in));
    paint_grid(&g);
    free(g.directions);
    for (int i = 0; i < count; i++)
        paint_titles(&panes[i]);
}

void frame_box(struct rect in, const char *title, const char *note)
{
    paint_fill(border_of(in), STYLE_NORMAL);
    frame_paint(&(struct pane){in, title, note}, 1);
}
