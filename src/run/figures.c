#include "run/figures.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

#define FIGURE(name) {#name, offsetof(struct eval_figures, name)}

static const struct figure { const char *key; size_t at; } reals[] = {
    FIGURE(seconds), FIGURE(ppl), FIGURE(ppl_low), FIGURE(ppl_high), FIGURE(prefill_tokens_per_s),
    FIGURE(decode_tokens_per_s),
};
static const struct figure counts[] = {FIGURE(chunks), FIGURE(chunks_planned), FIGURE(tokens)};
/* Only beside a base. */
static const struct figure differences[] = {
    FIGURE(ppl_base), FIGURE(delta_ln_ppl), FIGURE(delta_low), FIGURE(delta_high), FIGURE(kld_mean),
    FIGURE(kld_median), FIGURE(kld_p99), FIGURE(kld_max), FIGURE(kld_low), FIGURE(kld_high), FIGURE(same_top),
    FIGURE(rms_dp),
};

double figure_number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static double *real_at(const struct eval_figures *f, const struct figure *field)
{
    return (double *)((char *)f + field->at);
}

static int *count_at(const struct eval_figures *f, const struct figure *field)
{
    return (int *)((char *)f + field->at);
}

static void put_reals(json_t *j, const struct eval_figures *f, const struct figure *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_object_set_new(j, fields[i].key, json_value(*real_at(f, &fields[i])));
}

static void put_histogram(json_t *j, const struct eval_figures *f)
{
    json_t *bins = json_array();
    for (int i = 0; i < EVAL_HISTOGRAM; i++)
        json_array_append_new(bins, json_value(f->kld_histogram[i]));
    json_object_set_new(j, "histogram", bins);
}

json_t *figures_json(const struct eval_figures *f)
{
    json_t *j = json_object();
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
        json_object_set_new(j, counts[i].key, json_integer(*count_at(f, &counts[i])));
    put_reals(j, f, reals, ARRAY_LENGTH(reals));
    if (f->has_base) {
        put_reals(j, f, differences, ARRAY_LENGTH(differences));
        put_histogram(j, f);
        json_object_set_new(j, "verdict", json_text(f->verdict));
    }
    return j;
}

static void take_reals(struct eval_figures *f, const json_t *j, const struct figure *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *real_at(f, &fields[i]) = figure_number(j, fields[i].key);
}

void figures_read(struct eval_figures *f, const json_t *j, struct arena *a)
{
    *f = (struct eval_figures){.has_base = json_object_get(j, "ppl_base") != NULL};
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
        *count_at(f, &counts[i]) = (int)json_integer_value(json_object_get(j, counts[i].key));
    take_reals(f, j, reals, ARRAY_LENGTH(reals));
    take_reals(f, j, differences, ARRAY_LENGTH(differences));
    const json_t *bins = json_object_get(j, "histogram");
    for (size_t i = 0; i < EVAL_HISTOGRAM && i < json_array_size(bins); i++)
        f->kld_histogram[i] = json_number_value(json_array_get(bins, i));
    const char *verdict = json_string_value(json_object_get(j, "verdict"));
    f->verdict = verdict ? arena_strdup(a, verdict) : NULL;
}

json_t *task_json(const struct eval_task *t, int done)
{
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(t->name));
    json_object_set_new(j, "items", json_integer(t->items));
    json_object_set_new(j, "done", json_integer(done));
    json_object_set_new(j, "accuracy", json_value(t->accuracy));
    json_object_set_new(j, "low", json_value(t->low));
    json_object_set_new(j, "high", json_value(t->high));
    json_object_set_new(j, "base", json_value(t->base));
    return j;
}

json_t *sample_json(const struct eval_sample *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "prompt", json_text(s->prompt));
    json_object_set_new(j, "base", json_text(s->base));
    json_object_set_new(j, "answer", json_text(s->answer));
    json_object_set_new(j, "differs_at", json_integer(s->differs_at));
    return j;
}
