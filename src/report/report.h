/* The decision document: report.md and report.yaml in the run folder, from plan, events and results. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "base/error.h"
#include "plan/plan.h"
#include "run/run_state.h"

/* Writes both; *path gets report.md's (free() it). */
int report_write(const struct plan *p, const struct run_state *s, char **path, struct error *e);
/* The lines that start the artefact in the chosen runtime, in `a`, NULL-terminated. */
const char **report_start_lines(const struct plan *p, const char *artefact, struct arena *a);

#endif
