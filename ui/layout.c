#include "ui/layout.h"

enum { STEPS_WIDTH = 12, WIDE_FROM = 100, SIDE_BY_SIDE_FROM = 108 };

static int clamp(int value, int low, int high)
{
    if (value > high)
        value = high;
    return value < low ? low : value;
}

struct screen_layout layout_screen(int rows, int cols, bool wide)
{
    struct screen_layout l = {.too_small = rows < SCREEN_ROWS_MIN || cols < SCREEN_COLS_MIN};
    if (l.too_small)
        return l;
    struct rect rest = {0, 0, rows, cols};
    l.title = rect_cut_top(&rest, 1, 0);
    l.bar = rect_cut_bottom(&rest, 1, 0);
    l.has_steps = !wide || cols >= WIDE_FROM;
    if (l.has_steps)
        l.steps = rect_cut_left(&rest, STEPS_WIDTH, 0);
    l.page = rest;
    return l;
}

struct rect rect_inside(struct rect r)
{
    return (struct rect){r.y + 1, r.x + 1, clamp(r.h - 2, 0, r.h), clamp(r.w - 2, 0, r.w)};
}

struct rect rect_padded(struct rect r)
{
    return (struct rect){r.y, r.x + 1, r.h, clamp(r.w - 2, 0, r.w)};
}

bool rect_holds(struct rect r, int y, int x)
{
    return y >= r.y && y < r.y + r.h && x >= r.x && x < r.x + r.w;
}

struct rect rect_cut_top(struct rect *rest, int size, int gap)
{
    struct rect cut = *rest;
    cut.h = clamp(clamp(size, 1, rest->h - gap - 1), 0, rest->h);
    int used = clamp(cut.h + gap, 0, rest->h);
    rest->y += used;
    rest->h -= used;
    return cut;
}

struct rect rect_cut_bottom(struct rect *rest, int size, int gap)
{
    struct rect bottom = *rest;
    struct rect top = rect_cut_top(&bottom, rest->h - gap - clamp(size, 1, rest->h - gap - 1), gap);
    *rest = top;
    return bottom;
}

/* Left and right are top and bottom of the transposed rectangle. */
static struct rect transposed(struct rect r)
{
    return (struct rect){r.x, r.y, r.w, r.h};
}

struct rect rect_cut_left(struct rect *rest, int size, int gap)
{
    struct rect t = transposed(*rest), cut = rect_cut_top(&t, size, gap);
    *rest = transposed(t);
    return transposed(cut);
}

struct rect rect_cut_right(struct rect *rest, int size, int gap)
{
    struct rect t = transposed(*rest), cut = rect_cut_bottom(&t, size, gap);
    *rest = transposed(t);
    return transposed(cut);
}

struct rect rect_middle(struct rect r, int h, int w)
{
    h = clamp(h, 0, r.h);
    w = clamp(w, 0, r.w);
    return (struct rect){r.y + (r.h - h) / 2, r.x + (r.w - w) / 2, h, w};
}

/* -------------------------------------------------------------------- pages */

/* Side by side where there is room for both, else one above the other. */
static void split(struct rect page, int side_width, int below_height, struct rect *main, struct rect *other)
{
    struct rect rest = rect_inside(page);
    if (page.w >= SIDE_BY_SIDE_FROM)
        *other = rect_cut_right(&rest, side_width, 1);
    else
        *other = rect_cut_bottom(&rest, below_height, 1);
    *main = rest;
}

void layout_machine(struct rect page, struct rect pane[static PANES_MAX])
{
    split(page, page.w * 2 / 5, 5, &pane[MACHINE_FACTS], &pane[MACHINE_WHY]);
}

void layout_model(struct rect page, struct rect pane[static PANES_MAX])
{
    split(page, page.w / 2, 10, &pane[MODEL_LIST], &pane[MODEL_DETAILS]);
}

void layout_wishes(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    if (page.w >= SIDE_BY_SIDE_FROM) {
        pane[WISHES_FORM] = rect_cut_left(&rest, 62 + (page.w - SIDE_BY_SIDE_FROM) / 3, 1);
        pane[WISHES_HELP] = rect_cut_top(&rest, rest.h / 3, 1);
        pane[WISHES_STRIP] = rest;
        return;
    }
    pane[WISHES_FORM] = rect_cut_top(&rest, 12, 1);
    pane[WISHES_HELP] = rect_cut_top(&rest, 3 + (rest.h - 7) / 4, 1);
    pane[WISHES_STRIP] = rest;
}

void layout_estimates(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    if (page.w >= 150)
        pane[ESTIMATES_REASONS] = rect_cut_right(&rest, (page.w - 40) / 2, 1);
    else
        pane[ESTIMATES_REASONS] = rect_cut_bottom(&rest, clamp(rest.h * 2 / 5, 7, 16), 1);
    pane[ESTIMATES_TABLE] = rest;
}

