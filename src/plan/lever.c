#include "plan/lever.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "plan/decision.h"
#include "plan/kv.h"
#include "plan/runtime.h"

/* ------------------------------------------------------------------ compiling */

enum step { STEP_SET, STEP_HALF, STEP_DOUBLE };

struct lever_rule {
    const char *name, *title, *why, *where;
    int wish;                    /* -1: the level */
    enum step step;
    const char *to;              /* of STEP_SET */
    double at_least, loss;
    struct decision when;        /* its conditions alone */
};

static enum step read_step(const char *to)
{
    return strcmp(to, "half") == 0 ? STEP_HALF : strcmp(to, "double") == 0 ? STEP_DOUBLE : STEP_SET;
}

/* Whether the wish can become what it is to be set to; only whole numbers have halves. */
static int check_value(const struct lever_rule *l, const struct yaml *row, struct error *e)
{
    const struct yaml *to = yaml_get(row, "to");
    struct wishes w = {0};
    if (l->wish < 0)
        return strcmp(l->to, "smaller") == 0 ? 0 : yaml_expected(to, e, "smaller for 'to', since 'wish' is level");
    if (l->step != STEP_SET && wish_specs[l->wish].type == WISH_INTEGER)
        return 0;
    int rc = wishes_set(&w, l->wish, l->to, e);
    wishes_done(&w);
    return rc ? error_context(e, "%s", l->where) : 0;
}

static int compile(struct rules *r, const struct yaml *row, struct lever_rule *l, struct error *e)
{
    const char *to = checked_text(row, "to");
    *l = (struct lever_rule){
        .name = checked_text(row, "name"),
        .title = checked_text(row, "title"),
        .why = checked_text(row, "why"),
        .where = rules_where(row, &r->arena),
        .wish = wish_find(checked_text(row, "wish")),
        .step = read_step(to),
        .to = to,
        .at_least = checked_integer(row, "at_least", 1),
        .loss = checked_number(row, "loss", NAN),
    };
    int rc = check_value(l, row, e);
    return rc ? rc : conditions_compile(r, yaml_get(row, "when"), &l->when, e);
}

int levers_compile(struct rules *r, struct error *e)
{
    const struct yaml *rows = yaml_get(r->levers_tree, "levers");
    int rc = 0;
    r->lever_rules = arena_alloc(&r->arena, rows->count * sizeof *r->lever_rules);
    for (size_t i = 0; !rc && i < rows->count; i++)
        rc = compile(r, rows->items[i], &r->lever_rules[r->lever_rule_count++], e);
    return rc;
}

/* --------------------------------------------------------------------- trying */

/* What the levers are to help. */
struct need {
    const struct machine *machine;
    const struct model *model;
    const struct wishes *wishes;
    const struct rules *rules;
    const struct estimates *now;
    const struct estimate *wanted;
    enum lever_goal goal;
    double min_speed;
    struct arena *arena;
};

/* The memory that runs short: by where the model is to lie now. */
static int64_t memory_of(const struct need *n, const struct estimate *row)
{
    switch (wishes_fit(n->wishes)) {
    case FIT_GPU: return (int64_t)estimate_needs(row, false);
    case FIT_CPU: return (int64_t)estimate_needs(row, true);
    case FIT_SPLIT: break;
    }
    return (int64_t)row->total_bytes;
}

static double number_now(const struct need *n, int wish)
{
    const struct runtime *r = runtime_named(n->rules, wishes_choice(n->wishes, WISH_RUNTIME));
    return wish == WISH_MICRO_BATCH ? kv_of(n->wishes, r).micro_batch : n->wishes->value[wish].number;
}

/* What the lever would set its wish to when it stands at *now, which moves there; NULL: nothing that is left to it.
 * What is doubled are GPUs, of which there are so many. */
