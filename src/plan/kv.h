/* The KV cache: what a context costs, layer by layer, in this architecture.
 * Formulas: llama.cpp src/llama-kv-cache.cpp, llama-kv-cache-iswa.cpp, llama-memory-recurrent.cpp. */
#ifndef PLAN_KV_H
#define PLAN_KV_H

#include "model/model.h"
#include "plan/runtime.h"
#include "plan/wishes.h"

struct kv_cache {
    int64_t context;             /* tokens of one sequence */
    int sequences;
    int micro_batch;             /* as wished for, or the runtime's; 0: the whole context */
    int pad;                     /* of the runtime */
    bool windowed;
    bool flash;                  /* attention without storing the scores */
    const struct quant_type *k, *v;
};

struct kv_cache kv_of(const struct wishes *w, const struct runtime *r);
/* Tokens of a prompt that one step works on, at most. */
int kv_step_tokens(const struct kv_cache *c);
/* Cells that the cache of this layer has, per sequence: the context, or with a sliding window the window and
 * the tokens of a step, padded. */
int64_t kv_cells(const struct kv_cache *c, const struct layer_shape *l);
/* One token's keys and values in this layer; 0 for a layer without cache. */
uint64_t kv_token_bytes(const struct kv_cache *c, const struct hparams *hp, const struct layer_shape *l);
/* All cells of one layer for all sequences, or its recurrent state. */
uint64_t kv_layer_bytes(const struct kv_cache *c, const struct hparams *hp, const struct layer_shape *l);
uint64_t kv_bytes(const struct kv_cache *c, const struct hparams *hp);

#endif
