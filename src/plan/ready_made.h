/* Quantizations that others made, judged by the estimates of what we would make ourselves. */
#ifndef PLAN_READY_MADE_H
#define PLAN_READY_MADE_H

#include "hub/offers.h"
#include "plan/estimate.h"

struct ready_made {
    const struct offer *offer;
    uint64_t total_bytes; /* in memory, as of a level of that size; 0: unknown */
    enum verdict verdict; /* that of the smallest level which is not smaller: on the safe side */
    bool recommended;     /* the largest that fits and is not larger than what we would recommend */
};
/* One for each offer, in their order; free() it. `s` NULL: the machine or the model is not known. */
struct ready_made *ready_made_judge(const struct offers *o, const struct estimates *s);

/* Which of the ways is the better one, in a sentence; free() it. */
char *ready_made_advice(const struct offers *o, const struct ready_made *list, const struct estimates *s);

#endif
