#include "report/comparison.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/attempts.h"

/* --------------------------------------------------------------------- judging */

/* As llama.cpp does, which is a choice of the measurement; other rounding is the format's own. */
static bool rounds_as_llama(const struct run_state *s)
{
    return s->eval.activations && strcmp(s->eval.activations, "q8") == 0;
}

/* Perplexities compare only on the same text, in the same chunks. */
static bool same_measure(const struct run_state *a, const struct run_state *b)
{
    const char *x = a->eval_text ? a->eval_text : "", *y = b->eval_text ? b->eval_text : "";
    const struct eval_figures *f = &a->eval.figures, *g = &b->eval.figures;
    return strcmp(x, y) == 0 && a->eval_context == b->eval_context && f->chunks == g->chunks &&
           f->tokens == g->tokens && rounds_as_llama(a) == rounds_as_llama(b);
}

static bool all_alike(const struct comparison *c)
{
    const struct run_state *first = NULL;
    for (int i = 0; i < c->count; i++) {
        if (!c->runs[i].has_result)
            continue;
        if (first && !same_measure(first, &c->runs[i]))
            return false;
        first = first ? first : &c->runs[i];
    }
    return true;
}

static bool is_placed(const struct run_state *s)
{
    return s->has_result && s->artefact.path && !isnan(s->artefact.bytes) && !isnan(s->eval.figures.kld_mean);
}

/* Neither larger nor farther off than `b`, and not the same. */
static bool beats(const struct run_state *a, const struct run_state *b)
{
    double x = a->artefact.bytes - b->artefact.bytes, y = a->eval.figures.kld_mean - b->eval.figures.kld_mean;
    return x <= 0 && y <= 0 && (x < 0 || y < 0);
}

static bool is_on_front(const struct comparison *c, int run)
{
    for (int i = 0; i < c->count; i++)
        if (is_placed(&c->runs[i]) && beats(&c->runs[i], &c->runs[run]))
            return false;
    return is_placed(&c->runs[run]);
}

static bool is_accepted(const struct run_state *s)
{
    return s->has_result && s->eval.figures.verdict && strcmp(s->eval.figures.verdict, "accept") == 0;
}

/* The smallest, and of equal ones the nearest to the original. */
static void find_best(struct comparison *c)
{
    c->best = -1;
    for (int i = 0; i < c->count; i++) {
        const struct run_state *s = &c->runs[i], *best = c->best < 0 ? NULL : &c->runs[c->best];
        if (is_accepted(s) && (!best || s->artefact.bytes < best->artefact.bytes || beats(s, best)))
            c->best = i;
    }
}

static void add_task(struct comparison *c, const char *name)
{
    for (int i = 0; i < c->task_count; i++)
        if (strcmp(c->tasks[i], name) == 0)
            return;
    array_push(c->tasks, c->task_count, c->task_capacity) = name;
}

static void judge(struct comparison *c)
{
    enum { LETTERS = 26 };
    c->alike = all_alike(c);
    c->task_count = 0;
    find_best(c);
    for (int i = 0; i < c->count; i++) {
        c->front[i] = is_on_front(c, i);
        snprintf(c->marks[i], sizeof c->marks[i], "%c%s", i < LETTERS ? 'a' + i : '+', c->front[i] ? "*" : "");
        for (int k = 0; k < c->runs[i].eval.task_count; k++)
            add_task(c, c->runs[i].eval.tasks[k].name);
    }
}

/* --------------------------------------------------------------------- reading */

static bool is_known(const struct comparison *c, const char *folder)
{
    for (int i = 0; i < c->count; i++)
        if (file_same(c->runs[i].folder, folder))
            return true;
    return false;
}

/* `level`: of a run that may not have begun; NULL: it must have. */
static int add_run(struct comparison *c, const char *folder, const char *level, struct error *e)
{
    struct run_state *s = &array_push(c->runs, c->count, c->capacity);
    run_state_init(s, folder);
    int events = run_state_poll(s, e);
    if (events == 0 && !level)
        return error_set(e, ERROR_USAGE, "%s is no run: give the folders of runs (NAME.quantwiz)", folder);
    if (!s->level && level)
        s->level = arena_strdup(&s->arena, level);
    return events < 0 ? events : 0;
}

static int add_attempts(struct comparison *c, const char *folder, struct error *e)
{
    struct attempts list;
    int rc = attempts_read(&list, folder, e);
    for (int i = 0; !rc && i < list.count; i++)
        if (!is_known(c, list.items[i].run) && file_exists(list.items[i].run))
            rc = add_run(c, list.items[i].run, list.items[i].level, e);
    attempts_done(&list);
    return rc;
}

static int add_series(struct comparison *c, const struct series *s, struct error *e)
{
    int rc = 0;
    if (s->first->variant_count && !c->folder)
        c->folder = xstrdup(s->first->run_folder);
    for (int i = 0; !rc && i < s->count; i++) {
        const struct plan *p = s->plans[i];
        rc = is_known(c, p->run_folder) ? 0 : add_run(c, p->run_folder, p->level, e);
        rc = rc ? rc : add_attempts(c, p->run_folder, e);
    }
    return rc;
}

static int add_variants(struct comparison *c, struct plan *p, struct error *e)
{
    struct series s;
    int rc = series_make(&s, &p, 1, e);
    rc = rc ? rc : add_series(c, &s, e);
    series_done(&s);
    return rc;
}

