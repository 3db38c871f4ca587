/* A table with a cursor: columns that fit the width, a type-ahead filter, scrolling. The rows belong to the
 * caller, who gives cells by number. */
#ifndef UI_LIST_H
#define UI_LIST_H

#include <stddef.h>

#include "ui/paint.h"

enum { LIST_CELL = 256, LIST_COLUMNS_MAX = 16, LIST_FILTER = 32 };
struct list_column {
    const char *title;
    enum align align;
    struct column_want want;
};
struct list_cell {
    char text[LIST_CELL];
    enum style style;
};
struct list {
    const struct list_column *columns;
    int column_count;
    /* Fills a cell; or paints it itself (a bar) and leaves the text empty. */
    void (*cell)(void *user, int row, int column, struct list_cell *c);
    void (*paint)(void *user, int row, int column, struct rect at); /* NULL: no painted cells */
    void *user;
    bool no_heading, no_cursor, tight; /* tight: no blank column at the edges */
    int count;                 /* rows */
    int cursor;                /* a row number; -1: none matches */
    int top;                   /* first visible among the matching ones */
    char filter[LIST_FILTER];
    bool filtering;            /* keys go to the filter */
    struct rect at;            /* where it was painted last: for paging and clicks */
};
void list_paint(struct list *l, struct rect r);
/* Moves the cursor, edits the filter; true when the key was for the list. */
bool list_key(struct list *l, int key);
/* A click moves the cursor there; true when a row was hit. */
bool list_click(struct list *l, int y, int x);
/* Shown on the border while a filter is on: "filter: q4_". "" otherwise. */
const char *list_filter_note(const struct list *l, char out[static LIST_FILTER + 16]);
/* The row under the cursor; -1 where there is none. */
int list_row(const struct list *l);
/* Keeps the cursor within the rows after their number changed. */
void list_resize(struct list *l, int count);

#endif
