/* Text for panes: wrapped lines that scroll. The lines are rebuilt whenever the page is drawn (its width may
 * have changed); the position stays. */
#ifndef UI_TEXT_H
#define UI_TEXT_H

#include "ui/paint.h"

struct text_line {
    char *text;
    char *right;         /* at the right edge, dim; NULL: none */
    enum style style;
};
struct text {
    struct text_line *lines;
    int count, capacity;
    int top;             /* first visible line */
    int height;          /* of the pane at the last painting: for paging */
};
void text_clear(struct text *t); /* keeps the position */
void text_done(struct text *t);
/* Adds a paragraph, wrapped at blanks to `width` columns; newlines break; continued lines are indented to
 * where the first one's words begin, which is after the tab in "label<Tab>meaning". `right` (or NULL)
 * stands on the last line, or on one of its own. */
void text_add(struct text *t, int width, enum style s, const char *paragraph, const char *right);
void text_addf(struct text *t, int width, enum style s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* `r` is a padded pane: the scroll bar goes on the border beyond the blank column. */
void text_paint(struct text *t, struct rect r);
/* Scrolls; true when the key was one for scrolling. */
bool text_key(struct text *t, int key);
/* The next page, and after the last one the first: where a single key is left for scrolling. */
void text_turn(struct text *t);
/* On the right border of a pane: which part of `total` is in view. Nothing where all of it is. */
void text_scrollbar(struct rect in, int top, int total);

#endif