static int add_folder(struct comparison *c, const char *folder, struct error *e)
{
    struct error ignored;
    struct plan *p;
    bool several = plan_load_kept(&p, folder, &ignored) == 0 && p->variant_count;
    int rc = several ? add_variants(c, p, e) : is_known(c, folder) ? 0 : add_run(c, folder, NULL, e);
    plan_free(p);
    return rc;
}

/* "dir/Model-Q4_K_M-feedback.quantwiz", "Q4_K_M" -> "Q4_K_M-feedback"; a folder of another kind of name tells nothing. */
static char *name_of(const char *folder, const char *level)
{
    const char *name = path_name(folder), *at = NULL;
    size_t n = strlen(level);
    for (const char *p = name; (p = strchr(p, '-')); )
        if (strncasecmp(++p, level, n) == 0 && (p[n] == '-' || p[n] == '.'))
            at = p;
    char *found = xstrdup(at ? at : level);
    if (at && str_ends(found, ".quantwiz"))
        found[strlen(found) - strlen(".quantwiz")] = 0;
    return found;
}

static int finish_reading(struct comparison *c, int rc)
{
    c->front = xcalloc(c->count + 1, sizeof *c->front);
    c->marks = xcalloc(c->count + 1, sizeof *c->marks);
    c->names = xcalloc(c->count + 1, sizeof *c->names);
    for (int i = 0; i < c->count; i++)
        c->names[i] = name_of(c->runs[i].folder, c->runs[i].level ? c->runs[i].level : "?");
    judge(c);
    return rc;
}

int comparison_read_series(struct comparison *c, const struct series *s, struct error *e)
{
    *c = (struct comparison){.best = -1};
    return finish_reading(c, add_series(c, s, e));
}

int comparison_read(struct comparison *c, const char *const *folders, int count, struct error *e)
{
    int rc = 0;
    *c = (struct comparison){.best = -1};
    for (int i = 0; !rc && i < count; i++)
        rc = add_folder(c, folders[i], e);
    if (!rc && c->count == 1)
        rc = add_attempts(c, c->runs[0].folder, e);
    return finish_reading(c, rc);
}

/* -------------------------------------------------------------------- neighbours */

static bool same_source(const struct plan *a, const struct plan *b)
{
    if (a->source_hash && b->source_hash)
        return strcmp(a->source_hash, b->source_hash) == 0;
    return strcmp(a->source, b->source) == 0;
}

static int is_run_name(const struct dirent *d)
{
    return str_ends(d->d_name, ".quantwiz");
}

static void add_neighbour(struct comparison *c, const struct plan *p, const char *folder)
{
    struct error ignored;
    struct plan *other;
    if (plan_load_kept(&other, folder, &ignored))
        return;
    if (same_source(p, other) && !other->variant_count && !is_known(c, folder))
        add_run(c, folder, other->level, &ignored);
    plan_free(other);
}

int comparison_read_beside(struct comparison *c, const char *run, struct error *e)
{
    struct plan *p;
    struct dirent **names;
    *c = (struct comparison){.best = -1};
    int rc = plan_load_kept(&p, run, e);
    if (rc)
        return finish_reading(c, rc);
    char *absolute = path_absolute(run), *parent = path_folder(absolute);
    int count = scandir(parent, &names, is_run_name, alphasort);
    for (int i = 0; i < count; i++) {
        char *path = path_join(parent, names[i]->d_name), *here = path_relative(".", path);
        add_neighbour(c, p, run[0] == '/' ? path : here);
        free(here);
        free(path);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    free(absolute);
    free(parent);
    plan_free(p);
    return finish_reading(c, 0);
}

bool comparison_poll(struct comparison *c)
{
    struct error ignored;
    bool any = false;
    for (int i = 0; i < c->count; i++)
        any |= run_state_poll(&c->runs[i], &ignored) > 0;
    if (any)
        judge(c);
    return any;
}

void comparison_done(struct comparison *c)
{
    for (int i = 0; i < c->count; i++) {
        run_state_done(&c->runs[i]);
        if (c->names)
            free(c->names[i]);
    }
    free(c->names);
    free(c->runs);
    free(c->front);
    free(c->marks);
    free(c->folder);
    free(c->tasks);
    *c = (struct comparison){0};
}

/* ---------------------------------------------------------------------- points */

/* Where nothing diverges any more. */
static const double least_divergence = 1e-6;

static double divergence_of(const struct run_state *s)
{
    return fmax(s->eval.figures.kld_mean, least_divergence);
}

static void widen(double range[2], double value)
{
    range[0] = fmin(range[0], value);
    range[1] = fmax(range[1], value);
}

struct comparison_axes comparison_axes(const struct comparison *c)
{
    struct comparison_axes a = {{INFINITY, -INFINITY}, {INFINITY, -INFINITY}};
    for (int i = 0; i < c->count; i++) {
        if (!is_placed(&c->runs[i]))
            continue;
        widen(a.bytes, c->runs[i].artefact.bytes);
        widen(a.kld, divergence_of(&c->runs[i]));
    }
    return a;
}

/* 0 to 1 within the values that there are; in the middle where they are all one. */
static double between(double value, double low, double high)
{
    return high > low ? (value - low) / (high - low) : 0.5;
}

bool comparison_point(const struct comparison *c, int run, double *x, double *y)
{
    const struct comparison_axes a = comparison_axes(c);
    *x = between(c->runs[run].artefact.bytes, a.bytes[0], a.bytes[1]);
    *y = between(log10(divergence_of(&c->runs[run])), log10(a.kld[0]), log10(a.kld[1]));
    return is_placed(&c->runs[run]);
}
