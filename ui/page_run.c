/* The run as its events tell it: overall bar, tensors, resources, log. The work is another process. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/run.h"
#include "ui/chart.h"
#include "ui/frame.h"
#include "ui/gauge.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/wizard.h"

struct run_page {
    struct list table;      /* of tensors, or of layers */
    bool browsing;          /* the cursor was moved: the table no longer follows */
    bool told;              /* that the evaluation has begun */
    struct text log;
};

static struct run_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_run);
}

/* ------------------------------------------------------------------ drawing */

static bool died(const struct run_state *r)
{
    return str_same(r->status, "died");
}

/* What the run is doing, in a word. */
static const char *condition(const struct wizard *w)
{
    const struct run_state *r = &w->run;
    if (r->over)
        return died(r) ? "interrupted" : r->status ? r->status : "over";
    if (r->paused)
        return "paused";
    if (wizard_run_alive(w))
        return r->phase ? r->phase : "starting";
    return r->started > 0 ? "interrupted" : "starting";
}

static enum style condition_style(const struct wizard *w)
{
    const struct run_state *r = &w->run;
    if (r->over)
        return r->exit == 0 && !died(r) ? STYLE_GOOD : STYLE_BAD;
    if (r->paused)
        return STYLE_WARN;
    return wizard_run_alive(w) || !(r->started > 0) ? STYLE_GOOD : STYLE_BAD;
}

/* "check ✓  quantize ✓  verify ▸": what was done, and where it is. */
static void draw_phases(const struct run_state *r, struct rect in, int y, int x)
{
    for (int i = 0; i < r->phase_count; i++) {
        bool done = !isnan(r->phases[i].ended);
        x += paintf(in, y, x, done ? STYLE_GOOD : STYLE_ACCENT, "%s ",
                    theme_glyph(done ? GLYPH_DONE : GLYPH_HERE));
        x += paintf(in, y, x, STYLE_NORMAL, "%s", r->phases[i].name) + 2;
    }
}

static void draw_progress(const struct wizard *w, struct rect in)
{
    const struct run_state *r = &w->run;
    struct gauge g = {
        .part = {{isnan(r->progress) ? 0 : r->progress, STYLE_WEIGHTS}}, .parts = 1, .whole = 1};
    char elapsed[FORMAT_SIZE];
    paint_repeat(in, 0, 0, in.w, STYLE_BORDER, theme_glyph(GLYPH_TRACK));
    gauge_paint(in, 0, 0, in.w, &g);
    int x = paint_text(in, 1, 0, condition_style(w), condition(w)) + 3;
    if (r->now > r->started)
        x += paintf(in, 1, x, STYLE_NORMAL, r->over ? "after %s" : "%s so far",
                    format_duration(elapsed, r->now - r->started)) + 3;
    if (r->error && r->over)
        paint_field(in, 1, x, in.w - x, ALIGN_LEFT, STYLE_BAD, r->error);
    else
        draw_phases(r, in, 1, x);
}

enum column { COLUMN_NAME, COLUMN_FROM, COLUMN_TO, COLUMN_ERROR, COLUMN_SPEED };
static const struct list_column columns[] = {
    [COLUMN_NAME] = {"tensor", ALIGN_LEFT, {20, 1, 0}},
    [COLUMN_FROM] = {"from", ALIGN_LEFT, {5, 0, 2}},
    [COLUMN_TO] = {"to", ALIGN_LEFT, {6, 0, 0}},
    [COLUMN_ERROR] = {"error", ALIGN_RIGHT, {6, 0, 0}},
    [COLUMN_SPEED] = {"MB/s", ALIGN_RIGHT, {6, 0, 1}},
};

static void fill_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct run_tensor *t = &((const struct wizard *)user)->run.tensors[row];
    const char *dots = theme_ascii() ? ".." : "…";
    c->style = t->done ? STYLE_NORMAL : STYLE_ACCENT;
    switch (column) {
    case COLUMN_NAME: snprintf(c->text, sizeof c->text, "%s", t->name); break;
    case COLUMN_FROM: snprintf(c->text, sizeof c->text, "%s", t->from ? t->from : ""); break;
    case COLUMN_TO: snprintf(c->text, sizeof c->text, "%s", t->to ? t->to : ""); break;
    case COLUMN_ERROR:
        if (!t->done)
            snprintf(c->text, sizeof c->text, "%s", dots);
        else if (!isnan(t->rmse))
            snprintf(c->text, sizeof c->text, "%.4f", t->rmse);
        break;
    case COLUMN_SPEED:
        if (t->done && !isnan(t->mb_per_s))
            snprintf(c->text, sizeof c->text, "%.0f", t->mb_per_s);
        break;
    }
}

