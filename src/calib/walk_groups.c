#include "calib/walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct tensor *fork_tensor(const struct walk_stream *s, const struct tensor *met)
{
    return &s->walk->fork->tensors[met - s->tensors];
}

static struct walk_group *group_with(const struct walk *w, const struct tensor *t, int expert)
{
    for (int i = 0; i < w->count; i++)
        for (int k = 0; k < w->groups[i].group.count; k++)
            if (w->groups[i].group.weights[k].tensor == t && w->groups[i].group.expert == expert)
                return &w->groups[i];
    return NULL;
}

/* Weights of a group are met one after another, with the same inputs. */
static struct walk_group *join_or_make(struct walk *w, struct tensor *t, int expert, const float *x)
{
    struct walk_group *g = w->count ? &w->groups[w->count - 1] : NULL;
    int64_t columns = t->shape[0];
    if (!g || w->last != x || g->group.expert != expert || g->hessian.columns != columns ||
        g->group.count == LAYERWISE_GROUP) {
        g = &array_push(w->groups, w->count, w->capacity);
        *g = (struct walk_group){.group = {.layer = t->layer, .expert = expert}};
        hessian_init(&g->hessian, columns);
    }
    g->group.weights[g->group.count++] =
        (struct layerwise_weight){.tensor = t, .rows = t->shape[1], .columns = columns};
    return g;
}

/* A stage has one group without experts; in the original tokens may choose other experts, so that their inputs cannot be
 * paired. The other stream works in the same buffers (decoder.h): what is met is kept. */
void walk_see(void *user, const struct tensor *met, int expert, const float *x, int64_t rows, int64_t columns)
{
    const struct walk_stream *s = user;
    struct walk *w = s->walk;
    const struct tensor *t = fork_tensor(s, met);
    (void)expert;
    if (!walk_wants(w, t) || walk_experts(t) > 1 || w->seen)
        return;
    w->seen = t;
#pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        memcpy(w->off + r * columns, x + r * columns, columns * sizeof *x);
}

void walk_forget_seen(struct walk *w)
{
    w->seen = NULL;
}

/* How far the inputs of a group are from what the original met in its place; NULL where that is not known. */
static const struct columns *differences(struct walk *w, const struct walk_group *g, const float *x, int64_t rows)
{
    int64_t floats = rows * g->hessian.columns;
    if (w->seen != g->group.weights[0].tensor)
        return NULL;
#pragma omp parallel for
    for (int64_t k = 0; k < floats; k++)
        w->off[k] -= x[k];
    columns_set(&w->differences, w->off, rows, g->hessian.columns);
    return &w->differences;
}

/* Are moments taken of it in this pass? */
static bool has_turn(const struct walk *w, const struct tensor *t, int expert)
{
    if (walk_experts(t) == 1)
        return !w->rehearses;
    return expert >= w->first_expert && expert < w->first_expert + w->experts_at_once;
}

void walk_meet(void *user, const struct tensor *met, int expert, const float *x, int64_t rows, int64_t columns)
{
    const struct walk_stream *s = user;
    struct walk *w = s->walk;
    struct tensor *t = fork_tensor(s, met);
    if (!walk_wants(w, t) || !has_turn(w, t, expert))
        return;
    struct walk_group *g = group_with(w, t, expert);
    if (!g)
        g = join_or_make(w, t, expert, x);
    if (g->group.weights[0].tensor == t) {
        columns_set(&w->inputs, x, rows, columns);
        hessian_add(&g->hessian, &w->inputs, differences(w, g, x, rows));
    }
    w->last = x;
}

void walk_forget_groups(struct walk *w)
{
    for (int i = 0; i < w->count; i++)
        hessian_done(&w->groups[i].hessian);
    w->count = 0;
    w->last = NULL;
}
