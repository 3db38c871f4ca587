#include "plan/mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Looks at steps that a search may take in all: some ten milliseconds. */
enum { EFFORT = 10000000 };

/* The searches: first for what is a good deal better, wherever that may be, then for the rest. */
static const double worths[] = {1e-2, 1e-3, 1e-12};

/* From one option of an item to the next one on its hull. */
struct step {
    int item, to;          /* place among the item's candidates */
    uint64_t bytes;        /* more */
    double loss;           /* less */
};

/* An item's options that are worth a thought: each has more bytes and less loss than the one before. */
struct candidates {
    int *option, count;    /* indices into the item's options */
};

struct solver {
    const struct mix_item *items;
    int count;
    struct candidates *candidates;
    struct step *steps;    /* of all items, the ones that gain most by a byte first */
    int step_count;
    int *order, *place;    /* [depth] the item decided there, and where an item stands in it */
    int *at, *best;        /* [count] places among candidates: now, and of the best solution so far */
    double best_loss;
    int *filled;           /* [count] places of the items that are not decided yet */
    bool *stays;           /* [count] a step was too large for it */
    int64_t effort;        /* left */
};

static const struct mix_option *option(const struct solver *s, int item, int candidate)
{
    return &s->items[item].options[s->candidates[item].option[candidate]];
}

/* ------------------------------------------------------------------- candidates */

static int by_bytes(const void *a, const void *b, void *user)
{
    const struct mix_option *o = user, *x = &o[*(const int *)a], *y = &o[*(const int *)b];
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? 1 : -1;
    return (x->loss > y->loss) - (x->loss < y->loss);
}

static struct candidates find_candidates(const struct mix_item *item)
{
    struct candidates c = {.option = xcalloc(item->count, sizeof *c.option)};
    for (int i = 0; i < item->count; i++)
        c.option[i] = i;
    qsort_r(c.option, item->count, sizeof *c.option, by_bytes, (void *)item->options);
    for (int i = 0; i < item->count; i++)
        if (c.count == 0 || item->options[c.option[i]].loss < item->options[c.option[c.count - 1]].loss)
            c.option[c.count++] = c.option[i];
    return c;
}

static double gain(const struct mix_option *from, const struct mix_option *to)
{
    return (from->loss - to->loss) / (double)(to->bytes - from->bytes);
}

/* The steps along an item's hull: from each of its corners to the candidate that gains most by a byte. */
static void add_steps(struct solver *s, int item)
{
    int count = s->candidates[item].count;
    for (int from = 0, to; from < count - 1; from = to) {
        to = from + 1;
        for (int i = from + 2; i < count; i++)
            if (gain(option(s, item, from), option(s, item, i)) >= gain(option(s, item, from), option(s, item, to)))
                to = i;
        s->steps[s->step_count++] = (struct step){item, to, option(s, item, to)->bytes - option(s, item, from)->bytes,
                                                  option(s, item, from)->loss - option(s, item, to)->loss};
    }
}

/* Of one item the steps are in order already, and stay so. */
static int by_gain(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    double g = x->loss / (double)x->bytes, h = y->loss / (double)y->bytes;
    if (g != h)
        return g < h ? 1 : -1;
    return x->item != y->item ? (x->item > y->item) - (x->item < y->item) : x->to - y->to;
}

/* ----------------------------------------------------------------------- search */

/* What is left to decide: bytes beyond the smallest options, and the loss of the items decided plus that of the smallest
 * options of all others. */
struct node {
    int depth;
    uint64_t spare;
    double loss;
};

static void remember(struct solver *s, int depth, double loss)
{
    s->best_loss = loss;
    for (int i = 0; i < s->count; i++)
        s->best[i] = s->place[i] < depth ? s->at[i] : s->filled[i];
}

/* What the items that are left gain where shares are allowed. On the way their steps are taken as far as they fit as a
 * whole, which is a solution, and perhaps the best so far. An item that a step was too large for stays as it is. */
