/* The heart of the wizard: a row per level, what it costs here and what it loses, and why one of them won. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ui/frame.h"
#include "ui/gauge.h"
#include "ui/key.h"
#include "ui/lever_pane.h"
#include "ui/list.h"
#include "ui/wizard.h"

enum column {
    COLUMN_MARK,
    COLUMN_LEVEL,
    COLUMN_BITS,
    COLUMN_FILE,
    COLUMN_WEIGHTS,
    COLUMN_KV,
    COLUMN_BUFFERS,
    COLUMN_TOTAL,
    COLUMN_VRAM,
    COLUMN_RAM,
    COLUMN_LAYERS,
    COLUMN_SPEED,
    COLUMN_PREFILL,
    COLUMN_LOSS,
    COLUMN_VERDICT,
    COLUMN_COUNT,
};
struct estimates_page {
    struct list list;
    struct list_column columns[COLUMN_COUNT];
    char vram_title[24], ram_title[24];
    struct text reasons;
    struct lever_pane levers;
    unsigned shown;                /* wizard.estimates_made when the cursor was placed */
    char cursor_level[24];         /* the level under the cursor: kept when the estimates are made anew */
};

static struct estimates_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_estimates);
}

/* NULL: there are no estimates yet, or a filter that no row passes. */
static const struct estimate *under_cursor(const struct wizard *w)
{
    int row = list_row(&state(w)->list);
    return w->estimates && row >= 0 ? &w->estimates->rows[row] : NULL;
}

/* ------------------------------------------------------------------ numbers */

static const struct { double bytes; const char *name; } mib = {0x1p20, "MiB"}, gib = {0x1p30, "GiB"};

/* One unit for the whole table: that of its largest total. */
static double unit_of(const struct estimates *s, const char **name)
{
    uint64_t largest = 0;
    for (int i = 0; i < s->count; i++)
        largest = s->rows[i].total_bytes > largest ? s->rows[i].total_bytes : largest;
    bool small = largest < 2 * gib.bytes;
    *name = small ? mib.name : gib.name;
    return small ? mib.bytes : gib.bytes;
}

static void show_size(char *out, size_t size, uint64_t bytes, double unit)
{
    double value = (double)bytes / unit;
    snprintf(out, size, value < 999.95 ? "%.1f" : "%.0f", value);
}

/* ------------------------------------------------------------------ columns */

static const struct list_column all_columns[COLUMN_COUNT] = {
    [COLUMN_MARK] = {"", ALIGN_LEFT, {1, 0, 0}},
    [COLUMN_LEVEL] = {"level", ALIGN_LEFT, {7, 0, 0}},
    [COLUMN_BITS] = {"bits", ALIGN_RIGHT, {4, 0, 3}},
    [COLUMN_FILE] = {"file", ALIGN_RIGHT, {6, 0, 6}},
    [COLUMN_WEIGHTS] = {"weights", ALIGN_RIGHT, {7, 0, 5}},
    [COLUMN_KV] = {"KV", ALIGN_RIGHT, {5, 0, 4}},
    [COLUMN_BUFFERS] = {"buffers", ALIGN_RIGHT, {7, 0, 7}},
    [COLUMN_TOTAL] = {"total", ALIGN_RIGHT, {6, 0, 0}},
    [COLUMN_VRAM] = {"VRAM", ALIGN_MIDDLE, {12, 1, 1}},
    [COLUMN_RAM] = {"RAM", ALIGN_MIDDLE, {12, 1, 1}},
    [COLUMN_LAYERS] = {"on GPU", ALIGN_RIGHT, {7, 0, 8}},
    [COLUMN_SPEED] = {"t/s", ALIGN_RIGHT, {5, 0, 0}},
    [COLUMN_PREFILL] = {"prefill", ALIGN_RIGHT, {7, 0, 9}},
    [COLUMN_LOSS] = {"loss %", ALIGN_RIGHT, {6, 0, 1}},
    [COLUMN_VERDICT] = {"verdict", ALIGN_LEFT, {7, 0, 2}},
};

static void set_title(char *out, size_t size, const char *name, uint64_t budget, bool known)
{
    char text[FORMAT_SIZE];
    snprintf(out, size, "%s %s", name, known ? format_bytes(text, (double)budget) : "?");
}

