/* rules/steps.yaml: what to try when the quality gate rejected a level. */
#ifndef RUN_PROPOSAL_H
#define RUN_PROPOSAL_H

#include "base/error.h"
#include "base/mem.h"

struct proposal {
    const char *next;   /* level; NULL: none, the original is what is left */
    const char *why;
};
/* The texts live in the arena. */
int proposal_after(struct proposal *p, const char *level, struct arena *a, struct error *e);

#endif
