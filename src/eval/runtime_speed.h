/* How fast the runtime itself answers with a file, where its benchmark is on the PATH: the same prompt length and answer as
 * speed.c measures with our own engine. */
#ifndef EVAL_RUNTIME_SPEED_H
#define EVAL_RUNTIME_SPEED_H

#include "base/error.h"
#include "base/watch.h"
#include "eval/eval.h"

struct runtime_question {
    const char *runtime;       /* "llama.cpp": as rules/runtimes.yaml names it */
    const char *model;         /* the artefact */
    int threads, gpu_layers;   /* -1: as the runtime chooses */
};
struct runtime_speed {
    const char *program;       /* that measured: "llama-bench"; NULL: none is known for the runtime, or it is not on the PATH */
    double prefill_tokens_per_s, decode_tokens_per_s;
    struct eval_cost cost;     /* rss_bytes: of the program; NaN where a server holds the weights */
    char error[1024];          /* why there are no figures; "": there are */
};
/* ERROR_INTERRUPTED, or 0: that a benchmark fails is told, and fails nothing else. */
int runtime_speed(struct runtime_speed *out, const struct runtime_question *q, struct watch *w, struct error *e);

#endif
