/* What was found on this computer, what could not be read, and why each fact matters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ui/frame.h"
#include "ui/gauge.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/wizard.h"

enum { ROWS_MAX = 128 };

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_RATE };
struct row {
    const char *why;      /* does it matter */
    char label[24], value[160];
    struct fact *fact;    /* what `e` sets; NULL: nothing to enter */
    struct fact *total;   /* of the memory of which `fact` is what is free; NULL: it is no such fact */
    enum unit unit;
    enum fact_source source;
    double used, whole;   /* of a bar; whole 0: none */
};
struct machine_page {
    struct row rows[ROWS_MAX];
    int count;
    struct list list;
    struct text why;
};

static struct machine_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_machine);
}

static const char why_cpu[] = "The processor quantizes, evaluates, and runs what does not fit on a GPU. "
                              "Threads are those that this process may use: affinity and container quotas "
                              "count.";
static const char why_features[] = "Vector units decide how fast weights are decoded. The best kernels for "
                                   "what is here are chosen by themselves.";
static const char why_caches[] = "Quantization works on slices that stay in the cache; the larger it is, the "
                                 "less memory bandwidth is needed.";
static const char why_numa[] = "Memory of another NUMA node is slower to reach. A model that spans nodes "
                               "runs best with its threads spread the same way.";
static const char why_ram[] = "What is free bounds the models that run on the CPU, and the layers that do "
                              "not fit on a GPU. Quantizing itself needs little: weights are mapped, a few "
                              "tensors are held at a time.";
static const char why_limit[] = "This container may use no more than that, however much the computer has: "
                                "estimates use the smaller figure.";
static const char why_bandwidth[] =
    "To write a token, a model reads nearly all of its weights once. Bandwidth divided by their size is the "
    "most tokens per second that the CPU can give. Measured for half a second with all cores; press e to "
    "enter another figure.";
static const char why_gpu[] = "A GPU reads its own memory several times faster than the CPU reads RAM. Its "
                              "compute capability says which formats run natively.";
static const char why_no_gpu[] = "None was found, so estimates are for the CPU. If there is one that its "
                                 "driver does not show, press g and enter its memory; the same works for a "
                                 "machine that you are going to buy.";
static const char why_vram[] = "Free VRAM decides which level fits: weights, KV cache and buffers must all "
                               "lie there for full speed. Other programs' use counts against it. Unknown? "
                               "Press e and enter it; it is then marked as entered.";
static const char why_gpu_bandwidth[] = "Bounds tokens per second on the GPU as memory bandwidth does on the "
                                        "CPU. It comes from a table by the GPU's name; press e to enter it "
                                        "where it is unknown.";
static const char why_disk[] = "The result is written under a temporary name, checked, then renamed: the "
                               "whole file must fit. This is checked before a run starts.";
static const char why_warning[] = "Something could not be read. Estimates that need it say unknown instead "
                                  "of guessing.";

/* --------------------------------------------------------------------- rows */

static struct row *add_row(struct machine_page *p, const char *label, const char *why)
{
    struct row *r = &p->rows[p->count < ROWS_MAX - 1 ? p->count++ : p->count];
    *r = (struct row){.why = why, .source = FACT_FOUND};
    snprintf(r->label, sizeof r->label, "%s", label);
    return r;
}

static void set_unknown(struct row *r)
{
    snprintf(r->value, sizeof r->value, "unknown");
    r->source = FACT_UNKNOWN;
}

static void set_fact(struct row *r, struct fact *f, enum unit unit)
{
    char number[FORMAT_SIZE];
    r->fact = f;
    r->unit = unit;
    r->source = f->source;
    if (!fact_known(*f))
        snprintf(r->value, sizeof r->value, "unknown");
    else if (unit == UNIT_RATE)
        snprintf(r->value, sizeof r->value, "%.*f GB/s", f->value < 100e9, f->value / 1e9);
    else
        snprintf(r->value, sizeof r->value, "%s", format_bytes(number, f->value));
}

/* "3.1 of 15.6 GiB in use", with a bar. */
static void set_use(struct row *r, struct fact total, struct fact left)
{
    if (!fact_known(total) || !fact_known(left))
        return;
    r->used = fmax(0, total.value - left.value);
    r->whole = total.value;
    snprintf(r->value, sizeof r->value, "%.1f of %.1f GiB in use", r->used / 0x1p30, total.value / 0x1p30);
    r->source = left.source;
}

/* Where the size of a memory is known, what is free of it is what counts, and what there is to enter. */
static void set_memory(struct row *r, struct fact *total, struct fact *left)
{
    set_fact(r, total, UNIT_BYTES);
    if (!fact_known(*total))
        return;
    r->fact = left;
    r->total = total;
    set_use(r, *total, *left);
    if (!fact_known(*left))
        strncat(r->value, ", free: unknown", sizeof r->value - strlen(r->value) - 1);
}

