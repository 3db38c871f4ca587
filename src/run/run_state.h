/* A run as its events tell it: what the panes, `attach` and the report show. Fed line by line. */
#ifndef RUN_RUN_STATE_H
#define RUN_RUN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "eval/eval.h"

struct run_tensor {
    const char *name, *from, *to;
    double rmse, mb_per_s;        /* NaN while running */
    bool done;
};

struct run_state {
    char *folder;                 /* NAME.quantwiz */
    char *source, *level, *phase;
    int pid;
    char *host;
    double started, now;          /* times of the first and the last event */
    double progress, eta_s;       /* 0 to 1; NaN: unknown */
    struct run_tensor *tensors;
    int tensor_count, tensor_capacity, tensors_done, tensors_total;
    double rss_bytes, cpu_percent, written_bytes, planned_bytes, disk_free_bytes;
    struct eval_figures *history; /* one per chunk event */
    int history_count, history_capacity;
    struct eval_result eval;      /* as far as known; figures = the last chunk's or the result's */
    bool has_result;
    char **log;
    int log_count, log_capacity;
    bool paused, over;
    char *status, *error, *report;
    int exit;
    char **artefacts;
    int artefact_count;
    /* tailing */
    long offset;                  /* bytes of events.jsonl taken in */
    struct arena arena;
};
void run_state_init(struct run_state *s, const char *folder);
void run_state_done(struct run_state *s);
/* Takes in what events.jsonl gained since the last call; returns the number of new events, or an error. A line
 * without its newline is left for the next call; a garbled line is skipped and counted in the log. */
int run_state_poll(struct run_state *s, struct error *e);
/* True while the worker's process is alive on this host (or its events are younger than 10 s on another). */
bool run_state_alive(const struct run_state *s);

#endif