void layout_calibrate(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    pane[CALIBRATE_NEED] = rect_cut_top(&rest, clamp(rest.h * 2 / 5, 5, 12), 1);
    pane[CALIBRATE_SAMPLES] = rect_cut_bottom(&rest, clamp(rest.h / 3, 4, 16), 1);
    pane[CALIBRATE_LENGTHS] = rest;
}

void layout_review(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    pane[REVIEW_COMMAND] = rect_cut_bottom(&rest, 4, 1);
    if (page.w >= SIDE_BY_SIDE_FROM)
        pane[REVIEW_SUMMARY] = rect_cut_left(&rest, page.w * 2 / 5, 1);
    else
        pane[REVIEW_SUMMARY] = rect_cut_top(&rest, 9, 1);
    pane[REVIEW_PLAN] = rest;
}

void layout_run(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    pane[RUN_PROGRESS] = rect_cut_top(&rest, 2, 1);
    pane[RUN_LOG] = rect_cut_bottom(&rest, clamp(rest.h / 4, 3, 12), 1);
    pane[RUN_RESOURCES] = rect_cut_right(&rest, clamp(page.w / 3, 24, 40), 1);
    pane[RUN_TENSORS] = rest;
}

void layout_evaluate(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    int right = clamp(page.w / 3, 28, 56);
    pane[EVALUATE_VERDICT] = rect_cut_bottom(&rest, 1, 1);
    pane[EVALUATE_SAMPLE] = rect_cut_bottom(&rest, clamp(rest.h / 4, 4, 14), 1);
    struct rect middle = rect_cut_bottom(&rest, clamp(rest.h / 4, 3, 8), 1);
    pane[EVALUATE_SPEED] = rect_cut_right(&middle, right, 1);
    pane[EVALUATE_TASKS] = middle;
    pane[EVALUATE_DIVERGENCE] = rect_cut_right(&rest, right, 1);
    pane[EVALUATE_PLOT] = rest;
}

void layout_compare(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page), below = rect_cut_bottom(&rest, clamp(rest.h / 2, 6, 30), 1);
    pane[COMPARE_REMARKS] = rect_cut_right(&below, clamp(page.w * 2 / 5, 30, 70), 1);
    pane[COMPARE_PLOT] = below;
    pane[COMPARE_TABLE] = rest;
}

void layout_report(struct rect page, struct rect pane[static PANES_MAX])
{
    struct rect rest = rect_inside(page);
    pane[REPORT_FILES] = rect_cut_top(&rest, 5, 1);
    pane[REPORT_START] = rect_cut_top(&rest, clamp(rest.h / 3, 5, 8), 1);
    pane[REPORT_TEXT] = rest;
}

void layout_doctor(struct rect page, struct rect pane[static PANES_MAX])
{
    pane[DOCTOR_TEXT] = rect_inside(page);
}

const struct layout_row layout_pages[] = {
    {"machine", layout_machine, MACHINE_PANES},       {"model", layout_model, MODEL_PANES},
    {"wishes", layout_wishes, WISHES_PANES},          {"estimates", layout_estimates, ESTIMATES_PANES},
    {"calibrate", layout_calibrate, CALIBRATE_PANES}, {"review", layout_review, REVIEW_PANES},
    {"run", layout_run, RUN_PANES, true},             {"evaluate", layout_evaluate, EVALUATE_PANES, true},
    {"compare", layout_compare, COMPARE_PANES, true},
    {"report", layout_report, REPORT_PANES},           {"doctor", layout_doctor, DOCTOR_PANES},
};
const int layout_page_count = sizeof layout_pages / sizeof *layout_pages;

/* ------------------------------------------------------------------ columns */

static int columns_total(const struct column_want *want, const int *out, int count, int gap)
{
    int total = -gap;
    for (int i = 0; i < count; i++)
        total += out[i] ? want[i].width + gap : 0;
    return total;
}

static int least_wanted(const struct column_want *want, const int *out, int count)
{
    int least = -1;
    for (int i = 0; i < count; i++)
        if (out[i] && want[i].priority && (least < 0 || want[i].priority >= want[least].priority))
            least = i;
    return least;
}

void layout_columns(const struct column_want *want, int count, int width, int gap, int *out)
{
    int grow = 0, drop;
    for (int i = 0; i < count; i++)
        out[i] = want[i].width;
    while (columns_total(want, out, count, gap) > width && (drop = least_wanted(want, out, count)) >= 0)
        out[drop] = 0;
    int spare = clamp(width - columns_total(want, out, count, gap), 0, width);
    for (int i = 0; i < count; i++)
        grow += out[i] ? want[i].grow : 0;
    for (int i = 0; i < count; i++) {
        if (!out[i] || !want[i].grow)
            continue;
        int share = spare * want[i].grow / grow;
        out[i] += share;
        spare -= share;
        grow -= want[i].grow;
    }
}
