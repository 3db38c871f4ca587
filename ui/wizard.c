#include "ui/wizard.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "report/comparison.h"
#include "run/gate.h"

/* ------------------------------------------------------------------ beginning */

static void start_pages(struct wizard *w)
{
    for (int i = 0; i < PAGE_COUNT; i++)
        w->state[i] = xcalloc(1, pages[i]->state_size + 1);
}

/* Of the runs that a folder stands for, the one to look at: what goes on, or the best, or the last that began. */
static int attach_to_one(struct wizard *w, const struct comparison *c, struct error *e)
{
    int at = -1;
    for (int i = 0; i < c->count; i++)
        if (!isnan(c->runs[i].started) && (at < 0 || c->runs[at].over))
            at = i;
    if (at >= 0 && c->runs[at].over && c->best >= 0)
        at = c->best;
    if (at < 0)
        return error_set(e, ERROR_USAGE, "%s: none of its runs has begun: 'quantwiz run' its plan.yaml", w->options.attach);
    return wizard_attach(w, c->runs[at].folder, e);
}

/* A run, or the folder of a plan with variants. */
static int start_attached(struct wizard *w, struct error *e)
{
    struct comparison c;
    struct plan *p;
    int rc = plan_load_kept(&p, w->options.attach, e);
    if (rc)
        return rc;
    w->series = p->variant_count ? w->options.attach : NULL;
    w->page = w->series ? PAGE_COMPARE : PAGE_RUN;
    plan_free(p);
    if (!w->series)
        return wizard_attach(w, w->options.attach, e);
    w->page_before = PAGE_RUN;
    rc = comparison_read(&c, &w->series, 1, e);
    rc = rc ? rc : attach_to_one(w, &c, e);
    comparison_done(&c);
    return rc;
}

static int start_whole(struct wizard *w, struct error *e)
{
    if (rules_load(&w->rules, e))
        return e->code;
    if (w->options.wishes)
        wishes_copy(&w->wishes, w->options.wishes);
    wishes_defaults(&w->wishes, NULL, NULL);
    wizard_find_runs(w);
    wizard_detect(w, false);
    if (w->options.model)
        wizard_open_named(w, w->options.model);
    wizard_search(w);
    return 0;
}

int wizard_start(struct wizard *w, const struct wizard_options *o, struct error *e)
{
    *w = (struct wizard){.options = *o, .asked_page = -1};
    w->jobs = jobs_start(w);
    hub_view_start(w);
    mix_view_start(w);
    start_pages(w);
    return o->attach ? start_attached(w, e) : start_whole(w, e);
}

void wizard_done(struct wizard *w)
{
    hub_view_done(w);
    mix_view_done(w);
    if (w->jobs && !jobs_stop(w->jobs))
        return; /* the job that is stuck reads the machine or a model */
    for (int i = 0; i < PAGE_COUNT; i++) {
        if (w->state[i] && pages[i]->close)
            pages[i]->close(w);
        free(w->state[i]);
    }
    while (w->dialog_count)
        dialog_free(w->dialogs[--w->dialog_count]);
    free(w->dialogs);
    plan_free(w->plan);
    plan_free(w->run_plan);
    estimates_free(w->estimates);
    rules_free(w->rules);
    wishes_done(&w->wishes);
    for (int i = 0; i < w->opened_count; i++) {
        model_close(w->opened[i]->model);
        free(w->opened[i]->path);
        free(w->opened[i]->name);
        free(w->opened[i]);
    }
    free(w->opened);
    found_models_done(&w->found);
    machine_free(w->machine);
    if (w->has_run)
        run_state_done(&w->run);
    for (char **run = w->runs; run && *run; run++)
        free(*run);
    free(w->runs);
}

bool wizard_collect(struct wizard *w)
{
    return jobs_collect(w->jobs) + jobs_collect(w->hub.jobs) + jobs_collect(w->mix.jobs) > 0;
}

/* What one queue found may be work for the other. */
void wizard_drain(struct wizard *w)
{
    do {
        jobs_drain(w->hub.jobs);
        jobs_drain(w->jobs);
        jobs_drain(w->mix.jobs);
    } while (jobs_busy(w->hub.jobs) || jobs_busy(w->jobs));
}

