/* The plan before it is carried out: what it makes, what it needs, and the command that does the same. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/forecast.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/wizard.h"

struct review_page {
    struct text summary, plan, command;
    char level[24];           /* whose time was measured */
    const struct model *model;
    bool measuring;
    double seconds;           /* NaN: unknown */
    uint64_t disk_free;
    bool disk_known, exists;
};

static struct review_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_review);
}

/* ----------------------------------------------------------------- forecast */

struct forecast_job {
    struct job job;
    const struct model *model;
    char level[24];
    double seconds;
};

static void forecast_work(struct job *j)
{
    struct forecast_job *f = (struct forecast_job *)j;
    struct error e = {0};
    if (forecast_quantize(f->model, f->level, &f->seconds, &e))
        f->seconds = NAN;
}

static void forecast_done(struct job *j, void *owner)
{
    struct forecast_job *f = (struct forecast_job *)j;
    struct review_page *p = state(owner);
    p->measuring = false;
    p->seconds = f->seconds;
    free(f);
}

static void start_forecast(struct wizard *w, const struct plan *plan)
{
    struct review_page *p = state(w);
    if (p->measuring || (p->model == w->model && strcmp(p->level, plan->level) == 0))
        return;
    struct forecast_job *f = xcalloc(1, sizeof *f);
    f->job = (struct job){
        .what = "measuring how fast this machine quantizes", .work = forecast_work, .done = forecast_done};
    f->model = p->model = w->model;
    snprintf(f->level, sizeof f->level, "%s", plan->level);
    snprintf(p->level, sizeof p->level, "%s", plan->level);
    p->measuring = true;
    jobs_push(w->jobs, &f->job);
}

static void enter(struct wizard *w)
{
    struct review_page *p = state(w);
    const struct plan *plan = wizard_plan(w);
    struct error e = {0};
    if (!plan)
        return;
    p->disk_known = file_free_bytes(plan->out, &p->disk_free, &e) == 0;
    p->exists = file_exists(plan->out);
    if (w->machine->simulated) {
        p->disk_known = fact_known(w->machine->disk_free_bytes);
        p->disk_free = (uint64_t)w->machine->disk_free_bytes.value;
        p->seconds = NAN;
    } else
        start_forecast(w, plan);
}

/* Another level may have been chosen while the one before was measured. */
static int tick(struct wizard *w)
{
    const struct plan *plan = wizard_plan(w);
    if (plan && !w->machine->simulated)
        start_forecast(w, plan);
    return PAGE_HANDLED;
}

/* ------------------------------------------------------------------ drawing */

static void add_disk(struct text *t, int width, const struct wizard *w, uint64_t bytes)
{
    const struct review_page *p = state(w);
    char need[FORMAT_SIZE], left[FORMAT_SIZE];
    format_bytes(need, (double)bytes);
    if (!p->disk_known)
        text_addf(t, width, STYLE_WARN, "disk\t%s; how much is free there is unknown", need);
    else
        text_addf(t, width, bytes < p->disk_free ? STYLE_NORMAL : STYLE_BAD, "disk\t%s of %s free%s", need,
                  format_bytes(left, (double)p->disk_free), bytes < p->disk_free ? "" : ": not enough");
}

/* What decides about the result, or why nothing does. */
static void add_gate(struct text *t, int width, const struct wizard *w, const struct plan *plan)
{
    char limit[64];
    if (plan->no_evaluation)
        text_addf(t, width, STYLE_WARN, "accepted\tunseen: %s", plan->no_evaluation);
    else
        text_addf(t, width, STYLE_NORMAL, "accepted if\tthe loss stays under %s",
                  wishes_show(&w->wishes, WISH_MAX_LOSS, limit));
}

/* How long a text takes is not measured here: its layers are gone through one by one. */
static void add_calibration_time(struct text *t, int width, const struct plan *plan)
{
    const struct calibration *c = &plan->calibration;
    if (c->text)
        text_addf(t, width, STYLE_NORMAL, "\tbefore, far longer: up to %lld tokens of text",
                  (long long)c->samples * c->sample_length);
}

