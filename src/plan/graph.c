#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ best fit */

enum { GRAPH_ALIGNMENT = 64, HOLES = 256, SOURCES = 3, NONE = -1 };

struct hole { uint64_t offset, size; };
struct space { /* the last hole has no end */
    struct hole holes[HOLES];
    int count;
    uint64_t top;
};

static uint64_t aligned(uint64_t size)
{
    return (size + GRAPH_ALIGNMENT - 1) / GRAPH_ALIGNMENT * GRAPH_ALIGNMENT;
}

static void remove_hole(struct space *s, int i)
{
    memmove(&s->holes[i], &s->holes[i + 1], (size_t)(s->count - i - 1) * sizeof *s->holes);
    s->count--;
}

static uint64_t take(struct space *s, uint64_t size)
{
    int best = s->count - 1;
    size = aligned(size);
    for (int i = 0; i < s->count - 1; i++)
        if (s->holes[i].size >= size && (best == s->count - 1 || s->holes[i].size <= s->holes[best].size))
            best = i;
    uint64_t offset = s->holes[best].offset;
    s->holes[best].offset += size;
    s->holes[best].size -= size;
    if (!s->holes[best].size)
        remove_hole(s, best);
    s->top = offset + size > s->top ? offset + size : s->top;
    return offset;
}

static void give(struct space *s, uint64_t offset, uint64_t size)
{
    int i = 0;
    size = aligned(size);
    while (i < s->count && s->holes[i].offset < offset)
        i++;
    bool joins_left = i > 0 && s->holes[i - 1].offset + s->holes[i - 1].size == offset;
    bool joins_right = i < s->count && offset + size == s->holes[i].offset;
    if (joins_left) {
        s->holes[i - 1].size += size + (joins_right ? s->holes[i].size : 0);
        if (joins_right)
            remove_hole(s, i);
    } else if (joins_right) {
        s->holes[i].offset = offset;
        s->holes[i].size += size;
    } else if (s->count < HOLES) {
        memmove(&s->holes[i + 1], &s->holes[i], (size_t)(s->count - i) * sizeof *s->holes);
        s->holes[i] = (struct hole){offset, size};
        s->count++;
    }
}

/* ----------------------------------------------------------------- the graph */

struct node {
    uint64_t bytes;        /* 0: writes elsewhere (into the cache) */
    int source[SOURCES];   /* nodes that it reads */
    int readers;
    bool in_place;         /* can write over a source that nobody else reads */
    bool input;            /* there before the step begins */
    bool live;
    uint64_t offset;
};

struct graph {
    struct node *nodes;
    int count, capacity;
    const struct graph_part *part;
    /* what is handed in */
    int positions, cells_k, cells_v, rows, mask, window_mask;
};

static int add(struct graph *g, uint64_t bytes, bool in_place, int a, int b, int c)
{
    struct node n = {.bytes = bytes, .source = {a, b, c}, .in_place = in_place};
    for (int i = 0; i < SOURCES; i++)
        if (n.source[i] != NONE)
            g->nodes[n.source[i]].readers++;
    array_push(g->nodes, g->count, g->capacity) = n;
    return g->count - 1;
}

static int input(struct graph *g, uint64_t bytes)
{
    int i = add(g, bytes, false, NONE, NONE, NONE);
    g->nodes[i].input = true;
    return i;
}

static uint64_t floats(int64_t width, int64_t tokens)
{
    return (uint64_t)(width * tokens) * sizeof(float);
}

static int matrix(struct graph *g, int64_t width, int64_t tokens, int from)
{
    return add(g, floats(width, tokens), false, from, NONE, NONE);
}

/* Scaling and weighting happen where the copy lies. */
static int norm(struct graph *g, int64_t tokens, int x)
{
    uint64_t bytes = floats(g->part->hp->embd, tokens);
    return add(g, bytes, true, add(g, bytes, true, x, NONE, NONE), NONE, NONE);
}

/* Flash attention: the scores never leave the registers, only the result counts. Without, each head's scores of all
 * cells are stored, and the result once by heads and once by tokens. */
