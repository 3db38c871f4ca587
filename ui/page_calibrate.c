/* What the chosen format wants to know about the text it will work on, and whether the given text will do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/samples.h"
#include "ui/chart.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/wizard.h"

enum { LENGTH_BINS = 16 };    /* by powers of two: 1, 2 to 3, 4 to 7, ... */

struct calibrate_page {
    char *path;               /* whose samples these are; NULL: none */
    const struct model *model;
    struct samples samples;
    double bins[LENGTH_BINS];
    bool reading;
    struct error error;
    int at;                   /* sample shown */
    struct text need, sample;
};

static struct calibrate_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_calibrate);
}

/* ------------------------------------------------------------------ reading */

struct samples_job {
    struct job job;
    char *path;
    const struct model *model;
    struct samples samples;
    struct error error;
};

static void samples_work(struct job *j)
{
    struct samples_job *s = (struct samples_job *)j;
    struct tokenizer *t;
    if (tokenizer_open(&t, s->model, NULL, &s->error))
        return;
    if (!samples_read(&s->samples, s->path, t, &s->error))
        samples_count_tokens(&s->samples, t);
    tokenizer_free(t);
}

static void count_bins(struct calibrate_page *p)
{
    memset(p->bins, 0, sizeof p->bins);
    for (int i = 0; i < p->samples.count; i++) {
        int bin = p->samples.items[i].tokens > 1 ? (int)log2(p->samples.items[i].tokens) : 0;
        p->bins[bin < LENGTH_BINS ? bin : LENGTH_BINS - 1]++;
    }
}

static void samples_ready(struct job *j, void *owner)
{
    struct samples_job *s = (struct samples_job *)j;
    struct calibrate_page *p = state(owner);
    samples_done(&p->samples);
    free(p->path);
    p->path = s->path;
    p->model = s->model;
    p->samples = s->samples;
    p->error = s->error;
    p->reading = false;
    p->at = 0;
    count_bins(p);
    free(s);
}

static const char *own_text(const struct wizard *w)
{
    return w->wishes.value[WISH_CALIBRATION].text;
}

/* The person's own text, else the one that the evaluation will read. free() it; NULL: there is none. */
static char *text_to_show(struct wizard *w)
{
    const struct plan *plan = wizard_plan(w);
    const char *path = own_text(w) ? own_text(w) : plan ? plan->eval_text : NULL;
    return path ? xstrdup(path) : file_data("demo/eval.txt");
}

static void read_samples(struct wizard *w)
{
    struct calibrate_page *p = state(w);
    char *path = text_to_show(w);
    bool known = path && p->path && strcmp(p->path, path) == 0 && p->model == w->model;
    if (!path || p->reading || !w->model || known) {
        free(path);
        return;
    }
    struct samples_job *s = xcalloc(1, sizeof *s);
    s->job = (struct job){.what = "reading the text", .work = samples_work, .done = samples_ready};
    s->path = path;
    s->model = w->model;
    p->reading = true;
    jobs_push(w->jobs, &s->job);
}

static bool has_samples(const struct wizard *w)
{
    return state(w)->samples.count > 0;
}

/* ------------------------------------------------------------------ drawing */

/* Below this share of brackets and the like a text reads as prose. */
#define PROSE_CODE_SHARE 0.015

static bool is_domain(const char *use_case)
{
    return strcmp(use_case, "code") == 0 || strcmp(use_case, "technical") == 0;
}

static void add_advice(struct text *t, int width, const struct wizard *w)
{
    const struct calibrate_page *p = state(w);
    const char *use_case = wishes_choice(&w->wishes, WISH_USE_CASE);
    if (!own_text(w) && is_domain(use_case))
        text_addf(t, width, STYLE_WARN,
                  "! Your use case is \"%s\", but the evaluation will read general text: give a text of that "
                  "kind (t), or a loss that matters to you may stay unseen.",
                  use_case);
    else if (strcmp(use_case, "code") == 0 && has_samples(w) && p->samples.code_share < PROSE_CODE_SHARE)
        text_addf(t, width, STYLE_WARN,
                  "! Your use case is code, but this text reads like prose (%.1f %% brackets and the like).",
                  p->samples.code_share * 100);
}

/* Samples in JSON lines calibrate; the evaluation reads running text. */
static void add_evaluation_text(struct text *t, int width, struct wizard *w)
{
    const struct plan *plan = wizard_plan(w);
    const char *read =
        plan && plan->eval_text ? plan->eval_text : "the general text that comes with quantwiz";
    if (plan && plan->no_evaluation)
        text_addf(t, width, STYLE_NORMAL, "No evaluation afterwards: %s.", plan->no_evaluation);
    else
        text_addf(t, width, STYLE_NORMAL, "The evaluation reads %s.", read);
    if (own_text(w) && (!plan || !plan->eval_text || strcmp(plan->eval_text, own_text(w)) != 0))
        text_addf(t, width, STYLE_NORMAL, "%s holds samples, which only formats that calibrate use.",
                  own_text(w));
}

