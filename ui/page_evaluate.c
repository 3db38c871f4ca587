/* The evaluation as it converges: perplexity with base beside quantized, divergence, tasks, answers,
 * speed, verdict. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "eval/word_diff.h"
#include "ui/chart.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/speed_pane.h"
#include "ui/wizard.h"

struct evaluate_page {
    int sample;
    bool loss;               /* a small screen shows the loss instead of the perplexities */
    bool words;              /* what changed between two answers, instead of both */
    struct text answers, tasks;
};

static struct evaluate_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_evaluate);
}

static const struct eval_figures *figures(const struct wizard *w)
{
    const struct run_state *r = &w->run;
    if (r->has_result)
        return &r->eval.figures;
    return r->history_count ? &r->history[r->history_count - 1] : NULL;
}

/* --------------------------------------------------------------- perplexity */

/* The first chunks wander far: where there are enough, they do not set the scale. */
static void bounds(const double *values, int count, double *low, double *high)
{
    for (int i = count > 8 ? count / 4 : 0; i < count; i++)
        if (!isnan(values[i])) {
            *low = isnan(*low) || values[i] < *low ? values[i] : *low;
            *high = isnan(*high) || values[i] > *high ? values[i] : *high;
        }
}

/* "+0.41 % ± 0.12": the change of perplexity with its 95 % interval. */
static void show_loss(const struct eval_figures *f, char *out, size_t size)
{
    if (!f->has_base || isnan(f->delta_ln_ppl))
        snprintf(out, size, "perplexity %.3f", f->ppl);
    else
        snprintf(out, size, "%+.2f %% ± %.2f", expm1(f->delta_ln_ppl) * 100,
                 (expm1(f->delta_high) - expm1(f->delta_low)) * 50);
}

static void draw_axes(struct rect in, double low, double high)
{
    enum { LABEL = 7 };
    char text[16];
    snprintf(text, sizeof text, "%.*f", high < 100 ? 2 : 1, high);
    paint_field(in, 0, 0, LABEL, ALIGN_RIGHT, STYLE_DIM, text);
    snprintf(text, sizeof text, "%.*f", low < 100 ? 2 : 1, low);
    paint_field(in, in.h - 1, 0, LABEL, ALIGN_RIGHT, STYLE_DIM, text);
    for (int y = 0; y < in.h; y++)
        paint_over(in, y, LABEL, STYLE_BORDER, STYLE_NORMAL,
                   y == 0 || y == in.h - 1 ? theme_line(7) : theme_line(3));
}

enum { AXIS = 8 };

static void draw_perplexity(const struct run_state *r, struct rect in, int planned)
{
    double *quantized = xcalloc(r->history_count, sizeof *quantized),
           *base = xcalloc(r->history_count, sizeof *base);
    double low = NAN, high = NAN;
    for (int i = 0; i < r->history_count; i++) {
        quantized[i] = r->history[i].ppl;
        base[i] = r->history[i].has_base ? r->history[i].ppl_base : NAN;
    }
    bounds(quantized, r->history_count, &low, &high);
    bounds(base, r->history_count, &low, &high);
    if (!(high > low))
        high = low + 1;
    draw_axes(in, low, high);
    struct curve curves[] = {{base, r->history_count, false, STYLE_WEIGHTS},
                             {quantized, r->history_count, true, STYLE_USED}};
    chart_curves((struct rect){in.y, in.x + AXIS, in.h, in.w - AXIS}, curves, 2, planned, low, high);
    free(quantized);
    free(base);
}