void *wizard_state(const struct wizard *w, const struct page *p)
{
    for (int i = 0; i < PAGE_COUNT; i++)
        if (pages[i] == p)
            return w->state[i];
    die("page '%s' is not registered", p->name);
}

void wizard_say(struct wizard *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->message, sizeof w->message, fmt, ap);
    va_end(ap);
}

void wizard_ask_page(struct wizard *w, enum page_number page)
{
    w->asked_page = page;
}

const char *wizard_out_folder(const struct wizard *w)
{
    return w->options.out_folder ? w->options.out_folder : ".";
}

/* --------------------------------------------------------------- consequences */

static void drop_plan(struct wizard *w)
{
    plan_free(w->plan);
    w->plan = NULL;
    w->plan_error = (struct error){0};
}

/* The chosen level has a row even where it is no candidate; where the model cannot become it, it is forgotten. */
static void make_estimates(struct wizard *w)
{
    if (!w->machine || !w->model)
        return;
    if (mix_view_estimates(w))
        return;
    if (*w->level && estimates_make_with(&w->estimates, w->machine, w->model, &w->wishes, w->rules, w->level,
                                         &w->estimates_error) == 0)
        return;
    w->level[0] = 0;
    w->estimates_error = (struct error){0};
    estimates_make(&w->estimates, w->machine, w->model, &w->wishes, w->rules, &w->estimates_error);
}

void wizard_changed(struct wizard *w)
{
    if (!w->rules)
        return;
    drop_plan(w);
    wishes_defaults(&w->wishes, w->machine, w->model);
    estimates_free(w->estimates);
    w->estimates = NULL;
    w->estimates_error = (struct error){0};
    w->estimates_made++;
    make_estimates(w);
    hub_view_judge(w);
}

void wizard_choose_model(struct wizard *w, struct model *m)
{
    if (w->model == m)
        return;
    w->model = m;
    w->level[0] = 0;
    wizard_changed(w);
}

int wizard_row_index(const struct wizard *w)
{
    const struct estimates *s = w->estimates;
    for (int i = 0; s && *w->level && i < s->count; i++)
        if (s->rows[i].level && strcmp(s->rows[i].level->name, w->level) == 0)
            return i;
    return s ? s->recommended : -1;
}

int wizard_level_width(const struct wizard *w)
{
    enum { LEVEL_WIDTH = 7 }; /* of "Q4_K_M" and its like */
    int width = LEVEL_WIDTH;
    for (int i = 0; w->estimates && i < w->estimates->count; i++) {
        int length = (int)strlen(w->estimates->rows[i].level->name);
        width = length > width ? length : width;
    }
    return width;
}

const struct estimate *wizard_row(const struct wizard *w)
{
    int row = wizard_row_index(w);
    return row >= 0 ? &w->estimates->rows[row] : NULL;
}

void wizard_choose_level(struct wizard *w, const char *level)
{
    snprintf(w->level, sizeof w->level, "%s", level);
    if (wizard_row(w) && strcmp(wizard_row(w)->level->name, level) == 0)
        drop_plan(w);
    else
        wizard_changed(w); /* a level that is no candidate gets a row of its own */
}

/* What the person chose on the page Calibrate. */
static void apply_choices(const struct wizard *w, struct plan *p)
{
    if (!p->calibration.text)
        return;
    p->method = w->nearest ? "nearest" : "feedback";
    if (w->samples)
        p->calibration.samples = w->samples;
}

/* Where a mix is wished for, nobody gets the level that would be recommended without it. */
const struct plan *wizard_plan(struct wizard *w)
{
    int row = wizard_row_index(w);
    if (!*w->level && w->mix.error.code)
        w->plan_error = w->mix.error;
    if (!w->plan && row >= 0 && !w->plan_error.code)
        plan_make(&w->plan, w->machine, w->model, &w->wishes, w->estimates, row, wizard_out_folder(w),
                  &w->plan_error);
    if (w->plan)
        apply_choices(w, w->plan);
    return w->plan;
}

/* ------------------------------------------------------------------------ run */

