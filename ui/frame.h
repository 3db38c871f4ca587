/* Borders around panes. Neighbouring panes share a line, and lines meet in the right corners by themselves:
 * each cell of a border collects the directions that leave it, and the glyph follows from those. */
#ifndef UI_FRAME_H
#define UI_FRAME_H

#include "ui/paint.h"

struct pane {
    struct rect in;      /* the interior: the border is around it */
    const char *title;   /* on the upper line, at the left; NULL: none */
    const char *note;    /* on the upper line, at the right; NULL: none */
};
void frame_paint(const struct pane *panes, int count);
/* The border around one interior, for overlays that cover what is below. */
void frame_box(struct rect in, const char *title, const char *note);

#endif
