#include "ui/ui.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "ui/frame.h"
#include "ui/glossary.h"
#include "ui/key.h"
#include "ui/script.h"

enum { TICK_MS = 200 };

const struct page *const pages[PAGE_COUNT] = {
    [PAGE_MACHINE] = &page_machine,     [PAGE_MODEL] = &page_model,         [PAGE_WISHES] = &page_wishes,
    [PAGE_ESTIMATES] = &page_estimates, [PAGE_CALIBRATE] = &page_calibrate, [PAGE_REVIEW] = &page_review,
    [PAGE_RUN] = &page_run,             [PAGE_EVALUATE] = &page_evaluate,   [PAGE_REPORT] = &page_report,
    [PAGE_COMPARE] = &page_compare,
    [PAGE_DOCTOR] = &page_doctor,
};

/* ----------------------------------------------------------------- going about */

static const char *locked(const struct wizard *w, int page)
{
    if (w->options.attach && !pages[page]->attached)
        return "this is only a view on a run; start quantwiz without attach for the other steps";
    return pages[page]->locked ? pages[page]->locked(w) : NULL;
}

static bool is_step(int page)
{
    return page < PAGE_STEPS;
}

/* The page that Back leads to; -1: none. */
static int page_before(const struct wizard *w)
{
    return is_step(w->page) ? w->page - 1 : w->page_before;
}

static int go_to(struct wizard *w, int page)
{
    if (page < 0 || page >= PAGE_COUNT || page == w->page)
        return PAGE_HANDLED;
    const char *why = locked(w, page);
    if (why) {
        wizard_say(w, "%s: %s", pages[page]->name, why);
        return PAGE_HANDLED;
    }
    if (is_step(w->page))
        w->page_before = w->page;
    w->visited[w->page] = true;
    w->page = page;
    if (pages[page]->enter)
        pages[page]->enter(w);
    return PAGE_HANDLED;
}

static int answer_quit(struct wizard *w, int choice, const char *typed, struct error *e)
{
    (void)typed;
    (void)e;
    w->asked_quit = choice == 0;
    return 0;
}

static int key_quit(struct wizard *w)
{
    if (!wizard_run_alive(w))
        return PAGE_QUIT;
    struct dialog *d = dialog_open(w, "Leave while a run is going on?",
                                   "The run goes on without this screen. `quantwiz attach` shows it again, "
                                   "and the next `quantwiz` in this folder offers to.");
    dialog_choice(d, 'y', "Yes, leave");
    dialog_choice(d, 'n', "No, stay");
    d->answer = answer_quit;
    return PAGE_HANDLED;
}

int page_go_back(struct wizard *w)
{
    (void)w;
    return PAGE_BACK;
}

int page_go_next(struct wizard *w)
{
    (void)w;
    return PAGE_NEXT;
}

int page_go_doctor(struct wizard *w)
{
    wizard_ask_page(w, PAGE_DOCTOR);
    return PAGE_HANDLED;
}

static int key_help(struct wizard *w);
static bool can_go_back(const struct wizard *w)
{
    return page_before(w) >= 0 && !locked(w, page_before(w));
}

const struct page_key ui_global_keys[] = {
    {K_F(1), '?', "Help", "this help: the page, its keys, and the words on it", key_help},
    {K_ESC, K_F(7), "Back", "the step before; nothing is lost", page_go_back, can_go_back},
    {K_F(8), 0, NULL, "the next step", page_go_next},
    {'1', 0, NULL, "1 to 9: that step", NULL},
    {K_CTRL('l'), 0, NULL, "draws the screen anew", NULL},
    {K_CTRL('z'), 0, NULL, "back to the shell for a while; its `fg` comes back here", NULL},
    {K_F(10), 'q', "Quit", "leaves; a run that is going on goes on", key_quit},
    {0},
};

/* ----------------------------------------------------------------------- help */

static void add_keys(struct str *out, const struct wizard *w, const struct page_key *keys)
{
    for (const struct page_key *k = keys; k->help; k++)
        if (!k->shown || !w || k->shown(w))
            str_addf(out, "  %s%s%s\t%s\n", key_name(k->key), k->also ? " " : "",
                     k->also ? key_name(k->also) : "", k->help);
}

