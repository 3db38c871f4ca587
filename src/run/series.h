/* Several runs in one go: the plans that were given, and for a plan with variants each of these. One after the other,
 * with the base evaluated once (eval/base_store.h). A plan with variants has a folder of its own, NAME.quantwiz, beside
 * its runs': the plan, and the comparison of the runs. */
#ifndef RUN_SERIES_H
#define RUN_SERIES_H

#include "run/run.h"

struct series {
    const struct plan **plans;      /* [count] */
    int count, capacity;
    const struct plan *first;       /* of the plans that were given */
    struct plan **variants;         /* those of the plans that were made for it */
    int variant_count, variant_capacity;
};
/* The given plans must outlive it. Free with series_done whatever is returned. */
int series_make(struct series *s, struct plan *const *given, int count, struct error *e);
void series_done(struct series *s);

struct series_options {
    struct run_options run;
    /* Writes the comparison of the runs so far into the folder; after each run of a plan with variants. */
    int (*compare)(const char *folder, const struct series *s, struct error *e);
};
/* Goes on after a run that failed or was rejected; stops at an interrupt. 0 where at least one was accepted and none
 * failed; *e tells of the first failure. */
int series_run(const struct series *s, const struct series_options *o, struct error *e);

#endif
