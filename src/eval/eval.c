#include "eval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "eval/eval_priv.h"
#include "text/samples.h"

int decoders_open(struct decoder *d[static 2], const struct session *s, int sequences, int length, struct error *e)
{
    struct decoder_options o = {.context = length, .sequences = sequences, .as_gguf = s->as_gguf,
                                .activations = s->o->activations};
    int rc = 0;
    d[0] = d[1] = NULL;
    for (int i = 0; i < s->count && !rc; i++)
        rc = decoder_open(&d[i], s->subjects[i].model, &o, e);
    if (rc)
        decoders_close(d);
    return rc;
}

void decoders_close(struct decoder *d[static 2])
{
    for (int i = 0; i < 2; i++) {
        decoder_free(d[i]);
        d[i] = NULL;
    }
}

static int check_text(const struct eval_options *o, struct error *e)
{
    struct samples read;
    char *path;
    int rc = eval_text(o, &path, e);
    if (!rc) {
        rc = samples_read(&read, path, NULL, e);
        samples_done(&read);
    }
    free(path);
    return rc;
}

static int check_prompts(const char *path, struct error *e)
{
    char *text;
    int rc = file_read(path, EVAL_FILE_LIMIT, &text, NULL, e);
    if (!rc)
        free(text);
    return rc;
}

int eval_check(const struct eval_options *o, struct error *e)
{
    int rc = check_text(o, e);
    if (!rc && o->tasks)
        rc = tasks_check(o->tasks, e);
    if (!rc && o->prompts)
        rc = check_prompts(o->prompts, e);
    return rc;
}

/* ---------------------------------------------------------------- subjects */

/* Figures of two models can only be compared where a token means the same in both. */
static int check_base(const struct subject *model, const struct subject *base, struct error *e)
{
    int n = tokenizer_vocab(model->tokenizer), m = tokenizer_vocab(base->tokenizer);
    if (n != m || model->model->hp.vocab != base->model->hp.vocab)
        return error_set(e, ERROR_USAGE, "%s has %d tokens and its base %s has %d: they are not the same model",
                         model->model->path, n, base->model->path, m);
    int32_t id = tokenizer_difference(model->tokenizer, base->tokenizer);
    return id < 0 ? 0
                  : error_set(e, ERROR_USAGE, "token %d of %s is not that of its base %s: they are not the same model", id,
                              model->model->path, base->model->path);
}

static int add_subject(struct session *s, const struct model *m, struct error *e)
{
    struct subject *subject = &s->subjects[s->count++];
    subject->model = m;
    int rc = tokenizer_open(&subject->tokenizer, m, NULL, e);
    if (!rc && tokenizer_vocab(subject->tokenizer) > m->hp.vocab)
        rc = error_set(e, ERROR_FAILED, "%s: the metadata list %d tokens, but the embedding has %d rows", m->path,
                       tokenizer_vocab(subject->tokenizer), m->hp.vocab);
    return rc;
}

static double prefill_speed(const struct subject *s)
{
    return s->prefill_seconds > 0 ? s->prefill_tokens / s->prefill_seconds : NAN;
}

/* Where the store spared the base its passes, as fast as it was when they were made. */
static double base_prefill_speed(const struct session *s)
{
    double speed = prefill_speed(&s->subjects[1]), before = base_store_number(s->store, "prefill_tokens_per_s");
    if (!isnan(before))
        return before;
    if (!isnan(speed))
        base_store_add(s->store, "prefill_tokens_per_s", json_real(speed));
    return speed;
}

/* --------------------------------------------------------------- the whole */

/* Each stage that was asked for gets its share of the progress; guessed, since nobody knows yet how soon the perplexity
 * decides. */
