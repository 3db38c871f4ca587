/* A horizontal bar in eighths of a cell, made of parts: "weights, KV cache and buffers of what is free". */
#ifndef UI_GAUGE_H
#define UI_GAUGE_H

#include "ui/paint.h"

enum { GAUGE_PARTS_MAX = 4 };
struct gauge {
    struct { double value; enum style style; } part[GAUGE_PARTS_MAX];
    int parts;
    double whole;  /* what the full width stands for; the rest stays empty, and more is marked as over */
    bool edges;    /* ▕ and ▏ at the ends, within the width */
};
void gauge_paint(struct rect r, int y, int x, int width, const struct gauge *g);

/* Pure part, for tests: eighths of cells that each part takes of `cells`; true where the sum is over the
 * whole. A part that is not zero takes at least one eighth; the sum never exceeds the cells. */
bool gauge_eighths(const struct gauge *g, int cells, int out[static GAUGE_PARTS_MAX]);

#endif
