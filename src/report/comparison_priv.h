/* The columns of a comparison, for people and for programs alike (private to comparison*.c). */
#ifndef REPORT_COMPARISON_PRIV_H
#define REPORT_COMPARISON_PRIV_H

#include "report/comparison.h"

struct comparison_column {
    const char *title, *key;          /* title NULL: for programs alone; key NULL: for people alone */
    /* Either of them. */
    const char *(*text)(const struct comparison *c, int run);
    double (*number)(const struct comparison *c, int run);
    const char *format;               /* of numbers, for people, who see them times `scale` */
    double scale;
    int priority;                     /* 0: always shown; the highest are left out first where there is little room */
};
extern const struct comparison_column comparison_column_list[];
extern const int comparison_column_count;
/* Share of a task's questions that a run answered right; NaN: it was not asked. */
double comparison_task(const struct comparison *c, int run, int task);

#endif
