/* Hyperparameters from GGUF metadata. Keys stand below the architecture's name ("llama.block_count"); what each
 * means, and what holds where it is missing: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and
 * load_hparams of llama.cpp's src/llama-model.cpp, which every runtime of these files follows.
 *
 * A value of the wrong kind or outside its range is an error: shapes decide how much is allocated later. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_priv.h"

enum { KEY_SIZE = 256 };

/* "ARCH.SUFFIX" in `key`. */
static const char *arch_key(const struct model *m, char key[static KEY_SIZE], const char *suffix)
{
    snprintf(key, KEY_SIZE, "%s.%s", m->arch_name, suffix);
    return key;
}

const struct gguf_value *hparams_value(const struct model *m, const char *suffix)
{
    char key[KEY_SIZE];
    return gguf_find(&m->shards[0], arch_key(m, key, suffix));
}

/* ------------------------------------------------------------------- scalars */

static int check_range(const struct model *m, const struct gguf_value *v, double value, double high, struct error *e)
{
    if (value >= 0 && value <= high && value == floor(value))
        return 0;
    return model_bad_value(m, v, e, "it is %.17g, expected a whole number from 0 to %.17g", value, high);
}

int hparams_integer(const struct model *m, const char *suffix, int high, int *value, struct error *e)
{
    const struct gguf_value *v = hparams_value(m, suffix);
    if (!v)
        return 0;
    double number = gguf_item(v, 0);
    if (isnan(number))
        return model_bad_value(m, v, e, "it is of kind %s, expected a number", gguf_kind_name(v->kind));
    if (check_range(m, v, number, high, e))
        return e->code;
    *value = (int)number;
    return 0;
}

static int read_double(const struct model *m, const char *suffix, double *value, struct error *e)
{
    const struct gguf_value *v = hparams_value(m, suffix);
    if (!v)
        return 0;
    double number = gguf_item(v, 0);
    if (!isfinite(number))
        return model_bad_value(m, v, e, "it is no finite number");
    *value = number;
    return 0;
}

static const struct { const char *suffix; size_t field; int high; } integers[] = {
    {"block_count", offsetof(struct hparams, layers), LAYERS_MAX},
    {"embedding_length", offsetof(struct hparams, embd), WIDTH_MAX},
    {"context_length", offsetof(struct hparams, context), CONTEXT_MAX},
    {"expert_count", offsetof(struct hparams, experts), EXPERTS_MAX},
    {"expert_used_count", offsetof(struct hparams, experts_used), EXPERTS_MAX},
    {"expert_shared_feed_forward_length", offsetof(struct hparams, shared_ffn), WIDTH_MAX},
    {"rope.dimension_count", offsetof(struct hparams, rope_dims), HEAD_LENGTH_MAX},
};

static const struct { const char *suffix; size_t field; } doubles[] = {
    {"attention.layer_norm_epsilon", offsetof(struct hparams, norm_eps)},
    {"attention.layer_norm_rms_epsilon", offsetof(struct hparams, norm_eps)},
    {"rope.freq_base", offsetof(struct hparams, rope_base)},
    {"rope.freq_base_swa", offsetof(struct hparams, rope_base_local)},
    {"rope.scale_linear", offsetof(struct hparams, rope_factor)}, /* the older name of the next */
    {"rope.scaling.factor", offsetof(struct hparams, rope_factor)},
    {"rope.scaling.attn_factor", offsetof(struct hparams, rope_attn_factor)},
    {"rope.scaling.original_context_length", offsetof(struct hparams, rope_original_context)},
    {"rope.scaling.yarn_beta_fast", offsetof(struct hparams, rope_fast)},
    {"rope.scaling.yarn_beta_slow", offsetof(struct hparams, rope_slow)},
    {"expert_weights_scale", offsetof(struct hparams, expert_scale)},
    {"logit_scale", offsetof(struct hparams, logit_scale)},
    {"embedding_scale", offsetof(struct hparams, embedding_scale)},
    {"residual_scale", offsetof(struct hparams, residual_scale)},
    {"attention.scale", offsetof(struct hparams, attention_scale)},
    {"attn_logit_softcapping", offsetof(struct hparams, attn_softcap)},
    {"final_logit_softcapping", offsetof(struct hparams, final_softcap)},
};

static int read_scalars(struct model *m, struct error *e)
{
    char *hp = (char *)&m->hp;
    for (size_t i = 0; i < ARRAY_LENGTH(integers); i++)
        if (hparams_integer(m, integers[i].suffix, integers[i].high, (int *)(hp + integers[i].field), e))
            return e->code;
    for (size_t i = 0; i < ARRAY_LENGTH(doubles); i++)
        if (read_double(m, doubles[i].suffix, (double *)(hp + doubles[i].field), e))
            return e->code;
    return 0;
}

/* ----------------------------------------------------------------- per layer */

/* As hparams_integer, for a field (an int, by its offset) of every layer: one number for all, or an array. */
static int read_layers(struct model *m, const char *suffix, int high, size_t field, struct error *e)
{
    const struct gguf_value *v = hparams_value(m, suffix);
    if (!v)
        return 0;
    if (v->kind == GGUF_ARRAY && v->count < (uint64_t)m->hp.layers)
        return model_bad_value(m, v, e, "it has %llu items for %d layers", (unsigned long long)v->count, m->hp.layers);
    for (int i = 0; i < m->hp.layers; i++) {
        double number = gguf_item(v, i);
        if (check_range(m, v, number, high, e))
            return e->code;
        *(int *)((char *)&m->hp.layer[i] + field) = (int)number;
    }
    return 0;
}

