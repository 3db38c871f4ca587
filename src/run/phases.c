#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "hub/source.h"
#include "infer/decoder.h"
#include "run/folder.h"
#include "run/forecast.h"
#include "run/surroundings.h"
#include "run/worker.h"

/* ---------------------------------------------------------------------- check */

/* A rough speed of one core, to divide the progress bar between the phases and for nothing else. */
static const double forward_flop_per_s = 30e9;
/* Tokens of an evaluation whose length nobody said. */
static const double unknown_tokens = 32 * 512;

/* Two models, and about twice as much again for the moments of their inputs: operations a parameter and token. What
 * counts is found with one model. */
static const double calibration_operations = 12, importance_operations = 4;

/* The text that the weights are made by; NULL: each is rounded to nearest. */
static const struct calibration *calibration_of(const struct plan *p)
{
    return p->calibration.text && !plan_rounds_to_nearest(p) ? &p->calibration : NULL;
}

static double forward_cost(const struct worker *w, double tokens, double operations)
{
    return operations * (double)w->source->parameters * tokens / (forward_flop_per_s * threads_count());
}

static double text_cost(const struct worker *w, double operations)
{
    const struct calibration *c = &w->plan->calibration;
    return forward_cost(w, (double)c->samples * c->sample_length, operations);
}

static double evaluate_cost(const struct worker *w)
{
    const struct plan *p = w->plan;
    double tokens = p->eval_chunks ? (double)p->eval_chunks * p->eval_context : unknown_tokens;
    return p->evaluate ? forward_cost(w, tokens, 4) : 0; /* two models, two operations a parameter */
}

static int guess_costs(struct worker *w, struct error *e)
{
    int rc = forecast_quantize(w->source, w->plan->level, &w->quantize_cost, e);
    if (calibration_of(w->plan))
        w->quantize_cost += text_cost(w, calibration_operations);
    return rc;
}

/* Where on the bar a phase of this cost ends, if the evaluation follows; the last bit is for what comes after it. */
static double bar_until(const struct worker *w, double cost)
{
    const double reports = 0.02;
    double reached = w->phase_from + w->phase_share, all = cost + evaluate_cost(w);
    return reached + (1 - reports - reached) * (all > 0 ? cost / all : 1);
}

static int check_unchanged(struct worker *w, struct error *e)
{
    char hash[HASH_TEXT];
    if (!w->plan->source_hash)
        return 0;
    model_fingerprint(w->source, hash);
    if (strcmp(hash, w->plan->source_hash) == 0)
        return 0;
    return error_set(e, ERROR_FAILED, "%s is not the checkpoint that %s was made for (its fingerprint is %.12s…,"
                     " the plan says %.12s…): make a new plan, or take the fingerprint out of this one",
                     w->plan->source, w->plan->file ? w->plan->file : "the plan", hash, w->plan->source_hash);
}

static void tell_fallbacks(struct worker *w)
{
    for (int i = 0; i < w->recipe.count; i++) {
        const struct tensor_plan *t = &w->recipe.tensors[i];
        if (t->type == t->wanted)
            continue;
        json_t *j = json_object();
        json_object_set_new(j, "tensor", json_text(t->tensor->name));
        json_object_set_new(j, "wanted", json_text(t->wanted->name));
        json_object_set_new(j, "type", json_text(t->type->name));
        json_object_set_new(j, "why", json_text(t->why));
        event_send(&w->log, EVENT_FALLBACK, j);
    }
    if (w->recipe.fallbacks)
        event_say(&w->log, "warning", "%d of %d tensors get another type than %s has for them: their rows are"
                  " no multiple of its block", w->recipe.fallbacks, w->recipe.count, w->recipe.level);
}

static int refuse_fallbacks(struct worker *w, struct error *e)
{
    if (!w->plan->strict || !w->recipe.fallbacks)
        return 0;
    return error_set(e, ERROR_FAILED, "%d tensors cannot have the types of %s, and the plan allows no others"
                     " (strict)", w->recipe.fallbacks, w->recipe.level);
}

/* What the file of importance does not know is told before anything is written. */
static int match_importance(struct worker *w, struct error *e)
{
    struct importance *m = &w->importance;
    if (!m->path)
        return 0;
    int rc = importance_match(m, &w->recipe, e);
    if (!rc)
        event_say(&w->log, "info", "importance of %d of %d weights, from %s", m->found, m->wanted, m->path);
    for (int i = 0; i < m->gap_count; i++)
        event_say(&w->log, "warning", "importance: %s; its columns count alike", m->gaps[i]);
    return rc;
}

/* Where a plan has a text but every weight is rounded by itself, the text says what counts. */
static int find_importance(struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    if (p->imatrix)
        return importance_read(&w->importance, p->imatrix, e);
    if (!p->calibration.text || calibration_of(p))
        return 0;
    event_say(&w->log, "info", "what counts is found by running %s through the model", p->calibration.text);
    worker_phase(w, "calibrate", bar_until(w, text_cost(w, importance_operations)));
    return importance_collect(&w->importance, w->source, &p->calibration, &w->watch, e);
}

