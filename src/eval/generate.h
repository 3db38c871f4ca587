/* Text from a prompt, a token at a time. */
#ifndef EVAL_GENERATE_H
#define EVAL_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/watch.h"
#include "infer/decoder.h"
#include "model/model.h"
#include "text/tokenizer.h"

struct generate_options {
    int tokens;          /* at most */
    double temperature;  /* 0: always the likeliest token (of equal ones the first) */
    uint64_t seed;       /* of the random numbers, where the temperature is not 0 */
    bool past_end;       /* go on where the model would stop */
    const char *stop;    /* the text ends before this one; NULL: nowhere */
    bool as_gguf;        /* as in decoder_options */
    enum activations activations;
};

struct generation {
    struct tokens prompt, tokens;
    float *margins;      /* [tokens.count]: logit of the likeliest token less that of the next */
    char *text;          /* of the tokens; may hold zero bytes */
    size_t length;
    bool ended;          /* the model stopped by itself; the token that says so is not among the tokens */
    double prefill_seconds, decode_seconds; /* decode: of the steps after the first token */
    double private_bytes; /* memory that it took beside the mapped weights */
};

/* Free with generation_done whatever is returned. */
int generate(struct generation *g, const struct model *m, const struct tokenizer *t, const char *prompt,
             const struct generate_options *o, struct watch *w, struct error *e);
void generation_done(struct generation *g);
/* NaN where nothing was measured. */
double generation_prefill_speed(const struct generation *g); /* tokens per second */
double generation_decode_speed(const struct generation *g);

#endif
