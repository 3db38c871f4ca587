/* Runs of one model side by side, and size against divergence: those beside the run that is being looked at, or the
 * variants of one plan. Beside the steps: Evaluate opens it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "report/comparison.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/text.h"
#include "ui/wizard.h"

struct compare_page {
    struct comparison runs;
    struct list list;
    struct list_column columns[LIST_COLUMNS_MAX];
    struct text remarks;
};

static struct compare_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_compare);
}

/* ---------------------------------------------------------------------- reading */

static void cell(void *user, int row, int column, struct list_cell *c)
{
    const struct compare_page *p = user;
    char text[COMPARISON_CELL];
    snprintf(c->text, sizeof c->text, "%s", comparison_cell(&p->runs, row, column, text));
    c->style = p->runs.front[row] ? STYLE_STRONG : STYLE_NORMAL;
}

static int widest(const struct comparison *c, int column)
{
    char text[COMPARISON_CELL];
    int width = paint_width(comparison_title(c, column));
    for (int i = 0; i < c->count; i++) {
        int w = paint_width(comparison_cell(c, i, column, text));
        width = w > width ? w : width;
    }
    return width;
}

/* Cells get longer while runs go on. */
static void fit_columns(struct compare_page *p)
{
    const struct comparison *c = &p->runs;
    int count = comparison_columns(c);
    p->list.column_count = count < LIST_COLUMNS_MAX ? count : LIST_COLUMNS_MAX;
    for (int i = 0; i < p->list.column_count; i++)
        p->columns[i] = (struct list_column){
            .title = comparison_title(c, i),
            .align = comparison_is_text(c, i) ? ALIGN_LEFT : ALIGN_RIGHT,
            .want = {.width = widest(c, i), .priority = comparison_priority(c, i)},
        };
    list_resize(&p->list, c->count);
}

static void put_cursor(const struct wizard *w, struct compare_page *p)
{
    for (int i = 0; w->has_run && i < p->runs.count; i++)
        if (strcmp(p->runs.runs[i].folder, w->run.folder) == 0)
            p->list.cursor = i;
}

static void enter(struct wizard *w)
{
    struct compare_page *p = state(w);
    struct error e = {0};
    const char *whole = w->series;
    comparison_done(&p->runs);
    int rc = whole ? comparison_read(&p->runs, &whole, 1, &e) : comparison_read_beside(&p->runs, w->run.folder, &e);
    if (rc)
        wizard_say(w, "%s", e.text);
    p->list.cell = cell;
    p->list.user = p;
    p->list.columns = p->columns;
    fit_columns(p);
    put_cursor(w, p);
}

static int tick(struct wizard *w)
{
    struct compare_page *p = state(w);
    if (comparison_poll(&p->runs))
        fit_columns(p);
    return PAGE_HANDLED;
}

/* ---------------------------------------------------------------------- drawing */

static void draw_point(const struct compare_page *p, struct rect in, int run)
{
    double x, y;
    if (!comparison_point(&p->runs, run, &x, &y))
        return;
    const char letter[] = {p->runs.marks[run][0], 0};
    enum style s = run == list_row(&p->list) ? STYLE_SELECTED : p->runs.front[run] ? STYLE_STRONG : STYLE_DIM;
    paint_text(in, (int)lround((1 - y) * (in.h - 1)), (int)lround(x * (in.w - 1)), s, letter);
}

/* Columns left of the axis, for the ends of the divergence. */
enum { ENDS = 8 };

/* `points`: what the axes enclose. */
static void draw_axes(const struct compare_page *p, struct rect in, struct rect points)
{
    const struct comparison_axes a = comparison_axes(&p->runs);
    char size[FORMAT_SIZE];
    for (int y = 0; y < points.h; y++)
        paint_over(in, y, ENDS, STYLE_BORDER, STYLE_NORMAL, theme_line(3));
    paint_over(in, points.h, ENDS, STYLE_BORDER, STYLE_NORMAL, theme_line(9));
    for (int x = ENDS + 1; x < in.w; x++)
        paint_over(in, points.h, x, STYLE_BORDER, STYLE_NORMAL, theme_line(12));
    if (a.kld[0] > a.kld[1])
        return;
    paintf(in, 0, 0, STYLE_DIM, "%*.3g", ENDS - 1, a.kld[1]);
    paintf(in, points.h - 1, 0, STYLE_DIM, "%*.3g", ENDS - 1, a.kld[0]);
    paint_text(in, points.h + 1, ENDS + 1, STYLE_DIM, format_bytes(size, a.bytes[0]));
    paint_right(in, points.h + 1, 0, STYLE_DIM, format_bytes(size, a.bytes[1]));
}