static int key_help(struct wizard *w)
{
    const struct page *p = pages[w->page];
    struct str out = {0};
    str_addf(&out, "%s\n\n# Keys\n", p->about);
    add_keys(&out, w, p->keys);
    add_keys(&out, w, ui_global_keys);
    if (p->terms && p->terms[0])
        str_add(&out, "\n# Words\n");
    for (int i = 0; p->terms && p->terms[i]; i++)
        str_addf(&out, "%s\n  %s\n", p->terms[i], glossary_find(p->terms[i]));
    dialog_message(w, p->name, out.data);
    str_done(&out);
    return PAGE_HANDLED;
}

/* -------------------------------------------------------------------- drawing */

/* "RTX 4070" of "NVIDIA GeForce RTX 4070". */
static const char *short_gpu_name(const char *name)
{
    static const char *const prefix[] = {"NVIDIA ", "GeForce ", "AMD ", "Radeon ", "Intel(R) ", "Intel "};
    for (size_t i = 0; i < ARRAY_LENGTH(prefix); i++)
        if (str_starts(name, prefix[i]))
            name += strlen(prefix[i]);
    return name;
}

/* "RTX 4070  VRAM 1.1/12.0 GiB", or the RAM where there is no GPU. */
static void machine_in_use(const struct wizard *w, char *out, size_t size)
{
    const struct machine *m = w->machine;
    out[0] = 0;
    if (!m)
        return;
    struct fact total = m->gpu_count ? machine_vram_total(m) : machine_ram_total(m);
    struct fact left = m->gpu_count ? machine_vram_free(m) : m->memory.available_bytes;
    const char *what = m->gpu_count ? "VRAM" : "RAM", *gpu = m->gpu_count ? m->gpus[0].name : NULL;
    int n = snprintf(out, size, "%s", m->simulated ? "SIM  " : "");
    if (m->gpu_count > 1)
        n += snprintf(out + n, size - n, "%d x ", m->gpu_count);
    if (m->gpu_count)
        n += snprintf(out + n, size - n, "%.20s  ", short_gpu_name(gpu ? gpu : "GPU"));
    if (fact_known(total) && fact_known(left))
        snprintf(out + n, size - n, "%s %.1f/%.1f GiB", what, (total.value - left.value) / 0x1p30,
                 total.value / 0x1p30);
    else
        snprintf(out + n, size - n, "%s in use: unknown", what);
}

static void model_in_short(const struct wizard *w, char *out, size_t size)
{
    char count[FORMAT_SIZE], bytes[FORMAT_SIZE];
    const struct model *m = w->model;
    if (m)
        snprintf(out, size, "%s  %s  %s  %s %s", m->name, format_count(count, (double)m->parameters),
                 m->arch_name, m->file_type, format_bytes(bytes, (double)m->file_bytes));
    else
        snprintf(out, size, "%s", w->options.attach && w->run.level ? w->run.level : "");
}

static void draw_title(const struct ui *u)
{
    struct rect r = u->layout.title;
    char right[96], left[256];
    machine_in_use(u->w, right, sizeof right);
    model_in_short(u->w, left, sizeof left);
    int room = r.w - 12 - (*right ? paint_width(right) + 3 : 0);
    paint_fill(r, STYLE_TITLE);
    paint_text(r, 0, 1, STYLE_TITLE, "quantwiz");
    paint_field(r, 0, 12, room, ALIGN_LEFT, STYLE_TITLE, left);
    paint_right(r, 0, 1, STYLE_TITLE, right);
}

static void draw_steps(const struct ui *u)
{
    const struct wizard *w = u->w;
    struct rect r = u->layout.steps;
    for (int i = 0; i < PAGE_STEPS; i++) {
        bool here = i == (is_step(w->page) ? w->page : w->page_before), shut = locked(w, i) != NULL,
             complete = !shut && pages[i]->complete && pages[i]->complete(w);
        enum style s = here ? STYLE_STRONG : shut ? STYLE_DIM : STYLE_NORMAL;
        if (complete)
            paint_text(r, i, 0, STYLE_GOOD, theme_glyph(GLYPH_DONE));
        paint_text(r, i, 2, s, pages[i]->name);
        if (here)
            paint_text(r, i, r.w - 1, STYLE_ACCENT, theme_glyph(GLYPH_HERE));
    }
}

