/* quantwiz plan MODEL: recommend, and write the plan. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/open.h"
#include "cmd/situation.h"
#include "plan/plan.h"
#include "plan/recommend.h"

static const struct option_spec options[] = {
    {"output", 'o', "FILE", "the plan (default: plan.yaml; - is stdout)"},
    {"level", 0, "LEVEL", "this level instead of the recommended one"},
    {"compare", 0, "LEVEL", "make this level as well, and compare; repeatable"},
    {"imatrix", 0, "FILE", "importance of each weight's columns, as `quantwiz imatrix` or llama.cpp makes it"},
    {"out", 0, "DIR", "where the artefact and the run's folder go (default: the current folder)"},
    {"text", 'f', "FILE", "evaluate on this text"},
    {"chunks", 0, "N", "evaluate at most so many chunks; 0: all of the text"},
    {"tasks", 0, "FILE", "questions to evaluate: JSON lines"},
    {"prompts", 0, "FILE", "sample prompts, one a line"},
    ACTIVATIONS_OPTION,
    {"no-eval", 0, NULL, "do not measure the result (not recommended)"},
    PRE_OPTION,
    {0},
};

/* The row of --level, else of the mix, else the recommended one. */
static int choose_row(const struct situation *s, const struct args *a, int *row, struct error *e)
{
    *row = s->mix ? (int)(estimates_mix(s->estimates) - s->estimates->rows) : s->estimates->recommended;
    for (int i = 0; args_has(a, "level") && i < s->estimates->count; i++)
        if (s->estimates->rows[i].asked)
            *row = i;
    return *row < 0 ? error_set(e, ERROR_NOFIT, "%s", s->estimates->headline) : 0;
}

/* A path that stands for what the option says; NULL where it was not given. */
static int take_file(const char **path, const struct args *a, const char *option, struct error *e)
{
    const char *given = args_get(a, option);
    if (given && !file_exists(given))
        return error_set(e, ERROR_USAGE, "--%s: there is no file %s", option, given);
    *path = given ? given : *path;
    return 0;
}

static int set_importance(struct plan *p, const struct args *a, struct error *e)
{
    int rc = take_file(&p->imatrix, a, "imatrix", e);
    if (!rc && p->imatrix && plan_makes_folder(p))
        return error_set(e, ERROR_USAGE, "--imatrix: %s is a format of checkpoint folders, which go by a text:"
                         " --calibration FILE", p->level);
    return rc;
}

static int set_evaluation(struct plan *p, const struct args *a, struct error *e)
{
    int rc = take_file(&p->eval_text, a, "text", e);
    rc = rc ? rc : take_file(&p->eval_tasks, a, "tasks", e);
    rc = rc ? rc : take_file(&p->eval_prompts, a, "prompts", e);
    rc = rc ? rc : read_activations(a, &p->activations, e);
    if (rc)
        return rc;
    p->evaluate &= !args_has(a, "no-eval");
    return args_int(a, "chunks", 0, 1 << 30, &p->eval_chunks, e);
}

/* What the machine makes of another level is planned as if it were asked for alone. */
static int add_variant(struct plan *p, const struct situation *s, const char *level, struct error *e)
{
    struct estimates *all;
    struct plan *v;
    int rc = estimates_try(&all, s->machine, s->model, &s->wishes, s->rules, level, e);
    if (rc)
        return error_context(e, "--compare");
    for (int i = 0; !rc && i < all->count; i++)
        if (all->rows[i].asked && !(rc = plan_make(&v, s->machine, s->model, &s->wishes, all, i, ".", e))) {
            plan_add_variant(p, v);
            plan_free(v);
        }
    estimates_free(all);
    return rc;
}

static int set_variants(struct plan *p, const struct situation *s, const struct args *a, struct error *e)
{
    int rc = 0;
    if (!args_has(a, "compare"))
        return 0;
    plan_add_variant(p, p);
    for (int i = 0; !rc && args_nth(a, "compare", i); i++)
        rc = add_variant(p, s, args_nth(a, "compare", i), e);
    plan_name_series(p);
    return rc;
}

static void mind(const struct estimate_reason *r)
{
    printf("Mind: %s%s%s%s\n", r->text, r->rule ? "  [" : "", r->rule ? r->rule : "", r->rule ? "]" : "");
}

/* A level that was asked for is planned all the same; what forbids it, or is not known, is said before hours are
 * spent. */
static void tell_prohibitions(const struct estimate *row)
{
    for (int i = 0; i < row->reason_count; i++)
        if (row->reasons[i].sign == 'x' || (row->unproven && row->reasons[i].sign == '-'))
            mind(&row->reasons[i]);
}

static void tell_warnings(const struct situation *s, const struct plan *p, const struct estimate *row)
{
    struct chosen c = {(int)(row - s->estimates->rows), p->evaluate || p->no_evaluation, p->imatrix != NULL};
    recommend_warnings(s->estimates, &c, s->machine, s->model, &s->wishes, s->rules);
    for (int i = 0; i < s->estimates->warnings.count; i++)
        mind(&s->estimates->warnings.items[i]);
}

static void tell(const struct situation *s, const struct plan *p, const struct estimate *row, const char *path,
                 const struct args *a)
{
    if (args_json(a)) {
        json_t *o = json_object();
        json_object_set_new(o, "plan", json_text(path));
        json_object_set_new(o, "level", json_text(p->level));
        json_object_set_new(o, "artefact", json_text(p->out));
        json_object_set_new(o, "run", json_text(p->run_folder));
        json_object_set_new(o, "headline", json_text(s->estimates->headline));
        json_print(stdout, o, 0);
        return;
    }
    printf("%s: %s%s\n", p->level, row->recommended ? "" : "asked for; without --level: ", s->estimates->headline);
    tell_prohibitions(row);
    if (p->no_evaluation)
        printf("Mind: %s.\n", p->no_evaluation);
    if (calibration_is_general(&p->calibration))
        puts("Mind: it is made by the general text that comes with quantwiz; texts like those that the model will see "
             "(--calibration FILE) make a better result.");
    tell_warnings(s, p, row);
    char *plan = str_word(path);
    printf("Wrote %s. Next: quantwiz run %s\n", path, plan);
    free(plan);
}

static int make_plan(const struct situation *s, const struct args *a, struct error *e)
{
    const char *path = args_get(a, "output"), *out = args_get(a, "out");
    struct plan *p;
    int row, rc = choose_row(s, a, &row, e);
    if (rc || (rc = plan_make(&p, s->machine, s->model, &s->wishes, s->estimates, row, out ? out : ".", e)))
        return rc;
    path = path ? path : "plan.yaml";
    rc = set_importance(p, a, e);
    rc = rc ? rc : set_evaluation(p, a, e);
    rc = rc ? rc : set_variants(p, s, a, e);
    if (!rc && strcmp(path, "-") == 0) {
        char *text = plan_text(p);
        fputs(text, stdout);
        free(text);
    } else if (!rc && !(rc = plan_save(p, path, e))) {
        tell(s, p, &s->estimates->rows[row], path, a);
    }
    plan_free(p);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    struct situation s;
    int rc = situation_init(&s, a, true, args_get(a, "level"), e);
    if (!rc)
        rc = make_plan(&s, a, e);
    situation_done(&s);
    return rc;
}

const struct command cmd_plan = {
    .name = "plan",
    .usage = "MODEL [wishes] [-o PLAN]",
    .summary = "recommend a level, and write the plan that `quantwiz run` carries out",
    .options = options,
    .wishes = true,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
