/* Shared by the stages of an evaluation: perplexity.c, tasks.c, prompts.c, speed.c, in the order of eval.c. */
#ifndef EVAL_EVAL_PRIV_H
#define EVAL_EVAL_PRIV_H

#include "eval/base_store.h"
#include "eval/eval.h"
#include "infer/decoder.h"
#include "text/chunks.h"
#include "text/tokenizer.h"

enum { EVAL_FILE_LIMIT = 1 << 30 }; /* bytes of a text, or of tasks or prompts */

/* One of the models that are compared. */
struct subject {
    const struct model *model;
    struct tokenizer *tokenizer;
    double prefill_tokens, prefill_seconds;
};

struct session {
    const struct eval_options *o;
    const struct eval_listener *l; /* never NULL, its functions may be */
    struct watch *w;
    struct eval_result *r;
    struct subject subjects[2];    /* the model, and its base */
    int count;                     /* 1 without a base */
    struct base_store *store;      /* what the base made of it before; NULL: none */
    bool as_gguf;                  /* one of them is a GGUF file: both are computed so, and only weights differ */
};

/* Names the text on which perplexity is measured; free `path` whatever is returned. */
int eval_text(const struct eval_options *o, char **path, struct error *e);

/* Each fills its part of the result. */
int perplexity_run(struct session *s, struct error *e);
int tasks_run(struct session *s, struct error *e);
/* That they can be read. */
int tasks_check(const char *path, struct error *e);
int prompts_run(struct session *s, struct error *e);
int speed_run(struct session *s, struct error *e);

/* Opens a decoder for each subject, for sequences of up to `length` tokens; NULLs where it fails. */
int decoders_open(struct decoder *d[static 2], const struct session *s, int sequences, int length, struct error *e);
void decoders_close(struct decoder *d[static 2]);

#endif
