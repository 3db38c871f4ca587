#include "ui/list.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "ui/key.h"
#include "ui/text.h"

enum { GAP = 1 };

static bool matches(const struct list *l, int row)
{
    if (!*l->filter)
        return true;
    for (int c = 0; c < l->column_count; c++) {
        struct list_cell cell = {{0}};
        l->cell(l->user, row, c, &cell);
        if (strcasestr(cell.text, l->filter))
            return true;
    }
    return false;
}

/* The row at place `n` among those that match; -1 past the end. */
static int nth_match(const struct list *l, int n)
{
    for (int row = 0; row < l->count; row++)
        if (matches(l, row) && n-- == 0)
            return row;
    return -1;
}

static int place_of(const struct list *l, int row)
{
    int place = 0;
    for (int i = 0; i < row; i++)
        place += matches(l, i);
    return place;
}

static int match_count(const struct list *l)
{
    return place_of(l, l->count);
}

static int heading_rows(const struct list *l)
{
    return l->no_heading ? 0 : 1;
}

static void scroll_to_cursor(struct list *l, int rows)
{
    int count = match_count(l), at = l->cursor < 0 ? 0 : place_of(l, l->cursor);
    if (at < l->top)
        l->top = at;
    if (at >= l->top + rows)
        l->top = at - rows + 1;
    if (l->top > count - rows)
        l->top = count - rows;
    if (l->top < 0)
        l->top = 0;
}

/* Where the cells stand; the cursor's bar goes from edge to edge. */
static struct rect cells_in(const struct list *l, struct rect pane)
{
    return l->tight ? pane : rect_padded(pane);
}

static void paint_heading(const struct list *l, struct rect r, const int *width)
{
    r = cells_in(l, r);
    for (int c = 0, x = 0; c < l->column_count; x += width[c] ? width[c] + GAP : 0, c++)
        if (width[c])
            paint_field(r, 0, x, width[c], l->columns[c].align, STYLE_DIM, l->columns[c].title);
}

static void paint_row(const struct list *l, struct rect pane, int y, int row, const int *width)
{
    struct rect r = cells_in(l, pane);
    for (int c = 0, x = 0; c < l->column_count; x += width[c] ? width[c] + GAP : 0, c++) {
        struct list_cell cell = {{0}};
        if (!width[c])
            continue;
        l->cell(l->user, row, c, &cell);
        if (*cell.text)
            paint_field(r, y, x, width[c], l->columns[c].align, cell.style, cell.text);
    }
    if (row == l->cursor && !l->no_cursor)
        paint_restyle(pane, y, 0, pane.w, STYLE_SELECTED);
    for (int c = 0, x = 0; l->paint && c < l->column_count; x += width[c] ? width[c] + GAP : 0, c++)
        if (width[c])
            l->paint(l->user, row, c, (struct rect){r.y + y, r.x + x, 1, width[c]});
}

void list_paint(struct list *l, struct rect r)
{
    struct column_want want[LIST_COLUMNS_MAX];
    int width[LIST_COLUMNS_MAX], head = heading_rows(l), rows = r.h - head;
    l->at = r;
    for (int c = 0; c < l->column_count; c++)
        want[c] = l->columns[c].want;
    layout_columns(want, l->column_count, cells_in(l, r).w, GAP, width);
    scroll_to_cursor(l, rows);
    if (head)
        paint_heading(l, r, width);
    for (int y = 0; y < rows; y++) {
        int row = nth_match(l, l->top + y);
        if (row >= 0)
            paint_row(l, r, head + y, row, width);
    }
    text_scrollbar((struct rect){r.y + head, r.x, rows, r.w}, l->top, match_count(l));
}

static void move_to(struct list *l, int place)
{
    int count = match_count(l);
    place = place >= count ? count - 1 : place;
    l->cursor = nth_match(l, place < 0 ? 0 : place);
}

/* The filter changed: the cursor stays where it is if that row still matches. */
static void refilter(struct list *l)
{
    if (l->cursor < 0 || !matches(l, l->cursor))
        move_to(l, 0);
}

static bool filter_key(struct list *l, int key)
{
    size_t n = strlen(l->filter);
    if (key == K_ESC)
        n = 0;
    if (key == K_ESC || key == K_ENTER || (key == K_BACKSPACE && !n))
        l->filtering = false;
    else if (key == K_BACKSPACE)
        while (n && (l->filter[--n] & 0xc0) == 0x80)
            ;
    else if (key < ' ' || key >= K_UP)
        return false;
    else if (n + 4 < sizeof l->filter) /* a longer one takes the key all the same: it is no command */
        n += utf8proc_encode_char(key, (utf8proc_uint8_t *)l->filter + n);
    l->filter[n] = 0;
    refilter(l);
    return true;
}

bool list_key(struct list *l, int key)
{
    int page = l->at.h - heading_rows(l), at = l->cursor < 0 ? 0 : place_of(l, l->cursor);
    if (l->filtering && filter_key(l, key))
        return true;
    switch (key) {
    case '/': l->filtering = true; return true;
    case K_UP: case 'k': move_to(l, at - 1); return true;
    case K_DOWN: case 'j': move_to(l, at + 1); return true;
    case K_PAGE_UP: move_to(l, at - page); return true;
    case K_PAGE_DOWN: move_to(l, at + page); return true;
    case K_HOME: move_to(l, 0); return true;
    case K_END: move_to(l, l->count); return true;
    case K_ESC:
        if (!*l->filter)
            return false;
        l->filter[0] = 0;
        refilter(l);
        return true;
    default: return false;
    }
}

bool list_click(struct list *l, int y, int x)
{
    int line = y - l->at.y - heading_rows(l), row = line < 0 ? -1 : nth_match(l, l->top + line);
    if (!rect_holds(l->at, y, x) || row < 0)
        return false;
    l->cursor = row;
    return true;
}

const char *list_filter_note(const struct list *l, char out[static LIST_FILTER + 16])
{
    out[0] = 0;
    if (l->filtering || *l->filter)
        snprintf(out, LIST_FILTER + 16, "filter: %s%s", l->filter, l->filtering ? "_" : "");
    return out;
}

void list_resize(struct list *l, int count)
{
    l->count = count;
    if (l->cursor >= count || (l->cursor < 0 && count))
        l->cursor = count ? (l->cursor < 0 ? 0 : count - 1) : -1;
    refilter(l);
}

int list_row(const struct list *l)
{
    return l->cursor < l->count ? l->cursor : -1;
}
