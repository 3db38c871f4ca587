/* How good a model still is: perplexity, divergence from the original, tasks, sample answers, speed.
 * Definitions: quantwiz(1), "Measures". Base and quantized run in lock-step on the same tokens, so no
 * logits are stored. */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/watch.h"
#include "infer/decoder.h"
#include "model/model.h"

struct eval_options {
    const char *text;        /* as calibration_path() takes it; NULL: the text that comes with the program */
    int context;             /* 512 */
    int chunks;              /* at most; 0: all of the text */
    const char *tasks;       /* questions (items.h): a file of JSON lines, or a folder of such files; NULL: none */
    const char *prompts;     /* a file, a prompt a line, put as they are; NULL: */
    const char *const *messages; /* prompts put as a user's message where the model has a chat template; NULL: none */
    int prompt_tokens;       /* of an answer: 32 */
    enum activations activations;
    bool speed;              /* measure prefill and decode tokens/s */
    double max_loss;         /* the gate: 0.02 */
    bool stop_early;         /* stop when the interval decides the gate */
    const char *base_store;  /* a folder for what the base makes of it all (base_store.h); NULL: it is not kept */
};

enum { EVAL_HISTOGRAM = 24 };

/* The figures so far, or at the end. NaN where not measured. */
struct eval_figures {
    int chunks, chunks_planned, tokens;   /* tokens: scored */
    double seconds;
    double ppl, ppl_low, ppl_high;
    double prefill_tokens_per_s, decode_tokens_per_s;
    bool has_base;
    double ppl_base, delta_ln_ppl, delta_low, delta_high;
    double kld_mean, kld_median, kld_p99, kld_max, kld_low, kld_high, same_top, rms_dp;
    double kld_histogram[EVAL_HISTOGRAM]; /* share of positions by log10(KLD), from -6 in steps of 0.25 */
    const char *verdict;                  /* "accept", "reject", "undecided", or NULL without a base */
};

/* One file of questions. Figures are shares of the items so far; NaN where not measured. */
struct eval_task {
    char *name;
    const char *layout, *metric;        /* "hellaswag"; "acc", "acc_norm" or "exact_match": what `accuracy` is */
    int items;
    double accuracy, low, high, base;   /* base: the base's accuracy */
    double delta, delta_low, delta_high;/* accuracy less the base's, on the same items */
    double acc, acc_norm, base_acc, base_acc_norm; /* of choices by ln p, and by ln p per character */
};
/* What a model made of one question. */
struct eval_outcome {
    const double *ln_p;                 /* [choices] of the tokens of each, summed */
    int chosen;                         /* by the task's metric */
    const char *written;
    bool right;
};
struct eval_item {
    const char *task, *expected;
    int index, answer, choices;         /* answer: the right choice; choices 0: the answer was to be written */
    bool has_base;
    struct eval_outcome model, base;
};
struct eval_sample {
    char *prompt, *base, *answer;
    int differs_at;                     /* characters, -1: equal */
};

/* What answering costs. NaN where not measured. */
struct eval_cost {
    double prompt_tokens, ttft_s;       /* time to the first token behind a prompt of so many, the weights being in memory */
    double ms_per_token;                /* of those that follow */
    double rss_bytes;                   /* resident meanwhile: what was touched of the weights, and memory of its own */
};

struct eval_result {
    struct eval_figures figures;
    struct eval_task *tasks;
    int task_count;
    struct eval_sample *samples;
    int sample_count;
    uint64_t bytes, bytes_base;
    double base_prefill_tokens_per_s, base_decode_tokens_per_s;
    struct eval_cost cost, base_cost;
    const char *activations;        /* as they were rounded: "f32" (not), "q8", "int8", "llm.int8", "e4m3"; static */
};

/* Called after every chunk, task item and sample; any of the pointers may be NULL. */
struct eval_listener {
    void (*chunk)(void *user, const struct eval_figures *f);
    void (*task)(void *user, const struct eval_task *t, int done, int total);
    void (*item)(void *user, const struct eval_item *i);
    void (*sample)(void *user, const struct eval_sample *s, int done, int total);
    void *user;
};

/* The text that an evaluation reads: `text`, or for NULL the one that comes with the program (NULL: that is not
 * installed). free() it. */
char *eval_text_named(const char *text);
/* That the text, the tasks and the prompts can be read: before hours of work, not after. */
int eval_check(const struct eval_options *o, struct error *e);
/* `base` may be NULL. Free the result with eval_result_done whatever is returned. */
int eval_run(struct eval_result *r, const struct model *m, const struct model *base, const struct eval_options *o,
             const struct eval_listener *l, struct watch *w, struct error *e);
void eval_result_done(struct eval_result *r);

#endif
