/* The wizard's slow work: each kind is a job with its input and output; what it found is put in place by its
 * `done`, on the screen's thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hub/source.h"
#include "run/run.h"
#include "ui/wizard.h"

struct detect_job {
    struct job job;
    struct machine_options options;
    bool measure;                  /* its memory bandwidth, even where an earlier figure is known */
    struct machine *machine;
    struct error error;
};

static void detect_work(struct job *j)
{
    struct detect_job *d = (struct detect_job *)j;
    machine_detect(&d->machine, &d->options, &d->error);
}

struct measure_job {
    struct job job;
    const struct machine *machine; /* stays until the job is done: see wizard_detect */
    struct fact bandwidth;
    const char *note;
    struct error error;
};

static void measure_work(struct job *j)
{
    struct measure_job *m = (struct measure_job *)j;
    machine_measure_bandwidth(m->machine, &m->bandwidth, &m->note, &m->error);
}

static void measure_done(struct job *j, void *owner)
{
    struct wizard *w = owner;
    struct measure_job *m = (struct measure_job *)j;
    struct fact *bandwidth = &w->machine->memory.bandwidth;
    w->measuring = false;
    if (m->error.code)
        wizard_say(w, "%s", m->error.text);
    else if (bandwidth->source != FACT_ENTERED && fact_known(m->bandwidth))
        *bandwidth = m->bandwidth;
    free(m);
    wizard_changed(w);
}

static void push_measure(struct wizard *w)
{
    struct measure_job *m = xcalloc(1, sizeof *m);
    m->job = (struct job){.what = "measuring memory bandwidth", .work = measure_work, .done = measure_done};
    m->machine = w->machine;
    w->measuring = true;
    jobs_push(w->jobs, &m->job);
}

static void detect_done(struct job *j, void *owner)
{
    struct detect_job *d = (struct detect_job *)j;
    struct wizard *w = owner;
    w->detecting = false;
    w->machine_error = d->error;
    if (d->machine) {
        machine_free(w->machine);
        w->machine = d->machine;
        wizard_changed(w);
        if (!w->machine->simulated && (d->measure || !fact_known(w->machine->memory.bandwidth)))
            push_measure(w);
    }
    free(d);
}

void wizard_detect(struct wizard *w, bool measure)
{
    if (w->detecting || w->measuring)
        return;
    struct detect_job *d = xcalloc(1, sizeof *d);
    d->job = (struct job){.what = "looking at this machine", .work = detect_work, .done = detect_done};
    d->options = (struct machine_options){
        .file = w->options.machine_file, .disk_path = wizard_out_folder(w), .skip_bandwidth = true};
    d->measure = measure;
    w->detecting = true;
    jobs_push(w->jobs, &d->job);
}

struct search_job {
    struct job job;
    double seconds;
    struct found_models found;
};

static void search_work(struct job *j)
{
    struct search_job *s = (struct search_job *)j;
    discover_models(&s->found, NULL, s->seconds);
}

static void push_search(struct wizard *w, double seconds);

/* What a first short look found is shown at once; a longer one follows where the time ran out. */
static void search_done(struct job *j, void *owner)
{
    enum { LONG_SEARCH_SECONDS = 20 };
    struct wizard *w = owner;
    struct search_job *s = (struct search_job *)j;
    found_models_done(&w->found);
    w->found = s->found;
    w->models_changed++;
    w->searching = false;
    if (!w->found.complete && s->seconds < LONG_SEARCH_SECONDS)
        push_search(w, LONG_SEARCH_SECONDS);
    free(s);
}

static void push_search(struct wizard *w, double seconds)
{
    struct search_job *s = xcalloc(1, sizeof *s);
    s->job = (struct job){.what = "looking for models", .work = search_work, .done = search_done};
    s->seconds = seconds;
    w->searching = true;
    jobs_push(w->jobs, &s->job);
}

void wizard_search(struct wizard *w)
{
    if (!w->searching)
        push_search(w, 1.0);
}

struct open_job {
    struct job job;
    char *path;
    const char *pre; /* the wizard's option */
    struct model *model;
    struct error error;
};

static void open_work(struct job *j)
{
    struct open_job *o = (struct open_job *)j;
    char *path;
    if (!source_resolve(o->path, &path, NULL, &o->error))
        model_open_as(&o->model, path, o->pre, MODEL_HEADER_ONLY, &o->error);
    free(path);
}

static struct opened_model *find_opened(const struct wizard *w, const char *path)
{
    for (int i = 0; i < w->opened_count; i++)
        if (strcmp(w->opened[i]->path, path) == 0)
            return w->opened[i];
    return NULL;
}

