#include "ui/hub.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hub/source.h"
#include "ui/wizard.h"

/* -------------------------------------------------------------------- listing */

struct list_job {
    struct job job;
    char *given;
    struct listing *listing;
    struct error error;
};

static void list_work(struct job *j)
{
    struct list_job *l = (struct list_job *)j;
    listing_open(l->listing, l->given, NULL, &l->error);
}

static void forget_judgement(struct hub_view *v)
{
    free(v->judged);
    free(v->advice);
    estimates_free(v->estimates);
    v->judged = NULL;
    v->advice = NULL;
    v->estimates = NULL;
}

static void forget_rows(struct hub_view *v)
{
    for (int i = 0; i < v->count; i++) {
        free(v->rows[i].given);
        free(v->rows[i].name);
    }
    v->count = 0;
}

static void forget_listing(struct hub_view *v)
{
    forget_judgement(v);
    forget_rows(v);
    if (v->listing)
        listing_close(v->listing);
    free(v->listing);
    v->listing = NULL;
}

/* "hf:ORG/NAME@REVISION:FILE", without what goes without saying. */
static char *full_name(const struct reference *r, const char *file)
{
    bool main = strcmp(r->revision, "main") == 0;
    return xasprintf("hf:%s%s%s%s%s", r->repository, main ? "" : "@", main ? "" : r->revision,
                     file ? ":" : "", file ? file : "");
}

static struct hub_row *add_row(struct hub_view *v, const char *file)
{
    const struct reference *r = &v->listing->ref;
    array_push(v->rows, v->count, v->capacity) =
        (struct hub_row){.given = full_name(r, file), .name = xstrdup(file ? file : r->repository)};
    return &v->rows[v->count - 1];
}

/* A file that was named is shown alone. */
static void make_rows(struct hub_view *v)
{
    const struct offers *o = &v->listing->offers;
    const char *wanted = v->listing->ref.file;
    const struct offer *named = wanted ? offers_find(o, wanted) : NULL;
    if (o->checkpoint && !wanted) {
        struct hub_row *row = add_row(v, NULL);
        row->level = "source";
        row->bytes = o->checkpoint_bytes;
        row->present = o->checkpoint_present;
    }
    for (int i = 0; i < o->count; i++) {
        if (named && named != &o->items[i])
            continue;
        struct hub_row *row = add_row(v, o->items[i].name);
        row->level = o->items[i].level;
        row->bytes = o->items[i].bytes;
        row->present = o->items[i].present;
        row->judged = &v->judged[i];
    }
}

static void add_relatives(struct hub_view *v)
{
    for (int i = 0; i < v->listing->relative_count; i++) {
        const struct relative *r = &v->listing->relatives[i];
        array_push(v->rows, v->count, v->capacity) =
            (struct hub_row){.given = xasprintf("hf:%s", r->repository),
                             .name = xstrdup(r->repository),
                             .level = "GGUF",
                             .relative = r};
    }
}

void hub_view_judge(struct wizard *w)
{
    struct hub_view *v = &w->hub;
    struct wishes wishes = {0};
    struct error ignored = {0};
    if (!v->listing)
        return;
    forget_judgement(v);
    if (w->machine && v->listing->model) {
        wishes_copy(&wishes, &w->wishes);
        wishes_defaults(&wishes, w->machine, v->listing->model);
        estimates_make(&v->estimates, w->machine, v->listing->model, &wishes, w->rules, &ignored);
        wishes_done(&wishes);
    }
    v->judged = ready_made_judge(&v->listing->offers, v->estimates);
    v->advice = ready_made_advice(&v->listing->offers, v->judged, v->estimates);
    forget_rows(v);
    make_rows(v);
    add_relatives(v);
    w->models_changed++;
}

static int nothing_there(const struct listing *l, struct error *e)
{
    return error_set(e, ERROR_FAILED, "hf:%s holds neither GGUF models nor a checkpoint in safetensors%s",
                     l->ref.repository,
                     l->offers.pickles ? ", but PyTorch files, which may run code when they are opened" : "");
}