static int measure_all(struct session *s, struct error *e)
{
    const struct eval_options *o = s->o;
    const struct { const char *name; int (*run)(struct session *s, struct error *e); double work; } stages[] = {
        {"perplexity", perplexity_run, 8},
        {"speed", speed_run, o->speed ? 1 : 0},
        {"tasks", tasks_run, o->tasks ? 10 : 0},
        {"prompts", prompts_run, o->prompts || o->messages ? 2 : 0},
    };
    struct watch *whole = s->w;
    double done = 0, total = 0;
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(stages); i++)
        total += stages[i].work;
    for (size_t i = 0; !rc && i < ARRAY_LENGTH(stages); done += stages[i++].work) {
        struct watch_part part;
        s->w = watch_part(&part, whole, done, done + stages[i].work, total, stages[i].name);
        rc = stages[i].work > 0 ? stages[i].run(s, e) : 0;
    }
    s->w = whole;
    return rc;
}

static int run_stages(struct session *s, const struct model *base, struct error *e)
{
    int rc = add_subject(s, s->subjects[0].model, e);
    if (!rc && base)
        rc = add_subject(s, base, e);
    if (!rc && base)
        rc = check_base(&s->subjects[0], &s->subjects[1], e);
    if (!rc && base && s->o->base_store)
        rc = base_store_open(&s->store, s->o->base_store, base, s->as_gguf, s->o->activations, e);
    return rc ? rc : measure_all(s, e);
}

static const struct eval_figures nothing_measured = {
    .seconds = NAN, .ppl = NAN, .ppl_low = NAN, .ppl_high = NAN, .prefill_tokens_per_s = NAN,
    .decode_tokens_per_s = NAN,
    .ppl_base = NAN, .delta_ln_ppl = NAN, .delta_low = NAN, .delta_high = NAN, .kld_mean = NAN, .kld_median = NAN,
    .kld_p99 = NAN, .kld_max = NAN, .kld_low = NAN, .kld_high = NAN, .same_top = NAN, .rms_dp = NAN,
};
static const struct eval_cost no_cost = {NAN, NAN, NAN, NAN};

static const char *activations_of(const struct session *s)
{
    static const char *const names[] = {[INPUTS_EXACT] = "f32", [INPUTS_INT8] = "int8", [INPUTS_LLM_INT8] = "llm.int8",
                                        [INPUTS_E4M3] = "e4m3", [INPUTS_E4M3_BLOCKS] = "e4m3"};
    bool served = s->o->activations == ACTIVATIONS_SERVED && !s->as_gguf;
    return s->o->activations == ACTIVATIONS_Q8 ? "q8" : names[served ? model_inputs(s->subjects[0].model) : INPUTS_EXACT];
}

int eval_run(struct eval_result *r, const struct model *m, const struct model *base, const struct eval_options *o,
             const struct eval_listener *l, struct watch *w, struct error *e)
{
    static const struct eval_listener nobody;
    struct session s = {.o = o, .l = l ? l : &nobody, .w = w, .r = r, .subjects[0].model = m};
    double start = clock_monotonic();
    s.as_gguf = !m->folder || (base && !base->folder);
    *r = (struct eval_result){.figures = nothing_measured, .bytes = m->file_bytes,
                              .bytes_base = base ? base->file_bytes : 0, .base_prefill_tokens_per_s = NAN,
                              .base_decode_tokens_per_s = NAN, .cost = no_cost, .base_cost = no_cost,
                              .activations = activations_of(&s)};
    int rc = run_stages(&s, base, e);
    r->figures.seconds = clock_monotonic() - start;
    r->figures.prefill_tokens_per_s = prefill_speed(&s.subjects[0]);
    if (base)
        r->base_prefill_tokens_per_s = base_prefill_speed(&s);
    base_store_close(s.store);
    for (int i = 0; i < s.count; i++)
        tokenizer_free(s.subjects[i].tokenizer);
    return rc;
}

void eval_result_done(struct eval_result *r)
{
    for (int i = 0; i < r->task_count; i++)
        free(r->tasks[i].name);
    for (int i = 0; i < r->sample_count; i++) {
        free(r->samples[i].prompt);
        free(r->samples[i].base);
        free(r->samples[i].answer);
    }
    free(r->tasks);
    free(r->samples);
    *r = (struct eval_result){0};
}