static void open_done(struct job *j, void *owner)
{
    struct wizard *w = owner;
    struct open_job *o = (struct open_job *)j;
    struct opened_model *record = find_opened(w, o->path);
    record->pending = false;
    w->models_changed++;
    record->model = o->model;
    record->error = o->error;
    if (record->wanted && o->model)
        wizard_choose_model(w, o->model);
    record->wanted = false;
    free(o->path);
    free(o);
}

static void push_open(struct wizard *w, const char *path)
{
    struct open_job *o = xcalloc(1, sizeof *o);
    o->job = (struct job){.what = "opening the model", .work = open_work, .done = open_done};
    o->path = xstrdup(path);
    o->pre = w->options.pre;
    jobs_push(w->jobs, &o->job);
}

const struct model *wizard_opened(const struct wizard *w, const char *path)
{
    const struct opened_model *record = find_opened(w, path);
    return record ? record->model : NULL;
}

struct opened_model *wizard_open(struct wizard *w, const char *path)
{
    struct opened_model *record = find_opened(w, path);
    if (record)
        return record;
    record = xcalloc(1, sizeof *record);
    record->path = xstrdup(path);
    record->name = model_path_name(path);
    record->pending = true;
    array_push(w->opened, w->opened_count, w->opened_capacity) = record;
    w->models_changed++;
    push_open(w, path);
    return record;
}

void wizard_open_chosen(struct wizard *w, const char *path, const char *name)
{
    struct opened_model *record = wizard_open(w, path);
    record->given = record->wanted = true;
    if (name) {
        free(record->name);
        record->name = xstrdup(name);
    }
    if (record->model)
        wizard_choose_model(w, record->model);
}

void wizard_open_named(struct wizard *w, const char *given)
{
    if (reference_is(given))
        hub_view_ask(w, given);
    else
        wizard_open_chosen(w, given, NULL);
}

struct runs_job {
    struct job job;
    char *folder, **runs;
    char *label[DIALOG_CHOICES_MAX]; /* of the first runs; owned */
};

/* "mistral-Q4_K_M.quantwiz: 41 %, interrupted" */
static char *describe_run(const char *folder)
{
    struct run_state s;
    struct error e = {0};
    run_state_init(&s, folder);
    run_state_poll(&s, &e);
    const char *condition = run_state_alive(&s) ? s.paused ? "paused" : "going on" : "interrupted";
    char *label = isnan(s.progress)
                      ? xasprintf("%s: %s", path_name(folder), condition)
                      : xasprintf("%s: %.0f %%, %s", path_name(folder), s.progress * 100, condition);
    run_state_done(&s);
    return label;
}

static void runs_work(struct job *j)
{
    struct runs_job *r = (struct runs_job *)j;
    r->runs = run_find(r->folder);
    for (int i = 0; i < DIALOG_CHOICES_MAX - 1 && r->runs && r->runs[i]; i++)
        r->label[i] = describe_run(r->runs[i]);
}

static int answer_runs(struct wizard *w, int choice, const char *typed, struct error *e)
{
    int count = 0;
    (void)typed;
    while (count < DIALOG_CHOICES_MAX - 1 && w->runs[count])
        count++;
    if (choice >= count)
        return 0;
    if (wizard_attach(w, w->runs[choice], e))
        return e->code;
    wizard_ask_page(w, PAGE_RUN);
    return 0;
}

static void offer_runs(struct wizard *w, char *const *label)
{
    struct dialog *d = dialog_open(w, "Runs that are not over",
                                   "Work was begun here earlier and is going on, or was interrupted. Choose "
                                   "one to watch it (or to resume it), or begin something new.");
    for (int i = 0; i < DIALOG_CHOICES_MAX - 1 && label[i]; i++)
        dialog_choice(d, 0, label[i]);
    dialog_choice(d, 'n', "Begin something new");
    d->answer = answer_runs;
}

static void runs_done(struct job *j, void *owner)
{
    struct runs_job *r = (struct runs_job *)j;
    struct wizard *w = owner;
    w->runs = r->runs;
    if (w->runs && w->runs[0])
        offer_runs(w, r->label);
    for (int i = 0; i < DIALOG_CHOICES_MAX; i++)
        free(r->label[i]);
    free(r->folder);
    free(r);
}

void wizard_find_runs(struct wizard *w)
{
    struct runs_job *r = xcalloc(1, sizeof *r);
    r->job = (struct job){.what = "looking for earlier runs", .work = runs_work, .done = runs_done};
    r->folder = xstrdup(wizard_out_folder(w));
    jobs_push(w->jobs, &r->job);
}
