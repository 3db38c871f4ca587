#include "text/merge.h"

#include <stdlib.h>

#include "base/mem.h"

void merge_start(struct merge *m)
{
    m->count = m->heap_count = 0;
}

void merge_add(struct merge *m, size_t start, size_t length, int32_t id)
{
    int32_t at = (int32_t)m->count;
    if (at > 0)
        m->symbols[at - 1].next = at;
    array_push(m->symbols, m->count, m->capacity) =
        (struct merge_symbol){at - 1, -1, (uint32_t)start, (uint32_t)length, id};
}

void merge_done(struct merge *m)
{
    free(m->symbols);
    free(m->heap);
    *m = (struct merge){0};
}

/* --------------------------------------------------------------- the heap */

static bool better(const struct merge_pair *a, const struct merge_pair *b)
{
    return a->cost < b->cost || (a->cost == b->cost && a->left < b->left);
}

static void heap_push(struct merge *m, struct merge_pair p)
{
    array_push(m->heap, m->heap_count, m->heap_capacity) = p;
    size_t i = m->heap_count - 1;
    for (; i > 0 && better(&p, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = p;
}

static struct merge_pair heap_pop(struct merge *m)
{
    struct merge_pair top = m->heap[0], last = m->heap[--m->heap_count];
    size_t i = 0, n = m->heap_count;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && better(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!better(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
    }
    if (n > 0)
        m->heap[i] = last;
    return top;
}

/* ------------------------------------------------------------- the merges */

static void consider(struct merge *m, int32_t left, merge_lookup *lookup, const void *user)
{
    const struct merge_symbol *l, *r;
    struct merge_pair p = {.left = left};
    if (left < 0 || m->symbols[left].next < 0)
        return;
    l = &m->symbols[left];
    r = &m->symbols[l->next];
    p.length = l->length + r->length;
    if (lookup(user, l, r, &p.cost, &p.id))
        heap_push(m, p);
}

static bool outdated(const struct merge *m, const struct merge_pair *p)
{
    const struct merge_symbol *l = &m->symbols[p->left];
    return !l->length || l->next < 0 || l->length + m->symbols[l->next].length != p->length;
}

static void join(struct merge *m, const struct merge_pair *p)
{
    struct merge_symbol *l = &m->symbols[p->left], *r = &m->symbols[l->next];
    l->length = p->length;
    l->id = p->id;
    l->next = r->next;
    r->length = 0;
    if (l->next >= 0)
        m->symbols[l->next].prev = p->left;
}

void merge_run(struct merge *m, merge_lookup *lookup, const void *user)
{
    for (size_t i = 0; i + 1 < m->count; i++)
        consider(m, (int32_t)i, lookup, user);
    while (m->heap_count > 0) {
        struct merge_pair p = heap_pop(m);
        if (outdated(m, &p))
            continue;
        join(m, &p);
        consider(m, m->symbols[p.left].prev, lookup, user);
        consider(m, p.left, lookup, user);
    }
}
