/* Where things stand on the screen: pure arithmetic on rectangles, no curses.
 *
 * The screen is a title line, the steps down the left edge, the page, and the key bar. A page is divided into
 * *panes*: interiors that have a border line between each other, which neighbours share (see frame.h). */
#ifndef UI_LAYOUT_H
#define UI_LAYOUT_H

#include <stdbool.h>

struct rect {
    int y, x, h, w;
};

enum { SCREEN_ROWS_MIN = 24, SCREEN_COLS_MIN = 80 };

struct screen_layout {
    bool too_small;      /* nothing else is set then */
    bool has_steps;
    struct rect title, steps, page, bar;
};
/* `wide`: the page wants the steps' columns where the screen is narrow. */
struct screen_layout layout_screen(int rows, int cols, bool wide);

/* The inside of a border one cell thick. */
struct rect rect_inside(struct rect r);
/* Without the first and the last column: for text beside a border. */
struct rect rect_padded(struct rect r);
bool rect_holds(struct rect r, int y, int x);
/* Cut a piece of `size` rows or columns off *rest, leaving `gap` between; both keep at least one cell where
 * *rest has room for two and the gap. */
struct rect rect_cut_top(struct rect *rest, int size, int gap);
struct rect rect_cut_bottom(struct rect *rest, int size, int gap);
struct rect rect_cut_left(struct rect *rest, int size, int gap);
struct rect rect_cut_right(struct rect *rest, int size, int gap);
/* A rectangle of at most h×w in the middle of `r`. */
struct rect rect_middle(struct rect r, int h, int w);

/* The panes of each page, as interiors within `page` (whose border is the outermost line). */
enum { PANES_MAX = 8 };
enum machine_pane { MACHINE_FACTS, MACHINE_WHY, MACHINE_PANES };
enum model_pane { MODEL_LIST, MODEL_DETAILS, MODEL_PANES };
enum wishes_pane { WISHES_FORM, WISHES_HELP, WISHES_STRIP, WISHES_PANES };
enum estimates_pane { ESTIMATES_TABLE, ESTIMATES_REASONS, ESTIMATES_PANES };
enum calibrate_pane { CALIBRATE_NEED, CALIBRATE_LENGTHS, CALIBRATE_SAMPLES, CALIBRATE_PANES };
enum review_pane { REVIEW_SUMMARY, REVIEW_PLAN, REVIEW_COMMAND, REVIEW_PANES };
enum run_pane { RUN_PROGRESS, RUN_TENSORS, RUN_RESOURCES, RUN_LOG, RUN_PANES };
enum evaluate_pane {
    EVALUATE_PLOT, EVALUATE_DIVERGENCE, EVALUATE_TASKS, EVALUATE_SPEED, EVALUATE_SAMPLE, EVALUATE_VERDICT,
    EVALUATE_PANES,
};
enum compare_pane { COMPARE_TABLE, COMPARE_PLOT, COMPARE_REMARKS, COMPARE_PANES };
enum report_pane { REPORT_FILES, REPORT_START, REPORT_TEXT, REPORT_PANES };
enum doctor_pane { DOCTOR_TEXT, DOCTOR_PANES };

typedef void layout_page(struct rect page, struct rect pane[static PANES_MAX]);
layout_page layout_machine, layout_model, layout_wishes, layout_estimates, layout_calibrate, layout_review,
    layout_run, layout_evaluate, layout_compare, layout_report, layout_doctor;

/* Every page's panes in a list, for the tests. */
struct layout_row {
    const char *name;
    layout_page *place;
    int panes;
    bool wide;
};
extern const struct layout_row layout_pages[];
extern const int layout_page_count;

/* Columns of a table: which fit into `width`, and how wide they are. The highest priority numbers are left
 * out first; what is spare goes to those that `grow`, by their shares. `gap` cells stand between columns. */
struct column_want {
    int width, grow, priority; /* priority 0: always kept */
};
void layout_columns(const struct column_want *want, int count, int width, int gap,
                    int *out); /* 0: left out */

#endif
