/* The parts of the document (private to src/report), in its order. Everything comes from the plan, from what the run's
 * events say was measured, and from the rules; nothing is worked out anew, so with the same rules the same run folder always
 * gives the same document, wherever it is asked for: paths are told from the root. */
#ifndef REPORT_PARTS_H
#define REPORT_PARTS_H

#include "plan/plan.h"
#include "report/document.h"
#include "run/run_state.h"

void hardware_part(struct document *d, const struct plan *p, const struct run_state *s);
void rationale_part(struct document *d, const struct plan *p, const struct run_state *s);
void quantization_part(struct document *d, const struct plan *p, const struct run_state *s);
void evaluation_part(struct document *d, const struct plan *p, const struct run_state *s);
void deployment_part(struct document *d, const struct plan *p, const struct run_state *s);

/* Fetch, check, make, check: what a newcomer pastes. free() it. */
char *making_commands(const struct plan *p, const struct run_state *s);
/* "quantwiz run /FOLDER/plan.yaml"; free() it. */
char *rerun_command(const char *run_folder);

/* A path told from the root. */
void document_path(struct document *d, const char *key, const char *label, const char *path);

#endif
