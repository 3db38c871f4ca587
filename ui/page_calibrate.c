/* The text that the chosen level is made by: which one, how it suits the prompts to come, and what it is used for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "text/calibration.h"
#include "ui/chart.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/text_view.h"
#include "ui/wizard.h"

struct calibrate_page {
    struct text_view view;
    struct text need, sample;
};

static struct calibrate_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_calibrate);
}

/* ------------------------------------------------------------------ the text */

static const char *own_text(const struct wizard *w)
{
    return w->wishes.value[WISH_CALIBRATION].text;
}

/* The text that the plan takes, else the one that was given; NULL: none. */
static const char *chosen_text(struct wizard *w)
{
    const struct plan *plan = wizard_plan(w);
    return plan && plan->calibration.text ? plan->calibration.text : own_text(w);
}

/* What the evaluation reads; NULL: nothing. free() it. */
static char *evaluated_text(struct wizard *w)
{
    const struct plan *plan = wizard_plan(w);
    return plan && plan->evaluate && plan->calibration.text ? plan_evaluated_text(plan) : NULL;
}

/* Asked for again once something was read: another text may have been chosen meanwhile. */
static void read_samples(void *wizard)
{
    struct wizard *w = wizard;
    struct text_view *v = &state(w)->view;
    v->ready = read_samples;
    text_view_ask(v, w->jobs, w->model, chosen_text(w), evaluated_text(w));
}

static void enter(struct wizard *w)
{
    read_samples(w);
}

static bool has_samples(const struct wizard *w)
{
    return state(w)->view.samples.count > 0;
}

static bool takes_text(const struct wizard *w)
{
    return w->plan && w->plan->calibration.text;
}

/* ------------------------------------------------------------------ drawing */

/* Below this share of brackets and the like a text reads as prose. */
#define PROSE_CODE_SHARE 0.015
/* From this share on the evaluation is no longer one. */
#define OVERLAP_TOO_MUCH 0.05

static bool is_domain(const char *use_case)
{
    return strcmp(use_case, "general") != 0 && strcmp(use_case, "edge") != 0;
}

static bool is_general(const char *text)
{
    return text && strcmp(text, CALIBRATION_GENERAL) == 0;
}

static void add_left_out(struct text *t, int width, const struct samples *s)
{
    if (s->duplicates || s->too_short)
        text_addf(t, width, STYLE_NORMAL, "left out\t%d duplicates, %d too short", s->duplicates, s->too_short);
}

static void add_text(struct text *t, int width, struct wizard *w)
{
    const struct calibrate_page *p = state(w);
    const char *text = chosen_text(w);
    if (is_general(text))
        text_addf(t, width, STYLE_STRONG, "text\tthe general mix: prose, code, dialogue");
    else
        text_addf(t, width, STYLE_STRONG, "text\t%s", text);
    add_left_out(t, width, &p->view.samples);
}

/* How many samples the text gives, of those that are wanted. */
static void add_samples(struct text *t, int width, const struct wizard *w)
{
    const struct calibration *c = &w->plan->calibration;
    int64_t there = samples_tokens(&state(w)->view.samples) / c->sample_length;
    if (!has_samples(w))
        return;
    if (there < c->samples)
        text_addf(t, width, STYLE_WARN, "samples\t! only %lld of %d tokens, of %d wanted", (long long)there,
                  c->sample_length, c->samples);
    else
        text_addf(t, width, STYLE_NORMAL, "samples\t%d of %d tokens, of %lld in the text", c->samples,
                  c->sample_length, (long long)there);
}

static void add_method(struct text *t, int width, const struct wizard *w)
{
    if (plan_rounds_to_nearest(w->plan))
        text_addf(t, width, STYLE_NORMAL, "method\tnearest: each weight by itself, by what counts");
    else
        text_addf(t, width, STYLE_NORMAL, "method\tfeedback: what rounding spoils is made good");
}