/* Where the file does not say, a head is as wide as the embedding shared out. */
static void default_head_lengths(struct hparams *hp)
{
    for (int i = 0; i < hp->layers; i++) {
        struct layer_shape *l = &hp->layer[i];
        l->kv_heads = l->heads;
        l->key_length = l->value_length = l->heads ? hp->embd / l->heads : 0;
    }
}

static int read_layer_shapes(struct model *m, struct error *e)
{
    struct hparams *hp = &m->hp;
    hp->layer = arena_alloc(&m->arena, (hp->layers + 1) * sizeof *hp->layer);
    if (read_layers(m, "attention.head_count", HEADS_MAX, offsetof(struct layer_shape, heads), e) ||
        read_layers(m, "feed_forward_length", WIDTH_MAX, offsetof(struct layer_shape, ffn), e))
        return e->code;
    default_head_lengths(hp);
    if (read_layers(m, "attention.head_count_kv", HEADS_MAX, offsetof(struct layer_shape, kv_heads), e) ||
        read_layers(m, "attention.key_length", HEAD_LENGTH_MAX, offsetof(struct layer_shape, key_length), e) ||
        read_layers(m, "attention.value_length", HEAD_LENGTH_MAX, offsetof(struct layer_shape, value_length), e))
        return e->code;
    return layers_read(m, e);
}

/* Latent attention: converters that keep the cache compressed write key_length_mla; older files have kv_lora_rank
 * alone, and runtimes then store full keys and values (llama.cpp, PR 12801). */
static int read_latent_attention(struct model *m, struct error *e)
{
    int rank = 0, key = 0;
    if (hparams_integer(m, "attention.kv_lora_rank", WIDTH_MAX, &rank, e) ||
        hparams_integer(m, "attention.key_length_mla", HEAD_LENGTH_MAX, &key, e))
        return e->code;
    if (rank && key) {
        m->hp.mla_rank = rank;
        m->hp.mla_rope = m->hp.rope_dims;
    }
    return 0;
}

/* ---------------------------------------------------------------------- rope */

static void read_rope_scaling(struct model *m)
{
    char key[KEY_SIZE];
    const char *kind = gguf_text(&m->shards[0], arch_key(m, key, "rope.scaling.type"));
    if (!kind && m->hp.rope_factor > 0)
        kind = "linear";
    if (kind && strcmp(kind, "none") != 0)
        snprintf(m->hp.rope_scaling, sizeof m->hp.rope_scaling, "%s", kind);
}

static void default_rope(struct hparams *hp, const struct architecture *a)
{
    if (hp->rope_base == 0)
        hp->rope_base = 10000;
    if (hp->rope_base_local == 0)
        hp->rope_base_local = a && a->rope_base_local ? a->rope_base_local : hp->rope_base;
    if (hp->rope_factor == 0)
        hp->rope_factor = 1;
    if (hp->rope_attn_factor == 0)
        hp->rope_attn_factor = 1;
    if (hp->rope_original_context == 0)
        hp->rope_original_context = hp->context;
    if (hp->rope_fast == 0)
        hp->rope_fast = 32;
    if (hp->rope_slow == 0)
        hp->rope_slow = 1;
    if (hp->rope_dims == 0 && hp->layers)
        hp->rope_dims = hp->layer[0].key_length;
}

/* -------------------------------------------------------------------- traits */

/* What the architecture's row says where the file does not. */
static int apply_traits(struct model *m, struct error *e)
{
    struct hparams *hp = &m->hp;
    const struct architecture *a = m->arch;
    int share_chosen = a && !a->experts_share_all;
    if (hparams_integer(m, "expert_weights_norm", 1, &share_chosen, e))
        return e->code;
    hp->experts_share_all = !share_chosen;
    hp->rope_ramp_exact = a && a->rope_ramp_exact && m->folder;
    if (a && a->embedding_sqrt && hp->embedding_scale == 0)
        hp->embedding_scale = sqrt(hp->embd);
    if (a && a->wide_query_layers && hp->layers == a->wide_query_layers && hp->attention_scale == 0 && hp->layer[0].heads)
        hp->attention_scale = 1 / sqrt((double)hp->embd / hp->layer[0].heads);
    return 0;
}

/* --------------------------------------------------------------------- vocab */

/* The embedding's rows are what is stored and computed; metadata alone is believed only without it. */
static int read_vocab(struct model *m, struct error *e)
{
    const struct gguf_value *tokens = gguf_find(&m->shards[0], "tokenizer.ggml.tokens");
    const struct tensor *embd = model_tensor(m, "token_embd.weight");
    if (embd && embd->dims == 2 && embd->shape[1] <= INT_MAX) {
        m->hp.vocab = (int)embd->shape[1];
        return 0;
    }
    if (tokens && tokens->kind == GGUF_ARRAY && tokens->count <= INT_MAX) {
        m->hp.vocab = (int)tokens->count;
        return 0;
    }
    return hparams_integer(m, "vocab_size", INT_MAX, &m->hp.vocab, e);
}

int hparams_read(struct model *m, struct error *e)
{
    if (read_scalars(m, e) || read_layer_shapes(m, e) || read_latent_attention(m, e) || read_vocab(m, e) ||
        apply_traits(m, e))
        return e->code;
    read_rope_scaling(m);
    default_rope(&m->hp, m->arch);
    return 0;
}
