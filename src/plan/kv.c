#include "plan/kv.h"

#include <string.h>

static int micro_batch(const struct wishes *w, const struct runtime *r)
{
    return wishes_given(w, WISH_MICRO_BATCH) ? (int)w->value[WISH_MICRO_BATCH].number : r->micro_batch;
}

struct kv_cache kv_of(const struct wishes *w, const struct runtime *r)
{
    const struct quant_type *type = quant_type_named(wishes_choice(w, WISH_KV_TYPE));
    return (struct kv_cache){
        .context = (int64_t)w->value[WISH_CTX].number,
        .sequences = (int)w->value[WISH_PARALLEL].number,
        .micro_batch = micro_batch(w, r),
        .pad = r->kv_pad,
        .windowed = r->windowed,
        .flash = strcmp(wishes_choice(w, WISH_FLASH_ATTENTION), "on") == 0,
        .k = type,
        .v = type,
    };
}

int kv_step_tokens(const struct kv_cache *c)
{
    return c->micro_batch && c->micro_batch < c->context ? c->micro_batch : (int)c->context;
}

static int64_t round_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

int64_t kv_cells(const struct kv_cache *c, const struct layer_shape *l)
{
    int64_t cells = c->context;
    if (c->windowed && l->window > 0 && l->window + c->micro_batch < cells)
        cells = l->window + c->micro_batch;
    return round_up(cells, c->pad);
}

/* A row of n values, rounded up to whole blocks. */
static uint64_t row_bytes(const struct quant_type *t, int64_t n)
{
    return quant_bytes(t, (uint64_t)round_up(n, t->block));
}

uint64_t kv_token_bytes(const struct kv_cache *c, const struct hparams *hp, const struct layer_shape *l)
{
    if (l->kv_heads <= 0)
        return 0;
    if (hp->mla_rank > 0) /* latent attention: one compressed key, from which the values come too */
        return row_bytes(c->k, hp->mla_rank + hp->mla_rope);
    return row_bytes(c->k, (int64_t)l->key_length * l->kv_heads) +
           row_bytes(c->v, (int64_t)l->value_length * l->kv_heads);
}

uint64_t kv_layer_bytes(const struct kv_cache *c, const struct hparams *hp, const struct layer_shape *l)
{
    uint64_t state = (uint64_t)l->state_bytes;
    return (state + (uint64_t)kv_cells(c, l) * kv_token_bytes(c, hp, l)) * (uint64_t)c->sequences;
}

uint64_t kv_bytes(const struct kv_cache *c, const struct hparams *hp)
{
    uint64_t sum = 0;
    for (int i = 0; i < hp->layers; i++)
        sum += kv_layer_bytes(c, hp, &hp->layer[i]);
    return sum;
}
