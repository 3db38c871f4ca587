/* The phase that measures the artefact, and the quality gate. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "infer/decoder.h"
#include "run/figures.h"
#include "run/surroundings.h"
#include "run/worker.h"

int worker_eval_options(struct eval_options *o, struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    *o = (struct eval_options){
        .text = p->eval_text,
        .context = p->eval_context,
        .chunks = p->eval_chunks,
        .tasks = p->eval_tasks,
        .prompts = p->eval_prompts,
        .prompt_tokens = 32,
        .activations = p->activations,
        .speed = true,
        .max_loss = p->max_loss,
        .stop_early = p->stop_early,
        .base_store = w->options->base_store,
    };
    return p->eval_prompts ? 0 : rules_prompts(&o->messages, wishes_choice(&p->wishes, WISH_USE_CASE), &w->arena, e);
}

static void on_chunk(void *user, const struct eval_figures *f)
{
    struct worker *w = user;
    event_send(&w->log, EVENT_CHUNK, figures_json(f));
}

static void on_task(void *user, const struct eval_task *t, int done, int total)
{
    struct worker *w = user;
    (void)total;
    event_send(&w->log, EVENT_TASK, task_json(t, done));
}

static void on_sample(void *user, const struct eval_sample *s, int done, int total)
{
    struct worker *w = user;
    (void)done;
    (void)total;
    event_send(&w->log, EVENT_SAMPLE, sample_json(s));
}

/* ----------------------------------------------------------------------- gate */

/* The run as an attempt, after those before it. */
static void add_attempt(const struct worker *w, const struct eval_figures *f, struct attempts *list)
{
    const struct plan *p = w->plan;
    attempts_add(list, &(struct attempt){
        .number = list->count + 1,
        .run = p->run_folder,
        .level = p->level,
        .method = p->method ? p->method : p->calibration.text ? "feedback" : NULL,
        .calibration = p->calibration.text,
        .samples = p->calibration.text ? p->calibration.samples : 0,
        .why = p->gate.why,
        .verdict = w->rejected ? "reject" : f->verdict,
        .incoherent = w->incoherent,
        .loss = expm1(f->delta_ln_ppl),
        .kld_mean = f->kld_mean,
        .same_top = f->same_top,
        .bytes = w->bytes,
    });
}

/* A run by itself that is not rejected was no attempt at anything. */
static int record_attempt(struct worker *w, const struct eval_figures *f, struct error *e)
{
    struct attempts list = {0};
    const char *after = w->plan->gate.after;
    int rc = after ? attempts_read_until(&list, after, e) : 0;
    if (!rc && (after || w->rejected)) {
        add_attempt(w, f, &list);
        event_send(&w->log, EVENT_ATTEMPT, attempt_json(&list.items[list.count - 1], w->plan->run_folder));
        rc = attempts_write(&list, w->plan->run_folder, e);
    }
    if (!rc && w->rejected)
        rc = proposal_after(&w->proposal, w->plan, &list, &w->arena, e);
    attempts_done(&list);
    return rc;
}

/* Incoherent output is rejected whatever the interval leaves open; and where nobody is there to decide, what it leaves
 * open is decided by the figure itself. What loses less than the wish is never rejected. */
static const char *verdict_of(const struct worker *w, const struct eval_figures *f)
{
    bool accepted = f->verdict && strcmp(f->verdict, "accept") == 0;
    bool over = f->has_base && expm1(f->delta_ln_ppl) > w->plan->max_loss;
    return !accepted && (w->incoherent || (w->plan->gate.automatic && over)) ? "reject" : f->verdict;
}

static int find_faults(struct worker *w, const struct eval_result *r, struct error *e)
{
    struct coherence_limits limits;
    int rc = proposal_limits(&limits, e);
    w->incoherent = rc ? NULL : coherence_fault(r, &limits, &w->arena);
    if (w->incoherent)
        event_say(&w->log, "warning", "the output is incoherent: %s", w->incoherent);
    return rc;
}

static int judge(struct worker *w, struct eval_result *r, struct error *e)
{
    struct eval_figures *f = &r->figures;
    int rc = find_faults(w, r, e);
    if (rc)
        return rc;
    f->verdict = verdict_of(w, f);
    w->rejected = f->verdict && strcmp(f->verdict, "reject") == 0;
    event_say(&w->log, w->rejected ? "warning" : "info", "%s: perplexity %+.2f %% against the original's, the limit"
              " is %.3g %%", f->verdict ? f->verdict : "undecided", 100 * expm1(f->delta_ln_ppl),
              100 * w->plan->max_loss);
    rc = record_attempt(w, f, e);
    if (!rc && w->proposal.next)
        event_say(&w->log, "info", "try %s: %s", w->proposal.next, w->proposal.why);
    return rc;
}

/* -------------------------------------------------------------------- measuring */

static void tell_result(struct worker *w, const struct eval_result *r)
{
    json_t *j = figures_json(&r->figures), *tasks = json_array();
    for (int i = 0; i < r->task_count; i++)
        json_array_append_new(tasks, task_json(&r->tasks[i], r->tasks[i].items));
    json_object_set_new(j, "tasks", tasks);
    json_object_set_new(j, "text", json_text(w->plan->eval_text));
    json_object_set_new(j, "context", json_integer(w->plan->eval_context));
    json_object_set_new(j, "bytes", json_value((double)r->bytes));
    json_object_set_new(j, "bytes_base", json_value((double)r->bytes_base));
    json_object_set_new(j, "base_prefill_tokens_per_s", json_value(r->base_prefill_tokens_per_s));
    json_object_set_new(j, "base_decode_tokens_per_s", json_value(r->base_decode_tokens_per_s));
    costs_put(j, r);
    json_object_set_new(j, "activations", json_text(r->activations));
    json_object_set_new(j, "proposal", json_text(w->proposal.next));
    json_object_set_new(j, "passed_over", json_text(w->proposal.passed_over));
    json_object_set_new(j, "incoherent", json_text(w->incoherent));
    event_send(&w->log, EVENT_RESULT, j);
}

static int evaluate(struct worker *w, const struct model *artefact, struct error *e)
{
    const struct eval_listener listener = {.chunk = on_chunk, .task = on_task, .sample = on_sample, .user = w};
    struct eval_options options;
    struct eval_result r = {0};
    int rc = worker_eval_options(&options, w, e);
    rc = rc ? rc : eval_run(&r, artefact, w->source, &options, &listener, &w->watch, e);
    if (!rc)
        rc = judge(w, &r, e);
    if (!rc)
        tell_result(w, &r);
    eval_result_done(&r);
    return rc;
}

int phase_evaluate(struct worker *w, struct error *e)
{
    struct model *artefact;
    struct error why;
    if (!w->plan->evaluate) {
        event_say(&w->log, "info", "the plan asks for no evaluation");
        return 0;
    }
    if (decoder_check(w->source, &why)) {
        event_say(&w->log, "warning", "no evaluation: %s", why.text);
        return 0;
    }
    worker_phase(w, "evaluate", 0.99);
    int rc = model_open_as(&artefact, w->plan->out, w->plan->source_pre, 0, e);
    if (rc)
        return rc;
    rc = evaluate(w, artefact, e);
    model_close(artefact);
    return rc || !w->plan->runtime_speed ? rc : surroundings_runtime(w, e);
}