/* The loss in percent with its 95 % band, and the limit as a line where it is not far off. */
static void draw_loss(const struct wizard *w, struct rect in, int planned)
{
    const struct run_state *r = &w->run;
    int n = r->history_count, span = planned > n ? planned : n;
    double *value = xcalloc(n, 3 * sizeof *value), *band_low = value + n, *band_high = band_low + n;
    double *limit = xcalloc(span, sizeof *limit), low = 0, high = NAN;
    for (int i = 0; i < n; i++) {
        value[i] = expm1(r->history[i].delta_ln_ppl) * 100;
        band_low[i] = expm1(r->history[i].delta_low) * 100;
        band_high[i] = expm1(r->history[i].delta_high) * 100;
    }
    for (int i = 0; i < span; i++)
        limit[i] = w->run_plan->max_loss * 100;
    bounds(band_low, n, &low, &high);
    bounds(band_high, n, &low, &high);
    if (limit[0] < 3 * high)
        bounds(limit, 1, &low, &high);
    if (!(high > low))
        high = low + 1;
    draw_axes(in, low, high);
    struct curve curves[] = {{limit, span, true, STYLE_BAD},
                             {band_low, n, true, STYLE_DIM},
                             {band_high, n, true, STYLE_DIM},
                             {value, n, false, STYLE_USED}};
    chart_curves((struct rect){in.y, in.x + AXIS, in.h, in.w - AXIS}, curves, ARRAY_LENGTH(curves), span, low,
                 high);
    free(value);
    free(limit);
}

static void draw_perplexity_legend(const struct eval_figures *f, struct rect in, int y)
{
    int x = paintf(in, y, AXIS, STYLE_USED, "%s quantized %.3f", theme_ascii() ? "..." : "···", f->ppl);
    if (f->has_base)
        paintf(in, y, AXIS + x + 3, STYLE_WEIGHTS, "%s base %.3f", theme_ascii() ? "***" : "───",
               f->ppl_base);
}

static void draw_loss_legend(struct rect in, int y)
{
    int x = paintf(in, y, AXIS, STYLE_USED, "%s loss %%", theme_ascii() ? "***" : "───");
    paintf(in, y, AXIS + x + 3, STYLE_DIM, "%s 95 %% band and limit", theme_ascii() ? "..." : "···");
}

/* Both plots where there is room, else the one that was asked for. */
static void draw_plots(const struct wizard *w, struct rect in, int planned)
{
    enum { BOTH_FROM = 16 };
    const struct eval_figures *f = figures(w);
    bool both = f->has_base && in.h >= BOTH_FROM, loss = f->has_base && (both || state(w)->loss);
    struct rect upper = both ? rect_cut_top(&in, in.h / 2, 0) : in;
    if (both || !loss) {
        draw_perplexity(&w->run, (struct rect){upper.y, upper.x, upper.h - 1, upper.w}, planned);
        draw_perplexity_legend(f, upper, upper.h - 1);
    }
    if (loss) {
        draw_loss(w, (struct rect){in.y, in.x, in.h - 1, in.w}, planned);
        draw_loss_legend(in, in.h - 1);
    }
}

/* Why there are no figures yet. */
static const char *waiting_for(const struct run_state *r)
{
    if (r->over)
        return "the run has not been evaluated";
    if (r->phase && strcmp(r->phase, "evaluate") == 0)
        return "reading the first chunk of the text with both models";
    return "begins when the file is written and checked";
}

static void draw_plot(const struct wizard *w, struct rect in)
{
    const struct run_state *r = &w->run;
    const struct eval_figures *f = figures(w);
    char loss[64];
    if (!f) {
        paint_text(in, 0, 0, STYLE_DIM, waiting_for(r));
        return;
    }
    int planned = f->chunks_planned > r->history_count ? f->chunks_planned : r->history_count;
    show_loss(f, loss, sizeof loss);
    if (r->history_count)
        draw_plots(w, (struct rect){in.y, in.x, in.h - 1, in.w}, planned);
    paintf(in, in.h - 1, 0, STYLE_STRONG, "%s", loss);
    paintf(in, in.h - 1, paint_width(loss) + 3, STYLE_NORMAL, "%d of %d chunks%s", f->chunks, planned,
           r->has_result && f->chunks < planned ? ", decided" : "");
}

/* --------------------------------------------------------------- divergence */

