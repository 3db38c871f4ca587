/* The run's event log: events.jsonl, append-only, an object a line, each with "t" (seconds since 1970) and "kind".
 * The table below is the list of kinds; quantwiz-plan(5) documents their keys. */
#ifndef RUN_EVENTS_H
#define RUN_EVENTS_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "calib/layerwise.h"

#define EVENT_KINDS(X)                                                                                   \
    X(START, "start", "the run begins or resumes: plan, source, level, pid, host, threads, resumed")      \
    X(PHASE, "phase", "a stage begins: name (check, calibrate, quantize, verify, evaluate, report), index, count")   \
    X(FALLBACK, "fallback", "a type that a row length forced: tensor, wanted, type, why")                 \
    X(LAYER, "layer", "a text has decided a layer: layer (from 0), layers, tensors, plain (of them: rounded to nearest, their inputs allowed no more), loss (mean square of what it changes an output by), damp, inputs, seconds, reused") \
    X(TENSOR_BEGIN, "tensor-begin", "work on a tensor begins: name, from, to, index, count")              \
    X(TENSOR, "tensor", "a tensor is done: name, from, to, wanted, rmse, bytes, seconds, index, count, reused") \
    X(PROGRESS, "progress", "done, total (0 to 1 of the whole run), eta_s, phase")                        \
    X(RESOURCES, "resources", "rss_bytes, private_bytes, cpu_percent, written_bytes, planned_bytes, disk_free_bytes") \
    X(ARTEFACT, "artefact", "a file that bears its final name now: path, bytes, planned_bytes, source_bytes, memory_bytes (that it takes when it runs, as estimated), bits_per_weight, sha256; of a folder files (name, bytes, sha256)") \
    X(CHUNK, "chunk", "perplexity and divergence so far: the keys of eval --json, chunks_planned, histogram") \
    X(TASK, "task", "a task's figures so far: name, items, done, accuracy, low, high, base")              \
    X(SAMPLE, "sample", "one prompt: prompt, base, answer, differs_at")                                   \
    X(RESULT, "result", "the evaluation's end: the keys of eval --json, verdict, proposal, passed_over (levels that would come before it, and do not fit), incoherent") \
    X(ATTEMPT, "attempt", "what the gate has tried, up to this run: the keys of the last line of attempts.jsonl")  \
    X(RUNTIME, "runtime", "speed in a real runtime: program, prefill_tokens_per_s, decode_tokens_per_s, ttft_s, ms_per_token, prompt_tokens, rss_bytes, error") \
    X(INPUT, "input", "a file that went in: role (source, imatrix, calibration, evaluation, tasks, prompts), path, bytes, sha256") \
    X(FOUND, "found", "what lies about: what (draft: a smaller model of the same vocabulary; adapter), path") \
    X(LOG, "log", "a line for people: text, level (info, warning, error)")                                \
    X(PAUSE, "pause", "paused: true or false")                                                            \
    X(DONE, "done", "the end: status (done, rejected, failed, interrupted), exit, artefacts, report, error")

enum event_kind {
#define EVENT_ENUM(id, name, help) EVENT_##id,
    EVENT_KINDS(EVENT_ENUM)
#undef EVENT_ENUM
    EVENT_COUNT
};
const char *event_name(enum event_kind k);
const char *event_help(enum event_kind k);
int event_find(const char *name); /* -1: unknown kinds are skipped by readers */

/* The writing end. Any thread may send; a line is one write(2) to a file opened for appending, so a reader (and
 * another writer) never sees two lines mixed, and a crash tears at most the last one. */
struct event_log {
    int fd;
    FILE *stream;            /* a copy of every line, or NULL */
    bool torn;               /* the file ends within a line: the next one starts on a fresh line */
    int lost;                /* lines that could not be written (disk full) */
    pthread_mutex_t mutex;
};
/* Opens FOLDER/events.jsonl for appending. */
int event_log_open(struct event_log *l, const char *folder, FILE *stream, struct error *e);
void event_log_close(struct event_log *l);
/* Puts "t" and "kind" before the fields; takes the reference (NULL: no fields). */
void event_send(struct event_log *l, enum event_kind k, json_t *fields);
/* The fields of EVENT_LAYER. */
json_t *event_layer(const struct layerwise_report *r);
/* EVENT_LOG with this text. */
void event_say(struct event_log *l, const char *level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
