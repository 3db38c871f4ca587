/* What the phases of a run share (private to src/run). */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include "eval/eval.h"
#include "run/events.h"
#include "run/importance.h"
#include "run/monitor.h"
#include "run/proposal.h"
#include "run/quantize.h"
#include "run/run.h"
#include "run/run_lock.h"

struct worker {
    const struct plan *plan;
    const struct run_options *options;
    struct run_lock lock;
    struct event_log log;
    struct monitor *monitor;
    struct model *source;
    struct recipe recipe;
    struct importance importance;     /* path NULL: none */
    struct {                          /* where the plan makes a checkpoint folder, instead of a recipe */
        struct scheme scheme;
        uint64_t planned_bytes;       /* of the weights' files */
        double bits_per_weight;
    } folder;
    struct watch watch;               /* scales a phase's progress to the whole run's, and waits while paused */
    const char *phase;
    int phase_index;
    double phase_from, phase_share;   /* of the bar */
    double started, told;             /* when the run began, and when progress was last told (monotonic) */
    double quantize_cost;             /* guessed seconds, to divide the bar */
    bool made;                        /* the artefact bears its final name */
    double bytes;                     /* of it */
    double beside_bytes;              /* of memory that it will take beside its weights when it runs, as estimated; NaN: unknown */
    bool rejected;
    const char *incoherent;           /* what gave the output away as such; NULL: nothing */
    struct proposal proposal;         /* after a rejection */
    struct arena arena;               /* texts of both, and of prompts */
    char *report;
};

/* Tells that a phase begins: one of worker_phases. Its progress goes from where the bar is to `to` (0 to 1). */
void worker_phase(struct worker *w, const char *name, double to);

char *worker_journal(const struct worker *w); /* free() it */
/* The plan's own prompts, or those that come for its use case, in the worker's arena. */
int worker_eval_options(struct eval_options *o, struct worker *w, struct error *e);
/* What the event of an artefact says of files and folders alike. */
json_t *worker_artefact(struct worker *w, uint64_t bytes, uint64_t planned, double bits, const char *sha256);

/* In this order; each returns 0 or an error. */
int phase_check(struct worker *w, struct error *e);
int phase_quantize(struct worker *w, struct error *e); /* and verify */
int phase_evaluate(struct worker *w, struct error *e);
int phase_report(struct worker *w, struct error *e);

#endif