/* Share of positions by their divergence, on a logarithmic scale whose decades are four bins wide. */
static void draw_histogram(struct rect in, const double *share)
{
    static const struct { int bin; const char *label; } tick[] = {{0, "1e-6"}, {8, "1e-4"}, {16, "0.01"}};
    int step = chart_bars((struct rect){in.y, in.x, in.h - 1, in.w}, STYLE_BUFFERS, share, EVAL_HISTOGRAM);
    for (size_t i = 0; i < ARRAY_LENGTH(tick); i++)
        paint_text(in, in.h - 1, tick[i].bin * step, STYLE_DIM, tick[i].label);
    paint_text(in, in.h - 1, EVAL_HISTOGRAM * step - 1, STYLE_DIM, "1");
}

static void draw_divergence(const struct wizard *w, struct rect in)
{
    const struct eval_figures *f = figures(w);
    if (!f || !f->has_base)
        return;
    const struct { const char *label; double value; } row[] = {
        {"mean", f->kld_mean}, {"median", f->kld_median}, {"99 %", f->kld_p99}, {"max", f->kld_max}};
    int y = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(row) && y < in.h - 2; i++, y++)
        if (!isnan(row[i].value))
            paintf(in, y, 0, STYLE_NORMAL, "%-10s%8.4f", row[i].label, row[i].value);
    if (!isnan(f->same_top))
        paintf(in, y++, 0, STYLE_NORMAL, "same top  %6.2f %%", f->same_top * 100);
    if (y < in.h - 1)
        draw_histogram((struct rect){in.y + y, in.x, in.h - y, in.w}, f->kld_histogram);
}

/* ---------------------------------------------------------------------- tasks */

static void draw_tasks(struct wizard *w, struct rect in)
{
    struct text *t = &state(w)->tasks;
    const struct eval_result *r = &w->run.eval;
    text_clear(t);
    for (int i = 0; i < r->task_count; i++) {
        const struct eval_task *k = &r->tasks[i];
        struct str line = {0};
        str_addf(&line, "%s\t%.1f %%", k->name, k->accuracy * 100);
        if (!isnan(k->base))
            str_addf(&line, "  base %.1f", k->base * 100);
        str_addf(&line, "  ± %.1f  of %d", (k->high - k->low) * 50, k->items);
        if (!isnan(k->delta_low))
            str_addf(&line, "  %+.1f to %+.1f", k->delta_low * 100, k->delta_high * 100);
        text_add(t, in.w, STYLE_NORMAL, line.data, NULL);
        str_done(&line);
    }
    if (!r->task_count)
        text_add(t, in.w, STYLE_DIM, w->run.over ? "none were given" : "none yet", NULL);
    text_paint(t, in);
}

/* ------------------------------------------------------------------ samples */

/* The answer from where it differs on, marked; before that it is the same as the base's. */
static void add_answer(struct text *t, int width, const char *label, const char *answer, int differs_at)
{
    struct str line = {0};
    int at = 0;
    str_addf(&line, "%s\t", label);
    for (const char *p = answer; *p; p++) {
        bool begins = (*p & 0xc0) != 0x80;
        if (begins && at == differs_at)
            str_add(&line, theme_glyph(GLYPH_HERE));
        at += begins;
        str_add_char(&line, *p == '\n' ? ' ' : *p);
    }
    text_add(t, width, STYLE_NORMAL, line.data, NULL);
    str_done(&line);
}

/* From the one answer to the other. */
static void add_words(struct text *t, int width, const struct eval_sample *s)
{
    struct arena a = {0};
    text_addf(t, width, STYLE_NORMAL, "words\t%s", word_diff(s->base ? s->base : "", s->answer ? s->answer : "", &a));
    arena_done(&a);
}

static void draw_sample(struct wizard *w, struct rect in)
{
    struct evaluate_page *p = state(w);
    const struct eval_result *r = &w->run.eval;
    text_clear(&p->answers);
    if (!r->sample_count)
        text_add(&p->answers, in.w, STYLE_DIM,
                 w->run.over ? "no prompts were given" : "answers to the sample prompts come after the tasks",
                 NULL);
    else {
        const struct eval_sample *s = &r->samples[p->sample % r->sample_count];
        add_answer(&p->answers, in.w, "prompt", s->prompt, -1);
        if (p->words)
            add_words(&p->answers, in.w, s);
        else {
            add_answer(&p->answers, in.w, "base", s->base ? s->base : "", s->differs_at);
            add_answer(&p->answers, in.w, "quantized", s->answer ? s->answer : "", s->differs_at);
        }
    }
    text_paint(&p->answers, in);
}

