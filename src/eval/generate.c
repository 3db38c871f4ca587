#include "eval/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/usage.h"
#include "infer/decoder.h"
#include "infer/kernels.h"

/* ------------------------------------------------------------ choosing a token */

/* SplitMix64: G. L. Steele, D. Lea, C. H. Flood (2014), Fast splittable pseudorandom number generators. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* From 0 (included) to 1 (not). */
static double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) / (double)(1ULL << 53);
}

static int32_t likeliest(const float *logits, int vocab, float *margin)
{
    int32_t first = 0;
    float next = -INFINITY;
    for (int i = 1; i < vocab; i++)
        if (logits[i] > logits[first]) {
            next = logits[first];
            first = i;
        } else if (logits[i] > next) {
            next = logits[i];
        }
    *margin = logits[first] - next;
    return first;
}

/* A token with the probability that the softmax of logits / temperature gives it. Overwrites the logits. */
static int32_t drawn(float *logits, int vocab, double temperature, uint64_t *state)
{
    double left = random_unit(state);
    for (int i = 0; i < vocab; i++)
        logits[i] = (float)(logits[i] / temperature);
    kernels()->softmax(logits, vocab);
    for (int i = 0; i < vocab; i++)
        if ((left -= logits[i]) < 0)
            return i;
    return vocab - 1;
}

/* -------------------------------------------------------------- generating */

struct generator {
    struct generation *g;
    const struct tokenizer *t;
    const struct generate_options *o;
    struct decoder *d;
    float *logits; /* [vocab] */
    int vocab;
    size_t margins_count, margins_capacity;
    uint64_t random;
    struct str text;
};

/* Cuts the text where it is to stop. */
static bool is_stopped(struct generator *s)
{
    char *stop = s->o->stop ? strstr(s->text.data, s->o->stop) : NULL;
    if (!stop)
        return false;
    *stop = 0;
    s->text.length = stop - s->text.data;
    return true;
}

/* Chooses the token that follows what the decoder has seen; false where the text ends. */
static bool choose(struct generator *s, int last_row)
{
    float margin;
    decoder_logits(s->d, last_row, 1, s->logits);
    int32_t id = likeliest(s->logits, s->vocab, &margin);
    if (s->o->temperature > 0)
        id = drawn(s->logits, s->vocab, s->o->temperature, &s->random);
    s->g->ended = tokenizer_ends(s->t, id) && !s->o->past_end;
    if (s->g->ended)
        return false;
    array_push(s->g->tokens.ids, s->g->tokens.count, s->g->tokens.capacity) = id;
    array_push(s->g->margins, s->margins_count, s->margins_capacity) = margin;
    size_t length;
    const char *piece = tokenizer_piece(s->t, id, true, &length);
    str_add_bytes(&s->text, piece, length);
    return !is_stopped(s);
}

static int continue_prompt(struct generator *s, struct watch *w, struct error *e)
{
    struct generation *g = s->g;
    double start = clock_monotonic();
    int rc = decoder_append(s->d, g->prompt.ids, (int)g->prompt.count, e);
    if (rc)
        return rc;
    bool more = choose(s, (int)g->prompt.count - 1);
    g->prefill_seconds = clock_monotonic() - start;
    start = clock_monotonic();
    while (more && g->tokens.count < (size_t)s->o->tokens) {
        if (!watch_tick(w, g->tokens.count, s->o->tokens, "tokens"))
            return interrupt_error(e);
        if ((rc = decoder_append(s->d, &g->tokens.ids[g->tokens.count - 1], 1, e)))
            return rc;
        more = choose(s, 0);
    }
    g->decode_seconds = clock_monotonic() - start;
    return 0;
}

static int encode_prompt(struct generation *g, const struct model *m, const struct tokenizer *t, const char *prompt,
                         struct error *e)
{
    tokenizer_encode(t, prompt, strlen(prompt), TOKENIZE_BOS | TOKENIZE_SPECIAL, &g->prompt);
    if (g->prompt.count == 0 && tokenizer_bos(t) >= 0) /* an empty prompt still needs a token to start from */
        array_push(g->prompt.ids, g->prompt.count, g->prompt.capacity) = tokenizer_bos(t);
    if (g->prompt.count == 0)
        return error_set(e, ERROR_USAGE, "%s: the prompt is empty, and the vocabulary has no token that begins a text",
                         m->path);
    return 0;
}

int generate(struct generation *g, const struct model *m, const struct tokenizer *t, const char *prompt,
             const struct generate_options *o, struct watch *w, struct error *e)
{
    *g = (struct generation){0};
    struct generator s = {.g = g, .t = t, .o = o, .vocab = m->hp.vocab, .random = o->seed};
    int rc = encode_prompt(g, m, t, prompt, e);
    if (rc)
        return rc;
    struct usage before, after;
    usage_read(&before);
    struct decoder_options d = {.context = (int)g->prompt.count + o->tokens, .as_gguf = o->as_gguf,
                                .activations = o->activations};
    if ((rc = decoder_open(&s.d, m, &d, e)))
        return rc;
    s.logits = xaligned(s.vocab * sizeof *s.logits);
    rc = continue_prompt(&s, w, e);
    usage_read(&after);
    g->private_bytes = (double)after.private_bytes - (double)before.private_bytes;
    g->length = s.text.length;
    g->text = str_take(&s.text);
    free(s.logits);
    decoder_free(s.d);
    return rc;
}

void generation_done(struct generation *g)
{
    tokens_done(&g->prompt);
    tokens_done(&g->tokens);
    free(g->margins);
    free(g->text);
    *g = (struct generation){0};
}

double generation_prefill_speed(const struct generation *g)
{
    return g->prefill_seconds > 0 ? g->prompt.count / g->prefill_seconds : NAN;
}

double generation_decode_speed(const struct generation *g)
{
    return g->decode_seconds > 0 && g->tokens.count > 1 ? (g->tokens.count - 1) / g->decode_seconds : NAN;
}