int wizard_attach(struct wizard *w, const char *folder, struct error *e)
{
    struct plan *p;
    int rc = plan_load_kept(&p, folder, e);
    if (rc)
        return rc;
    if (w->has_run)
        run_state_done(&w->run);
    plan_free(w->run_plan);
    w->run_plan = p;
    run_state_init(&w->run, folder);
    w->has_run = true;
    wizard_poll(w);
    return 0;
}

int wizard_start_run(struct wizard *w, struct error *e)
{
    const struct plan *p = wizard_plan(w);
    if (!p)
        return error_set(e, ERROR_FAILED, "there is no plan to run");
    char *path = path_join(p->run_folder, "plan.yaml"), *folder = xstrdup(p->run_folder);
    int rc = file_make_folder(folder, e);
    rc = rc ? rc : plan_save(p, path, e);
    rc = rc ? rc : run_start_worker(path, NULL, e);
    rc = rc ? rc : wizard_attach(w, folder, e);
    free(path);
    free(folder);
    return rc;
}

int wizard_resume_run(struct wizard *w, struct error *e)
{
    char *path = path_join(w->run.folder, "plan.yaml"), *folder = xstrdup(w->run.folder);
    int rc = run_start_worker(path, (const char *const[]){"--resume", NULL}, e);
    rc = rc ? rc : wizard_attach(w, folder, e);
    free(path);
    free(folder);
    return rc;
}

int wizard_take_step(struct wizard *w, struct error *e)
{
    struct plan *next;
    int rc = gate_next(w->run_plan, &next, e);
    if (!rc && !next)
        rc = error_set(e, ERROR_FAILED, "nothing is left to try after %s: the original is what remains", w->run_plan->level);
    rc = rc ? rc : run_start_worker(next->file, NULL, e);
    rc = rc ? rc : wizard_attach(w, next->run_folder, e);
    plan_free(next);
    return rc;
}

/* A run that is over may be resumed, here or elsewhere. */
bool wizard_poll(struct wizard *w)
{
    struct error e = {0};
    if (!w->has_run)
        return false;
    int events = run_state_poll(&w->run, &e);
    if (events < 0)
        wizard_say(w, "%s", e.text);
    return events > 0;
}

const char *wizard_needs_run(const struct wizard *w)
{
    return w->has_run ? NULL : "nothing has been started yet: Review does";
}

bool wizard_run_alive(const struct wizard *w)
{
    return w->has_run && !w->run.over && run_state_alive(&w->run);
}

bool wizard_run_over(const struct wizard *w)
{
    return !w->has_run || w->run.over;
}

/* ----------------------------------------------------------------------- dump */

static void dump_wishes(const struct wizard *w, struct str *out)
{
    char text[64];
    for (int i = 0; i < WISH_COUNT; i++)
        str_addf(out, "wish %s: %s (%s)\n", wish_specs[i].name, wishes_show(&w->wishes, i, text),
                 w->wishes.value[i].from ? w->wishes.value[i].from : "");
}

static void dump_estimates(const struct wizard *w, struct str *out)
{
    for (int i = 0; w->estimates && i < w->estimates->count; i++) {
        const struct estimate *r = &w->estimates->rows[i];
        str_addf(out, "level %s: %llu bytes, %s%s\n", r->level->name, (unsigned long long)r->total_bytes,
                 verdict_name(r->verdict), r->recommended ? ", recommended" : "");
    }
}

char *wizard_dump(const struct wizard *w)
{
    struct str out = {0};
    const struct estimate *row = wizard_row(w);
    str_addf(&out, "page: %s\n", pages[w->page]->name);
    str_addf(&out, "dialogs: %d\n", w->dialog_count);
    str_addf(&out, "machine: %s\n", w->machine ? w->machine->name : "none");
    str_addf(&out, "model: %s\n", w->model ? w->model->name : "none");
    str_addf(&out, "chosen: %s\n", row ? row->level->name : "none");
    str_addf(&out, "plan: %s\n", w->plan ? path_name(w->plan->out) : "none");
    str_addf(&out, "run: %s\n", !w->has_run ? "none" : w->run.over ? w->run.status : "going on");
    if (w->rules)
        dump_wishes(w, &out);
    dump_estimates(w, &out);
    return str_take(&out);
}