static void add_evaluation(struct text *t, int width, const struct wizard *w)
{
    const struct calibrate_page *p = state(w);
    const char *read = w->plan->eval_text ? w->plan->eval_text : "the text that comes with quantwiz";
    if (w->plan->no_evaluation)
        text_addf(t, width, STYLE_NORMAL, "evaluation\tnone: %s", w->plan->no_evaluation);
    else if (isnan(p->view.overlap))
        text_addf(t, width, STYLE_NORMAL, "evaluation\treads %s", read);
    else
        text_addf(t, width, p->view.overlap > OVERLAP_TOO_MUCH ? STYLE_WARN : STYLE_NORMAL,
                  "evaluation\t%sreads %s, of which %.1f %% stands in this text",
                  p->view.overlap > OVERLAP_TOO_MUCH ? "! " : "", read, 100 * p->view.overlap);
}

static void add_advice(struct text *t, int width, struct wizard *w)
{
    const struct calibrate_page *p = state(w);
    const char *use_case = wishes_choice(&w->wishes, WISH_USE_CASE);
    bool general = is_general(chosen_text(w)) && takes_text(w);
    if (general && is_domain(use_case))
        text_addf(t, width, STYLE_WARN,
                  "! This text is generic, and your use case is \"%s\": a text of that kind makes a better "
                  "result.", use_case);
    else if (general)
        text_add(t, width, STYLE_WARN,
                 "! This text is generic: one like those that the model will see makes a better result.", NULL);
    else if (strcmp(use_case, "code") == 0 && has_samples(w) && p->view.samples.code_share < PROSE_CODE_SHARE)
        text_addf(t, width, STYLE_WARN,
                  "! Your use case is code, but this text reads like prose (%.1f %% brackets and the like).",
                  p->view.samples.code_share * 100);
}

/* Why no text is used, or what one would be good for. */
static void add_without(struct text *t, int width, struct wizard *w)
{
    const struct estimate *row = wizard_row(w);
    if (row && !plan_takes_text(row->level))
        text_addf(t, width, STYLE_NORMAL,
                  "%s needs no calibration: it rounds nothing that a text could guide. Nothing has to be done "
                  "here.", row->level->name);
    else if (row && w->plan && w->plan->no_evaluation)
        text_addf(t, width, STYLE_WARN, "! No text can help with %s here: %s.", row->level->name,
                  w->plan->no_evaluation);
    else if (row && row->level->imatrix)
        text_addf(t, width, STYLE_WARN,
                  "! %s has to know which weights matter: give a text (t, or g for a general one), else it is not made.",
                  row->level->name);
    else if (row)
        text_addf(t, width, STYLE_NORMAL,
                  "%s can be made without a text: then each block is rounded by its own numbers. With one (t, or g "
                  "for a general one) the same file loses about half as much, and making it takes longer.",
                  row->level->name);
    if (w->plan && own_text(w) && w->plan->eval_text)
        text_addf(t, width, STYLE_NORMAL, "evaluation\treads %s", w->plan->eval_text);
}

static void draw_need(struct wizard *w, struct rect in)
{
    struct calibrate_page *p = state(w);
    struct text *t = &p->need;
    text_clear(t);
    if (wizard_plan(w) && takes_text(w)) {
        add_text(t, in.w, w);
        add_advice(t, in.w, w);
        add_samples(t, in.w, w);
        add_method(t, in.w, w);
        add_evaluation(t, in.w, w);
    } else if (!w->plan_error.code) {
        add_without(t, in.w, w);
        add_advice(t, in.w, w);
    }
    if (w->plan_error.code || p->view.error.code)
        text_add(t, in.w, STYLE_BAD, w->plan_error.code ? w->plan_error.text : p->view.error.text, NULL);
    text_paint(t, in);
}

static void bin_label(int bin, char out[static 16])
{
    int low = 1 << bin;
    if (low >= 1024)
        snprintf(out, 16, "%dk", low / 1024);
    else
        snprintf(out, 16, "%d", low);
}