static const char *next_value(const struct lever_rule *l, const struct need *n, double *now)
{
    double gpus = n->machine ? n->machine->gpu_count : 0, before = *now;
    if (l->step == STEP_SET)
        return l->to;
    *now = l->step == STEP_HALF ? floor(before / 2) : fmin(2 * before, gpus);
    bool moves = l->step == STEP_HALF ? *now >= l->at_least : *now > before;
    return moves ? arena_printf(n->arena, "%.0f", *now) : NULL;
}

/* A row that did not fit, and is favoured more than what did. */
static bool is_better(const struct need *n, const struct estimate *row)
{
    const struct estimate *before = row ? estimates_row(n->now, row->level) : NULL;
    return before && before->verdict == VERDICT_TOO_BIG && before->score > estimates_winner(n->now)->score;
}

/* The row that would run under these estimates; NULL: none that helps. */
static const struct estimate *helped(const struct need *n, const struct estimates *then)
{
    const struct estimate *wanted = estimates_row(then, n->wanted->level), *winner = estimates_winner(then);
    switch (n->goal) {
    case LEVERS_FIT_ROW: return wanted && estimate_runs(wanted) ? wanted : NULL;
    case LEVERS_FIT_BETTER: return is_better(n, winner) ? winner : NULL;
    case LEVERS_SPEED: return winner && winner->tokens_per_s >= n->min_speed ? winner : NULL;
    default: return winner;
    }
}

static void note_level(struct lever *l, const struct need *n, const struct estimate *row)
{
    l->enough = row != NULL;
    l->level = row ? row->level : NULL;
    l->level_loss = row ? row->expected_loss : NAN;
    l->lossy = l->level_loss > n->wishes->value[WISH_MAX_LOSS].number;
}

static void note_result(struct lever *l, const struct need *n, const struct estimates *then)
{
    const struct estimate *row = helped(n, then), *same = estimates_row(then, n->wanted->level);
    note_level(l, n, row);
    const struct estimate *shown = row ? row : same;
    l->tokens_per_s = shown ? shown->tokens_per_s : NAN;
    l->gpu_layers = shown ? shown->gpu_layers : 0;
    l->layers = shown ? shown->layers : 0;
    l->gain_bytes = same ? memory_of(n, n->wanted) - memory_of(n, same) : 0;
}

/* Estimates with further wishes set; NULL where they are refused. */
static struct estimates *try_wishes(const struct need *n, struct wishes *w)
{
    struct estimates *then;
    struct error e;
    wishes_defaults(w, n->machine, n->model);
    const char *level = n->wanted->asked ? n->wanted->level->name : NULL;
    return estimates_try(&then, n->machine, n->model, w, n->rules, level, &e) ? NULL : then;
}

static bool try_wish(struct lever *l, const struct need *n)
{
    struct wishes w;
    struct error e;
    wishes_copy(&w, n->wishes);
    struct estimates *then = wishes_set(&w, l->wish, l->value, &e) ? NULL : try_wishes(n, &w);
    if (then)
        note_result(l, n, then);
    estimates_free(then);
    wishes_done(&w);
    return then != NULL;
}

/* The largest smaller level that helps; the recommended one comes first. */
static const struct estimate *smaller_row(const struct need *n)
{
    const struct estimates *s = n->now;
    const struct estimate *winner = estimates_winner(s);
    if (n->goal == LEVERS_FIT_ROW && winner && winner->file_bytes < n->wanted->file_bytes)
        return winner;
    for (int i = 0; i < s->count; i++)
        if (estimate_runs(&s->rows[i]) && s->rows[i].file_bytes < n->wanted->file_bytes &&
            (n->goal != LEVERS_SPEED || s->rows[i].tokens_per_s >= n->min_speed))
            return &s->rows[i];
    return NULL;
}

static bool try_level(struct lever *l, const struct need *n)
{
    const struct estimate *row = n->goal == LEVERS_FIT_BETTER ? NULL : smaller_row(n);
    if (!row)
        return false;
    l->value = row->level->name;
    note_level(l, n, row);
    l->gain_bytes = memory_of(n, n->wanted) - memory_of(n, row);
    l->tokens_per_s = row->tokens_per_s;
    l->loss = row->expected_loss - n->wanted->expected_loss;
    return true;
}

