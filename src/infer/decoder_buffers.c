#include <stdlib.h>

#include "infer/decoder_priv.h"

enum {
    APPEND_ROWS = 512, /* of a long prompt at a time */
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The widest of every layer. */
struct widths {
    int64_t q, k, v, mixed, ffn, scratch;
};

static struct widths widest(const struct decoder *d)
{
    struct widths w = {0};
    for (int i = 0; i < d->model->hp.layers; i++) {
        const struct layer_shape *s = d->layers[i].shape;
        w.q = larger(w.q, (int64_t)s->heads * s->key_length);
        w.k = larger(w.k, (int64_t)s->kv_heads * s->key_length);
        w.v = larger(w.v, (int64_t)s->kv_heads * s->value_length);
        w.mixed = larger(w.mixed, (int64_t)s->heads * s->value_length);
        w.ffn = larger(w.ffn, larger(s->ffn, d->model->hp.shared_ffn));
        w.scratch = larger(w.scratch, attention_scratch(s, d->context));
    }
    return w;
}

static void *items(struct decoder *d, int64_t count, size_t size)
{
    d->buffer_bytes += count * size;
    return xaligned(count * size);
}

static float *buffer(struct decoder *d, int64_t rows, int64_t columns)
{
    return items(d, rows * columns, sizeof(float));
}

static void allocate_routing(struct decoder *d)
{
    int64_t experts = d->model->hp.experts, chosen = d->rows * d->model->hp.experts_used;
    d->routing = (struct routing){
        .scores = buffer(d, d->rows, experts),
        .chosen = items(d, chosen, sizeof(int)),
        .share = buffer(d, 1, chosen),
        .start = items(d, experts + 1, sizeof(int64_t)),
        .order = items(d, chosen, sizeof(int64_t)),
        .gathered = buffer(d, d->rows, d->model->hp.embd),
        .sum = buffer(d, d->rows, d->model->hp.embd),
    };
}

static bool has_experts(const struct decoder *d)
{
    for (int i = 0; i < d->model->hp.layers; i++)
        if (d->layers[i].experts.router.tensor)
            return true;
    return false;
}

static void allocate(struct decoder *d)
{
    struct widths w = widest(d);
    int64_t embd = d->model->hp.embd, chunk_rows = (int64_t)d->sequences * d->context;
    d->rows = larger(chunk_rows, d->context < APPEND_ROWS ? d->context : APPEND_ROWS);
    d->hidden_rows = larger(chunk_rows, d->context);
    d->x = buffer(d, d->rows, embd);
    d->branch = buffer(d, d->rows, embd);
    d->q = buffer(d, d->rows, w.q);
    d->k = buffer(d, chunk_rows, w.k);
    d->v = buffer(d, chunk_rows, w.v);
    d->mixed = buffer(d, d->rows, w.mixed);
    d->gate = buffer(d, d->rows, w.ffn);
    d->up = buffer(d, d->rows, w.ffn);
    d->scratch = buffer(d, d->threads, w.scratch);
    d->hidden = buffer(d, d->hidden_rows, embd);
    if (has_experts(d))
        allocate_routing(d);
    d->buffer_bytes += product_init(&d->product, d->hidden_rows, larger(larger(embd, w.mixed), w.ffn));
}

/* What they are sized by is the same. */
static void borrow(struct decoder *d, const struct decoder *o)
{
    d->borrows = true;
    d->rows = o->rows;
    d->hidden_rows = o->hidden_rows;
    d->x = o->x;
    d->branch = o->branch;
    d->q = o->q;
    d->k = o->k;
    d->v = o->v;
    d->mixed = o->mixed;
    d->gate = o->gate;
    d->up = o->up;
    d->scratch = o->scratch;
    d->hidden = o->hidden;
    d->routing = o->routing;
    product_borrow(&d->product, &o->product);
}

void decoder_allocate(struct decoder *d, const struct decoder *beside)
{
    if (beside)
        borrow(d, beside);
    else
        allocate(d);
}

void decoder_allocate_cache(struct decoder *d)
{
    int64_t floats = 0;
    for (int i = 0; i < d->model->hp.layers; i++) {
        const struct layer_shape *s = d->layers[i].shape;
        d->layers[i].cache_k = floats;
        floats += (int64_t)d->context * s->kv_heads * s->key_length;
        d->layers[i].cache_v = floats;
        floats += (int64_t)d->context * s->kv_heads * s->value_length;
    }
    d->cache_bytes = floats * sizeof *d->cache;
    d->cache = xaligned(d->cache_bytes);
}

void decoder_free_buffers(struct decoder *d)
{
    const struct routing *g = &d->routing;
    void *const buffers[] = {d->x,      d->branch, d->q,      d->k,      d->v,     d->mixed,
                             d->gate,   d->up,     d->scratch, d->hidden, g->scores,
                             g->chosen, g->share,  g->start,  g->order,  g->gathered, g->sum};
    for (size_t i = 0; i < ARRAY_LENGTH(buffers) && !d->borrows; i++)
        free(buffers[i]);
    if (!d->borrows)
        product_done(&d->product);
    free(d->cache);
}