static void list_done(struct job *j, void *owner)
{
    struct wizard *w = owner;
    struct list_job *l = (struct list_job *)j;
    if (!l->error.code && !l->listing->offers.count && !l->listing->offers.checkpoint)
        nothing_there(l->listing, &l->error);
    if (l->error.code) {
        listing_close(l->listing);
        free(l->listing);
        dialog_error(w, &l->error);
    } else {
        forget_listing(&w->hub);
        w->hub.listing = l->listing;
        w->hub.fresh = true;
        hub_view_judge(w);
    }
    free(l->given);
    free(l);
}

void hub_view_ask(struct wizard *w, const char *given)
{
    struct list_job *l = xcalloc(1, sizeof *l);
    l->job = (struct job){.what = "asking the hub", .work = list_work, .done = list_done};
    l->given = xstrdup(given);
    l->listing = xcalloc(1, sizeof *l->listing);
    jobs_push(w->hub.jobs, &l->job);
}

/* ------------------------------------------------------------------- fetching */

struct fetch_job {
    struct job job;
    struct watch watch;
    char *given, *name, *path;
    struct error error;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards what follows */
    double done, total;
    char text[160];
};

static bool fetch_tick(struct watch *watch, double done, double total, const char *what)
{
    struct fetch_job *f = watch->user;
    pthread_mutex_lock(&f->lock);
    f->done = done;
    f->total = total;
    snprintf(f->text, sizeof f->text, "%s", what);
    pthread_mutex_unlock(&f->lock);
    return !f->stop;
}

static void fetch_work(struct job *j)
{
    struct fetch_job *f = (struct fetch_job *)j;
    if (f->stop)
        interrupt_error(&f->error);
    else
        source_resolve(f->given, &f->path, &f->watch, &f->error);
}

static void mark_present(struct hub_view *v, const char *given)
{
    for (int i = 0; i < v->count; i++) {
        struct hub_row *row = &v->rows[i];
        const struct offer *o = row->judged ? row->judged->offer : NULL;
        if (strcmp(row->given, given) != 0)
            continue;
        row->present = true;
        if (o)
            v->listing->offers.items[o - v->listing->offers.items].present = true;
        else
            v->listing->offers.checkpoint_present = true;
    }
}

static void fetch_done(struct job *j, void *owner)
{
    struct wizard *w = owner;
    struct fetch_job *f = (struct fetch_job *)j;
    w->hub.fetching = NULL;
    if (f->path) {
        mark_present(&w->hub, f->given);
        wizard_open_chosen(w, f->path, f->name);
        free(w->hub.fetched);
        w->hub.fetched = xstrdup(f->path);
    } else if (f->error.code == ERROR_INTERRUPTED) {
        wizard_say(w, "stopped; what came is kept for the next time");
    } else {
        dialog_error(w, &f->error);
    }
    pthread_mutex_destroy(&f->lock);
    free(f->given);
    free(f->name);
    free(f->path);
    free(f);
}

bool hub_view_fetch(struct wizard *w, const struct hub_row *row)
{
    if (w->hub.fetching)
        return false;
    struct fetch_job *f = xcalloc(1, sizeof *f);
    f->job = (struct job){.what = "fetching the model", .work = fetch_work, .done = fetch_done};
    f->watch = (struct watch){.tick = fetch_tick, .user = f};
    f->given = xstrdup(row->given);
    f->name = xstrdup(row->name);
    pthread_mutex_init(&f->lock, NULL);
    w->hub.fetching = f;
    jobs_push(w->hub.jobs, &f->job);
    return true;
}

bool hub_view_progress(const struct wizard *w, struct hub_progress *p)
{
    struct fetch_job *f = w->hub.fetching;
    if (!f)
        return false;
    pthread_mutex_lock(&f->lock);
    *p = (struct hub_progress){.given = f->given, .share = f->total > 0 ? f->done / f->total : NAN};
    snprintf(p->text, sizeof p->text, "%s", *f->text ? f->text : "asking the hub");
    pthread_mutex_unlock(&f->lock);
    return true;
}

void hub_view_stop(struct wizard *w)
{
    if (w->hub.fetching)
        w->hub.fetching->stop = true;
}

/* ------------------------------------------------------------ beginning and end */

void hub_view_start(struct wizard *w)
{
    w->hub.jobs = jobs_start(w);
}

void hub_view_done(struct wizard *w)
{
    if (!w->hub.jobs)
        return;
    hub_view_stop(w);
    jobs_stop(w->hub.jobs);
    forget_listing(&w->hub);
    free(w->hub.rows);
    free(w->hub.fetched);
}
