/* Puts finished tensors safely on disk in the background: bytes first, then their lines in the journal.
 * Syncing goes in batches, a second or 256 MiB each, so that it does not hold up the work. */
#ifndef RUN_SYNCER_H
#define RUN_SYNCER_H

#include "run/journal.h"
#include "run/output.h"

struct syncer;
/* Borrows both; the thread lives until syncer_stop. */
struct syncer *syncer_start(struct output *out, struct journal *journal);
/* Takes over a tensor whose bytes were all written to `out`; `name` must live on. Returns an earlier batch's error,
 * so that the work does not go on in vain. From any thread. */
int syncer_add(struct syncer *s, const struct journal_claim *claim, const char *name, struct error *e);
/* Tensors in the journal so far. */
int syncer_safe_count(struct syncer *s);
/* Finishes the queue, ends the thread and frees; returns the first error of any batch. */
int syncer_stop(struct syncer *s, struct error *e);

#endif
