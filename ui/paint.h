/* Painting on the screen, clipped to a rectangle. Coordinates are relative to the rectangle. Text is UTF-8
 * from anywhere (a model's metadata included): control characters never reach the terminal, and on ASCII
 * terminals each other character becomes one that reads alike. */
#ifndef UI_PAINT_H
#define UI_PAINT_H

#include <stddef.h>

#include "ui/layout.h"
#include "ui/theme.h"

/* Columns that a text takes on this terminal (after ASCII replacement). */
int paint_width(const char *text);
/* Bytes of the longest beginning of a text that takes at most `columns`. */
size_t paint_fitting(const char *text, int columns);
/* Paints as much as fits; returns the columns used. */
int paint_text(struct rect r, int y, int x, enum style s, const char *text);
int paintf(struct rect r, int y, int x, enum style s, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* So that the text's last column is `margin` cells off the right edge. */
int paint_right(struct rect r, int y, int margin, enum style s, const char *text);
enum align { ALIGN_LEFT, ALIGN_RIGHT, ALIGN_MIDDLE };
/* Exactly `width` columns: padded, or cut with an ellipsis. */
void paint_field(struct rect r, int y, int x, int width, enum align a, enum style s, const char *text);
/* One glyph over a background taken from another style. */
void paint_over(struct rect r, int y, int x, enum style s, enum style over, const char *glyph);
void paint_fill(struct rect r, enum style s);
/* Repeats a glyph `n` times. */
void paint_repeat(struct rect r, int y, int x, int n, enum style s, const char *glyph);
/* Gives cells that are painted already another style, their text kept: the row under the cursor. */
void paint_restyle(struct rect r, int y, int x, int n, enum style s);

#endif