static int attend(struct graph *g, const struct layer_shape *l, int64_t width, int q)
{
    const struct graph_part *p = g->part;
    int mask = l->window > 0 && g->window_mask != NONE ? g->window_mask : g->mask;
    uint64_t result = floats(width, p->tokens);
    if (p->cache->flash)
        return add(g, result, false, q, mask, NONE);
    uint64_t scores = floats(kv_cells(p->cache, l) * l->heads, p->tokens);
    int odds = add(g, scores, true, add(g, scores, false, q, NONE, NONE), mask, NONE);
    return add(g, result, false, add(g, result, false, odds, NONE, NONE), NONE, NONE);
}

static int attention(struct graph *g, const struct layer_shape *l, int x)
{
    const struct hparams *hp = g->part->hp;
    int64_t t = g->part->tokens;
    bool latent = hp->mla_rank > 0;
    int64_t key = latent ? hp->mla_rank + hp->mla_rope : l->key_length;
    int64_t value = latent ? hp->mla_rank : l->value_length, kv_heads = latent ? 1 : l->kv_heads;
    int q = add(g, floats(key * l->heads, t), false, matrix(g, key * l->heads, t, x), g->positions, NONE);
    int v = latent ? NONE : matrix(g, value * kv_heads, t, x);
    int k = add(g, floats(key * kv_heads, t), false, matrix(g, key * kv_heads, t, x), g->positions, NONE);
    add(g, 0, false, k, g->cells_k, NONE);
    if (v != NONE)
        add(g, 0, false, v, g->cells_v, NONE);
    int out = attend(g, l, value * l->heads, q);
    return matrix(g, hp->embd, t, latent ? matrix(g, (int64_t)l->value_length * l->heads, t, out) : out);
}

/* A layer without cache: its state's input and gate, as wide as the state's rows. */
static int recurrent(struct graph *g, int x)
{
    int64_t t = g->part->tokens, inner = 2 * (int64_t)g->part->hp->embd;
    int in = matrix(g, 2 * inner, t, x);
    return matrix(g, g->part->hp->embd, t, add(g, floats(inner, t), false, in, NONE, NONE));
}

static int feed_forward(struct graph *g, const struct layer_shape *l, int64_t tokens, int x)
{
    int gate = matrix(g, l->ffn, tokens, x), up = matrix(g, l->ffn, tokens, x);
    return matrix(g, g->part->hp->embd, tokens, add(g, floats(l->ffn, tokens), false, gate, up, NONE));
}

/* The router's probabilities and choice, then each token's experts side by side, weighted and summed up. */
static int experts(struct graph *g, const struct layer_shape *l, int64_t tokens, int x)
{
    const struct hparams *hp = g->part->hp;
    int64_t routed = tokens * hp->experts_used;
    int odds = add(g, floats(hp->experts, tokens), true, matrix(g, hp->experts, tokens, x), NONE, NONE);
    int chosen = add(g, floats(hp->experts, tokens), false, odds, NONE, NONE);
    int weight = add(g, floats(hp->experts_used, tokens), false, odds, chosen, NONE);
    int up = add(g, floats(l->ffn, routed), false, x, chosen, NONE);
    int gate = add(g, floats(l->ffn, routed), false, x, chosen, NONE);
    int mixed = add(g, floats(l->ffn, routed), false, gate, up, NONE);
    int out = add(g, floats(hp->embd, routed), false, mixed, chosen, NONE);
    out = add(g, floats(hp->embd, routed), true, out, weight, NONE);
    return add(g, floats(hp->embd, tokens), false, out, NONE, NONE);
}

static int layer(struct graph *g, const struct layer_shape *l, bool last, int x)
{
    const struct graph_part *p = g->part;
    int64_t tokens = p->tokens;
    int a = norm(g, tokens, x);
    a = l->kv_heads > 0 || !l->state_bytes ? attention(g, l, a) : recurrent(g, a);
    if (last && p->output) { /* from here on only the tokens whose logits are wanted */
        tokens = p->outputs;
        a = add(g, floats(p->hp->embd, tokens), false, a, g->rows, NONE);
        x = add(g, floats(p->hp->embd, tokens), false, x, g->rows, NONE);
    }
    x = add(g, floats(p->hp->embd, tokens), true, a, x, NONE);
    a = norm(g, tokens, x);
    a = p->hp->experts > 1 ? experts(g, l, tokens, a) : feed_forward(g, l, tokens, a);
    return add(g, floats(p->hp->embd, tokens), true, a, x, NONE);
}

/* Layers with the same shape repeat the same walk: a few from each end stand for all. */
enum { ENDS = 4 };

