/* quantwiz run plan.yaml */
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/str.h"
#include "cmd/args.h"
#include "report/comparison.h"
#include "report/report.h"
#include "run/attempts.h"
#include "run/series.h"
#include "run/run_state.h"

static const struct option_spec options[] = {
    {"resume", 0, NULL, "go on where an earlier attempt was cut off"},
    {"auto", 0, NULL, "where the quality gate rejects the result, take the next step, until one is accepted"},
    {"attempts", 0, "N", "runs in all, at most, with --auto (4, or what the plan says)"},
    {"detach", 0, NULL, "start a worker that outlives this terminal, and return"},
    {0},
};

static int write_report(const struct plan *p, const char *folder, char **path, struct error *e)
{
    struct run_state s;
    run_state_init(&s, folder);
    int rc = run_state_poll(&s, e);
    rc = rc < 0 ? rc : report_write(p, &s, path, e);
    run_state_done(&s);
    return rc;
}

/* ------------------------------------------------------------------ for people */

static void print_result(const struct run_state *s)
{
    const struct eval_figures *f = &s->eval.figures;
    char size[FORMAT_SIZE], of[FORMAT_SIZE];
    for (int i = 0; i < s->artefact_count; i++)
        printf("made      %s\n", s->artefacts[i]);
    if (s->artefact.path)
        printf("size      %s of %s, %.2f bits per weight\n", format_bytes(size, s->artefact.bytes),
               format_bytes(of, s->artefact.source_bytes), s->artefact.bits_per_weight);
    if (s->has_result && f->has_base)
        printf("quality   perplexity %.3f, original %.3f; divergence %.4f; same top token %.1f %%: %s\n", f->ppl,
               f->ppl_base, f->kld_mean, 100 * f->same_top, f->verdict ? f->verdict : "undecided");
    if (s->has_result && str_same(f->verdict, "undecided"))
        puts("try next  more text: 'chunks' under 'evaluation' in the plan (0: all of it)");
    if (s->proposal)
        printf("try next  %s\n", s->proposal);
    if (s->passed_over)
        printf("too big   %s\n", s->passed_over);
    if (s->report)
        printf("report    %s\n", s->report);
}

/* The run, or the last attempt after it. */
static void print_run(const struct plan *p)
{
    struct run_state s;
    struct error ignored;
    char *folder = attempts_last(p->run_folder);
    run_state_init(&s, folder);
    if (run_state_poll(&s, &ignored) >= 0)
        print_result(&s);
    run_state_done(&s);
    free(folder);
}

/* All runs of a series, or all attempts of one. */
static int print_comparison(const struct series *s, struct error *e)
{
    struct comparison c;
    int rc = comparison_read_series(&c, s, e);
    if (!rc)
        comparison_table(&c, stdout);
    comparison_done(&c);
    return rc;
}

static int compare(const char *folder, const struct series *s, struct error *e)
{
    struct comparison c;
    int rc = comparison_read_series(&c, s, e);
    rc = rc ? rc : comparison_write(&c, folder, e);
    comparison_done(&c);
    return rc;
}

/* ------------------------------------------------------------------------ doing */

static int run_here(const struct series *s, const struct args *a, struct error *e)
{
    struct progress progress;
    struct hash_memo hashes = {0};
    struct error ignored;
    const struct series_options o = {
        .run = {.resume = args_has(a, "resume"), .stream = args_json(a) ? stdout : NULL, .watch = &progress.watch,
                .hashes = &hashes, .report = write_report},
        .compare = compare,
    };
    if (!args_has(a, "threads") && s->first->threads > 0)
        threads_set(s->first->threads);
    progress_init(&progress, false);
    int rc = series_run(s, &o, e);
    progress_done(&progress);
    hash_memo_done(&hashes);
    if (!args_json(a) && s->count == 1)
        print_run(s->plans[0]);
    if (!args_json(a) && (s->count > 1 || s->first->gate.automatic))
        print_comparison(s, &ignored);
    if (!rc && *e->text)
        fprintf(stderr, "quantwiz: %s\n", e->text);
    return rc;
}

/* What was asked of this process is asked of the worker. */
static const char *const *worker_options(const struct args *a, struct arena *texts)
{
    static const char *const names[] = {"resume", "auto", "attempts", "threads"};
    const char **list = arena_alloc(texts, (ARRAY_LENGTH(names) + 1) * sizeof *list), **next = list;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *value = args_get(a, names[i]);
        if (value)
            *next++ = arena_printf(texts, "--%s%s%s", names[i], *value ? "=" : "", value);
    }
    return list;
}

static int start_detached(struct plan *const *plans, int count, const struct args *a, struct error *e)
{
    const struct plan *p = plans[0];
    struct arena texts = {0};
    if (count > 1)
        return error_set(e, ERROR_USAGE, "--detach takes one plan: list the others under its variants, or start each");
    int rc = run_start_worker(p->file, worker_options(a, &texts), e);
    arena_done(&texts);
    char *run = str_word(p->run_folder);
    if (!rc && !args_json(a))
        printf("%s: the worker is started; watch it with `quantwiz attach %s`\n", p->run_folder, run);
    free(run);
    return rc;
}

static int start(struct plan *const *plans, int count, const struct args *a, struct error *e)
{
    struct series s;
    if (args_has(a, "detach"))
        return start_detached(plans, count, a, e);
    int rc = series_make(&s, plans, count, e);
    rc = rc ? rc : run_here(&s, a, e);
    series_done(&s);
    return rc;
}

/* Several plans are given to be compared, which only the same chunks are. */
static int load(struct plan **p, const char *path, const struct args *a, struct error *e)
{
    int rc = plan_load(p, path, e);
    if (rc)
        return rc;
    (*p)->stop_early &= args_operand_count(a) == 1;
    (*p)->gate.automatic |= args_has(a, "auto");
    return args_int(a, "attempts", 1, 100, &(*p)->gate.attempts, e);
}

static int run(const struct args *a, struct error *e)
{
    int count = args_operand_count(a), rc = 0;
    struct plan **plans = xcalloc(count, sizeof *plans);
    for (int i = 0; !rc && i < count; i++)
        rc = load(&plans[i], args_operand(a, i), a, e);
    rc = rc ? rc : start(plans, count, a, e);
    for (int i = 0; i < count; i++)
        plan_free(plans[i]);
    free(plans);
    return rc;
}

const struct command cmd_run = {
    .name = "run",
    .usage = "plan.yaml... [--resume] [--auto] [--detach]",
    .summary = "do plans: check, quantize, verify, evaluate, report; several, or variants of one, are compared",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};