static void draw_message(const struct ui *u)
{
    const struct wizard *w = u->w;
    struct rect page = u->layout.page;
    struct rect line = {page.y + page.h - 1, page.x + 2, 1, page.w - 4};
    const char *busy = jobs_busy(w->jobs), *waiting = jobs_busy(w->hub.jobs);
    char mix[64];
    busy = busy ? busy : waiting ? waiting : mix_view_busy(w, mix);
    if (*w->message)
        paint_field(line, 0, 0, paint_width(w->message) + 2 < line.w ? paint_width(w->message) + 2 : line.w,
                    ALIGN_MIDDLE, STYLE_WARN, w->message);
    else if (busy)
        paintf(line, 0, 0, STYLE_DIM, " %s%s ", busy, theme_ascii() ? "..." : "…");
}

/* Even a window of one cell gets something that fits. */
static void draw_too_small(const struct ui *u)
{
    struct rect r = {0, 0, u->rows, u->cols};
    char text[64];
    snprintf(text, sizeof text, "%dx%d is too small", u->cols, u->rows);
    int y = u->rows > 2 ? u->rows / 2 - 1 : 0;
    paint_field(r, y, 0, u->cols, ALIGN_MIDDLE, STYLE_STRONG, text);
    snprintf(text, sizeof text, "quantwiz needs %dx%d", SCREEN_COLS_MIN, SCREEN_ROWS_MIN);
    paint_field(r, y + 1, 0, u->cols, ALIGN_MIDDLE, STYLE_NORMAL, text);
}

static void draw_page(struct ui *u)
{
    struct wizard *w = u->w;
    const struct page *p = pages[w->page];
    draw_title(u);
    if (u->layout.has_steps)
        draw_steps(u);
    p->draw(w, u->layout.page);
    draw_message(u);
    u->bar_count = keybar_place(u->bar, w, ui_global_keys, p->keys, u->layout.bar.w);
    keybar_paint(u->layout.bar, u->bar, u->bar_count);
    for (int i = 0; i < w->dialog_count; i++)
        dialog_paint(w->dialogs[i], (struct rect){0, 0, u->rows, u->cols});
}

void ui_draw(struct ui *u)
{
    getmaxyx(stdscr, u->rows, u->cols);
    u->layout = layout_screen(u->rows, u->cols, pages[u->w->page]->wide);
    erase();
    if (u->layout.too_small)
        draw_too_small(u);
    else
        draw_page(u);
    move(u->rows - 1, u->cols - 1);
    refresh();
}

/* --------------------------------------------------------------------- events */

static void act(struct ui *u, int flags)
{
    struct wizard *w = u->w;
    if (flags & PAGE_QUIT)
        u->quit = true;
    if ((flags & PAGE_NEXT) && is_step(w->page + 1))
        go_to(w, w->page + 1);
    if (flags & PAGE_BACK)
        go_to(w, page_before(w));
}

/* The first row of the table that has this key and something to do. */
static int run_table(struct wizard *w, const struct page_key *keys, int key)
{
    for (const struct page_key *k = keys; k->help; k++)
        if ((k->key == key || (k->also && k->also == key)) && k->run && (!k->shown || k->shown(w)))
            return k->run(w);
    return PAGE_IGNORED;
}

static int global_key(struct ui *u, int key)
{
    if (key >= '1' && key < '1' + PAGE_STEPS)
        return go_to(u->w, key - '1');
    if (key == K_CTRL('c'))
        return key_quit(u->w);
    return run_table(u->w, ui_global_keys, key);
}

/* What the terminal is asked for, whatever lies over the page. */
static bool terminal_key(int key)
{
    if (key == K_CTRL('l'))
        clearok(stdscr, TRUE);
    else if (key == K_CTRL('z'))
        terminal_suspend();
    return key == K_CTRL('l') || key == K_CTRL('z');
}

