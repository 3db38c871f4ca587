/* One form made from the table of wishes; the estimates follow each change in the same screen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "ui/frame.h"
#include "ui/gauge.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/wizard.h"

struct wishes_page {
    struct list list;
    struct text help;
};

static struct wishes_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_wishes);
}

static enum wish_id current(const struct wizard *w)
{
    int cursor = state(w)->list.cursor;
    return cursor < 0 ? 0 : cursor;
}

/* ------------------------------------------------------------------ drawing */

enum column { COLUMN_PROMPT, COLUMN_VALUE, COLUMN_FROM };
static const struct list_column columns[] = {
    [COLUMN_PROMPT] = {"wish", ALIGN_LEFT, {19, 0, 0}},
    [COLUMN_VALUE] = {"value", ALIGN_LEFT, {26, 1, 0}},
    [COLUMN_FROM] = {"comes from", ALIGN_LEFT, {16, 0, 1}},
};

static bool is_cycled(enum wish_id id)
{
    return wish_specs[id].type == WISH_CHOICE;
}

/* "◂ gpu ▸" where the arrow keys change it, "8192 tokens" where it is typed. */
static void show_value(const struct wishes *w, enum wish_id id, char *out, size_t size)
{
    char text[64];
    const struct wish_spec *s = &wish_specs[id];
    const char *value = wishes_show(w, id, text);
    bool unit = s->unit && wishes_given(w, id);
    if (is_cycled(id))
        snprintf(out, size, "%s %s %s", theme_glyph(GLYPH_LEFT), value, theme_glyph(GLYPH_RIGHT));
    else
        snprintf(out, size, "  %s%s%s", value, unit ? " " : "", unit ? s->unit : "");
}

static void fill_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct wizard *w = user;
    const struct wish_value *v = &w->wishes.value[row];
    switch (column) {
    case COLUMN_PROMPT:
        snprintf(c->text, sizeof c->text, "%s", wish_specs[row].prompt);
        break;
    case COLUMN_VALUE:
        show_value(&w->wishes, row, c->text, sizeof c->text);
        c->style = v->set ? STYLE_STRONG : STYLE_NORMAL;
        break;
    default:
        snprintf(c->text, sizeof c->text, "%s", v->from ? v->from : "");
        c->style = STYLE_DIM;
    }
}

static void draw_help(struct wizard *w, struct rect in)
{
    struct wishes_page *p = state(w);
    text_clear(&p->help);
    text_add(&p->help, in.w, STYLE_NORMAL, wish_specs[current(w)].help, NULL);
    text_paint(&p->help, in);
}

/* One row of the estimates in short: level, size, bar, speed, loss. */
static void draw_estimate(const struct wizard *w, struct rect in, int y, const struct estimate *r)
{
    char total[FORMAT_SIZE];
    bool gpu = r->gpu_bytes > 0;
    double budget = gpu ? (double)w->estimates->gpu_budget : (double)w->estimates->cpu_budget;
    struct gauge g = {.part = {{(double)r->weights_bytes, STYLE_WEIGHTS}, {(double)r->kv_bytes, STYLE_KV},
                               {(double)(r->compute_bytes + r->overhead_bytes), STYLE_BUFFERS}},
                      .parts = 3, .whole = budget, .edges = true};
    if (r->recommended)
        paint_text(in, y, 0, STYLE_ACCENT, theme_glyph(GLYPH_STAR));
    int wide = wizard_level_width(w) + 1, x = 2 + wide + 1;
    paint_field(in, y, 2, wide, ALIGN_LEFT, r->recommended ? STYLE_STRONG : STYLE_NORMAL, r->level->name);
    paint_field(in, y, x, 9, ALIGN_RIGHT, STYLE_NORMAL, format_bytes(total, (double)r->total_bytes));
    gauge_paint(in, y, x + 10, 21 - wide, &g);
    x += 32 - wide;
    if (!isnan(r->tokens_per_s))
        paintf(in, y, x, STYLE_NORMAL, "%6.0f t/s", r->tokens_per_s);
    x += 12;
    if (!isnan(r->expected_loss))
        paintf(in, y, x, STYLE_NORMAL, "%4.1f %%", r->expected_loss * 100);
    paint_text(in, y, x + 8, r->verdict == VERDICT_TOO_BIG || r->forbidden ? STYLE_DIM : STYLE_GOOD,
               r->forbidden ? "ruled out" : verdict_name(r->verdict));
}

static void draw_strip(struct wizard *w, struct rect in)
{
    const struct estimates *s = w->estimates;
    if (w->estimates_error.code)
        paint_field(in, 0, 0, in.w, ALIGN_LEFT, STYLE_BAD, w->estimates_error.text);
    else if (!s)
        paint_text(in, 0, 0, STYLE_DIM, w->model ? "" : "choose a model, and the estimates appear here");
    else {
        int first = s->recommended < 1 ? 0 : s->recommended - (in.h - 1) / 2;
        first = first > s->count - in.h + 1 ? s->count - in.h + 1 : first;
        first = first < 0 ? 0 : first;
        paint_field(in, 0, 0, in.w, ALIGN_LEFT, STYLE_ACCENT, s->headline ? s->headline : "");
        for (int y = 1; y < in.h && first + y - 1 < s->count; y++)
            draw_estimate(w, in, y, &s->rows[first + y - 1]);
    }
}

