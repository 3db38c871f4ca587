/* What a document needs to know of a run's surroundings, told at its end while they can still be looked at: the exact files
 * that went in, and what lies about that serves with the result. */
#ifndef RUN_SURROUNDINGS_H
#define RUN_SURROUNDINGS_H

#include "run/worker.h"

/* An event "input" for each file of the source and for each text, with its SHA-256. */
int surroundings_inputs(struct worker *w, struct error *e);
/* An event "runtime" with the speed that the plan's runtime reaches with the artefact, where its benchmark is here. */
int surroundings_runtime(struct worker *w, struct error *e);
/* An event "found" for a smaller model of the same vocabulary ("draft", for speculative decoding) and for adapters that
 * lie in the source's folder ("adapter"). */
void surroundings_found(struct worker *w);

#endif
