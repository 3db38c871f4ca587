/* Several runs of one model side by side: what each takes, what it loses, what the gate said; and which of them no other
 * beats in both size and divergence. */
#ifndef REPORT_COMPARISON_H
#define REPORT_COMPARISON_H

#include <stdio.h>

#include "base/error.h"
#include "run/run_state.h"
#include "run/series.h"

struct comparison {
    struct run_state *runs;         /* [count], in the order given */
    bool *front;                    /* [count]: no other run is smaller and diverges less (Pareto) */
    char (*marks)[3];               /* [count]: the letter that names it in the plot; behind it, on the front, "*" */
    char **names;                   /* [count]: the level, and what else its folder's name tells it by: "Q4_K_M-feedback" */
    int count, capacity;
    int best;                       /* the smallest that the gate accepted; -1: none */
    char *folder;                   /* of the plan whose variants they are; NULL: there is none */
    bool alike;                     /* all were measured on the same chunks of the same text */
    const char **tasks;             /* names of what any of them was asked; borrowed from the runs */
    int task_count, task_capacity;
};

/* A folder may be a run, or that of a plan with variants, which stands for its runs; a single run with a list of
 * attempts stands for them. Free with comparison_done whatever is returned. */
int comparison_read(struct comparison *c, const char *const *folders, int count, struct error *e);
/* The runs of a series, those that have not begun too, with their attempts. */
int comparison_read_series(struct comparison *c, const struct series *s, struct error *e);
/* A run with those beside it of the same source: attempts, variants, or what was made at another time. */
int comparison_read_beside(struct comparison *c, const char *run, struct error *e);
/* Takes in what the runs' events gained; true when there were any. */
bool comparison_poll(struct comparison *c);
void comparison_done(struct comparison *c);

/* A column, of those for people. */
int comparison_columns(const struct comparison *c);
const char *comparison_title(const struct comparison *c, int column);
bool comparison_is_text(const struct comparison *c, int column);
/* 0: always to be shown; the highest are left out first where there is little room. */
int comparison_priority(const struct comparison *c, int column);
enum { COMPARISON_CELL = 96 };
/* "-" where nothing was measured. */
char *comparison_cell(const struct comparison *c, int run, int column, char out[static COMPARISON_CELL]);
/* What the plot runs over: least and most. Infinite where nothing was measured. */
struct comparison_axes { double bytes[2], kld[2]; };
struct comparison_axes comparison_axes(const struct comparison *c);
/* The runs as points: x by size, y by divergence (logarithmic), from 0 to 1; false where one is not known. */
bool comparison_point(const struct comparison *c, int run, double *x, double *y);

/* What can be said of all runs together, a sentence a line; free() it. */
char *comparison_remarks(const struct comparison *c);
void comparison_table(const struct comparison *c, FILE *out);
/* Size against divergence in letters, `width` columns and `height` lines. */
void comparison_plot(const struct comparison *c, int width, int height, FILE *out);
void comparison_markdown(const struct comparison *c, FILE *out);
void comparison_csv(const struct comparison *c, FILE *out);
void comparison_json(const struct comparison *c, FILE *out);
/* comparison.md, .csv and .json in the folder. */
int comparison_write(const struct comparison *c, const char *folder, struct error *e);

#endif