/* The bar against VRAM where a GPU is used, that against RAM where it is not or where both are. */
static void choose_columns(struct estimates_page *p, const struct wizard *w)
{
    const struct estimates *s = w->estimates;
    bool cpu = wishes_fit(&w->wishes) == FIT_CPU;
    memcpy(p->columns, all_columns, sizeof all_columns);
    p->columns[COLUMN_LEVEL].want.width = wizard_level_width(w);
    set_title(p->vram_title, sizeof p->vram_title, "VRAM", s->gpu_budget, s->gpu_budget_known);
    set_title(p->ram_title, sizeof p->ram_title, "RAM", s->cpu_budget, s->cpu_budget_known);
    p->columns[COLUMN_VRAM].title = p->vram_title;
    p->columns[COLUMN_RAM].title = p->ram_title;
    if (cpu)
        p->columns[COLUMN_VRAM].want = p->columns[COLUMN_LAYERS].want = (struct column_want){0};
    else
        p->columns[COLUMN_RAM].want.priority = 10;
}

static const char *mark(const struct wizard *w, const struct estimate *r)
{
    if (r->recommended)
        return theme_glyph(GLYPH_STAR);
    if (strcmp(r->level->name, w->level) == 0)
        return theme_glyph(GLYPH_DONE);
    return r->forbidden ? theme_glyph(GLYPH_NO) : "";
}

static void show_number(struct list_cell *c, const char *fmt, double value)
{
    if (isnan(value))
        snprintf(c->text, sizeof c->text, "?");
    else
        snprintf(c->text, sizeof c->text, fmt, value);
}

/* Tokens per second in five columns: "9.5", "58", "1180", "98k". */
static void show_speed(struct list_cell *c, double value)
{
    bool thousands = value >= 9999.5;
    show_number(c, thousands ? "%.0fk" : value < 9.95 ? "%.1f" : "%.0f", thousands ? value / 1000 : value);
}

static void fill_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct wizard *w = user;
    const struct estimate *r = &w->estimates->rows[row];
    const char *unit_name;
    double unit = unit_of(w->estimates, &unit_name);
    bool lost = r->forbidden || r->verdict == VERDICT_TOO_BIG;
    c->style = r->recommended ? STYLE_STRONG : lost ? STYLE_DIM : STYLE_NORMAL;
    switch (column) {
    case COLUMN_MARK: snprintf(c->text, sizeof c->text, "%s", mark(w, r)); break;
    case COLUMN_LEVEL: snprintf(c->text, sizeof c->text, "%s", r->level->name); break;
    case COLUMN_BITS: snprintf(c->text, sizeof c->text, "%.1f", r->bits_per_weight); break;
    case COLUMN_FILE: show_size(c->text, sizeof c->text, r->file_bytes, unit); break;
    case COLUMN_WEIGHTS: show_size(c->text, sizeof c->text, r->weights_bytes, unit); break;
    case COLUMN_KV: show_size(c->text, sizeof c->text, r->kv_bytes, unit); break;
    case COLUMN_BUFFERS:
        show_size(c->text, sizeof c->text, r->compute_bytes + r->overhead_bytes, unit);
        break;
    case COLUMN_TOTAL: show_size(c->text, sizeof c->text, r->total_bytes, unit); break;
    case COLUMN_LAYERS: snprintf(c->text, sizeof c->text, "%d/%d", r->gpu_layers, r->layers); break;
    case COLUMN_SPEED: show_speed(c, r->tokens_per_s); break;
    case COLUMN_PREFILL: show_speed(c, r->prefill_tokens_per_s); break;
    case COLUMN_LOSS: show_number(c, "%.2f", r->expected_loss * 100); break;
    case COLUMN_VERDICT: snprintf(c->text, sizeof c->text, "%s", verdict_name(r->verdict)); break;
    default: break;
    }
}

/* Of the row's memory only what lies on that side; its parts keep their proportions. */
static void paint_bar(void *user, int row, int column, struct rect at)
{
    const struct wizard *w = user;
    const struct estimates *s = w->estimates;
    const struct estimate *r = &s->rows[row];
    bool vram = column == COLUMN_VRAM;
    if ((column != COLUMN_VRAM && column != COLUMN_RAM) || !r->total_bytes)
        return;
    double share = (double)(vram ? r->gpu_bytes : r->cpu_bytes) / (double)r->total_bytes;
    bool alone = r->verdict == VERDICT_TOO_BIG && vram;
    share = alone ? 1 : share;
    struct gauge g = {.part = {{(double)r->weights_bytes * share, STYLE_WEIGHTS},
                               {(double)r->kv_bytes * share, STYLE_KV},
                               {(double)(r->compute_bytes + r->overhead_bytes) * share, STYLE_BUFFERS}},
                      .parts = 3,
                      .whole = (double)(vram ? s->gpu_budget : s->cpu_budget),
                      .edges = true};
    if (vram ? s->gpu_budget_known : s->cpu_budget_known)
        gauge_paint(at, 0, 0, at.w, &g);
}

