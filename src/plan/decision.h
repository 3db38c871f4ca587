/* Decisions, warnings and use cases as data: under which conditions which rows are favoured, avoided or
 * forbidden. The conditions are one table, from which the files are read, checked and documented. */
#ifndef PLAN_DECISION_H
#define PLAN_DECISION_H

#include "plan/condition.h"
#include "plan/facts.h"
#include "plan/rules.h"

enum row_test {
    ROW_OVER_LOSS, ROW_UNDER_SPEED, ROW_SPLIT, ROW_ABOVE_SOURCE, ROW_BELOW_SOURCE, ROW_SOURCE,
    ROW_NEEDS_IMATRIX, ROW_CALIBRATED, ROW_TWO_BITS, ROW_TEST_COUNT,
};

struct decision {
    const char *name, *why, *source, *where;
    struct condition *when;
    int when_count;
    const struct level **levels;   /* in order of preference, NULL-terminated; NULL: all */
    unsigned rows;                 /* bits of row_test: all must hold */
    const char *const *formats;    /* NULL: all */
    double loss_over;              /* rows that are expected to lose more, a fraction; NaN: no matter */
    char sign;                     /* '+' favours, '-' against, 'x' forbids, 'i' tells */
    double weight;                 /* points of '+' and '-' */
};

extern const struct schema_field condition_fields[], decision_fields[], warning_fields[], usecase_fields[];

/* The conditions of a map as the key `when` has it; NULL: none. */
int conditions_compile(struct rules *r, const struct yaml *when, struct decision *d, struct error *e);
int decisions_compile(struct rules *r, struct error *e);
bool decision_holds(const struct decision *d, const struct facts *f);
/* Whether the decision is about this row; `rank` gets its place among the decision's levels. */
bool decision_takes(const struct decision *d, const struct facts *f, const struct estimate *row, int *rank);

#endif