/* Prompts are expected from a quarter of the typical length to four times of it, and no longer than the context. */
struct range { int low, high; };

static struct range expected(const struct wizard *w)
{
    int typical = w->estimates ? w->estimates->prompt_tokens : 0, context = (int)w->wishes.value[WISH_CTX].number;
    struct range r = {typical / 4, typical * 4 < context ? typical * 4 : context};
    return r;
}

static void draw_bins(struct wizard *w, struct rect in)
{
    struct range prompts = expected(w);
    chart_bars((struct rect){in.y + 2, in.x, in.h - 3, TEXT_BINS * 4}, STYLE_WEIGHTS, state(w)->view.bins, TEXT_BINS);
    for (int i = 0; i < TEXT_BINS; i++) {
        char label[16];
        bool inside = 1 << i >= prompts.low && 1 << i <= prompts.high;
        bin_label(i, label);
        paint_field(in, in.h - 1, i * 4, 3, ALIGN_MIDDLE, inside ? STYLE_STRONG : STYLE_DIM, label);
        if (inside && 1 << i < 2 * prompts.low && i)
            paint_text(in, in.h - 1, i * 4 - 1, STYLE_STRONG, "[");
        if (inside && 2 << i > prompts.high)
            paint_text(in, in.h - 1, i * 4 + 3, STYLE_STRONG, "]");
    }
}

static int count_beyond(const struct wizard *w)
{
    const struct calibrate_page *p = state(w);
    struct range prompts = expected(w);
    int beyond = 0;
    for (int i = 0; i < p->view.samples.count; i++)
        beyond += p->view.samples.items[i].tokens < prompts.low || p->view.samples.items[i].tokens > prompts.high;
    return beyond;
}

static void draw_lengths(struct wizard *w, struct rect in)
{
    struct calibrate_page *p = state(w);
    struct range prompts = expected(w);
    if (!has_samples(w)) {
        paint_text(in, 0, 0, STYLE_DIM, p->view.reading ? "reading the text" : "no text: t gives one of your own");
        return;
    }
    paintf(in, 0, 0, STYLE_NORMAL, "%d %s, %d to %d tokens, median %d", p->view.samples.count,
           p->view.samples.files[0].records ? "records" : "paragraphs", samples_quantile(&p->view.samples, 0),
           samples_quantile(&p->view.samples, 1), samples_quantile(&p->view.samples, 0.5));
    paintf(in, 1, 0, STYLE_DIM, "[ ] prompts expected: %d to %d tokens; %d outside of that", prompts.low,
           prompts.high, count_beyond(w));
    draw_bins(w, in);
}

static void draw_sample(struct wizard *w, struct rect in)
{
    struct calibrate_page *p = state(w);
    text_clear(&p->sample);
    if (has_samples(w)) {
        const struct sample *x = &p->view.samples.items[p->view.at];
        char *text = xstrndup(x->text, x->length);
        text_add(&p->sample, in.w, STYLE_NORMAL, text, NULL);
        free(text);
    }
    text_paint(&p->sample, in);
}

static void draw(struct wizard *w, struct rect page)
{
    struct rect in[PANES_MAX];
    char title[64] = "sample";
    layout_calibrate(page, in);
    if (has_samples(w))
        snprintf(title, sizeof title, "sample %d of %d", state(w)->view.at + 1, state(w)->view.samples.count);
    frame_paint((struct pane[]){{in[CALIBRATE_NEED], "Calibrate", NULL},
                                {in[CALIBRATE_LENGTHS], "lengths in tokens", NULL},
                                {in[CALIBRATE_SAMPLES], title, NULL}},
                CALIBRATE_PANES);
    draw_need(w, rect_padded(in[CALIBRATE_NEED]));
    draw_lengths(w, rect_padded(in[CALIBRATE_LENGTHS]));
    draw_sample(w, rect_padded(in[CALIBRATE_SAMPLES]));
}