static bool is_walked(const struct hparams *hp, int i)
{
    return i < ENDS || i >= hp->layers - ENDS;
}

static uint64_t mask_bytes(const struct graph_part *p, bool window)
{
    int64_t cells = 0;
    for (int i = 0; i < p->hp->layers; i++) {
        const struct layer_shape *l = &p->hp->layer[i];
        if (l->kv_heads > 0 && (l->window > 0 && p->cache->windowed) == window &&
            kv_cells(p->cache, l) > cells)
            cells = kv_cells(p->cache, l);
    }
    return (uint64_t)cells * (uint64_t)p->tokens * (p->cache->flash ? 2 : 4); /* floats of 16 or 32 bits */
}

/* Where a step's values go: without flash attention they lie transposed, so each has a place of its own. */
static uint64_t value_places(const struct graph_part *p)
{
    const struct layer_shape *l = p->hp->layer;
    bool apart = !p->cache->flash && p->hp->layers && l->kv_heads > 0 && !p->hp->mla_rank;
    return (uint64_t)p->tokens * sizeof(int64_t) * (apart ? (uint64_t)(l->kv_heads * l->value_length) : 1);
}

static int begin(struct graph *g)
{
    const struct graph_part *p = g->part;
    uint64_t tokens = (uint64_t)p->tokens, window = mask_bytes(p, true);
    int ids = input(g, tokens * sizeof(int32_t));
    input(g, floats(p->hp->embd, p->tokens)); /* embeddings may be handed in instead: reserved, never read */
    g->positions = input(g, tokens * sizeof(int32_t));
    g->cells_k = input(g, tokens * sizeof(int64_t));
    g->cells_v = input(g, value_places(p));
    g->mask = input(g, mask_bytes(p, false));
    g->window_mask = window ? input(g, window) : NONE;
    g->rows = p->output ? input(g, (uint64_t)p->outputs * sizeof(int32_t)) : NONE;
    return matrix(g, p->hp->embd, p->tokens, ids);
}

static void build(struct graph *g)
{
    const struct hparams *hp = g->part->hp;
    int x = begin(g);
    for (int i = 0; i < hp->layers; i++)
        if (is_walked(hp, i))
            x = layer(g, &hp->layer[i], i == hp->layers - 1, x);
    if (g->part->output)
        matrix(g, hp->vocab, g->part->outputs, norm(g, g->part->outputs, x));
}

/* ------------------------------------------------------------------ the walk */

static bool reuse_source(struct graph *g, struct node *n)
{
    for (int i = 0; n->in_place && i < SOURCES; i++) {
        struct node *s = n->source[i] == NONE ? NULL : &g->nodes[n->source[i]];
        if (s && s->live && !s->input && s->readers == 1 && s->bytes == n->bytes) {
            n->offset = s->offset;
            s->live = false;
            return true;
        }
    }
    return false;
}

static void release_sources(struct graph *g, struct space *s, const struct node *n)
{
    for (int i = 0; i < SOURCES; i++) {
        struct node *source = n->source[i] == NONE ? NULL : &g->nodes[n->source[i]];
        if (source && --source->readers == 0 && source->live) {
            give(s, source->offset, source->bytes);
            source->live = false;
        }
    }
}

static uint64_t walk(struct graph *g)
{
    struct space s = {.holes = {{0, UINT64_MAX / 2}}, .count = 1};
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i].input && g->nodes[i].bytes) {
            g->nodes[i].offset = take(&s, g->nodes[i].bytes);
            g->nodes[i].live = true;
        }
    for (int i = 0; i < g->count; i++) {
        struct node *n = &g->nodes[i];
        if (!n->input && n->bytes) {
            if (!reuse_source(g, n))
                n->offset = take(&s, n->bytes);
            n->live = true;
        }
        release_sources(g, &s, n);
    }
    return s.top;
}

uint64_t graph_bytes(const struct graph_part *p)
{
    struct graph g = {.part = p};
    build(&g);
    uint64_t bytes = walk(&g);
    free(g.nodes);
    return bytes;
}

uint64_t graph_input_bytes(const struct graph_part *p)
{
    struct graph g = {.part = p};
    uint64_t sum = 0;
    begin(&g);
    for (int i = 0; i < g.count; i++)
        sum += g.nodes[i].input ? aligned(g.nodes[i].bytes) : 0;
    free(g.nodes);
    return sum;
}