static void draw_need(struct wizard *w, struct rect in)
{
    struct calibrate_page *p = state(w);
    const struct estimate *row = wizard_row(w);
    text_clear(&p->need);
    if (row)
        text_addf(&p->need, in.w, STYLE_NORMAL,
                  "%s needs no calibration: plain GGUF levels round each block by its own numbers. Nothing "
                  "has to be done here.",
                  row->level->name);
    add_evaluation_text(&p->need, in.w, w);
    if (p->error.code)
        text_add(&p->need, in.w, STYLE_BAD, p->error.text, NULL);
    add_advice(&p->need, in.w, w);
    text_paint(&p->need, in);
}

static void bin_label(int bin, char out[static 16])
{
    int low = 1 << bin;
    if (low >= 1024)
        snprintf(out, 16, "%dk", low / 1024);
    else
        snprintf(out, 16, "%d", low);
}

static int cut_share(const struct wizard *w)
{
    const struct calibrate_page *p = state(w);
    int over = 0;
    for (int i = 0; i < p->samples.count; i++)
        over += p->samples.items[i].tokens > w->wishes.value[WISH_CTX].number;
    return over;
}

static void draw_lengths(struct wizard *w, struct rect in)
{
    struct calibrate_page *p = state(w);
    if (!has_samples(w)) {
        paint_text(in, 0, 0, STYLE_DIM, p->reading ? "reading the text" : "no text of your own: t gives one");
        return;
    }
    int over = cut_share(w);
    paintf(in, 0, 0, STYLE_NORMAL, "%d %s, %d to %d tokens, median %d", p->samples.count,
           p->samples.files[0].records ? "JSON lines" : "paragraphs", samples_quantile(&p->samples, 0),
           samples_quantile(&p->samples, 1), samples_quantile(&p->samples, 0.5));
    if (over)
        paintf(in, 1, 0, STYLE_WARN, "! %d of them are longer than the context of %.0f tokens", over,
               w->wishes.value[WISH_CTX].number);
    else
        paintf(in, 1, 0, STYLE_DIM, "all of them fit the context of %.0f tokens",
               w->wishes.value[WISH_CTX].number);
    struct rect bars = {in.y + 2, in.x, in.h - 3, LENGTH_BINS * 4};
    chart_bars(bars, STYLE_WEIGHTS, p->bins, LENGTH_BINS);
    for (int i = 0; i < LENGTH_BINS; i++) {
        char label[16];
        bin_label(i, label);
        paint_field(in, in.h - 1, i * 4, 3, ALIGN_MIDDLE, STYLE_DIM, label);
    }
}

static void draw_sample(struct wizard *w, struct rect in)
{
    struct calibrate_page *p = state(w);
    text_clear(&p->sample);
    if (has_samples(w)) {
        const struct sample *x = &p->samples.items[p->at];
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
        snprintf(title, sizeof title, "sample %d of %d", state(w)->at + 1, state(w)->samples.count);
    frame_paint((struct pane[]){{in[CALIBRATE_NEED], "Calibrate", NULL},
                                {in[CALIBRATE_LENGTHS], "lengths in tokens", NULL},
                                {in[CALIBRATE_SAMPLES], title, NULL}},
                CALIBRATE_PANES);
    draw_need(w, rect_padded(in[CALIBRATE_NEED]));
    draw_lengths(w, rect_padded(in[CALIBRATE_LENGTHS]));
    draw_sample(w, rect_padded(in[CALIBRATE_SAMPLES]));
}

/* --------------------------------------------------------------------- keys */

static int answer_text(struct wizard *w, int choice, const char *typed, struct error *e)
{
    char *path = path_expand(typed);
    (void)choice;
    int rc = *path && !file_exists(path) ? error_set(e, ERROR_USAGE, "there is no file %s", path)
                                         : wishes_set(&w->wishes, WISH_CALIBRATION, path, e);
    if (!rc) {
        wizard_changed(w);
        read_samples(w);
    }
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

static int key_next(struct wizard *w)
{
    (void)w;
    return PAGE_NEXT;
}

static int key(struct wizard *w, int k)
{
    struct calibrate_page *p = state(w);
    if ((k == K_LEFT || k == K_RIGHT) && has_samples(w)) {
        p->at = (p->at + (k == K_RIGHT ? 1 : p->samples.count - 1)) % p->samples.count;
        p->sample.top = 0;
        return PAGE_HANDLED;
    }
    return text_key(&p->sample, k) ? PAGE_HANDLED : PAGE_IGNORED;
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
    samples_done(&p->samples);
    text_done(&p->need);
    text_done(&p->sample);
    free(p->path);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Next", "goes on to the plan", key_next},
    {'t', 'o', "Text", "gives a text of your own; Tab completes its name", key_text},
    {K_LEFT, K_RIGHT, "Sample", "the sample before, or the next one", NULL, has_samples},
    {K_DOWN, K_UP, NULL, "scrolls the sample", NULL},
    {0},
};

static const char *const terms[] = {"calibration", "imatrix", "tokens", "context", NULL};

const struct page page_calibrate = {
    .name = "Calibrate",
    .about = "Some formats learn from sample text which weights to spare. Plain GGUF levels do not, and then "
             "nothing has to be done here. A text like those that the model will see is worth giving all the "
             "same: the result is then evaluated on it.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct calibrate_page),
    .locked = locked,
    .complete = complete,
    .enter = read_samples,
    .draw = draw,
    .key = key,
    .close = close_page,
};
