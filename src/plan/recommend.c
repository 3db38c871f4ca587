#include "plan/recommend.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "plan/decision.h"
#include "plan/facts.h"
#include "plan/figures.h"
#include "plan/kernel.h"
#include "plan/runtime.h"

/* ---------------------------------------------------------------------- reasons */

static void add(struct estimate *row, char sign, char *text, const char *rule)
{
    reason_add(&row->reasons, &row->reason_count, &row->reason_capacity, sign, text, rule);
}

/* --------------------------------------------------------------- what it says */

/* Texts live as long as the estimates. */
#define print(s, ...) arena_printf(&(s)->arena, __VA_ARGS__)

static char *tell(struct estimates *s, const char *text, const struct telling *t)
{
    return figures_fill(text, t, &s->arena);
}

static const char *gib(char out[static FORMAT_SIZE], uint64_t bytes)
{
    return format_bytes(out, (double)bytes);
}

/* Why the total says more than what must fit. */
static const char *rest_text(struct estimates *s, const struct estimate *row, bool cpu)
{
    char size[FORMAT_SIZE];
    uint64_t rest = row->total_bytes - estimate_needs(row, cpu);
    return !rest ? "" : print(s, "; the other %s %s", gib(size, rest), cpu ? "are pages of the file, which may be dropped"
                                                                         : "lie in RAM");
}

static char *fit_text(struct estimates *s, const struct estimate *row, bool cpu)
{
    char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];
    uint64_t need = estimate_needs(row, cpu);
    uint64_t have = cpu ? s->cpu_budget : s->gpu_budget;
    switch (row->verdict) {
    case VERDICT_FITS:
        return print(s, "fits: %s of %s %s, %s%s to spare%s", gib(a, need), gib(b, have),
                     cpu ? "of RAM" : "of VRAM",
                     cpu ? "" : print(s, "all %d layers on the GPU, ", row->layers), gib(c, have - need),
                     rest_text(s, row, cpu));
    case VERDICT_SPLIT:
        return print(s, "split: %d of %d layers on the GPU (%s of %s), %s in RAM", row->gpu_layers,
                     row->layers, gib(a, row->gpu_bytes), gib(b, s->gpu_budget), gib(c, row->cpu_bytes));
    case VERDICT_UNKNOWN:
        return print(s, "needs %s, but how much %s is free is unknown; --budget says what may be used",
                     gib(a, need), cpu ? "RAM" : "VRAM");
    case VERDICT_TOO_BIG: break;
    }
    if (!cpu && !s->gpu_budget_known && !s->gpu_budget)
        return print(s, "needs a GPU with %s, and none was found; --fit cpu runs it in RAM", gib(a, need));
    return print(s, "too big: needs %s, and %s of %s may be used%s", gib(a, need), gib(b, have),
                 cpu ? "RAM" : "VRAM",
                 cpu ? "" : print(s, "; %d of %d layers would fit", row->gpu_layers, row->layers));
}

static char *loss_text(struct estimates *s, const struct estimate *row, const struct telling *t)
{
    if (isnan(row->expected_loss))
        return print(s, "expected loss unknown: nobody published figures for a model of this size at this "
                        "level");
    return tell(s, "expected loss {loss} ({loss_from}); your limit is {limit}", t);
}

static void describe(struct estimates *s, const struct telling *t, struct estimate *row)
{
    add(row, row->verdict == VERDICT_TOO_BIG ? '-' : 'i', fit_text(s, row, t->facts->fit == FIT_CPU), NULL);
    add(row, 'i', loss_text(s, row, t), "levels.yaml");
    if (row->fallbacks)
        add(row, 'i', print(s, "%d tensors get another type, since their rows are no multiple of the block",
                            row->fallbacks), "recipes.yaml");
}

/* ----------------------------------------------------------------- decisions */