/* ----------------------------------------------------------------------- texts */

static void add_loss(struct str *s, double loss)
{
    if (isnan(loss))
        str_add(s, ", loss unknown");
    else if (loss > 0)
        str_addf(s, ", %.*f %% more loss", loss < 0.001 ? 2 : 1, 100 * loss);
}

static void add_result(struct str *s, const struct lever *l, const struct need *n)
{
    if (!l->enough)
        str_add(s, n->goal == LEVERS_SPEED ? "; not fast enough alone" : "; not enough alone");
    else if (l->wish >= 0)
        str_addf(s, "; then %s%s", l->level->name, n->goal == LEVERS_SPEED ? "" : " fits");
    if (l->lossy)
        str_addf(s, ", which loses %.0f %%", 100 * l->level_loss);
    if (l->enough && l->wish == WISH_FIT)
        str_addf(s, ", %d of %d layers on the GPU", l->gpu_layers, l->layers);
    if (!isnan(l->tokens_per_s))
        str_addf(s, ", %.*f tokens/s", l->tokens_per_s < 10 ? 1 : 0, l->tokens_per_s);
}

/* "the KV cache in q8_0 (--kv-type q8_0), halved almost without loss: 1.1 GiB less, 0.04 % more loss; then Q4_K_M fits" */
static const char *text_of(const struct lever_rule *rule, const struct lever *l, const struct need *n)
{
    struct str s = {0};
    char size[FORMAT_SIZE];
    str_add(&s, rule->title);
    if (l->wish < 0)
        str_addf(&s, " (%s)", l->value);
    else
        str_addf(&s, " (--%s %s)", wish_specs[l->wish].name, l->value);
    str_addf(&s, ", %s: ", rule->why);
    if (l->gain_bytes > 0)
        str_addf(&s, "%s less", format_bytes(size, (double)l->gain_bytes));
    else
        str_add(&s, "no memory less");
    add_loss(&s, l->loss);
    add_result(&s, l, n);
    return str_keep(&s, n->arena);
}

/* ------------------------------------------------------------------- together */

/* Whether one of the later levers sets the same wish: then this one does not count. */
static bool set_again(const struct levers *l, int at, int taken)
{
    for (int i = at + 1; i < taken; i++)
        if (l->items[i].wish == l->items[at].wish)
            return true;
    return false;
}

/* Where no lever is enough alone: one after the other, until they are. */
static void find_together(struct levers *out, const struct need *n)
{
    struct wishes w;
    struct error e;
    int taken = 0;
    bool done = false;
    wishes_copy(&w, n->wishes);
    for (; taken < out->count && !done; taken++) {
        const struct lever *l = &out->items[taken];
        if (l->wish < 0 || wishes_set(&w, l->wish, l->value, &e))
            continue;
        struct estimates *then = try_wishes(n, &w);
        done = then && helped(n, then);
        estimates_free(then);
    }
    for (int i = 0; i < taken && done; i++)
        out->items[i].together = out->items[i].wish >= 0 && !set_again(out, i, taken);
    wishes_done(&w);
}

const struct lever *levers_first(const struct levers *l)
{
    const struct lever *lossy = NULL;
    for (int i = 0; i < l->count; i++)
        if (l->items[i].enough && !l->items[i].lossy)
            return &l->items[i];
        else if (l->items[i].enough && !lossy)
            lossy = &l->items[i];
    return lossy;
}

/* -------------------------------------------------------------------- finding */

/* The row with the most points, whether it fits or not. */
static const struct estimate *wanted_row(const struct estimates *s)
{
    const struct estimate *best = NULL;
    for (int i = 0; i < s->count; i++)
        if (estimate_usable(&s->rows[i]) && (!best || s->rows[i].score > best->score))
            best = &s->rows[i];
    return best;
}

