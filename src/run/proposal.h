/* rules/steps.yaml: what to try when the quality gate rejected a result, and what gives incoherent output away. */
#ifndef RUN_PROPOSAL_H
#define RUN_PROPOSAL_H

#include "eval/coherence.h"
#include "plan/plan.h"
#include "run/attempts.h"

struct proposal {
    const char *next;   /* for people: "Q5_K_M", "Q4_K_M with error feedback by the general text"; NULL: none */
    const char *why;
    const char *passed_over; /* levels that would come before it and do not fit: "Q5_K_M (5.6 GiB)"; NULL: none */
    struct plan_change change;
};
/* After the last one of these attempts, which was `plan`; nothing that was tried is proposed again, and nothing that the
 * plan's own estimates found too big. The texts live in the arena. Without a proposal the original is what is left. */
int proposal_after(struct proposal *p, const struct plan *plan, const struct attempts *tried, struct arena *a,
                   struct error *e);

int proposal_limits(struct coherence_limits *l, struct error *e);

#endif
