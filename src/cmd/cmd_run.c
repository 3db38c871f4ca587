/* quantwiz run plan.yaml */
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/str.h"
#include "cmd/args.h"
#include "report/report.h"
#include "run/gate.h"
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
    if (s->proposal)
        printf("try next  %s\n", s->proposal);
    if (s->report)
        printf("report    %s\n", s->report);
}

static int run_here(struct plan *p, const struct args *a, struct error *e)
{
    struct progress progress;
    struct run_options o = {.resume = args_has(a, "resume"), .stream = args_json(a) ? stdout : NULL,
                            .watch = &progress.watch, .report = write_report};
    if (!args_has(a, "threads") && p->threads > 0)
        threads_set(p->threads);
    progress_init(&progress, false);
    struct plan *last;
    int rc = gate_run(p, &o, &last, e);
    progress_done(&progress);
    struct run_state s;
    struct error ignored;
    run_state_init(&s, last ? last->run_folder : p->run_folder);
    if (!args_json(a) && run_state_poll(&s, &ignored) >= 0)
        print_result(&s);
    run_state_done(&s);
    plan_free(last);
    if (!rc && *e->text)
        fprintf(stderr, "quantwiz: %s\n", e->text);
    return rc;
}

static int start_detached(const struct plan *p, const char *path, const struct args *a, struct error *e)
{
    int rc = run_start_worker(path, args_has(a, "resume"), args_has(a, "auto"), e);
    if (!rc && !args_json(a))
        printf("%s: the worker is started; watch it with 'quantwiz attach %s'\n", p->run_folder, p->run_folder);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    struct plan *p;
    const char *path = args_operand(a, 0);
    int rc = plan_load(&p, path, e);
    if (rc)
        return rc;
    p->gate.automatic |= args_has(a, "auto");
    rc = args_int(a, "attempts", 1, 100, &p->gate.attempts, e);
    if (!rc)
        rc = args_has(a, "detach") ? start_detached(p, path, a, e) : run_here(p, a, e);
    plan_free(p);
    return rc;
}

const struct command cmd_run = {
    .name = "run",
    .usage = "plan.yaml [--resume] [--auto] [--detach]",
    .summary = "do a plan: check, quantize, verify, evaluate, report",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