static enum lever_goal goal_of(const struct need *n, int row)
{
    if (!n->wanted || !estimate_usable(n->wanted))
        return LEVERS_NONE;
    if (row < 0 && !estimates_winner(n->now))
        return LEVERS_FIT_ANY;
    if (n->wanted->verdict == VERDICT_TOO_BIG)
        return row < 0 ? LEVERS_FIT_BETTER : LEVERS_FIT_ROW;
    return n->wanted->tokens_per_s < n->min_speed ? LEVERS_SPEED : LEVERS_NONE;
}

/* Worth a line: it gains something, or it is what helps; where some level fits already, only the latter. */
static bool gains(const struct lever *l, const struct need *n)
{
    static const double noticeable = 1.005;
    if (n->goal == LEVERS_FIT_BETTER)
        return l->enough;
    if (n->goal == LEVERS_SPEED)
        return l->enough || l->tokens_per_s > n->wanted->tokens_per_s * noticeable;
    return l->enough || l->gain_bytes > 0;
}

static bool try_lever(struct lever *l, const struct lever_rule *rule, const struct need *n)
{
    *l = (struct lever){.name = rule->name, .where = rule->where, .wish = rule->wish, .loss = rule->loss,
                        .tokens_per_s = NAN};
    if (rule->wish < 0)
        return try_level(l, n);
    double now = number_now(n, rule->wish);
    for (const char *value; (value = next_value(rule, n, &now));) {
        l->value = value;
        if (!try_wish(l, n))
            return false;
        if (rule->step != STEP_DOUBLE || (l->enough && !l->lossy))
            break;
    }
    return l->value != NULL;
}

static void find_all(struct levers *out, const struct need *n)
{
    struct facts f = facts_gather(n->now, n->machine, n->model, n->wishes, n->rules);
    out->items = arena_alloc(n->arena, (size_t)n->rules->lever_rule_count * sizeof *out->items);
    for (int i = 0; i < n->rules->lever_rule_count; i++) {
        const struct lever_rule *rule = &n->rules->lever_rules[i];
        struct lever *l = &out->items[out->count];
        if (!decision_holds(&rule->when, &f) || !try_lever(l, rule, n) || !gains(l, n))
            continue;
        l->text = text_of(rule, l, n);
        out->count++;
    }
}

void levers_find(struct levers *out, struct arena *a, const struct estimates *s, int row, const struct machine *m,
                 const struct model *model, const struct wishes *w, const struct rules *r)
{
    struct need n = {.machine = m, .model = model, .wishes = w, .rules = r, .now = s, .arena = a,
                     .wanted = row < 0 ? wanted_row(s) : &s->rows[row],
                     .min_speed = w->value[WISH_MIN_SPEED].number};
    n.goal = goal_of(&n, row);
    *out = (struct levers){.goal = n.goal, .wanted = n.wanted ? n.wanted->level : NULL};
    if (n.goal == LEVERS_NONE)
        return;
    find_all(out, &n);
    if (!levers_first(out))
        find_together(out, &n);
}

/* ------------------------------------------------------------------- headline */

char *levers_headline(const struct levers *l, struct arena *a)
{
    enum { WAYS_MAX = 3 };
    struct str alone = {0}, together = {0};
    const struct lever *first = levers_first(l);
    for (int i = 0, ways = 0; i < l->count; i++) {
        const struct lever *x = &l->items[i];
        const char *wish = x->wish < 0 ? "level" : wish_specs[x->wish].name;
        if (x->enough && x->lossy == first->lossy && ways++ < WAYS_MAX)
            str_addf(&alone, "%s--%s %s makes %s fit", alone.length ? ", " : "", wish, x->value, x->level->name);
        if (x->together)
            str_addf(&together, "%s--%s %s", together.length ? ", " : "", wish, x->value);
    }
    char *text = alone.length      ? arena_printf(a, "nothing fits; %s", alone.data)
                 : together.length ? arena_printf(a, "nothing fits, but with these together something does: %s", together.data)
                                   : arena_strdup(a, "nothing fits, whatever else is changed: take a smaller model, or a"
                                                     " machine with more memory");
    str_done(&alone);
    str_done(&together);
    return text;
}