static void add_time(struct text *t, int width, const struct review_page *p, const struct plan *plan)
{
    char time[FORMAT_SIZE];
    const char *and_then = plan->evaluate ? ", then the evaluation" : "";
    if (p->measuring)
        text_add(t, width, STYLE_DIM, "time\tbeing measured on a slice of this model", NULL);
    else if (isnan(p->seconds))
        text_addf(t, width, STYLE_WARN, "time\tunknown: it can only be measured on the machine itself%s",
                  and_then);
    else if (p->seconds < 1)
        text_addf(t, width, STYLE_NORMAL, "time\tunder a second of quantizing%s", and_then);
    else
        text_addf(t, width, STYLE_NORMAL, "time\tabout %s of quantizing%s", format_duration(time, p->seconds),
                  and_then);
}

/* The text that it is made by. */
static void add_calibration(struct text *t, int width, const struct plan *plan)
{
    const struct calibration *c = &plan->calibration;
    bool general = calibration_is_general(c);
    if (c->text)
        text_addf(t, width, general ? STYLE_WARN : STYLE_NORMAL, "calibrated by\t%s%s, at most %d samples of %d tokens; %s",
                  general ? "! a generic text, " : "", c->text, c->samples, c->sample_length, plan->method);
}

static void draw_summary(struct wizard *w, struct rect in, const struct plan *plan)
{
    struct review_page *p = state(w);
    const struct estimate *row = wizard_row(w);
    struct text *t = &p->summary;
    text_clear(t);
    text_addf(t, in.w, STYLE_STRONG, "makes\t%s", plan->out);
    if (p->exists)
        text_add(t, in.w, STYLE_WARN, "\t! exists already and will be replaced when the new one is checked",
                 NULL);
    text_addf(t, in.w, STYLE_NORMAL, "from\t%s", plan->source);
    add_calibration(t, in.w, plan);
    if (row)
        add_disk(t, in.w, w, row->file_bytes);
    add_time(t, in.w, p, plan);
    add_calibration_time(t, in.w, plan);
    if (row && row->fallbacks)
        text_addf(t, in.w, STYLE_WARN,
                  "fallbacks\t%d tensors get another type, because the block does not divide their rows",
                  row->fallbacks);
    add_gate(t, in.w, w, plan);
    text_addf(t, in.w, STYLE_NORMAL, "protocol in\t%s", plan->run_folder);
    text_paint(t, in);
}

static void draw_plan(struct wizard *w, struct rect in, const struct plan *plan)
{
    struct review_page *p = state(w);
    char *yaml = plan_text(plan);
    text_clear(&p->plan);
    text_add(&p->plan, in.w, STYLE_NORMAL, yaml, NULL);
    text_paint(&p->plan, in);
    free(yaml);
}

static void draw_commands(struct wizard *w, struct rect in, const struct plan *plan)
{
    struct text *t = &state(w)->command;
    char *command = plan_command(plan);
    text_clear(t);
    text_add(t, in.w, STYLE_NORMAL, command, NULL);
    text_add(t, in.w, STYLE_NORMAL, "quantwiz run plan.yaml", NULL);
    text_add(t, in.w, STYLE_DIM, "the file alone; or, with w, all that is planned here", NULL);
    text_paint(t, in);
    free(command);
}

static void draw_nothing(struct wizard *w, struct rect page)
{
    struct rect in = rect_inside(page);
    struct text *t = &state(w)->summary;
    frame_paint(&(struct pane){in, "Review", NULL}, 1);
    text_clear(t);
    text_add(t, rect_padded(in).w, w->plan_error.code ? STYLE_BAD : STYLE_DIM,
             w->plan_error.code ? w->plan_error.text : "there is no plan yet: choose a level on Estimates",
             NULL);
    text_paint(t, rect_padded(in));
}

static void draw(struct wizard *w, struct rect page)
{
    struct rect in[PANES_MAX];
    const struct plan *plan = wizard_plan(w);
    if (!plan) {
        draw_nothing(w, page);
        return;
    }
    layout_review(page, in);
    frame_paint((struct pane[]){{in[REVIEW_SUMMARY], "Review", "nothing has been written yet"},
                                {in[REVIEW_PLAN], "plan.yaml", NULL},
                                {in[REVIEW_COMMAND], "the same without a screen", NULL}},
                REVIEW_PANES);
    draw_summary(w, rect_padded(in[REVIEW_SUMMARY]), plan);
    draw_plan(w, rect_padded(in[REVIEW_PLAN]), plan);
    draw_commands(w, rect_padded(in[REVIEW_COMMAND]), plan);
}