/* ------------------------------------------------------------------ verdict */

static bool is_verdict(const struct wizard *w, const char *verdict)
{
    return w->run.has_result && str_same(w->run.eval.figures.verdict, verdict);
}

/* After a rejection the rules' next step can be taken at once. */
static bool has_step(const struct wizard *w)
{
    return w->run.over && is_verdict(w, "reject") && w->run.proposal;
}

/* From row `at` on the first of its format that can be made and has no fewer points than `least`; NULL: none. */
static const char *level_beyond(const struct estimates *s, int at, int step, double least)
{
    for (int i = at + step; i >= 0 && i < s->count; i += step) {
        const struct estimate *r = &s->rows[i];
        if (!r->forbidden && !r->is_source && r->verdict != VERDICT_TOO_BIG && r->score >= least &&
            strcmp(r->level->format, s->rows[at].level->format) == 0)
            return r->level->name;
    }
    return NULL;
}

/* The next smaller level after an acceptance, else the next larger one of the format, and rather one that the rules hold
 * nothing new against; NULL: none, or there are no estimates to choose from. */
static const char *next_level(const struct wizard *w)
{
    const struct estimates *s = w->estimates;
    int step = is_verdict(w, "accept") ? 1 : -1, at = -1;
    for (int i = 0; s && i < s->count; i++)
        if (strcmp(s->rows[i].level->name, w->run_plan->level) == 0)
            at = i;
    if (at < 0)
        return NULL;
    const char *sound = level_beyond(s, at, step, fmin(0, s->rows[at].score));
    return sound ? sound : level_beyond(s, at, step, -INFINITY);
}

static bool can_try(const struct wizard *w)
{
    return has_step(w) || (w->run.over && w->run_plan && next_level(w));
}

/* Returns its columns. */
static int paint_verdict(const struct wizard *w, struct rect in)
{
    if (is_verdict(w, "accept"))
        return paintf(in, 0, 0, STYLE_GOOD, "%s ACCEPT", theme_glyph(GLYPH_DONE));
    if (is_verdict(w, "reject"))
        return paintf(in, 0, 0, STYLE_BAD, "%s REJECT", theme_glyph(GLYPH_NO));
    return paint_text(in, 0, 0, STYLE_WARN, "? UNDECIDED");
}

static void draw_verdict(const struct wizard *w, struct rect in)
{
    const struct eval_figures *f = &w->run.eval.figures;
    char next[48] = "";
    if (!w->run.has_result) {
        paint_text(in, 0, 0, STYLE_DIM,
                   w->run.over ? "no verdict: the run ended before it" : "no verdict yet");
        return;
    }
    int x = paint_verdict(w, in);
    if (f->has_base && !isnan(f->delta_ln_ppl))
        paintf(in, 0, x + 2, STYLE_NORMAL, "loss %.2f %%, limit %.4g %%", expm1(f->delta_ln_ppl) * 100,
               w->run_plan->max_loss * 100);
    if (can_try(w))
        snprintf(next, sizeof next, "n tries %s", has_step(w) ? w->run.proposal : next_level(w));
    paint_right(in, 0, 0, STYLE_NORMAL, next);
}

/* --------------------------------------------------------------------- page */

static void titles(const struct wizard *w, char *plot, size_t plot_size, char *sample, size_t sample_size)
{
    const struct plan *p = w->run_plan;
    const struct eval_result *r = &w->run.eval;
    snprintf(plot, plot_size, "perplexity, %s, -c %d",
             p->eval_text ? path_name(p->eval_text) : "built-in text", p->eval_context);
    if (r->sample_count)
        snprintf(sample, sample_size, "sample %d of %d", state(w)->sample % r->sample_count + 1,
                 r->sample_count);
    else
        snprintf(sample, sample_size, "samples");
}

