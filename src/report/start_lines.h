/* The lines that start an artefact, by rules/runtimes.yaml. */
#ifndef REPORT_START_LINES_H
#define REPORT_START_LINES_H

#include "plan/serving.h"

struct start {
    const char *runtime, *title; /* "llama.cpp", as people write it */
    const char *note;            /* how well it reads the format; NULL: nothing to say */
    const char **lines;          /* NULL-terminated; a line may hold several, as a here-document does */
    bool chosen;                 /* the plan's own runtime */
};
/* One for each runtime that reads the plan's format, the chosen one first. In the arena. */
int starts_of(struct start **list, int *count, const struct plan *p, const struct serving *s, struct arena *a,
              struct error *e);

#endif