/* ------------------------------------------------------------------ reasons */

static enum style sign_style(char sign)
{
    return sign == '+' ? STYLE_GOOD : sign == 'x' ? STYLE_BAD : strchr("-?", sign) ? STYLE_WARN : STYLE_NORMAL;
}

static void add_reason(struct text *t, int width, const struct estimate_reason *r, const char *level)
{
    char *line = xasprintf("%c %s%s%s", r->sign == 'i' ? ' ' : r->sign, level ? level : "", level ? ": " : "",
                           r->text);
    text_add(t, width, sign_style(r->sign), line, r->rule);
    free(line);
}

static void add_memory(struct text *t, int width, const struct estimates *s, const struct estimate *r)
{
    char total[FORMAT_SIZE], weights[FORMAT_SIZE], kv[FORMAT_SIZE], buffers[FORMAT_SIZE];
    text_addf(t, width, STYLE_NORMAL, "%s = weights %s + KV cache %s + buffers %s",
              format_bytes(total, (double)r->total_bytes), format_bytes(weights, (double)r->weights_bytes),
              format_bytes(kv, (double)r->kv_bytes),
              format_bytes(buffers, (double)(r->compute_bytes + r->overhead_bytes)));
    if (r->gpu_bytes && !s->gpu_budget_known)
        text_add(t, width, STYLE_WARN, "! how much VRAM is free is unknown: enter it on the Machine page",
                 NULL);
}

/* Under the winner, the first thing that spoke against each of the others. */
static void add_losers(struct text *t, int width, const struct estimates *s)
{
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->rows[i].reason_count && i != s->recommended; k++)
            if (strchr("-x", s->rows[i].reasons[k].sign)) {
                add_reason(t, width, &s->rows[i].reasons[k], s->rows[i].level->name);
                break;
            }
}

static void build_reasons(struct estimates_page *p, const struct wizard *w, int width)
{
    const struct estimates *s = w->estimates;
    const struct estimate *r = under_cursor(w);
    struct text *t = &p->reasons;
    text_clear(t);
    if (!r)
        return;
    if ((r->recommended || s->recommended < 0) && s->headline)
        text_add(t, width, STYLE_ACCENT, s->headline, NULL);
    for (int i = 0; i < s->doubts.count && r->recommended; i++)
        add_reason(t, width, &s->doubts.items[i], NULL);
    lever_pane_find(&p->levers, w, p->list.cursor);
    bool first = p->levers.levers.goal != LEVERS_FIT_BETTER; /* else the row itself comes first */
    if (first)
        lever_pane_add(&p->levers, t, width);
    add_memory(t, width, s, r);
    for (int i = 0; i < r->reason_count; i++)
        add_reason(t, width, &r->reasons[i], NULL);
    if (!first)
        lever_pane_add(&p->levers, t, width);
    for (int i = 0; i < s->warnings.count && r->recommended; i++)
        add_reason(t, width, &s->warnings.items[i], NULL);
    if (r->recommended)
        add_losers(t, width, s);
}

/* ------------------------------------------------------------------ drawing */

/* New estimates: the cursor stays on its level, or goes to the chosen row. */
static void place_cursor(struct estimates_page *p, const struct wizard *w)
{
    const struct estimates *s = w->estimates;
    list_resize(&p->list, s->count);
    if (p->shown != w->estimates_made) {
        p->list.cursor = wizard_row_index(w);
        for (int i = 0; *p->cursor_level && i < s->count; i++)
            if (strcmp(s->rows[i].level->name, p->cursor_level) == 0)
                p->list.cursor = i;
    }
    p->shown = w->estimates_made;
}

static void remember_cursor(struct estimates_page *p, const struct wizard *w)
{
    p->reasons.top = 0;
    if (under_cursor(w))
        snprintf(p->cursor_level, sizeof p->cursor_level, "%s", under_cursor(w)->level->name);
}

