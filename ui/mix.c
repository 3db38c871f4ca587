#include "ui/mix.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ui/wizard.h"

/* ------------------------------------------------------------------- measuring */

/* Has a model and rules of its own: a thread that is left behind touches nothing else. */
struct mix_job {
    struct job job;
    char *path, *pre, *text;     /* text NULL: the general one */
    struct watch watch;
    _Atomic int permille;        /* done */
    _Atomic bool stop;
    struct rules *rules;         /* the costs borrow from them */
    struct mix_costs *costs;
    struct error error;
};

static bool on_tick(struct watch *watch, double done, double total, const char *what)
{
    struct mix_job *m = watch->user;
    (void)what;
    m->permille = total > 0 ? (int)(1000 * done / total) : 0;
    return !m->stop;
}

static void measure(struct job *j)
{
    struct mix_job *m = (struct mix_job *)j;
    struct model *model = NULL;
    int rc = rules_load(&m->rules, &m->error);
    rc = rc ? rc : model_open_as(&model, m->path, m->pre, MODEL_HEADER_ONLY, &m->error);
    if (!rc)
        mix_costs_measure(&m->costs, model, m->rules, m->text, &m->watch, &m->error);
    if (model)
        model_close(model);
}

static void job_free(struct mix_job *m)
{
    if (!m)
        return;
    mix_costs_free(m->costs);
    rules_free(m->rules);
    free(m->path);
    free(m->pre);
    free(m->text);
    free(m);
}

static void measured(struct job *j, void *owner)
{
    struct wizard *w = owner;
    struct mix_view *v = &w->mix;
    struct mix_job *m = (struct mix_job *)j;
    if (m != v->running || m->stop) {
        v->running = m == v->running ? NULL : v->running;
        job_free(m);
        return;
    }
    job_free(v->measured);
    v->measured = m;
    v->running = NULL;
    wizard_changed(w);
}

static const char *text_of(const struct wizard *w)
{
    return w->wishes.value[WISH_CALIBRATION].text;
}

/* Whether a measurement is, or will be, of the model and the text at present. */
static bool is_ours(const struct wizard *w, const struct mix_job *m)
{
    return m && !m->stop && str_same(m->path, w->model->path) && str_same(m->text, text_of(w));
}

/* What was begun for something else makes room. */
static void begin(struct wizard *w)
{
    struct mix_view *v = &w->mix;
    if (is_ours(w, v->running))
        return;
    if (v->running)
        v->running->stop = true;
    struct mix_job *m = v->running = xcalloc(1, sizeof *m);
    m->job = (struct job){.what = "measuring a mix", .work = measure, .done = measured};
    m->watch = (struct watch){.tick = on_tick, .user = m};
    m->path = xstrdup(w->model->path);
    m->pre = w->options.pre ? xstrdup(w->options.pre) : NULL;
    m->text = text_of(w) ? xstrdup(text_of(w)) : NULL;
    jobs_push(v->jobs, &m->job);
}

void mix_view_start(struct wizard *w)
{
    w->mix.jobs = jobs_start(w);
}

void mix_view_done(struct wizard *w)
{
    struct mix_view *v = &w->mix;
    if (!v->jobs)
        return;
    if (v->running)
        v->running->stop = true;
    jobs_stop(v->jobs);
    job_free(v->measured);
    mix_costs_free(v->plain);
    mixture_free(v->mixture);
    *v = (struct mix_view){0};
}

const char *mix_view_busy(const struct wizard *w, char text[static 64])
{
    if (!w->mix.running)
        return NULL;
    snprintf(text, 64, "measuring a mix: %d %%", w->mix.running->permille / 10);
    return text;
}

/* ------------------------------------------------------------------- estimates */

static const struct mix_costs *plain_costs(struct wizard *w)
{
    struct mix_view *v = &w->mix;
    mix_costs_free(v->plain);
    return v->plain = mix_costs_plain(w->model, w->rules, text_of(w));
}

/* NULL: they have to be measured first, or cannot be. */
static const struct mix_costs *measured_costs(struct wizard *w, struct error *e)
{
    struct mix_view *v = &w->mix;
    if (!is_ours(w, v->measured)) {
        begin(w);
        error_set(e, ERROR_FAILED, "the mix is being measured, as the bottom line says: wait for it, or choose a level on"
                  " Estimates");
        return NULL;
    }
    *e = v->measured->error;
    return v->measured->costs;
}

/* Of the wishes at present. */
static int make_mixture(struct wizard *w, struct error *e)
{
    const struct mix_costs *costs = mixture_measured(&w->wishes) ? measured_costs(w, e) : plain_costs(w);
    const struct mixture_job job = {.model = w->model, .machine = w->machine, .wishes = &w->wishes, .rules = w->rules,
                                    .costs = costs};
    return costs ? mixture_make(&w->mix.mixture, &job, e) : e->code;
}

bool mix_view_estimates(struct wizard *w)
{
    struct mix_view *v = &w->mix;
    const char *level = *w->level && strcmp(w->level, MIX_LEVEL) != 0 ? w->level : NULL;
    mixture_free(v->mixture);
    v->mixture = NULL;
    v->error = (struct error){0};
    if (v->running && !mixture_measured(&w->wishes))
        v->running->stop = true;
    if (!mixture_wanted(&w->wishes))
        return false;
    int rc = make_mixture(w, &v->error);
    rc = rc ? rc : estimates_make_mix(&w->estimates, w->machine, w->model, &w->wishes, w->rules, level, v->mixture,
                                      &v->error);
    if (rc && !v->running)
        wizard_say(w, "%s", v->error.text);
    return !rc;
}

/* ---------------------------------------------------------------------- asking */

static int answer(struct wizard *w, int choice, const char *typed, struct error *e)
{
    const struct wish_spec *s = &wish_specs[WISH_MIX];
    (void)typed;
    if (choice < 0)
        return 0;
    int rc = wishes_set(&w->wishes, WISH_MIX, s->choices[choice], e);
    if (rc)
        return rc;
    w->level[0] = 0; /* the mix is what is recommended now */
    wizard_changed(w);
    return 0;
}

/* A line for each choice of the wish: none, measured, and the presets with what they do. */
static char *label_of(const struct wizard *w, int choice)
{
    const char *name = wish_specs[WISH_MIX].choices[choice];
    const struct mix_preset *p = mix_preset_named(w->rules->mixes, name);
    if (choice == MIX_NO)
        return xstrdup("no mix: the levels as they are");
    if (!p)
        return xasprintf("%s: the best one, by what this model shows", name);
    return xasprintf("%s: %.*s", name, (int)strcspn(p->why, ";"), p->why);
}

int mix_view_ask(struct wizard *w)
{
    struct dialog *d = dialog_open(w, "Mix to budget",
                                   "A type for each tensor instead of a fixed level: the mix that loses least within what "
                                   "fits in memory, or within the file size limit of the page Wishes. To know what each "
                                   "type costs, groups of tensors are quantized one at a time and the model's predictions "
                                   "compared; that takes minutes the first time, in the background. Presets say "
                                   "without measuring what matters.");
    for (int i = 0; wish_specs[WISH_MIX].choices[i] && i < DIALOG_CHOICES_MAX; i++) {
        char *label = label_of(w, i);
        dialog_choice(d, wish_specs[WISH_MIX].choices[i][0], label);
        free(label);
    }
    d->at = w->wishes.value[WISH_MIX].choice == MIX_NO ? MIX_MEASURED : w->wishes.value[WISH_MIX].choice;
    d->answer = answer;
    return PAGE_HANDLED;
}