/* A prohibition outweighs all points; it names what it overruled. */
static void overrule(struct estimates *s, struct estimate *row)
{
    struct str names = {0};
    for (int i = 0; i < row->reason_count; i++)
        if (row->reasons[i].sign == '+')
            str_addf(&names, "%s%s", names.length ? ", " : "", row->reasons[i].rule);
    if (row->forbidden && names.length)
        add(row, 'x', print(s, "the prohibition wins over what favours it (%s)", names.data), NULL);
    str_done(&names);
}

/* The points that the decision gives the row, or takes from it. */
static double decide(struct estimates *s, const struct decision *d, const struct telling *t, struct estimate *row)
{
    int rank;
    if (!decision_takes(d, t->facts, row, &rank))
        return 0;
    add(row, d->sign, tell(s, d->why, t), d->where);
    row->forbidden |= d->sign == 'x';
    return d->sign == '+' ? d->weight - rank : d->sign == '-' ? -d->weight : 0;
}

static void decide_all(struct estimates *s, const struct telling *t, struct estimate *row, const struct rules *r)
{
    row->points = arena_alloc(&s->arena, (size_t)r->decision_count * sizeof *row->points);
    for (int i = 0; i < r->decision_count; i++) {
        if (r->decisions[i].sign && decision_holds(&r->decisions[i], t->facts))
            row->points[i] = decide(s, &r->decisions[i], t, row);
        row->score += row->points[i];
    }
}

static void rule_out(struct estimate *row, char *text, const char *rule)
{
    add(row, 'x', text, rule);
    row->forbidden = true;
}

/* What nobody has told is not recommended; who asks for it by name gets it. */
static void leave_open(struct estimate *row, char *text, const char *rule)
{
    add(row, '-', text, rule);
    row->unproven = true;
}

static void ask_capability(struct estimates *s, struct estimate *row, const struct runtime *r,
                           const struct runtime_format *f, double have, const char *where)
{
    if (have < f->capability_min)
        rule_out(row, print(s, "%s wants compute capability %.1f for %s, this GPU has %.1f", r->title,
                            f->capability_min, row->level->format, have), where);
    else if (f->capability_min > 0 && isnan(have))
        add(row, 'i', print(s, "unknown: %s wants compute capability %.1f for %s, and this GPU's is not known",
                            r->title, f->capability_min, row->level->format), where);
}

/* A GPU that is not NVIDIA's has no compute capability; what runs there is listed by maker. */
static void ask_maker(struct estimates *s, struct estimate *row, const struct runtime *r,
                      const struct runtime_format *f, const char *maker, const char *where)
{
    if (str_among(f->fails_on, maker))
        rule_out(row, print(s, "%s does not run %s on GPUs of %s", r->title, row->level->format, maker), where);
    else if (f->capability_min > 0 && !str_among(f->works_on, maker))
        leave_open(row, print(s, "unknown: nothing here says whether %s runs %s on GPUs of %s (%s, %s)", r->title,
                              row->level->format, maker, r->version, r->date), where);
}

/* What the runtime cannot read is out, whatever else speaks for it. */
static void ask_runtime(struct estimates *s, struct estimate *row, const struct runtime *r, const struct facts *facts)
{
    const struct runtime_format *f = runtime_accepts(r, row->level->format);
    const char *where = rules_where(r->row, &s->arena), *maker = facts->word[FACT_VENDOR];
    if (!f && str_among(r->refuses, row->level->format))
        rule_out(row, print(s, "%s does not read %s files", r->title, row->level->format), where);
    else if (!f)
        leave_open(row, print(s, "unknown: nothing here says whether %s reads %s files (%s, %s)", r->title,
                              row->level->format, r->version, r->date), where);
    else if (facts_foreign(maker))
        ask_maker(s, row, r, f, maker, where);
    else if (facts->fit != FIT_CPU)
        ask_capability(s, row, r, f, facts->number[FACT_CAPABILITY], where);
    if (f && f->note)
        add(row, 'i', print(s, "%s reads %s: %s", r->title, row->level->format, f->note), where);
}