static void settings(const struct wizard *w, char *out, size_t size)
{
    const char *l = theme_glyph(GLYPH_LEFT), *r = theme_glyph(GLYPH_RIGHT), *unit;
    unit_of(w->estimates, &unit);
    snprintf(out, size, "%s  context %s %d %s  KV %s %s %s  for %.0f", unit, l, w->estimates->context, r, l,
             w->estimates->kv_type, r, w->wishes.value[WISH_PARALLEL].number);
}

static void reasons_title(const struct estimate *r, char *out, size_t size)
{
    snprintf(out, size, "%s%s", r->level->name, r->recommended ? ": recommended" : r->forbidden ? ": ruled out" : "");
}

static void draw_nothing(const struct wizard *w, struct rect page)
{
    struct rect in = rect_inside(page);
    frame_paint(&(struct pane){in, "Estimates", NULL}, 1);
    if (w->estimates_error.code) {
        struct text t = {0};
        text_add(&t, in.w - 2, STYLE_BAD, w->estimates_error.text, NULL);
        text_paint(&t, (struct rect){in.y + 1, in.x + 1, in.h - 1, in.w - 2});
        text_done(&t);
    } else
        paint_text(in, 1, 1, STYLE_DIM, "looking at this machine");
}

static void draw(struct wizard *w, struct rect page)
{
    struct estimates_page *p = state(w);
    struct rect in[PANES_MAX];
    char note[96], title[64] = "", filter[LIST_FILTER + 16];
    if (!w->estimates) {
        draw_nothing(w, page);
        return;
    }
    layout_estimates(page, in);
    place_cursor(p, w);
    choose_columns(p, w);
    p->list.columns = p->columns;
    p->list.column_count = COLUMN_COUNT;
    p->list.tight = true;
    p->list.cell = fill_cell;
    p->list.paint = paint_bar;
    p->list.user = w;
    settings(w, note, sizeof note);
    if (under_cursor(w))
        reasons_title(under_cursor(w), title, sizeof title);
    frame_paint((struct pane[]){{in[ESTIMATES_TABLE], "Estimates",
                                 *list_filter_note(&p->list, filter) ? filter : note},
                                {in[ESTIMATES_REASONS], title, NULL}},
                ESTIMATES_PANES);
    list_paint(&p->list, in[ESTIMATES_TABLE]);
    struct rect reasons = rect_padded(in[ESTIMATES_REASONS]);
    build_reasons(p, w, reasons.w);
    text_paint(&p->reasons, reasons);
}

/* --------------------------------------------------------------------- keys */

static int key_choose(struct wizard *w)
{
    const struct estimate *r = under_cursor(w);
    if (!r)
        return PAGE_HANDLED;
    if (r->verdict == VERDICT_TOO_BIG)
        wizard_say(w, "%s does not fit here; it is made all the same if you go on", r->level->name);
    else if (r->forbidden)
        wizard_say(w, "%s is ruled out; it is made all the same if you go on", r->level->name);
    wizard_choose_level(w, r->level->name);
    return PAGE_NEXT;
}

static void set_wish(struct wizard *w, enum wish_id id, const char *text)
{
    struct error e = {0};
    if (wishes_set(&w->wishes, id, text, &e))
        wizard_say(w, "%s", e.text);
    else
        wizard_changed(w);
}

/* Powers of two, and the trained context where the model says it. */
static int change_context(struct wizard *w, int step)
{
    enum { CONTEXT_MIN = 256 };
    int now = w->estimates ? w->estimates->context : 0, trained = w->model ? w->model->hp.context : 0,
        power = CONTEXT_MIN;
    char text[16];
    if (!now)
        return PAGE_HANDLED;
    while (step > 0 ? power <= now : power * 2 < now)
        power *= 2;
    if (step > 0 && trained > now && trained < power)
        power = trained;
    if (step > 0 && trained && now >= trained) {
        wizard_say(w, "the model was trained on %d tokens; a longer context can be typed under Wishes",
                   trained);
        return PAGE_HANDLED;
    }
    snprintf(text, sizeof text, "%d", power);
    set_wish(w, WISH_CTX, text);
    return PAGE_HANDLED;
}

