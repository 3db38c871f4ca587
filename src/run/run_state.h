/* A run as its events tell it: what the panes, `attach` and the report show. Fed line by line. */
#ifndef RUN_RUN_STATE_H
#define RUN_RUN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "eval/eval.h"

struct run_tensor {
    const char *name, *from, *to, *wanted;
    double rmse, mb_per_s;        /* NaN while running */
    double bytes;                 /* in the output */
    bool done, reused;
};
struct run_layer {
    int layer, tensors, plain;    /* plain: of the tensors, rounded to nearest */
    double loss, damp, inputs, seconds;
    bool reused;
};
struct run_phase {
    const char *name;
    double started, ended;        /* ended NaN while it goes on */
};
struct run_fallback { const char *tensor, *wanted, *type, *why; };
struct run_file { const char *name, *sha256; double bytes; };
struct run_input { const char *role, *path, *sha256; double bytes; };
struct run_found { const char *what, *path; };
struct run_runtime {              /* NaN: not measured */
    const char *program, *error;
    double prefill_tokens_per_s, decode_tokens_per_s;
    struct eval_cost cost;
};
struct run_artefact {
    const char *path, *sha256;
    double bytes, planned_bytes, source_bytes, bits_per_weight;
    double memory_bytes;          /* that it takes when it runs, as estimated */
    struct run_file *files;       /* of a folder; NULL: it is a file */
    int file_count;
};

struct run_state {
    char *folder;                 /* NAME.quantwiz */
    char *source, *level, *phase, *version;
    int pid, threads;
    char *host;
    double started, now;          /* times of the first and the last event */
    bool resumed;
    double progress, eta_s;       /* 0 to 1; NaN: unknown */
    struct run_tensor *tensors;
    int tensor_count, tensor_capacity, tensors_done, tensors_total;
    struct run_layer *layers;     /* that a text has decided */
    int layer_count, layer_capacity, layers_total;
    struct run_phase *phases;
    int phase_count, phase_capacity;
    struct run_fallback *fallbacks;
    int fallback_count, fallback_capacity;
    double rss_bytes, cpu_percent, written_bytes, planned_bytes, disk_free_bytes;
    double peak_rss_bytes, peak_private_bytes;   /* NaN: no resources event yet */
    struct eval_figures *history; /* one per chunk event */
    int history_count, history_capacity;
    struct eval_result eval;      /* as far as known; figures = the last chunk's or the result's */
    int task_capacity, sample_capacity;
    bool has_result;
    const char *eval_text;        /* NULL: the one that comes with the program */
    int eval_context;
    const char *proposal;         /* what to try next, where the gate rejected; NULL */
    const char *passed_over;      /* levels that would have come before that, and do not fit; NULL */
    const char *incoherent;       /* what gave the output away as such; NULL: nothing */
    struct run_artefact artefact; /* path NULL: none yet */
    struct run_input *inputs;
    int input_count, input_capacity;
    struct run_found *found;
    int found_count, found_capacity;
    struct run_runtime *runtimes;
    int runtime_count, runtime_capacity;
    char **log;
    int log_count, log_capacity;
    bool paused, over;
    char *status, *error, *report;   /* status also "died": no process, and no word of an end */
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
 * without its newline is left for the next call; a garbled line is skipped and counted in the log. A worker that is
 * gone without a word makes the run over, with status "died". */
int run_state_poll(struct run_state *s, struct error *e);
/* True while the worker's process is alive on this host (or its events are younger than 10 s on another). */
bool run_state_alive(const struct run_state *s);
/* Seconds that a phase took, NaN where it did not happen or has not ended. */
double run_state_phase_seconds(const struct run_state *s, const char *phase);

#endif
