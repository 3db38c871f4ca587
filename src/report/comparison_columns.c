/* What a comparison says of each run, column by column. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/comparison_priv.h"

#define FIGURE(name) static double get_##name(const struct comparison *c, int i) { return c->runs[i].eval.figures.name; }
FIGURE(ppl) FIGURE(kld_mean) FIGURE(kld_low) FIGURE(kld_high) FIGURE(same_top) FIGURE(prefill_tokens_per_s)
FIGURE(decode_tokens_per_s)

/* Of what was made; a run that made nothing yet has none. */
#define ARTEFACT(name)                                                                                   \
    static double get_##name(const struct comparison *c, int i)                                          \
    {                                                                                                    \
        return c->runs[i].artefact.path ? c->runs[i].artefact.name : NAN;                                \
    }
ARTEFACT(bytes) ARTEFACT(memory_bytes) ARTEFACT(bits_per_weight)

static double get_loss(const struct comparison *c, int i) { return expm1(c->runs[i].eval.figures.delta_ln_ppl); }
static double get_loss_low(const struct comparison *c, int i) { return expm1(c->runs[i].eval.figures.delta_low); }
static double get_loss_high(const struct comparison *c, int i) { return expm1(c->runs[i].eval.figures.delta_high); }

static const char *get_mark(const struct comparison *c, int i) { return c->marks[i]; }
static const char *get_run(const struct comparison *c, int i) { return path_name(c->runs[i].folder); }
static const char *get_folder(const struct comparison *c, int i) { return c->runs[i].folder; }
static const char *get_name(const struct comparison *c, int i) { return c->names[i]; }
static const char *get_level(const struct comparison *c, int i) { return c->runs[i].level; }
static const char *get_status(const struct comparison *c, int i) { return c->runs[i].status; }
static const char *get_verdict(const struct comparison *c, int i) { return c->runs[i].eval.figures.verdict; }
static const char *get_sha256(const struct comparison *c, int i) { return c->runs[i].artefact.sha256; }
static const char *get_front(const struct comparison *c, int i) { return c->front[i] ? "yes" : "no"; }

/* The verdict, or why there is none. */
static const char *get_state(const struct comparison *c, int i)
{
    const struct run_state *s = &c->runs[i];
    if (s->has_result && s->eval.figures.verdict)
        return s->eval.figures.verdict;
    return isnan(s->started) ? "waits" : !s->over ? "running" : s->status ? s->status : "unknown";
}

const struct comparison_column comparison_column_list[] = {
    {"", NULL, get_mark},
    {"run", NULL, get_run, .priority = 8},
    {NULL, "run", get_folder},
    {"level", NULL, get_name},
    {NULL, "level", get_level},
    {"MiB", "bytes", NULL, get_bytes, "%.1f", 0x1p-20, 1},
    {"needs MiB", "memory_bytes", NULL, get_memory_bytes, "%.0f", 0x1p-20, 6},
    {"bpw", "bits_per_weight", NULL, get_bits_per_weight, "%.2f", 1, 10},
    {"ppl", "ppl", NULL, get_ppl, "%.3f", 1, 5},
    {"loss %", "loss", NULL, get_loss, "%+.2f", 100, 2},
    {NULL, "loss_low", NULL, get_loss_low},
    {NULL, "loss_high", NULL, get_loss_high},
    {"KLD", "kld_mean", NULL, get_kld_mean, "%.5f", 1, 1},
    {NULL, "kld_low", NULL, get_kld_low},
    {NULL, "kld_high", NULL, get_kld_high},
    {"same top %", "same_top", NULL, get_same_top, "%.1f", 100, 4},
    {"prefill t/s", "prefill_tokens_per_s", NULL, get_prefill_tokens_per_s, "%.0f", 1, 9},
    {"decode t/s", "decode_tokens_per_s", NULL, get_decode_tokens_per_s, "%.1f", 1, 7},
    {"verdict", NULL, get_state, .priority = 3},
    {NULL, "status", get_status},
    {NULL, "verdict", get_verdict},
    {NULL, "front", get_front},
    {NULL, "sha256", get_sha256},
};
const int comparison_column_count = ARRAY_LENGTH(comparison_column_list);

double comparison_task(const struct comparison *c, int run, int task)
{
    const struct eval_result *r = &c->runs[run].eval;
    for (int i = 0; i < r->task_count; i++)
        if (strcmp(r->tasks[i].name, c->tasks[task]) == 0)
            return r->tasks[i].accuracy;
    return NAN;
}

/* ------------------------------------------------------------------ for people */

/* The columns that have a title, then one for each task. */
static const struct comparison_column *titled(int column)
{
    for (int i = 0; i < comparison_column_count; i++)
        if (comparison_column_list[i].title && column-- == 0)
            return &comparison_column_list[i];
    return NULL;
}

static int titled_count(void)
{
    int n = 0;
    while (titled(n))
        n++;
    return n;
}

int comparison_columns(const struct comparison *c)
{
    return titled_count() + c->task_count;
}

const char *comparison_title(const struct comparison *c, int column)
{
    const struct comparison_column *x = titled(column);
    return x ? x->title : c->tasks[column - titled_count()];
}

bool comparison_is_text(const struct comparison *c, int column)
{
    (void)c;
    return titled(column) && titled(column)->text;
}

int comparison_priority(const struct comparison *c, int column)
{
    enum { OF_TASKS = 6 };
    (void)c;
    return titled(column) ? titled(column)->priority : OF_TASKS;
}

char *comparison_cell(const struct comparison *c, int run, int column, char out[static COMPARISON_CELL])
{
    const struct comparison_column *x = titled(column);
    const char *text = x && x->text ? x->text(c, run) : NULL;
    double number = x ? x->number ? x->number(c, run) * x->scale : NAN
                      : 100 * comparison_task(c, run, column - titled_count());
    snprintf(out, COMPARISON_CELL, "-");
    if (text)
        snprintf(out, COMPARISON_CELL, "%s", text);
    else if (!isnan(number))
        snprintf(out, COMPARISON_CELL, x ? x->format : "%.1f %%", number);
    return out;
}