/* --------------------------------------------------------------------- keys */

static int choose_text(struct wizard *w, const char *text, struct error *e)
{
    int rc = wishes_set(&w->wishes, WISH_CALIBRATION, text, e);
    if (!rc) {
        wizard_changed(w);
        read_samples(w);
    }
    return rc;
}

static int answer_text(struct wizard *w, int choice, const char *typed, struct error *e)
{
    char *path = path_expand(typed);
    (void)choice;
    int rc = *path && !is_general(path) && !file_exists(path)
                 ? error_set(e, ERROR_USAGE, "there is no file or folder %s", path)
                 : choose_text(w, path, e);
    free(path);
    return rc;
}

static int key_text(struct wizard *w)
{
    const char *now = own_text(w);
    struct dialog *d = dialog_input(w, wish_specs[WISH_CALIBRATION].prompt, wish_specs[WISH_CALIBRATION].help,
                                    now ? now : "", answer_text);
    d->field.complete = field_complete_path;
    return PAGE_HANDLED;
}

static int key_general(struct wizard *w)
{
    struct error e = {0};
    choose_text(w, CALIBRATION_GENERAL, &e);
    return PAGE_HANDLED;
}

static int key_none(struct wizard *w)
{
    struct error e = {0};
    choose_text(w, "", &e);
    return PAGE_HANDLED;
}

static int key_method(struct wizard *w)
{
    w->nearest = !w->nearest;
    return PAGE_HANDLED;
}

static int key_samples(struct wizard *w)
{
    int now = w->plan->calibration.samples;
    w->samples = now < 512 ? now * 2 : CALIBRATION_SAMPLES;
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct calibrate_page *p = state(w);
    if ((k == K_LEFT || k == K_RIGHT) && has_samples(w)) {
        p->view.at = (p->view.at + (k == K_RIGHT ? 1 : p->view.samples.count - 1)) % p->view.samples.count;
        p->sample.top = 0;
        return PAGE_HANDLED;
    }
    return text_key(&p->sample, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool can_have_none(const struct wizard *w)
{
    return own_text(w) != NULL;
}

static const char *locked(const struct wizard *w)
{
    return wizard_row(w) ? NULL : "choose a level on Estimates first";
}

static bool complete(const struct wizard *w)
{
    return w->visited[PAGE_CALIBRATE];
}

static void close_page(struct wizard *w)
{
    struct calibrate_page *p = state(w);
    text_view_forget(&p->view);
    text_done(&p->need);
    text_done(&p->sample);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Next", "goes on to the plan", page_go_next},
    {'t', 'o', "Text", "gives a text of your own, a file or a folder; Tab completes its name", key_text},
    {'g', 0, "General", "takes the general mix that comes with quantwiz", key_general},
    {'n', 0, "None", "gives the text up again", key_none, can_have_none},
    {'m', 0, "Method", "error feedback, or each weight rounded by itself", key_method, takes_text},
    {'s', 0, "Samples", "twice as many samples, and after 512 the fewest again", key_samples, takes_text},
    {K_LEFT, K_RIGHT, "Sample", "the sample before, or the next one", NULL, has_samples},
    {K_DOWN, K_UP, NULL, "scrolls the sample", NULL},
    {0},
};

static const char *const terms[] = {"calibration", "imatrix", "tokens", "context", NULL};

const struct page page_calibrate = {
    .name = "Calibrate",
    .about = "A text shows which weights matter and what goes wrong when they are rounded, so that it can be made "
             "good. Best is a text like those that the model will see; some formats are not made without one, and "
             "take a general one where you give none. The result is evaluated on another text.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct calibrate_page),
    .locked = locked,
    .complete = complete,
    .enter = enter,
    .draw = draw,
    .key = key,
    .close = close_page,
};