/* A page that is taking text (a filter, a field) sees the key before anything else does. */
static void on_key(struct ui *u, int key)
{
    struct wizard *w = u->w;
    const struct page *p = pages[w->page];
    w->message[0] = 0;
    int flags = p->typing && p->typing(w) ? p->key(w, key) : PAGE_IGNORED;
    if (!flags)
        flags = run_table(w, p->keys, key);
    if (!flags && p->key)
        flags = p->key(w, key);
    if (!flags)
        flags = global_key(u, key);
    act(u, flags);
}

static void on_dialog(struct ui *u, const struct ui_event *event)
{
    struct wizard *w = u->w;
    struct dialog *d = w->dialogs[w->dialog_count - 1];
    int place = w->dialog_count - 1;
    bool over = event->kind == UI_CLICK
                    ? dialog_click(w, d, (struct rect){0, 0, u->rows, u->cols}, event->y, event->x)
                    : dialog_key(w, d, event->key);
    if (!over)
        return;
    w->dialog_count--;
    memmove(w->dialogs + place, w->dialogs + place + 1, (w->dialog_count - place) * sizeof *w->dialogs);
    dialog_free(d);
}

static void on_click(struct ui *u, int y, int x)
{
    struct wizard *w = u->w;
    const struct page *p = pages[w->page];
    w->message[0] = 0;
    if (rect_holds(u->layout.bar, y, x))
        on_key(u, keybar_hit(u->bar, u->bar_count, x));
    else if (u->layout.has_steps && rect_holds(u->layout.steps, y, x))
        act(u, go_to(w, is_step(y - u->layout.steps.y) ? y - u->layout.steps.y : w->page));
    else if (p->click)
        act(u, p->click(w, y, x));
}

static void follow_answers(struct ui *u)
{
    struct wizard *w = u->w;
    int page = w->asked_page;
    w->asked_page = -1;
    if (page >= 0)
        go_to(w, page);
    if (w->asked_quit)
        u->quit = true;
}

void ui_tick(struct ui *u)
{
    struct wizard *w = u->w;
    const struct page *p = pages[w->page];
    double now = clock_monotonic();
    if (w->machine && !w->measuring && now - u->ticked >= 1) {
        u->ticked = now;
        machine_refresh(w->machine);
    }
    wizard_poll(w);
    if (p->tick)
        act(u, p->tick(w));
}

static void dispatch(struct ui *u, const struct ui_event *event)
{
    struct wizard *w = u->w;
    bool input = event->kind == UI_KEY || event->kind == UI_CLICK || event->kind == UI_WHEEL;
    if (event->kind == UI_KEY && terminal_key(event->key))
        return;
    if (u->layout.too_small && input) {
        u->quit = event->kind == UI_KEY &&
                  (event->key == 'q' || event->key == K_F(10) || event->key == K_CTRL('c'));
        return;
    }
    if (input && w->dialog_count)
        on_dialog(u, event);
    else if (event->kind == UI_KEY || event->kind == UI_WHEEL)
        on_key(u, event->key);
    else if (event->kind == UI_CLICK)
        on_click(u, event->y, event->x);
    follow_answers(u);
}

static int loop(struct ui *u, struct script *s, struct error *e)
{
    struct ui_event event;
    ui_draw(u);
    while (!u->quit) {
        if (!s)
            terminal_next(jobs_fd(u->w->jobs), TICK_MS, &event);
        else if (script_next(s, u, &event, e))
            return e->code;
        if (event.kind == UI_END)
            break;
        if (wizard_collect(u->w))
            ui_draw(u); /* a key means what is shown: rows of what was there before are gone */
        ui_tick(u);
        dispatch(u, &event);
        ui_draw(u);
    }
    return 0;
}

int ui_run(struct wizard *w, const struct ui_options *o, struct error *e)
{
    struct ui u = {.w = w};
    struct script *script = NULL;
    if (o->script && script_open(&script, o->script, e))
        return e->code;
    int rc =
        script ? terminal_open_nowhere(SCREEN_ROWS_MIN, SCREEN_COLS_MIN, e) : terminal_open(!o->no_mouse, e);
    if (!rc) {
        if (pages[w->page]->enter)
            pages[w->page]->enter(w);
        rc = loop(&u, script, e);
        terminal_close();
    }
    script_close(script);
    return rc;
}