/* Which kernel will multiply its weights; where none does, it is out as well. */
static void ask_kernels(struct estimates *s, struct estimate *row, const struct rules *r,
                        const struct runtime *runtime, const struct telling *t)
{
    const struct facts *f = t->facts;
    const struct kernel_question q = {t->model, row->level, runtime, f->number[FACT_CAPABILITY], f->fit == FIT_CPU,
                                      (int)f->number[FACT_TENSOR_PARALLEL]};
    if (!row->level->scheme || !runtime_accepts(runtime, row->level->format) || facts_foreign(f->word[FACT_VENDOR]))
        return;
    struct kernel_answer answer = kernel_ask(r, &q, &s->arena);
    bool refused = answer.verdict == KERNEL_REFUSED;
    if (refused)
        rule_out(row, print(s, "no kernel of %s for %s %s%s", runtime->title, row->level->format,
                            q.cpu ? "runs without a GPU" : "takes it",
                            q.cpu ? ", among those known here" : ""), "kernels.yaml");
    for (int i = 0; i < answer.count && !(refused && q.cpu); i++)
        if (refused || !answer.remarks[i].gpu)
            add(row, refused ? 'x' : 'i', (char *)answer.remarks[i].text, answer.remarks[i].where);
    row->kernel = answer.kernel && !refused ? answer.kernel->title : NULL;
}

/* -------------------------------------------------------------------- choice */

/* The decision with the most points, for or against, the first of equals; -1: none has any. */
static int weightiest(const double *points, int count)
{
    int most = -1;
    for (int i = 0; i < count; i++)
        if (fabs(points[i]) > (most < 0 ? 0 : fabs(points[most])))
            most = i;
    return most;
}

/* " (under-3b +36, gpu-24-gb +19, default -10)": the decisions that give the winner more points than the row, and those
 * that give it less. */
static const char *leads_text(struct estimates *s, const struct estimate *winner, const struct estimate *row,
                              const struct rules *r)
{
    enum { LEADS_SHOWN = 3 };
    struct str t = {0};
    double *lead = arena_alloc(&s->arena, (size_t)r->decision_count * sizeof *lead);
    int at;
    for (int i = 0; i < r->decision_count; i++)
        lead[i] = winner->points[i] - row->points[i];
    for (int shown = 0; (at = weightiest(lead, r->decision_count)) >= 0 && shown < LEADS_SHOWN; shown++) {
        str_addf(&t, "%s%s %+g", shown ? ", " : " (", r->decisions[at].name, lead[at]);
        lead[at] = 0;
    }
    if (t.length)
        str_add(&t, at >= 0 ? ", and others)" : ")");
    return str_keep(&t, &s->arena);
}

static char *loser_text(struct estimates *s, const struct estimate *winner, const struct estimate *row,
                        const struct rules *r)
{
    const char *leads = leads_text(s, winner, row, r);
    if (winner->score == row->score)
        return print(s, "%s has as many points, %g, and is the larger%s", winner->level->name, row->score, leads);
    return print(s, "%s is favoured more: %g points to %g%s", winner->level->name, winner->score, row->score, leads);
}

/* Most points; among equals the larger. */
static void choose(struct estimates *s, const struct rules *r)
{
    s->recommended = -1;
    for (int i = 0; i < s->count; i++)
        if (estimate_runs(&s->rows[i]) && (s->recommended < 0 || s->rows[i].score > s->rows[s->recommended].score))
            s->recommended = i;
    if (s->recommended < 0)
        return;
    const struct estimate *winner = &s->rows[s->recommended];
    s->rows[s->recommended].recommended = true;
    for (int i = 0; i < s->count; i++)
        if (estimate_runs(&s->rows[i]) && i != s->recommended)
            add(&s->rows[i], '-', loser_text(s, winner, &s->rows[i], r), "decisions.yaml");
}

/* What the decision says that gives the row most points, the first of equals: for the headline. */
static const char *main_reason(const struct estimate *row, const struct rules *r)
{
    int at = -1;
    for (int i = 0; i < r->decision_count; i++)
        if (row->points[i] > (at < 0 ? 0 : row->points[at]))
            at = i;
    for (int i = 0; at >= 0 && i < row->reason_count; i++)
        if (row->reasons[i].rule == r->decisions[at].where)
            return row->reasons[i].text;
    return "the largest that fits";
}