static void draw(struct wizard *w, struct rect page)
{
    struct wishes_page *p = state(w);
    struct rect in[PANES_MAX];
    layout_wishes(page, in);
    p->list.columns = columns;
    p->list.column_count = ARRAY_LENGTH(columns);
    p->list.cell = fill_cell;
    p->list.user = w;
    p->list.no_heading = true;
    list_resize(&p->list, WISH_COUNT);
    frame_paint((struct pane[]){{in[WISHES_FORM], "Wishes", "every one may stay as it is"},
                                {in[WISHES_HELP], wish_specs[current(w)].prompt, NULL},
                                {in[WISHES_STRIP], "what follows", NULL}}, WISHES_PANES);
    list_paint(&p->list, in[WISHES_FORM]);
    draw_help(w, rect_padded(in[WISHES_HELP]));
    draw_strip(w, rect_padded(in[WISHES_STRIP]));
}

/* --------------------------------------------------------------------- keys */

static int set_wish(struct wizard *w, enum wish_id id, const char *text, struct error *e)
{
    int rc = wishes_set(&w->wishes, id, text, e);
    if (!rc)
        wizard_changed(w);
    return rc;
}

static int cycle(struct wizard *w, int step)
{
    enum wish_id id = current(w);
    const struct wish_spec *s = &wish_specs[id];
    struct error e = {0};
    if (!is_cycled(id))
        return PAGE_IGNORED;
    int count = 0;
    while (s->choices[count])
        count++;
    set_wish(w, id, s->choices[(w->wishes.value[id].choice + step + count) % count], &e);
    return PAGE_HANDLED;
}

static int answer_value(struct wizard *w, int choice, const char *typed, struct error *e)
{
    enum wish_id id = current(w);
    (void)choice;
    if (wish_specs[id].type != WISH_PATH || !*typed)
        return set_wish(w, id, typed, e);
    char *path = path_expand(typed);
    int rc =
        file_exists(path) ? set_wish(w, id, path, e) : error_set(e, ERROR_USAGE, "there is no file %s", path);
    free(path);
    return rc;
}

static void edit(struct wizard *w, const char *initial)
{
    const struct wish_spec *s = &wish_specs[current(w)];
    struct dialog *d = dialog_input(w, s->prompt, s->help, initial, answer_value);
    if (s->type == WISH_PATH)
        d->field.complete = field_complete_path;
}

static int key_edit(struct wizard *w)
{
    char text[64];
    const char *value = wishes_text(&w->wishes, current(w), text);
    if (is_cycled(current(w)))
        return cycle(w, 1);
    edit(w, value ? value : "");
    return PAGE_HANDLED;
}

static int key_unset(struct wizard *w)
{
    struct error e = {0};
    set_wish(w, current(w), "", &e);
    return PAGE_HANDLED;
}

/* A digit on a number begins typing it. */
static int key(struct wizard *w, int k)
{
    char digit[2] = {(char)k, 0};
    if (k == K_LEFT || k == K_RIGHT)
        return cycle(w, k == K_LEFT ? -1 : 1);
    if (k >= '0' && k <= '9' && !is_cycled(current(w)) && wish_specs[current(w)].type != WISH_PATH) {
        edit(w, digit);
        return PAGE_HANDLED;
    }
    return list_key(&state(w)->list, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool typing(const struct wizard *w)
{
    return state(w)->list.filtering;
}

static int click(struct wizard *w, int y, int x)
{
    struct wishes_page *p = state(w);
    int before = p->list.cursor;
    if (!list_click(&p->list, y, x))
        return PAGE_IGNORED;
    return before == p->list.cursor ? key_edit(w) : PAGE_HANDLED;
}

static bool complete(const struct wizard *w)
{
    return w->visited[PAGE_WISHES];
}

static void close_page(struct wizard *w)
{
    text_done(&state(w)->help);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Next", "goes on to the estimates", page_go_next},
    {K_LEFT, K_RIGHT, "Change", "goes through the choices of the wish under the cursor", NULL},
    {'e', ' ', "Edit", "types a value; a digit begins typing at once", key_edit},
    {'u', K_DELETE, "Unset", "takes the wish back: the default stands again", key_unset},
    {0},
};

static const char *const terms[] = {"context", "KV cache", "perplexity", "calibration", "VRAM", NULL};

const struct page page_wishes = {
    .name = "Wishes",
    .about = "What the result must do. Each line says its value and where that came from; whatever you do "
             "not touch keeps a default that suits this machine and model. The estimates below follow at "
             "once.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct wishes_page),
    .complete = complete,
    .draw = draw,
    .key = key,
    .typing = typing,
    .click = click,
    .close = close_page,
};
