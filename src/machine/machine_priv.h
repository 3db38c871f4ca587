/* Shared by the files of src/machine only. */
#ifndef MACHINE_MACHINE_PRIV_H
#define MACHINE_MACHINE_PRIV_H

#include <math.h>

#include "machine/machine.h"

/* A fact, or FACT_UNKNOWN for NaN, infinity and anything not above 0: none of ours can be 0 and mean it. */
static inline struct fact fact_of(double value, enum fact_source source)
{
    return isfinite(value) && value > 0 ? (struct fact){value, source} : (struct fact){0};
}

/* Free memory may truly be 0. */
static inline struct fact fact_found(double value)
{
    return isfinite(value) && value >= 0 ? (struct fact){value, FACT_FOUND} : (struct fact){0};
}

/* Adds to m->warnings, once. */
void machine_warn(struct machine *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