/* A folder must become a GGUF file for runtimes that read nothing else, whatever its level. */
static const char *verb(const struct estimate *row, const struct model *m)
{
    return !row->is_source ? "make" : m->folder && row->level->type ? "convert to" : "keep";
}

/* No row that could be used at all. */
static char *nothing_usable(struct estimates *s, const struct runtime *r, const struct model *m)
{
    for (int i = 0; i < s->count; i++)
        if (runtime_accepts(r, s->rows[i].level->format))
            return print(s, "no level can be used: see the reasons of the rows");
    return print(s, "no level can be used: %s %s GGUF files%s", r->title,
                 str_among(r->refuses, "gguf") ? "does not read" : "is not known to read",
                 m->folder ? "" : ", and of a GGUF file nothing else is made; start from the checkpoint folder");
}

static void headline(struct estimates *s, const struct rules *rules, const struct runtime *r, const struct model *m)
{
    const struct estimate *row = estimates_winner(s);
    if (row)
        s->headline = print(s, "%s %s: %s", verb(row, m), row->level->name, main_reason(row, rules));
    else if (!estimates_usable(s))
        s->headline = nothing_usable(s, r, m);
    else
        s->headline = print(s, "nothing fits");
}

/* ------------------------------------------------------------------- sayings */

static bool is_targeted(const struct decision *d)
{
    return d->levels || d->rows || d->formats || !isnan(d->loss_over);
}

static void say(struct estimates *s, struct sayings *list, char sign, const struct decision *d,
                const struct telling *t)
{
    int rank;
    if (decision_holds(d, t->facts) && (!is_targeted(d) || (t->row && decision_takes(d, t->facts, t->row, &rank))))
        reason_add(&list->items, &list->count, &list->capacity, sign, tell(s, d->why, t), d->where);
}

static void warn(struct estimates *s, const struct facts *f, const struct model *model, const struct rules *r,
                 int row)
{
    struct telling t = {f, model, row < 0 ? NULL : &s->rows[row]};
    s->warnings.count = 0;
    for (int i = 0; i < r->warning_count; i++)
        say(s, &s->warnings, 'i', &r->warnings[i], &t);
}

/* Doubts are about the checkpoint as it is. */
static void doubt(struct estimates *s, const struct facts *f, const struct model *model, const struct rules *r)
{
    struct telling t = {f, model, f->original};
    for (int i = 0; i < r->doubt_count; i++)
        say(s, &s->doubts, '?', &r->doubts[i], &t);
}

void recommend_warnings(struct estimates *s, const struct chosen *c, const struct machine *m, const struct model *model,
                        const struct wishes *w, const struct rules *r)
{
    struct facts f = facts_gather(s, m, model, w, r);
    f.number[FACT_EVALUATION] = c->evaluated;
    if (c->importance)
        f.number[FACT_CALIBRATION] = true;
    warn(s, &f, model, r, c->row);
}

void recommend(struct estimates *s, const struct machine *m, const struct model *model,
               const struct wishes *w, const struct rules *r)
{
    struct facts f = facts_gather(s, m, model, w, r);
    const struct runtime *runtime = runtime_named(r, wishes_choice(w, WISH_RUNTIME));
    for (int i = 0; i < s->count; i++) {
        struct telling t = {&f, model, &s->rows[i]};
        describe(s, &t, &s->rows[i]);
        ask_runtime(s, &s->rows[i], runtime, &f);
        ask_kernels(s, &s->rows[i], r, runtime, &t);
        decide_all(s, &t, &s->rows[i], r);
        overrule(s, &s->rows[i]);
    }
    choose(s, r);
    headline(s, r, runtime, model);
    warn(s, &f, model, r, s->recommended);
    doubt(s, &f, model, r);
}