static void draw(struct wizard *w, struct rect page)
{
    struct rect in[PANES_MAX];
    char plot[96], sample[32];
    layout_evaluate(page, in);
    titles(w, plot, sizeof plot, sample, sizeof sample);
    frame_paint((struct pane[]){{in[EVALUATE_PLOT], plot, NULL},
                                {in[EVALUATE_DIVERGENCE], "divergence from base", NULL},
                                {in[EVALUATE_TASKS], "tasks", NULL},
                                {in[EVALUATE_SPEED], "speed, tokens/s", NULL},
                                {in[EVALUATE_SAMPLE], sample, NULL},
                                {in[EVALUATE_VERDICT], "verdict", NULL}},
                EVALUATE_PANES);
    draw_plot(w, rect_padded(in[EVALUATE_PLOT]));
    draw_divergence(w, rect_padded(in[EVALUATE_DIVERGENCE]));
    draw_tasks(w, rect_padded(in[EVALUATE_TASKS]));
    speed_pane_draw(&w->run, rect_padded(in[EVALUATE_SPEED]), state(w)->loss);
    draw_sample(w, rect_padded(in[EVALUATE_SAMPLE]));
    draw_verdict(w, rect_padded(in[EVALUATE_VERDICT]));
}

/* --------------------------------------------------------------------- keys */

static int key_try(struct wizard *w)
{
    struct error e = {0};
    if (!has_step(w)) {
        wizard_choose_level(w, next_level(w));
        wizard_ask_page(w, PAGE_REVIEW);
    } else if (wizard_take_step(w, &e)) {
        wizard_say(w, "%s", e.text);
    } else {
        wizard_ask_page(w, PAGE_RUN);
    }
    return PAGE_HANDLED;
}

static int key_compare(struct wizard *w)
{
    wizard_ask_page(w, PAGE_COMPARE);
    return PAGE_HANDLED;
}

static int key_view(struct wizard *w)
{
    state(w)->loss = !state(w)->loss;
    return PAGE_HANDLED;
}

static int key_words(struct wizard *w)
{
    state(w)->words = !state(w)->words;
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct evaluate_page *p = state(w);
    int count = w->run.eval.sample_count;
    if ((k == K_LEFT || k == K_RIGHT) && count) {
        p->sample = (p->sample + (k == K_RIGHT ? 1 : count - 1)) % count;
        p->answers.top = 0;
        return PAGE_HANDLED;
    }
    return text_key(&p->answers, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool complete(const struct wizard *w)
{
    return w->run.has_result;
}

static bool has_samples(const struct wizard *w)
{
    return w->run.eval.sample_count > 1;
}

static void close_page(struct wizard *w)
{
    text_done(&state(w)->answers);
    text_done(&state(w)->tasks);
}

static const struct page_key keys[] = {
    {K_ENTER, 'r', "Report", "goes on to the report", page_go_next},
    {K_LEFT, K_RIGHT, "Sample", "the sample before, or the next one", NULL, has_samples},
    {'n', 0, "Try next",
     "after a rejection takes the rules' next step (another method, more text, a larger level), as --auto does; after an "
     "acceptance plans the next smaller level", key_try, can_try},
    {'c', 0, "Compare", "this run beside the others of its model", key_compare},
    {'d', 0, "Doctor", "what may be wrong, looked for on this machine and in this file", page_go_doctor},
    {'w', 0, "Words", "what changed from the one answer to the other, word by word", key_words, has_samples},
    {'v', 0, "View",
     "perplexities, or the loss with its band; of the speeds the first, or the others; a larger screen shows all", key_view},
    {K_DOWN, K_UP, NULL, "scrolls the sample", NULL},
    {0},
};

static const char *const terms[] = {"perplexity", "KL divergence", "same top token", "tokens", NULL};

const struct page page_evaluate = {
    .name = "Evaluate",
    .about = "How good the result still is. Both models read the same text, so their difference is known far "
             "more exactly than either figure; the evaluation stops when its 95 % interval decides whether "
             "the loss is under your limit. Answers show the first difference by a mark.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct evaluate_page),
    .wide = true,
    .attached = true,
    .locked = wizard_needs_run,
    .complete = complete,
    .draw = draw,
    .key = key,
    .close = close_page,
};