/* --------------------------------------------------------------------- keys */

static int start(struct wizard *w)
{
    struct error e = {0};
    if (wizard_run_alive(w)) {
        wizard_say(w, "a run is going on; stop it first, or let it finish");
        return PAGE_HANDLED;
    }
    if (!wizard_start_run(w, &e))
        return PAGE_NEXT;
    dialog_error(w, &e);
    return PAGE_HANDLED;
}

static int answer_start(struct wizard *w, int choice, const char *typed, struct error *e)
{
    (void)typed;
    (void)e;
    if (choice == 0 && start(w) == PAGE_NEXT)
        wizard_ask_page(w, PAGE_RUN);
    return 0;
}

static int key_ask(struct wizard *w)
{
    const struct plan *plan = wizard_plan(w);
    if (!plan)
        return PAGE_HANDLED;
    char *body = xasprintf(
        "This makes %s. The work is done by a process of its own: it goes on when you leave.", plan->out);
    struct dialog *d = dialog_open(w, "Start?", body);
    dialog_choice(d, 'y', "Start");
    dialog_choice(d, 'n', "Not yet");
    d->answer = answer_start;
    free(body);
    return PAGE_HANDLED;
}

static int key_start(struct wizard *w)
{
    return wizard_plan(w) ? start(w) : PAGE_HANDLED;
}

/* A plan replaces an earlier one, and nothing else. */
static int check_target(const char *path, struct error *e)
{
    struct plan *before;
    struct error why = {0};
    if (!*path)
        return error_set(e, ERROR_USAGE, "a name is wanted");
    if (!file_exists(path))
        return 0;
    if (plan_load(&before, path, &why))
        return error_set(e, ERROR_USAGE, "%s exists and is no plan: another name, please", path);
    plan_free(before);
    return 0;
}

static int answer_save(struct wizard *w, int choice, const char *typed, struct error *e)
{
    char *path = path_expand(typed);
    (void)choice;
    int rc = check_target(path, e);
    rc = rc ? rc : plan_save(wizard_plan(w), path, e);
    char *plan = str_word(path);
    if (!rc)
        wizard_say(w, "saved: quantwiz run %s does it", plan);
    free(plan);
    free(path);
    return rc;
}

static int key_save(struct wizard *w)
{
    if (!wizard_plan(w))
        return PAGE_HANDLED;
    struct dialog *d = dialog_input(w, "Save the plan",
                                    "It can be read, edited, committed, and run with `quantwiz run`. File:", "plan.yaml",
                                    answer_save);
    d->field.complete = field_complete_path;
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    return text_key(&state(w)->plan, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static const char *locked(const struct wizard *w)
{
    return wizard_row(w) ? NULL : "choose a level on Estimates first";
}

static bool complete(const struct wizard *w)
{
    return w->has_run;
}

static void close_page(struct wizard *w)
{
    struct review_page *p = state(w);
    text_done(&p->summary);
    text_done(&p->plan);
    text_done(&p->command);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Start..", "asks, then starts", key_ask},
    {'s', K_F(5), "Start", "starts the run at once", key_start},
    {'w', K_F(2), "Save plan", "writes the plan to a file instead of running it", key_save},
    {K_DOWN, K_UP, NULL, "scrolls the plan", NULL},
    {0},
};

static const char *const terms[] = {"level", "quantization", "perplexity", NULL};

const struct page page_review = {
    .name = "Review",
    .about = "All that will be done, before it is done. The plan is a file: it says which tensor gets which "
             "type, what is evaluated and when the result is accepted. Free disk, source and output are "
             "checked again when the run starts; nothing half-written ever bears its final name.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct review_page),
    .locked = locked,
    .complete = complete,
    .enter = enter,
    .draw = draw,
    .key = key,
    .tick = tick,
    .close = close_page,
};