/* While a text decides the layers, these are the table. */
static bool shows_layers(const struct run_state *r)
{
    return r->layer_count && !r->tensor_count;
}

enum layer_column { LAYER_NAME, LAYER_TENSORS, LAYER_LOSS, LAYER_DAMP, LAYER_SECONDS };
static const struct list_column layer_columns[] = {
    [LAYER_NAME] = {"layer", ALIGN_LEFT, {10, 1, 0}},
    [LAYER_TENSORS] = {"tensors", ALIGN_RIGHT, {7, 0, 2}},
    [LAYER_LOSS] = {"loss", ALIGN_RIGHT, {8, 0, 0}},
    [LAYER_DAMP] = {"damping", ALIGN_RIGHT, {7, 0, 1}},
    [LAYER_SECONDS] = {"time", ALIGN_RIGHT, {7, 0, 0}},
};

static void fill_layer_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct run_state *r = &((const struct wizard *)user)->run;
    const struct run_layer *l = &r->layers[row];
    char seconds[FORMAT_SIZE];
    c->style = l->plain ? STYLE_WARN : STYLE_NORMAL;
    switch (column) {
    case LAYER_NAME:
        snprintf(c->text, sizeof c->text, l->layer < r->layers_total ? "%d" : "output", l->layer + 1);
        break;
    case LAYER_TENSORS:
        snprintf(c->text, sizeof c->text, l->plain ? "%d, %d plain" : "%d", l->tensors, l->plain);
        break;
    case LAYER_LOSS:
        if (!isnan(l->loss))
            snprintf(c->text, sizeof c->text, "%.2e", l->loss);
        break;
    case LAYER_DAMP: snprintf(c->text, sizeof c->text, "%.3g", l->damp); break;
    case LAYER_SECONDS:
        snprintf(c->text, sizeof c->text, "%s", l->reused ? "before" : format_duration(seconds, l->seconds));
        break;
    }
}

/* Mean error of the tensors of each block; NaN where none is done. Returns how many blocks. */
static int errors_by_layer(const struct run_state *r, double *out, int limit)
{
    int layers = 0, *count = xcalloc(limit, sizeof *count);
    for (int i = 0; i < limit; i++)
        out[i] = NAN;
    for (int i = 0; i < r->tensor_count; i++) {
        int layer;
        const struct run_tensor *t = &r->tensors[i];
        if (!t->done || isnan(t->rmse) || t->rmse <= 0 || sscanf(t->name, "blk.%d.", &layer) != 1 ||
            layer < 0 || layer >= limit)
            continue;
        out[layer] = count[layer] ? out[layer] + (t->rmse - out[layer]) / (count[layer] + 1) : t->rmse;
        count[layer]++;
        layers = layer >= layers ? layer + 1 : layers;
    }
    free(count);
    return layers;
}

static void draw_resources(const struct wizard *w, struct rect in)
{
    enum { LAYERS_MAX = 256 };
    const struct run_state *r = &w->run;
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    double errors[LAYERS_MAX];
    int layers = errors_by_layer(r, errors, LAYERS_MAX);
    bool known = !isnan(r->rss_bytes);
    struct gauge g = {
        .part = {{known ? r->written_bytes : 0, STYLE_USED}}, .parts = 1, .whole = r->planned_bytes};
    paint_repeat(in, 3, 0, in.w, STYLE_BORDER, theme_glyph(GLYPH_TRACK));
    if (known) {
        paintf(in, 0, 0, STYLE_NORMAL, "CPU   %.0f %%", r->cpu_percent);
        paintf(in, 1, 0, STYLE_NORMAL, "RAM   %s", format_bytes(a, r->rss_bytes));
        paintf(in, 2, 0, STYLE_NORMAL, "disk  %s of %s", format_bytes(a, r->written_bytes),
               format_bytes(b, r->planned_bytes));
        gauge_paint(in, 3, 0, in.w, &g);
    } else
        paint_text(in, 0, 0, STYLE_DIM, "not measured yet");
    if (!layers || in.h < 6)
        return;
    paint_text(in, 4, 0, STYLE_DIM, "error by layer");
    int height = in.h - 5 < 4 ? in.h - 5 : 4;
    chart_bars((struct rect){in.y + 5, in.x, height, in.w}, STYLE_KV, errors, layers);
}