static int key_kv(struct wizard *w)
{
    const struct wish_spec *s = &wish_specs[WISH_KV_TYPE];
    int next = w->wishes.value[WISH_KV_TYPE].choice + 1;
    set_wish(w, WISH_KV_TYPE, s->choices[next] ? s->choices[next] : s->choices[0]);
    return PAGE_HANDLED;
}

static int take_lever(struct wizard *w, int k)
{
    const struct lever *l = lever_pane_at(&state(w)->levers, w, k);
    if (l && l->wish < 0)
        wizard_choose_level(w, l->value);
    else if (l)
        set_wish(w, l->wish, l->value);
    return PAGE_HANDLED;
}

static int key_explain(struct wizard *w)
{
    struct str body = {0};
    int count = 0;
    if (!under_cursor(w))
        return PAGE_HANDLED;
    const char **lines = estimate_explain(w->estimates, list_row(&state(w)->list), w->machine, w->model, &w->wishes,
                                          w->rules, &count);
    for (int i = 0; i < count; i++)
        str_addf(&body, "%s\n", lines[i]);
    char *title = xasprintf("How %s was reckoned", under_cursor(w)->level->name);
    dialog_message(w, title, body.data ? body.data : "");
    free(title);
    str_done(&body);
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct estimates_page *p = state(w);
    if (!w->estimates)
        return PAGE_IGNORED;
    if (k == K_LEFT || k == K_RIGHT)
        return change_context(w, k == K_LEFT ? -1 : 1);
    if (k >= LEVER_KEY_FIRST && k <= LEVER_KEY_LAST && !p->list.filtering)
        return take_lever(w, k);
    if ((k == K_PAGE_UP || k == K_PAGE_DOWN) && text_key(&p->reasons, k))
        return PAGE_HANDLED;
    if (!list_key(&p->list, k))
        return PAGE_IGNORED;
    remember_cursor(p, w);
    return PAGE_HANDLED;
}

static int click(struct wizard *w, int y, int x)
{
    struct estimates_page *p = state(w);
    int before = p->list.cursor;
    if (!w->estimates || !list_click(&p->list, y, x))
        return PAGE_IGNORED;
    remember_cursor(p, w);
    return before == p->list.cursor ? key_choose(w) : PAGE_HANDLED;
}

static bool typing(const struct wizard *w)
{
    return state(w)->list.filtering;
}

static const char *locked(const struct wizard *w)
{
    return w->model ? NULL : "choose a model first";
}

static bool complete(const struct wizard *w)
{
    return w->estimates && w->visited[PAGE_ESTIMATES];
}

static void enter(struct wizard *w)
{
    wizard_changed(w);
}

static void close_page(struct wizard *w)
{
    text_done(&state(w)->reasons);
    lever_pane_done(&state(w)->levers);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Choose", "takes the row under the cursor and goes on", key_choose},
    {K_LEFT, K_RIGHT, "Context", "halves or doubles the context, up to what the model was trained on", NULL},
    {'k', 0, "KV", "the next type of the KV cache", key_kv},
    {LEVER_KEY_FIRST, LEVER_KEY_LAST, NULL,
     "A to K: takes that change of the pane below, where a level does not fit or is too slow", NULL},
    {'m', 0, "Mix", "a type for each tensor instead of a level: the best ones for the budget, measured, or a preset",
     mix_view_ask},
    {'e', K_F(2), "Explain", "the arithmetic of the row under the cursor, with this model's numbers",
     key_explain},
    {K_UP, K_DOWN, NULL, "moves through the rows; the pane below says what speaks for and against each",
     NULL},
    {K_PAGE_DOWN, K_PAGE_UP, NULL, "scrolls the reasons", NULL},
    {'/', 0, NULL, "filters the rows while you type", NULL},
    {0},
};

static const char *const terms[] = {"bits per weight", "level", "weights", "KV cache", "compute buffers",
                                    "perplexity",      "VRAM",  "tokens",  NULL};

const struct page page_estimates = {
    .name = "Estimates",
    .about = "What each level would cost on this machine and what it would lose. Sizes are exact; buffers "
             "follow the runtime's own sums; speed follows from bandwidth; the loss is a published figure "
             "until it is measured. The star marks what the rules recommend; the pane below says why. In a "
             "bar: weights, then KV cache, then buffers.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct estimates_page),
    .locked = locked,
    .complete = complete,
    .enter = enter,
    .draw = draw,
    .key = key,
    .typing = typing,
    .click = click,
    .close = close_page,
};
