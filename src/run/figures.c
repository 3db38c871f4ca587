#include "run/figures.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "eval/runtime_speed.h"

#define FIGURE(name) {#name, offsetof(struct eval_figures, name)}
#define TASK_FIGURE(name) {#name, offsetof(struct eval_task, name)}

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

static const struct figure task_figures[] = {
    TASK_FIGURE(accuracy), TASK_FIGURE(low), TASK_FIGURE(high), TASK_FIGURE(base), TASK_FIGURE(delta),
    TASK_FIGURE(delta_low), TASK_FIGURE(delta_high), TASK_FIGURE(acc), TASK_FIGURE(acc_norm), TASK_FIGURE(base_acc),
    TASK_FIGURE(base_acc_norm),
};

double figure_number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* `figures` is a struct eval_figures, eval_task, eval_cost or eval_result, whichever the field is one of. */
static double *real_at(const void *figures, const struct figure *field)
{
    return (double *)((char *)figures + field->at);
}

static int *count_at(const struct eval_figures *f, const struct figure *field)
{
    return (int *)((char *)f + field->at);
}

static void put_reals(json_t *j, const void *f, const struct figure *fields, size_t n)
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

static void take_reals(void *f, const json_t *j, const struct figure *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *real_at(f, &fields[i]) = figure_number(j, fields[i].key);
}

/* NULL where there is none. */
static char *text_in(const json_t *j, const char *key, struct arena *a)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? arena_strdup(a, text) : NULL;
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
    f->verdict = text_in(j, "verdict", a);
}

json_t *task_json(const struct eval_task *t, int done)
{
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(t->name));
    json_object_set_new(j, "layout", json_text(t->layout));
    json_object_set_new(j, "metric", json_text(t->metric));
    json_object_set_new(j, "items", json_integer(t->items));
    json_object_set_new(j, "done", json_integer(done));
    put_reals(j, t, task_figures, ARRAY_LENGTH(task_figures));
    return j;
}

void task_read(struct eval_task *t, const json_t *j, struct arena *a)
{
    char *name = text_in(j, "name", a);
    *t = (struct eval_task){.name = name ? name : arena_strdup(a, ""), .layout = text_in(j, "layout", a),
                            .metric = text_in(j, "metric", a),
                            .items = (int)json_integer_value(json_object_get(j, "items"))};
    take_reals(t, j, task_figures, ARRAY_LENGTH(task_figures));
}

#define COST(name) {#name, offsetof(struct eval_cost, name)}
#define RESULT_COST(name) {#name, offsetof(struct eval_result, cost.name)}, \
                          {"base_" #name, offsetof(struct eval_result, base_cost.name)}
static const struct figure cost_figures[] = {COST(prompt_tokens), COST(ttft_s), COST(ms_per_token), COST(rss_bytes)};
static const struct figure result_costs[] = {RESULT_COST(prompt_tokens), RESULT_COST(ttft_s), RESULT_COST(ms_per_token),
                                             RESULT_COST(rss_bytes)};

json_t *runtime_json(const struct runtime_speed *r)
{
    json_t *j = json_object();
    json_object_set_new(j, "program", json_text(r->program));
    json_object_set_new(j, "prefill_tokens_per_s", json_value(r->prefill_tokens_per_s));
    json_object_set_new(j, "decode_tokens_per_s", json_value(r->decode_tokens_per_s));
    put_reals(j, &r->cost, cost_figures, ARRAY_LENGTH(cost_figures));
    json_object_set_new(j, "error", json_text(*r->error ? r->error : NULL));
    return j;
}

void cost_read(struct eval_cost *c, const json_t *j)
{
    take_reals(c, j, cost_figures, ARRAY_LENGTH(cost_figures));
}

void costs_put(json_t *j, const struct eval_result *r)
{
    put_reals(j, r, result_costs, ARRAY_LENGTH(result_costs));
}

void costs_read(struct eval_result *r, const json_t *j)
{
    take_reals(r, j, result_costs, ARRAY_LENGTH(result_costs));
}

static json_t *outcome_json(const struct eval_item *i, const struct eval_outcome *o)
{
    json_t *j = json_object(), *list = json_array();
    for (int k = 0; k < i->choices; k++)
        json_array_append_new(list, json_value(o->ln_p[k]));
    if (i->choices)
        json_object_set_new(j, "chosen", json_integer(o->chosen));
    else
        json_object_set_new(j, "written", json_text(o->written));
    json_object_set_new(j, "ln_p", list);
    json_object_set_new(j, "right", json_boolean(o->right));
    return j;
}

json_t *item_json(const struct eval_item *i)
{
    json_t *j = json_object();
    json_object_set_new(j, "task", json_text(i->task));
    json_object_set_new(j, "index", json_integer(i->index));
    json_object_set_new(j, "answer", i->choices ? json_integer(i->answer) : json_text(i->expected));
    json_object_set_new(j, "model", outcome_json(i, &i->model));
    json_object_set_new(j, "base", i->has_base ? outcome_json(i, &i->base) : json_null());
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