static double relaxed_gain(struct solver *s, struct node n)
{
    double whole = 0, relaxed = NAN;
    uint64_t spare = n.spare;
    memset(s->filled, 0, s->count * sizeof *s->filled);
    memset(s->stays, 0, s->count * sizeof *s->stays);
    for (int i = 0; i < s->step_count; i++) {
        const struct step *t = &s->steps[i];
        if (s->place[t->item] < n.depth || s->stays[t->item])
            continue;
        if (t->bytes > spare) {
            relaxed = isnan(relaxed) ? whole + t->loss * ((double)spare / (double)t->bytes) : relaxed;
            s->stays[t->item] = true;
            continue;
        }
        s->filled[t->item] = t->to;
        whole += t->loss;
        spare -= t->bytes;
    }
    s->effort -= s->step_count;
    if (n.loss - whole < s->best_loss)
        remember(s, n.depth, n.loss - whole);
    return isnan(relaxed) ? whole : relaxed;
}

/* Goes on where at least this share of the best loss so far might be won. */
static void search(struct solver *s, struct node n, double worth)
{
    double relaxed = n.loss - relaxed_gain(s, n);
    if (n.depth == s->count || relaxed >= s->best_loss * (1 - worth))
        return;
    int item = s->order[n.depth];
    const struct mix_option *least = option(s, item, 0);
    for (int i = s->candidates[item].count - 1; i >= 0 && s->effort > 0; i--) {
        const struct mix_option *o = option(s, item, i);
        s->at[item] = i;
        if (o->bytes - least->bytes <= n.spare)
            search(s, (struct node){n.depth + 1, n.spare - (o->bytes - least->bytes), n.loss - (least->loss - o->loss)},
                   worth);
    }
}

static double widest(const struct solver *s, int item)
{
    return option(s, item, 0)->loss - option(s, item, s->candidates[item].count - 1)->loss;
}

static int by_width(const void *a, const void *b, void *user)
{
    const struct solver *s = user;
    double x = widest(s, *(const int *)a), y = widest(s, *(const int *)b);
    return x != y ? (x < y) - (x > y) : *(const int *)a - *(const int *)b;
}

/* ------------------------------------------------------------------------ whole */

static void prepare(struct solver *s)
{
    int options = 0;
    s->candidates = xcalloc(s->count, sizeof *s->candidates);
    s->order = xcalloc(s->count, sizeof *s->order);
    s->place = xcalloc(s->count, sizeof *s->place);
    s->at = xcalloc(s->count, sizeof *s->at);
    s->best = xcalloc(s->count, sizeof *s->best);
    s->filled = xcalloc(s->count, sizeof *s->filled);
    s->stays = xcalloc(s->count, sizeof *s->stays);
    for (int i = 0; i < s->count; i++) {
        s->candidates[i] = find_candidates(&s->items[i]);
        s->order[i] = i;
        options += s->candidates[i].count;
    }
    s->steps = xcalloc(options + 1, sizeof *s->steps);
    for (int i = 0; i < s->count; i++)
        add_steps(s, i);
    qsort(s->steps, s->step_count, sizeof *s->steps, by_gain);
    qsort_r(s->order, s->count, sizeof *s->order, by_width, s);
    for (int i = 0; i < s->count; i++)
        s->place[s->order[i]] = i;
}

static void finish(struct solver *s)
{
    for (int i = 0; i < s->count; i++)
        free(s->candidates[i].option);
    free(s->candidates);
    free(s->order);
    free(s->place);
    free(s->at);
    free(s->best);
    free(s->filled);
    free(s->stays);
    free(s->steps);
}

static void tell(const struct solver *s, int *chosen, struct mix_result *r)
{
    r->bytes = 0;
    r->loss = 0;
    for (int i = 0; i < s->count; i++) {
        chosen[i] = s->candidates[i].option[s->best[i]];
        r->bytes += option(s, i, s->best[i])->bytes;
        r->loss += option(s, i, s->best[i])->loss;
    }
}

/* `n`: with all items at their smallest. */
static double solve(struct solver *s, struct node n)
{
    s->best_loss = INFINITY;
    double bound = n.loss - relaxed_gain(s, n);
    for (size_t i = 0; i < ARRAY_LENGTH(worths); i++) {
        s->effort = EFFORT;
        search(s, n, worths[i]);
    }
    return bound;
}

bool mix_solve(const struct mix_item *items, int count, uint64_t budget, int *chosen, struct mix_result *r)
{
    struct solver s = {.items = items, .count = count};
    prepare(&s);
    tell(&s, chosen, r); /* the smallest ones */
    bool fits = r->bytes <= budget;
    r->bound = r->loss;
    if (fits) {
        r->bound = solve(&s, (struct node){0, budget - r->bytes, r->loss});
        tell(&s, chosen, r);
    }
    finish(&s);
    return fits;
}