/* Letters are those of the rows; what is painted last lies on top: the row under the cursor. */
static void draw_plot(const struct compare_page *p, struct rect in)
{
    struct rect points = {in.y, in.x + ENDS + 1, in.h - 2, in.w - ENDS - 1};
    draw_axes(p, in, points);
    for (int i = p->runs.count; i-- > 0;)
        draw_point(p, points, i);
    if (list_row(&p->list) >= 0)
        draw_point(p, points, list_row(&p->list));
}

static void draw_remarks(struct compare_page *p, struct rect in)
{
    char *text = comparison_remarks(&p->runs), *rest = text, *line;
    text_clear(&p->remarks);
    while ((line = strsep(&rest, "\n")))
        if (*line)
            text_add(&p->remarks, in.w, STYLE_NORMAL, line, NULL);
    text_paint(&p->remarks, in);
    free(text);
}

static void draw(struct wizard *w, struct rect page)
{
    struct compare_page *p = state(w);
    struct rect in[PANES_MAX];
    char filter[LIST_FILTER + 16];
    layout_compare(page, in);
    frame_paint((struct pane[]){{in[COMPARE_TABLE], "Compare", list_filter_note(&p->list, filter)},
                                {in[COMPARE_PLOT], "divergence (log) against size", NULL},
                                {in[COMPARE_REMARKS], "of all of them", NULL}},
                COMPARE_PANES);
    list_paint(&p->list, in[COMPARE_TABLE]);
    draw_plot(p, rect_padded(in[COMPARE_PLOT]));
    draw_remarks(p, rect_padded(in[COMPARE_REMARKS]));
}

/* ------------------------------------------------------------------------- keys */

static int key_open(struct wizard *w)
{
    const struct compare_page *p = state(w);
    struct error e = {0};
    int row = list_row(&p->list);
    if (row < 0)
        return PAGE_HANDLED;
    if (wizard_attach(w, p->runs.runs[row].folder, &e))
        wizard_say(w, "%s", e.text);
    else
        wizard_ask_page(w, PAGE_EVALUATE);
    return PAGE_HANDLED;
}

static int key_write(struct wizard *w)
{
    struct error e = {0};
    const char *folder = w->series ? w->series : wizard_out_folder(w);
    if (comparison_write(&state(w)->runs, folder, &e))
        wizard_say(w, "%s", e.text);
    else
        wizard_say(w, "written: comparison.md, .csv and .json in %s", strcmp(folder, ".") ? folder : "this folder");
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct compare_page *p = state(w);
    if ((k == K_PAGE_UP || k == K_PAGE_DOWN) && text_key(&p->remarks, k))
        return PAGE_HANDLED;
    return list_key(&p->list, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool typing(const struct wizard *w)
{
    return state(w)->list.filtering;
}

static int click(struct wizard *w, int y, int x)
{
    return list_click(&state(w)->list, y, x) ? PAGE_HANDLED : PAGE_IGNORED;
}

static void close_page(struct wizard *w)
{
    comparison_done(&state(w)->runs);
    text_done(&state(w)->remarks);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Open", "the run under the cursor: its evaluation, its report", key_open},
    {'w', 0, "Write", "the comparison as comparison.md, comparison.csv and comparison.json", key_write},
    {K_DOWN, K_UP, NULL, "the next run, or the one before; the plot marks it", NULL},
    {K_PAGE_DOWN, K_PAGE_UP, NULL, "scrolls the remarks", NULL},
    {'/', 0, "Filter", "only rows that hold a text", NULL},
    {0},
};

static const char *const terms[] = {"perplexity", "KL divergence", "same top token", "level", NULL};

const struct page page_compare = {
    .name = "Compare",
    .about = "What each run takes and what it loses. A star marks the runs that no other one beats in both size and "
             "divergence; the smallest of those that lose little enough is the one to take. Figures compare where "
             "the runs were measured on the same chunks of the same text.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct compare_page),
    .wide = true,
    .attached = true,
    .locked = wizard_needs_run,
    .enter = enter,
    .draw = draw,
    .key = key,
    .typing = typing,
    .click = click,
    .tick = tick,
    .close = close_page,
};
