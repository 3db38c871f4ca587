/* Troubleshooting of the run at hand: what was looked for, what was found, and what to do about it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/doctor.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/wizard.h"

struct doctor_page {
    struct diagnosis diagnosis;
    char *folder;             /* whose it is; NULL: nobody was examined */
    bool looking, all;        /* all: what was not found is shown, too */
    struct error error;
    struct text text;
};

static struct doctor_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_doctor);
}

/* ------------------------------------------------------------------ looking */

struct doctor_job {
    struct job job;
    char *folder, *machine;   /* machine: a file; NULL: this computer */
    struct diagnosis diagnosis;
    struct error error;
};

static void look(struct job *j)
{
    struct doctor_job *d = (struct doctor_job *)j;
    const struct doctor_options o = {.path = d->folder, .machine = d->machine};
    doctor_examine(&d->diagnosis, &o, &d->error);
}

static void forget(struct doctor_page *p)
{
    diagnosis_done(&p->diagnosis);
    free(p->folder);
    p->folder = NULL;
    p->error = (struct error){0};
}

static void looked(struct job *j, void *owner)
{
    struct doctor_job *d = (struct doctor_job *)j;
    struct doctor_page *p = state(owner);
    forget(p);
    p->diagnosis = d->diagnosis;
    p->folder = d->folder;
    p->error = d->error;
    p->looking = false;
    free(d->machine);
    free(d);
}

static int key_again(struct wizard *w)
{
    struct doctor_page *p = state(w);
    if (p->looking)
        return PAGE_HANDLED;
    struct doctor_job *d = xcalloc(1, sizeof *d);
    d->job = (struct job){.what = "looking for causes", .work = look, .done = looked};
    d->folder = xstrdup(w->run.folder);
    d->machine = w->options.machine_file ? xstrdup(w->options.machine_file) : NULL;
    p->looking = true;
    jobs_push(w->jobs, &d->job);
    return PAGE_HANDLED;
}

/* Another run is another patient. */
static void enter(struct wizard *w)
{
    struct doctor_page *p = state(w);
    if (!p->folder || strcmp(p->folder, w->run.folder) != 0)
        key_again(w);
}

/* ------------------------------------------------------------------ drawing */

static void add_cause(struct text *t, int width, const struct cause *c)
{
    const struct { const char *mark; enum style style; } looks[] = {
        [FINDING_NOT] = {theme_glyph(GLYPH_DONE), STYLE_DIM},
        [FINDING_FOUND] = {theme_glyph(GLYPH_NO), STYLE_BAD},
        [FINDING_UNKNOWN] = {"?", STYLE_WARN},
    };
    text_addf(t, width, looks[c->finding].style, "%s %s: %s", looks[c->finding].mark, c->title, c->detail);
    for (const char *const *s = c->steps; c->finding == FINDING_FOUND && s && *s; s++)
        text_addf(t, width, STYLE_NORMAL, "  - %s", *s);
}

static void add_symptom(struct text *t, int width, const struct symptom *s, bool all)
{
    text_add(t, width, STYLE_HEADING, s->title, NULL);
    for (int i = 0; i < s->count; i++)
        if (all || cause_matters(&s->causes[i]))
            add_cause(t, width, &s->causes[i]);
    if (s->clean && !all)
        text_addf(t, width, STYLE_DIM, "%s %d of %d causes were looked for and not found", theme_glyph(GLYPH_DONE), s->clean,
                  s->count);
    if (s->idle && !all)
        text_addf(t, width, STYLE_WARN, "? %d of %d could not be looked for: %s", s->idle, s->count, s->lacks);
}

static void draw(struct wizard *w, struct rect page)
{
    struct doctor_page *p = state(w);
    struct rect in[PANES_MAX], pane;
    char note[64] = "";
    layout_doctor(page, in);
    pane = rect_padded(in[DOCTOR_TEXT]);
    if (p->folder && !p->error.code)
        snprintf(note, sizeof note, "%d found, %d unknown", p->diagnosis.found, p->diagnosis.unknown);
    frame_paint((struct pane[]){{in[DOCTOR_TEXT], "Doctor", note}}, DOCTOR_PANES);
    text_clear(&p->text);
    if (p->looking)
        text_add(&p->text, pane.w, STYLE_DIM, "looking: the weights are read, which takes up to 20 seconds", NULL);
    if (p->error.code)
        text_add(&p->text, pane.w, STYLE_BAD, p->error.text, NULL);
    for (int i = 0; i < p->diagnosis.count; i++)
        add_symptom(&p->text, pane.w, &p->diagnosis.symptoms[i], p->all);
    text_paint(&p->text, pane);
}

/* --------------------------------------------------------------------- keys */

static int key_all(struct wizard *w)
{
    state(w)->all = !state(w)->all;
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    return text_key(&state(w)->text, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static void close_page(struct wizard *w)
{
    forget(state(w));
    text_done(&state(w)->text);
}

static const struct page_key keys[] = {
    {K_ENTER, 'd', "Back", "goes back to the page before", page_go_back},
    {'a', 0, "All", "shows what was looked for and not found as well, or hides it", key_all},
    {'r', 0, "Look again", "looks for all causes again", key_again},
    {K_UP, K_DOWN, NULL, "scrolls", NULL},
    {0},
};

static const char *const terms[] = {"perplexity", "KV cache", "level", NULL};

const struct page page_doctor = {
    .name = "Doctor",
    .about = "What may be wrong: for each symptom the known causes, each looked for on this machine, in the file that "
             "was made and in the run's own record, with what to do where one was found. 'quantwiz doctor' says the "
             "same.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct doctor_page),
    .attached = true,
    .locked = wizard_needs_run,
    .enter = enter,
    .draw = draw,
    .key = key,
    .close = close_page,
};