static void add_cpu(struct machine_page *p, const struct machine_cpu *c)
{
    struct row *r = add_row(p, "CPU", why_cpu);
    snprintf(r->value, sizeof r->value, "%s", c->model ? c->model : "");
    if (!c->model)
        set_unknown(r);
    r = add_row(p, "cores", why_cpu);
    if (c->cores <= 0) {
        set_unknown(r);
        return;
    }
    int n = snprintf(r->value, sizeof r->value, "%d core%s, %d thread%s", c->cores, c->cores == 1 ? "" : "s",
                     c->threads, c->threads == 1 ? "" : "s");
    if (c->packages > 1)
        n += snprintf(r->value + n, sizeof r->value - n, ", %d packages", c->packages);
    if (c->performance_cores || c->efficiency_cores)
        snprintf(r->value + n, sizeof r->value - n, " (%d fast, %d small)", c->performance_cores,
                 c->efficiency_cores);
}

static void add_features(struct machine_page *p, const struct machine_cpu *c)
{
    struct row *r = add_row(p, "vector units", why_features);
    size_t n = 0;
    for (int i = 0; c->features && c->features[i] && n < sizeof r->value - 1; i++)
        n += (size_t)snprintf(r->value + n, sizeof r->value - n, "%s%s", i ? " " : "", c->features[i]);
    if (!n)
        set_unknown(r);
}

static void add_caches(struct machine_page *p, const struct machine_cpu *c)
{
    const struct { const char *name; struct fact size; } level[] = {
        {"L1d", c->l1d_bytes}, {"L2", c->l2_bytes}, {"L3", c->l3_bytes}};
    struct row *r = add_row(p, "caches", why_caches);
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(level); i++) {
        double kib = level[i].size.value / 1024;
        if (fact_known(level[i].size))
            n += (size_t)snprintf(r->value + n, sizeof r->value - n, "%s%s %.4g%c", n ? "  " : "",
                                  level[i].name, kib < 1024 ? kib : kib / 1024, kib < 1024 ? 'K' : 'M');
    }
    if (!n)
        set_unknown(r);
}

static void add_memory(struct machine_page *p, struct machine_memory *m)
{
    set_memory(add_row(p, "RAM", why_ram), &m->total_bytes, &m->available_bytes);
    if (fact_known(m->limit_bytes))
        set_fact(add_row(p, "memory limit", why_limit), &m->limit_bytes, UNIT_BYTES);
    set_fact(add_row(p, "RAM bandwidth", why_bandwidth), &m->bandwidth, UNIT_RATE);
}

static void add_numa(struct machine_page *p, const struct machine *m)
{
    if (m->numa_count < 2)
        return;
    struct row *r = add_row(p, "NUMA nodes", why_numa);
    size_t n = (size_t)snprintf(r->value, sizeof r->value, "%d:", m->numa_count);
    for (int i = 0; i < m->numa_count && n < sizeof r->value - 1; i++) {
        char size[FORMAT_SIZE];
        n += (size_t)snprintf(r->value + n, sizeof r->value - n, " %s",
                              fact_known(m->numa[i].total_bytes)
                                  ? format_bytes(size, m->numa[i].total_bytes.value)
                                  : "unknown");
    }
}

static void add_gpu(struct machine_page *p, struct machine_gpu *g, int index)
{
    char label[24];
    snprintf(label, sizeof label, "GPU %d", index);
    struct row *r = add_row(p, label, why_gpu);
    int n = snprintf(r->value, sizeof r->value, "%s", g->name ? g->name : "unknown");
    r->source = g->source && strcmp(g->source, "entered") == 0 ? FACT_ENTERED : FACT_FOUND;
    if (fact_known(g->compute_capability))
        n += snprintf(r->value + n, sizeof r->value - n, "  compute %.1f", g->compute_capability.value);
    if (g->driver)
        n += snprintf(r->value + n, sizeof r->value - n, "  driver %s", g->driver);
    snprintf(r->value + n, sizeof r->value - n, "%s%s", g->mig ? "  MIG" : "",
             g->unified ? "  shares the RAM" : "");
    set_memory(add_row(p, "  VRAM", why_vram), &g->vram_total_bytes, &g->vram_free_bytes);
    set_fact(add_row(p, "  bandwidth", why_gpu_bandwidth), &g->bandwidth, UNIT_RATE);
}

static void add_disk(struct machine_page *p, struct machine *m)
{
    char size[FORMAT_SIZE];
    struct row *r = add_row(p, "disk", why_disk);
    bool here = !m->disk_path || strcmp(m->disk_path, ".") == 0;
    if (fact_known(m->disk_free_bytes))
        snprintf(r->value, sizeof r->value, "%s free %s%s", format_bytes(size, m->disk_free_bytes.value),
                 here ? "here" : "in ", here ? "" : m->disk_path);
    else
        set_unknown(r);
    r->source = m->disk_free_bytes.source;
}

