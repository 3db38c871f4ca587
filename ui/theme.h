/* How things look: styles (colour and attributes) and glyphs, for colour, mono and ASCII terminals.
 * A style never carries meaning alone: whatever it marks has a word or a glyph too. */
#ifndef UI_THEME_H
#define UI_THEME_H

#include <stdbool.h>

enum style {
    STYLE_NORMAL, STYLE_DIM, STYLE_STRONG, STYLE_ACCENT, STYLE_GOOD, STYLE_WARN, STYLE_BAD,
    STYLE_TITLE,          /* the top line */
    STYLE_BORDER, STYLE_HEADING, /* lines; what stands on them and over columns */
    STYLE_SELECTED,       /* the row under the cursor */
    STYLE_KEY, STYLE_LABEL, /* the key bar */
    STYLE_INPUT,          /* a text being edited */
    STYLE_WEIGHTS, STYLE_KV, STYLE_BUFFERS, STYLE_USED, /* parts of a bar */
    STYLE_COUNT,
};

enum glyph {
    GLYPH_STAR, GLYPH_DONE, GLYPH_NO, GLYPH_HERE, GLYPH_LEFT, GLYPH_RIGHT,
    GLYPH_FULL, GLYPH_SHADE_1, GLYPH_SHADE_2, GLYPH_TRACK, GLYPH_EDGE_LEFT, GLYPH_EDGE_RIGHT, GLYPH_OVER,
    GLYPH_SCROLL, GLYPH_COUNT,
};

/* Call after curses was started. Honours NO_COLOR and what the terminal can do; ASCII where the locale is
 * not UTF-8 or QUANTWIZ_ASCII=1. */
void theme_start(void);
bool theme_ascii(void);
bool theme_colour(void);

const char *theme_glyph(enum glyph g);      /* one column wide */
/* Lines by the directions that meet: bits 1 up, 2 down, 4 left, 8 right. */
const char *theme_line(unsigned directions);
/* Eighths of a cell, 0 to 8: from the left, and from the bottom. ASCII has fewer steps. */
const char *theme_eighth(int n);
const char *theme_eighth_up(int n);

/* A style as curses wants it; `over` gives a style whose colour becomes the background (for bars whose parts
 * meet within a cell), or STYLE_NORMAL. */
struct style_bits {
    unsigned attributes; /* attr_t */
    short pair;
};
struct style_bits theme_style(enum style s, enum style over);
/* "bold white on blue": for screens saved by a script. */
const char *theme_describe(unsigned attributes, short pair, char out[static 64]);

#endif
