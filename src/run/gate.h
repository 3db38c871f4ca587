/* The quality gate's next steps: each an attempt of its own (attempts.h), until one is accepted, nothing is left to try,
 * or there were as many as the plan allows. */
#ifndef RUN_GATE_H
#define RUN_GATE_H

#include "run/run.h"

/* Does the plan, and where the gate rejects it and the plan says so (gate: auto), the next steps one after the other;
 * they go on where they were cut off with `resume`. *last gets the plan of the last attempt, if it is another one
 * (plan_free() it), and NULL else. Returns what the last attempt did. */
int gate_run(const struct plan *p, const struct run_options *o, struct plan **last, struct error *e);

/* The plan of the next step after a run that was rejected, saved in its own run's folder. *next is NULL where nothing is
 * left to try; plan_free() it. */
int gate_next(const struct plan *p, struct plan **next, struct error *e);

#endif