static void build_rows(struct machine_page *p, struct machine *m)
{
    p->count = 0;
    add_cpu(p, &m->cpu);
    add_features(p, &m->cpu);
    add_caches(p, &m->cpu);
    add_numa(p, m);
    add_memory(p, &m->memory);
    for (int i = 0; i < m->gpu_count; i++)
        add_gpu(p, &m->gpus[i], i);
    if (!m->gpu_count)
        snprintf(add_row(p, "GPU", why_no_gpu)->value, sizeof p->rows[0].value, "none found");
    add_disk(p, m);
    for (int i = 0; i < m->warning_count; i++) {
        struct row *r = add_row(p, "note", why_warning);
        snprintf(r->value, sizeof r->value, "%s", m->warnings[i]);
        r->source = FACT_UNKNOWN;
    }
    list_resize(&p->list, p->count);
}

/* ------------------------------------------------------------------ drawing */

enum column { COLUMN_LABEL, COLUMN_VALUE, COLUMN_BAR, COLUMN_SOURCE };
static const struct list_column columns[] = {
    [COLUMN_LABEL] = {"fact", ALIGN_LEFT, {14, 0, 0}},
    [COLUMN_VALUE] = {"value", ALIGN_LEFT, {25, 4, 0}},
    [COLUMN_BAR] = {"", ALIGN_LEFT, {8, 1, 1}},
    [COLUMN_SOURCE] = {"source", ALIGN_LEFT, {14, 0, 2}},
};

static bool is_note(const struct row *r)
{
    return r->why == why_warning;
}

static void fill_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct machine_page *p = user;
    const struct row *r = &p->rows[row];
    bool unknown = r->source == FACT_UNKNOWN;
    switch (column) {
    case COLUMN_LABEL:
        snprintf(c->text, sizeof c->text, "%s", r->label);
        break;
    case COLUMN_VALUE:
        snprintf(c->text, sizeof c->text, "%s", r->value);
        c->style = unknown ? STYLE_WARN : STYLE_NORMAL;
        break;
    case COLUMN_SOURCE:
        snprintf(c->text, sizeof c->text, "%s",
                 is_note(r)           ? ""
                 : unknown && r->fact ? "e enters it"
                                      : fact_source_name(r->source));
        c->style = STYLE_DIM;
        break;
    default:
        break;
    }
}

static void paint_bar(void *user, int row, int column, struct rect at)
{
    const struct row *r = &((struct machine_page *)user)->rows[row];
    struct gauge g = {.part = {{r->used, STYLE_USED}}, .parts = 1, .whole = r->whole, .edges = true};
    if (column == COLUMN_BAR && r->whole > 0)
        gauge_paint(at, 0, 0, at.w, &g);
}

static void draw_why(struct machine_page *p, struct rect in, const struct wizard *w)
{
    text_clear(&p->why);
    if (w->machine_error.code)
        text_add(&p->why, in.w, STYLE_BAD, w->machine_error.text, NULL);
    else if (list_row(&p->list) >= 0) {
        const struct row *r = &p->rows[p->list.cursor];
        text_addf(&p->why, in.w, is_note(r) ? STYLE_WARN : STYLE_STRONG, "%s: %s",
                  r->label + strspn(r->label, " "), r->value);
        text_add(&p->why, in.w, STYLE_NORMAL, r->why, NULL);
    }
    text_paint(&p->why, in);
}

static void draw(struct wizard *w, struct rect page)
{
    struct machine_page *p = state(w);
    struct rect in[PANES_MAX];
    char filter[LIST_FILTER + 16];
    layout_machine(page, in);
    p->list.columns = columns;
    p->list.column_count = ARRAY_LENGTH(columns);
    p->list.cell = fill_cell;
    p->list.paint = paint_bar;
    p->list.user = p;
    if (w->machine)
        build_rows(p, w->machine);
    const char *name = w->machine ? w->machine->name : NULL;
    frame_paint(
        (struct pane[]){{in[MACHINE_FACTS], "Machine", *list_filter_note(&p->list, filter) ? filter : name},
                        {in[MACHINE_WHY], "why it matters", NULL}},
        MACHINE_PANES);
    if (w->machine)
        list_paint(&p->list, in[MACHINE_FACTS]);
    else if (!w->machine_error.code)
        paintf(in[MACHINE_FACTS], 1, 2, STYLE_DIM, "looking at this machine%s", theme_ascii() ? "..." : "…");
    draw_why(p, rect_padded(in[MACHINE_WHY]), w);
}

/* --------------------------------------------------------------------- keys */