static int apply_recipe(struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    const struct recipe_options options = {
        .overrides = p->overrides,
        .pins = p->tensors,
        .pin_count = p->tensor_count,
        .override_count = p->override_count,
        .pure = p->pure,
        .output_type = p->output_type,
        .embedding_type = p->embedding_type,
        .imatrix = p->imatrix ? p->imatrix : calibration_of(p) ? NULL : p->calibration.text,
    };
    int rc = find_importance(w, e);
    rc = rc ? rc : recipe_apply(&w->recipe, w->source, p->level, &options, e);
    rc = rc ? rc : match_importance(w, e);
    rc = rc ? rc : recipe_check_imatrix(&w->recipe, p->calibration.text, e);
    if (rc)
        return rc;
    tell_fallbacks(w);
    return refuse_fallbacks(w, e);
}

/* A generic text is worse than one of the model's own domain, and on a text that the weights were made by any of them
 * looks good. */
static int tell_text(struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    if (calibration_is_general(&p->calibration))
        event_say(&w->log, "warning", "calibrated on the general text that comes with quantwiz: texts like those that the"
                  " model will see make a better result");
    const double too_much = 0.05;
    double share = NAN;
    char *evaluated = plan_evaluated_text(p);
    int rc = p->calibration.text && p->evaluate && evaluated
                 ? calibration_overlap(&share, &p->calibration, evaluated, e) : 0;
    if (share > too_much)
        event_say(&w->log, "warning", "%.0f %% of the text to evaluate on stands in the calibration text: the figures"
                  " will look better than the result is", 100 * share);
    else if (!isnan(share))
        event_say(&w->log, "info", "%.2f %% of the text to evaluate on stands in the calibration text", 100 * share);
    free(evaluated);
    return rc;
}

static int check_evaluation(struct worker *w, struct error *e)
{
    struct eval_options options;
    struct error why;
    int rc = worker_eval_options(&options, w, e);
    return !rc && w->plan->evaluate && decoder_check(w->source, &why) == 0 ? eval_check(&options, e) : rc;
}

/* On another computer than the plan's the checkpoint may lie elsewhere in the cache, or not be there yet. */
static int open_source(struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    bool elsewhere = p->source_hub && !file_exists(p->source);
    char *path = NULL;
    if (elsewhere)
        event_say(&w->log, "info", "%s is not here: looking for %s", p->source, p->source_hub);
    int rc = elsewhere ? source_resolve(p->source_hub, &path, &w->watch, e) : 0;
    rc = rc ? rc : model_open_as(&w->source, elsewhere ? path : p->source, p->source_pre, 0, e);
    free(path);
    return rc;
}

/* What the result will take beside its weights when it runs as the wishes say: cache and buffers, by the plan's estimate,
 * or else wherever that is. */
static void guess_memory(struct worker *w)
{
    const struct plan_estimate *known = &w->plan->record.estimate;
    struct wishes wishes;
    struct rules *r;
    struct estimates *s;
    struct error ignored;
    w->beside_bytes = known->verdict ? known->total_bytes - known->weights_bytes : NAN;
    if (!isnan(w->beside_bytes) || rules_load(&r, &ignored))
        return;
    wishes_copy(&wishes, &w->plan->wishes);
    wishes_defaults(&wishes, NULL, w->source);
    if (estimates_make_with(&s, NULL, w->source, &wishes, r, w->plan->level, &ignored) == 0) {
        for (int i = 0; i < s->count; i++)
            if (s->rows[i].asked)
                w->beside_bytes = (double)s->rows[i].total_bytes - (double)s->rows[i].weights_bytes;
        estimates_free(s);
    }
    wishes_done(&wishes);
    rules_free(r);
}

/* What becomes of a GGUF file's tensors, and whether it can be written. */
static int check_file(struct worker *w, struct error *e)
{
    int rc = apply_recipe(w, e);
    if (rc)
        return rc;
    const struct quantize_job job = {.model = w->source, .recipe = &w->recipe, .out = w->plan->out};
    uint64_t planned = quantize_output_bytes(w->source, &w->recipe, NULL);
    char text[FORMAT_SIZE];
    monitor_plan_bytes(w->monitor, planned);
    event_say(&w->log, "info", "%s of %s: %d tensors, %s", w->recipe.level, w->source->name, w->recipe.count,
              format_bytes(text, (double)planned));
    return quantize_check(&job, e);
}

int phase_check(struct worker *w, struct error *e)
{
    worker_phase(w, "check", 0);
    int rc = open_source(w, e);
    if (!rc)
        guess_memory(w);
    if (!rc)
        rc = check_unchanged(w, e);
    if (!rc)
        rc = calibration_check(&w->plan->calibration, e);
    if (!rc)
        rc = check_evaluation(w, e);
    if (!rc)
        rc = tell_text(w, e);
    if (!rc)
        rc = plan_makes_folder(w->plan) ? folder_check(w, e) : check_file(w, e);
    return rc ? rc : guess_costs(w, e);
}