static void draw_log(struct wizard *w, struct rect in)
{
    struct run_page *p = state(w);
    bool at_end = p->log.top + p->log.height >= p->log.count;
    text_clear(&p->log);
    for (int i = 0; i < w->run.log_count; i++)
        text_add(&p->log, in.w, STYLE_NORMAL, w->run.log[i], NULL);
    if (at_end)
        p->log.top = p->log.count;
    text_paint(&p->log, in);
}

/* What stands on the panes' borders. */
struct notes { char title[96], progress[48], rows[32]; };

static struct notes notes_of(const struct wizard *w)
{
    const struct run_state *r = &w->run;
    struct notes n = {0};
    char eta[FORMAT_SIZE];
    if (shows_layers(r))
        snprintf(n.rows, sizeof n.rows, "%d of %d", r->layer_count, r->layers_total);
    else if (r->tensors_total)
        snprintf(n.rows, sizeof n.rows, "%d of %d", r->tensors_done, r->tensors_total);
    snprintf(n.title, sizeof n.title, "%s of %s", r->level ? r->level : w->run_plan->level,
             path_name(r->source ? r->source : w->run_plan->source));
    if (r->over || isnan(r->progress))
        return n;
    int used = snprintf(n.progress, sizeof n.progress, "%.0f %%", r->progress * 100);
    if (!isnan(r->eta_s) && wizard_run_alive(w) && !r->paused)
        snprintf(n.progress + used, sizeof n.progress - used, "  ETA %s", format_duration(eta, r->eta_s));
    return n;
}

static void fill_table(struct wizard *w)
{
    struct run_page *p = state(w);
    bool layers = shows_layers(&w->run);
    int rows = layers ? w->run.layer_count : w->run.tensor_count;
    p->table.columns = layers ? layer_columns : columns;
    p->table.column_count = layers ? ARRAY_LENGTH(layer_columns) : ARRAY_LENGTH(columns);
    p->table.cell = layers ? fill_layer_cell : fill_cell;
    p->table.user = w;
    list_resize(&p->table, rows);
    if (!p->browsing)
        p->table.cursor = rows - 1;
    p->table.no_cursor = !p->browsing;
}

static void draw(struct wizard *w, struct rect page)
{
    struct run_page *p = state(w);
    struct rect in[PANES_MAX];
    struct notes n = notes_of(w);
    char filter[LIST_FILTER + 16];
    layout_run(page, in);
    fill_table(w);
    frame_paint((struct pane[]){{in[RUN_PROGRESS], n.title, n.progress},
                                {in[RUN_TENSORS], shows_layers(&w->run) ? "layers" : "tensors",
                                 *list_filter_note(&p->table, filter) ? filter : n.rows},
                                {in[RUN_RESOURCES], "resources", w->run.over ? "at the end" : NULL},
                                {in[RUN_LOG], "log", w->run.folder}},
                RUN_PANES);
    draw_progress(w, rect_padded(in[RUN_PROGRESS]));
    list_paint(&p->table, in[RUN_TENSORS]);
    draw_resources(w, rect_padded(in[RUN_RESOURCES]));
    draw_log(w, rect_padded(in[RUN_LOG]));
}

/* --------------------------------------------------------------------- keys */

static int control(struct wizard *w, enum run_control c, const char *said)
{
    struct error e = {0};
    if (run_control(w->run.folder, c, &e))
        dialog_error(w, &e);
    else
        wizard_say(w, "%s", said);
    return PAGE_HANDLED;
}

static int key_pause(struct wizard *w)
{
    return control(w, RUN_PAUSE, "it pauses after the present step");
}

static int key_continue(struct wizard *w)
{
    return control(w, RUN_CONTINUE, "it goes on");
}