/* Plain numbers of a rate are GB/s; sizes are as everywhere. */
static bool parse_fact(enum unit unit, const char *typed, double *value)
{
    uint64_t bytes;
    char *text = xstrdup(typed), *slash = strchr(text, '/');
    if (slash)
        *slash = 0;
    bool plain = unit == UNIT_RATE && parse_double(text, value), ok = plain || parse_bytes(text, &bytes);
    *value = plain ? *value * 1e9 : ok ? (double)bytes : 0;
    free(text);
    return ok && *value > 0;
}

static int expected(enum unit unit, struct error *e, const char *typed)
{
    return error_set(e, ERROR_USAGE, "expected %s, found '%s'",
                     unit == UNIT_RATE ? "a rate such as 448 or 1.8TB/s (plain numbers are GB/s)"
                                       : "a size such as 24GiB",
                     typed);
}

static int answer_fact(struct wizard *w, int choice, const char *typed, struct error *e)
{
    struct machine_page *p = state(w);
    const struct row *r = &p->rows[p->list.cursor];
    double value;
    (void)choice;
    if (!parse_fact(r->unit, typed, &value))
        return expected(r->unit, e, typed);
    *r->fact = (struct fact){value, FACT_ENTERED};
    if (r->total && value > r->total->value) /* another machine is meant */
        *r->total = *r->fact;
    wizard_changed(w);
    return 0;
}

static int key_enter_fact(struct wizard *w)
{
    struct machine_page *p = state(w);
    const struct row *r = list_row(&p->list) >= 0 ? &p->rows[p->list.cursor] : NULL;
    if (!w->machine || !r || !r->fact) {
        wizard_say(w, "this fact is not one to enter: choose RAM, VRAM or a bandwidth");
        return PAGE_HANDLED;
    }
    const char *question = r->total               ? "Free memory, for example 10GiB:"
                           : r->unit == UNIT_RATE ? "Bandwidth in GB/s:"
                                                  : "Size, for example 24GiB:";
    dialog_input(w, "Enter what you know", question, "", answer_fact);
    return PAGE_HANDLED;
}

static void append_gpu(struct machine *m, double vram)
{
    struct machine_gpu *all = arena_alloc(&m->arena, (m->gpu_count + 1) * sizeof *all);
    if (m->gpu_count)
        memcpy(all, m->gpus, m->gpu_count * sizeof *all);
    all[m->gpu_count] = (struct machine_gpu){.name = "entered GPU",
                                             .vendor = "unknown",
                                             .source = "entered",
                                             .numa_node = -1,
                                             .vram_total_bytes = {vram, FACT_ENTERED},
                                             .vram_free_bytes = {vram, FACT_ENTERED}};
    m->gpus = all;
    m->gpu_count++;
}

static int answer_gpu(struct wizard *w, int choice, const char *typed, struct error *e)
{
    double value;
    (void)choice;
    if (!parse_fact(UNIT_BYTES, typed, &value))
        return expected(UNIT_BYTES, e, typed);
    append_gpu(w->machine, value);
    wizard_changed(w);
    return 0;
}

static int key_add_gpu(struct wizard *w)
{
    if (w->machine)
        dialog_input(w, "Add a GPU",
                     "Its memory, for example 24GiB. Its bandwidth can be entered afterwards; until then the "
                     "speed stays unknown.",
                     "", answer_gpu);
    return PAGE_HANDLED;
}

static int key_again(struct wizard *w)
{
    wizard_detect(w, true);
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct machine_page *p = state(w);
    return list_key(&p->list, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool typing(const struct wizard *w)
{
    return state(w)->list.filtering;
}

static int click(struct wizard *w, int y, int x)
{
    struct machine_page *p = state(w);
    return list_click(&p->list, y, x) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool complete(const struct wizard *w)
{
    return w->machine != NULL;
}

static void close_page(struct wizard *w)
{
    text_done(&state(w)->why);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Next", "goes on to the model", page_go_next},
    {K_UP, K_DOWN, "Facts", "chooses a fact; the pane below says why it matters", NULL},
    {'e', 0, "Enter", "enters a figure that is unknown or wrong; it is then marked as entered",
     key_enter_fact},
    {'g', 0, "Add GPU", "adds a GPU that was not found, or one that you think of buying", key_add_gpu},
    {'r', 0, "Again", "looks at the machine again and measures its memory bandwidth; what was entered is forgotten", key_again},
    {'/', 0, NULL, "filters the facts while you type", NULL},
    {0},
};

static const char *const terms[] = {"VRAM", "bandwidth", "NUMA", NULL};

const struct page page_machine = {
    .name = "Machine",
    .about = "What this computer has, as far as it matters for running a language model. A fact that could "
             "not be read is unknown, never zero; estimates that need it say so.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct machine_page),
    .complete = complete,
    .draw = draw,
    .key = key,
    .typing = typing,
    .click = click,
    .close = close_page,
};
