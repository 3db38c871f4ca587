/* The part of a run that makes a checkpoint folder (private to src/run): what is checked before, the making, and what is
 * told of the folder after. */
#ifndef RUN_FOLDER_H
#define RUN_FOLDER_H

#include "run/worker.h"

/* Lays the folder out and checks what can be checked; tells what will be made. */
int folder_check(struct worker *w, struct error *e);
int folder_make(struct worker *w, const char *journal, const struct quantize_listener *l, struct error *e);
/* The event of the artefact: sizes and SHA-256 of every file. */
int folder_tell(struct worker *w, struct error *e);

#endif
