/* What answering costs: time to the first token, time for each that follows, memory. Prefill is measured along with the
 * perplexity. */
#include <math.h>

#include "base/usage.h"
#include "eval/eval_priv.h"
#include "eval/generate.h"

enum { DECODE_TOKENS = 32 };

/* About as long as a short question with its instructions: 64 tokens in the usual vocabularies. */
static const char prompt[] =
    "You are asked to answer the following question in two or three plain sentences, as if you were speaking to somebody who"
    " has never heard of the matter, without any list or heading, and to say so where you are not sure of the answer. Why does"
    " the sea look blue on a clear day, and grey when the sky is covered by clouds?";

static double mapped_bytes(const struct model *m)
{
    double bytes = 0;
    for (int i = 0; i < m->file_count; i++)
        bytes += (double)usage_of_file(m->files[i].path);
    return bytes;
}

static struct eval_cost cost_of(const struct generation *g, const struct model *m)
{
    return (struct eval_cost){
        .prompt_tokens = (double)g->prompt.count,
        .ttft_s = g->prefill_seconds,
        .ms_per_token = 1000 / generation_decode_speed(g),
        .rss_bytes = mapped_bytes(m) + fmax(g->private_bytes, 0),
    };
}

static const struct { const char *key; size_t at; } kept[] = {
    {"prompt_tokens", offsetof(struct eval_cost, prompt_tokens)},
    {"ttft_s", offsetof(struct eval_cost, ttft_s)},
    {"ms_per_token", offsetof(struct eval_cost, ms_per_token)},
    {"rss_bytes", offsetof(struct eval_cost, rss_bytes)},
};

static double *kept_at(struct eval_cost *c, size_t i)
{
    return (double *)((char *)c + kept[i].at);
}

/* What the base took when it was measured before. */
static bool recall(const struct session *s, struct eval_cost *c)
{
    bool all = true;
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        *kept_at(c, i) = base_store_number(s->store, kept[i].key);
        all = all && !isnan(*kept_at(c, i));
    }
    return all;
}

static void remember(const struct session *s, struct eval_cost *c)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
        if (!isnan(*kept_at(c, i)))
            base_store_add(s->store, kept[i].key, json_real(*kept_at(c, i)));
}

static int measure(const struct session *s, int subject, struct eval_cost *c, struct error *e)
{
    const struct subject *x = &s->subjects[subject];
    const struct generate_options o = {.tokens = DECODE_TOKENS + 1, .past_end = true,
                                       .activations = s->o->activations};
    struct watch_part part;
    struct generation g;
    usage_settle();
    int rc = generate(&g, x->model, x->tokenizer, prompt, &o,
                      watch_part(&part, s->w, subject, subject + 1, s->count, "speed"), e);
    if (!rc)
        *c = cost_of(&g, x->model);
    generation_done(&g);
    return rc;
}

int speed_run(struct session *s, struct error *e)
{
    struct eval_result *r = s->r;
    int rc = measure(s, 0, &r->cost, e);
    if (!rc && s->count > 1 && !recall(s, &r->base_cost) && !(rc = measure(s, 1, &r->base_cost, e)))
        remember(s, &r->base_cost);
    r->figures.decode_tokens_per_s = 1000 / r->cost.ms_per_token;
    r->base_decode_tokens_per_s = 1000 / r->base_cost.ms_per_token;
    return rc;
}