/* ----------------------------------------------------------- quantize and verify */

static json_t *tensor_json(const struct quantize_tensor *t, int index, int count)
{
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(t->name));
    json_object_set_new(j, "from", json_text(t->from));
    json_object_set_new(j, "to", json_text(t->to));
    json_object_set_new(j, "index", json_integer(index));
    json_object_set_new(j, "count", json_integer(count));
    return j;
}

static void on_begin(void *user, const struct quantize_tensor *t, int index, int count)
{
    struct worker *w = user;
    event_send(&w->log, EVENT_TENSOR_BEGIN, tensor_json(t, index, count));
}

static void on_end(void *user, const struct quantize_tensor *t, int index, int count)
{
    struct worker *w = user;
    json_t *j = tensor_json(t, index, count);
    json_object_set_new(j, "wanted", json_text(t->wanted));
    json_object_set_new(j, "rmse", json_value(t->rmse));
    json_object_set_new(j, "bytes", json_value((double)t->bytes));
    json_object_set_new(j, "source_bytes", json_value((double)t->source_bytes));
    json_object_set_new(j, "seconds", json_value(t->seconds));
    json_object_set_new(j, "reused", json_boolean(t->reused));
    event_send(&w->log, EVENT_TENSOR, j);
    monitor_add_written(w->monitor, t->bytes);
}

static void on_layer(void *user, const struct layerwise_report *r)
{
    struct worker *w = user;
    event_send(&w->log, EVENT_LAYER, event_layer(r));
}

/* The engine's progress runs through all stages, so the bar is not divided between them. */
static void on_stage(void *user, const char *stage)
{
    struct worker *w = user;
    if (strcmp(stage, w->phase) != 0) {
        double from = w->phase_from, share = w->phase_share;
        worker_phase(w, stage, 0);
        w->phase_from = from;
        w->phase_share = share;
    }
}

static void on_note(void *user, const char *text)
{
    struct worker *w = user;
    event_say(&w->log, "info", "%s", text);
}

json_t *worker_artefact(struct worker *w, uint64_t bytes, uint64_t planned, double bits, const char *sha256)
{
    json_t *j = json_object();
    monitor_all_written(w->monitor);
    w->bytes = (double)bytes;
    json_object_set_new(j, "path", json_text(w->plan->out));
    json_object_set_new(j, "bytes", json_value((double)bytes));
    json_object_set_new(j, "planned_bytes", json_value((double)planned));
    json_object_set_new(j, "source_bytes", json_value((double)w->source->file_bytes));
    json_object_set_new(j, "memory_bytes", json_value(w->bytes + w->beside_bytes));
    json_object_set_new(j, "bits_per_weight", json_value(bits));
    json_object_set_new(j, "sha256", json_text(sha256));
    return j;
}

static int tell_artefact(struct worker *w, struct error *e)
{
    char hash[HASH_TEXT];
    uint64_t bytes, planned = quantize_output_bytes(w->source, &w->recipe, NULL);
    int rc = hash_file(hash, w->plan->out, &bytes, e);
    if (!rc)
        event_send(&w->log, EVENT_ARTEFACT, worker_artefact(w, bytes, planned, w->recipe.bits_per_weight, hash));
    return rc;
}

char *worker_journal(const struct worker *w)
{
    return path_join(w->plan->run_folder, "journal");
}

int phase_quantize(struct worker *w, struct error *e)
{
    const struct quantize_listener listener = {.begin = on_begin, .end = on_end, .stage = on_stage, .layer = on_layer,
                                               .note = on_note, .user = w};
    char *journal = worker_journal(w);
    const struct quantize_job job = {
        .model = w->source,
        .recipe = &w->recipe,
        .out = w->plan->out,
        .calibration = calibration_of(w->plan),
        .importance = w->importance.path ? &w->importance : NULL,
        .journal = journal,
        .resume = w->options->resume,
        .listener = &listener,
        .watch = &w->watch,
    };
    bool folder = plan_makes_folder(w->plan);
    worker_phase(w, job.calibration ? "calibrate" : "quantize", bar_until(w, w->quantize_cost));
    int rc = folder ? folder_make(w, journal, &listener, e) : quantize_run(&job, e);
    free(journal);
    if (rc)
        return rc;
    w->made = true;
    return folder ? folder_tell(w, e) : tell_artefact(w, e);
}

/* --------------------------------------------------------------------- report */

int phase_report(struct worker *w, struct error *e)
{
    if (!w->options->report)
        return 0;
    worker_phase(w, "report", 1);
    int rc = surroundings_inputs(w, e);
    if (rc)
        return rc;
    surroundings_found(w);
    return w->options->report(w->plan, w->plan->run_folder, &w->report, e);
}