static int answer_stop(struct wizard *w, int choice, const char *typed, struct error *e)
{
    (void)typed;
    (void)e;
    if (choice == 0)
        control(w, RUN_STOP, "it stops after the present step; what is done is kept");
    return 0;
}

static int key_stop(struct wizard *w)
{
    struct dialog *d = dialog_open(w, "Stop the run?",
                                   "What is done is kept: the run can be resumed later, here or with "
                                   "`quantwiz run --resume`.");
    dialog_choice(d, 'y', "Stop");
    dialog_choice(d, 'n', "Go on");
    d->answer = answer_stop;
    return PAGE_HANDLED;
}

static int key_detach(struct wizard *w)
{
    (void)w;
    return PAGE_QUIT;
}

static int key_resume(struct wizard *w)
{
    struct error e = {0};
    if (wizard_resume_run(w, &e))
        dialog_error(w, &e);
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct run_page *p = state(w);
    if (k == K_ESC && p->browsing && !p->table.filtering) {
        p->browsing = false;
        p->table.filter[0] = 0;
        return PAGE_HANDLED;
    }
    if ((k == K_PAGE_UP || k == K_PAGE_DOWN) && text_key(&p->log, k))
        return PAGE_HANDLED;
    if (!list_key(&p->table, k))
        return PAGE_IGNORED;
    p->browsing = true;
    return PAGE_HANDLED;
}

static bool typing(const struct wizard *w)
{
    return state(w)->table.filtering;
}

static int click(struct wizard *w, int y, int x)
{
    struct run_page *p = state(w);
    p->browsing = list_click(&p->table, y, x) || p->browsing;
    return PAGE_HANDLED;
}

static int tick(struct wizard *w)
{
    struct run_page *p = state(w);
    bool evaluating = w->run.history_count && !w->run.over;
    if (evaluating && !p->told)
        wizard_say(w, "the evaluation has begun: Enter shows it");
    else if (p->told && w->run.over)
        wizard_say(w, "the run is over: Enter shows the evaluation");
    p->told = evaluating;
    return PAGE_HANDLED;
}

static bool can_pause(const struct wizard *w)
{
    return wizard_run_alive(w) && !w->run.paused;
}

static bool can_continue(const struct wizard *w)
{
    return wizard_run_alive(w) && w->run.paused;
}

static bool can_resume(const struct wizard *w)
{
    return w->has_run && !wizard_run_alive(w) && !(w->run.over && w->run.exit == 0) &&
           (w->run.started > 0 || w->run.over);
}

static bool complete(const struct wizard *w)
{
    return w->run.over && w->run.artefact_count > 0;
}

static void close_page(struct wizard *w)
{
    text_done(&state(w)->log);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Evaluation", "goes on to the evaluation's panes", page_go_next},
    {'d', 0, "Detach", "leaves; the run goes on and `quantwiz attach` shows it again", key_detach,
     wizard_run_alive},
    {'p', 0, "Pause", "pauses the run", key_pause, can_pause},
    {'p', 0, "Go on", "lets the run that pauses go on", key_continue, can_continue},
    {K_F(9), 'x', "Stop", "stops the run; what is done is kept", key_stop, wizard_run_alive},
    {'r', K_F(5), "Resume", "goes on where the run was interrupted", key_resume, can_resume},
    {K_UP, K_DOWN, NULL, "looks through the tensors; Esc follows the newest again", NULL},
    {K_PAGE_DOWN, K_PAGE_UP, NULL, "scrolls the log", NULL},
    {'/', 0, NULL, "filters the tensors while you type", NULL},
    {0},
};

static const char *const terms[] = {"quantization", "level", "weights", NULL};

const struct page page_run = {
    .name = "Run",
    .about = "The work, done by a process of its own: closing this screen or losing the line does not stop "
             "it. The error of a tensor is the root mean square of what rounding changed, as a share of the "
             "tensor's own. Tensors are safely on disk as they are done, so an interrupted run resumes.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct run_page),
    .wide = true,
    .attached = true,
    .locked = wizard_needs_run,
    .complete = complete,
    .draw = draw,
    .key = key,
    .typing = typing,
    .click = click,
    .tick = tick,
    .close = close_page,
};
