/* What differs from layer to layer: which attend to a sliding window only, which keep a recurrent state instead of
 * keys and values, which share another layer's cache. Patterns come from the architecture's row, where the file
 * does not say otherwise (source: architecture.h); state sizes from llama.cpp, src/llama-hparams.cpp, n_embd_r
 * (convolution, token shift) and n_embd_s (the state proper), both kept in float32. */
#include <stdlib.h>

#include "base/mem.h"
#include "model/model_priv.h"

static const struct architecture plain; /* of unknown architectures: no windows, no states */

static const struct architecture *traits(const struct model *m)
{
    return m->arch ? m->arch : &plain;
}

/* ------------------------------------------------------------------- windows */

/* sliding_window_pattern is one number, the period, or a flag per layer. */
static bool is_windowed(const struct architecture *a, const struct gguf_value *pattern, int period, int layer)
{
    if (pattern && pattern->kind == GGUF_ARRAY)
        return pattern->count && gguf_item(pattern, layer % pattern->count) > 0;
    if (period == 0)
        return true;
    return layer % period != (a->window_full_first ? 0 : period - 1);
}

/* A windowed layer may have heads of another length (Gemma 4). */
static int read_window_heads(struct model *m, struct error *e)
{
    int key = 0, value = 0;
    if (hparams_integer(m, "attention.key_length_swa", HEAD_LENGTH_MAX, &key, e) ||
        hparams_integer(m, "attention.value_length_swa", HEAD_LENGTH_MAX, &value, e))
        return e->code;
    for (int i = 0; i < m->hp.layers; i++) {
        struct layer_shape *l = &m->hp.layer[i];
        if (l->window && key && value) {
            l->key_length = key;
            l->value_length = value;
        }
    }
    return 0;
}

static int read_windows(struct model *m, struct error *e)
{
    const struct architecture *a = traits(m);
    const struct gguf_value *pattern = hparams_value(m, "attention.sliding_window_pattern");
    int window = a->window, period = a->window_period;
    if (hparams_integer(m, "attention.sliding_window", CONTEXT_MAX, &window, e))
        return e->code;
    if (pattern && pattern->kind != GGUF_ARRAY && hparams_integer(m, "attention.sliding_window_pattern", LAYERS_MAX, &period, e))
        return e->code;
    for (int i = 0; window && a->window_period && i < m->hp.layers; i++)
        m->hp.layer[i].window = is_windowed(a, pattern, period, i) ? window : 0;
    return read_window_heads(m, e);
}

/* -------------------------------------------------------------------- states */

struct state_sizes {
    int conv, inner, state, groups; /* Mamba */
    int shortconv;                  /* LFM2: tokens that its convolution looks at */
    int head, shifts;               /* RWKV: head length, token shifts */
    int kda_head;                   /* Kimi: head length of its delta attention */
};

static const struct { const char *suffix; int high; size_t field; } size_keys[] = {
    {"ssm.conv_kernel", 1024, offsetof(struct state_sizes, conv)},
    {"ssm.inner_size", 1 << 24, offsetof(struct state_sizes, inner)},
    {"ssm.state_size", 65536, offsetof(struct state_sizes, state)},
    {"ssm.group_count", 65536, offsetof(struct state_sizes, groups)},
    {"shortconv.l_cache", 1024, offsetof(struct state_sizes, shortconv)},
    {"wkv.head_size", 65536, offsetof(struct state_sizes, head)},
    {"token_shift_count", 1024, offsetof(struct state_sizes, shifts)},
    {"kda.head_dim", 4096, offsetof(struct state_sizes, kda_head)},
};

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

/* Elements that one layer keeps per sequence. */
static int64_t state_elements(enum state_kind kind, const struct state_sizes *s, int embd, int heads)
{
    switch (kind) {
    case STATE_MAMBA:
        return at_least_0(s->conv - 1) * (s->inner + 2 * (int64_t)s->groups * s->state) + (int64_t)s->state * s->inner;
    case STATE_SHORTCONV:
        return at_least_0(s->shortconv - 1) * embd;
    case STATE_RWKV:
        return (int64_t)s->shifts * embd + (int64_t)embd * s->head;
    case STATE_KDA:
        return 3 * at_least_0(s->conv - 1) * heads * s->kda_head + (int64_t)s->kda_head * s->kda_head * heads;
    default:
        return 0;
    }
}

/* Where one number of key/value heads stands for all layers, the interval tells which of them have attention. */
static int read_attention_interval(struct model *m, int main_layers, struct error *e)
{
    const struct gguf_value *kv = hparams_value(m, "attention.head_count_kv");
    int interval = traits(m)->attention_interval;
    if (hparams_integer(m, "full_attention_interval", LAYERS_MAX, &interval, e))
        return e->code;
    for (int i = 0; interval && (!kv || kv->kind != GGUF_ARRAY) && i < main_layers; i++)
        if ((i + 1) % interval)
            m->hp.layer[i].kv_heads = 0;
    return 0;
}

static int read_states(struct model *m, int main_layers, struct error *e)
{
    const struct architecture *a = traits(m);
    struct state_sizes s = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(size_keys); i++)
        if (hparams_integer(m, size_keys[i].suffix, size_keys[i].high, (int *)((char *)&s + size_keys[i].field), e))
            return e->code;
    for (int i = 0; i < main_layers; i++) {
        struct layer_shape *l = &m->hp.layer[i];
        if ((l->kv_heads == 0 || a->state_everywhere) && !(l->ffn && a->state_without_ffn))
            l->state_bytes = 4 * state_elements(a->state, &s, m->hp.embd, m->hp.layer[0].heads);
    }
    return 0;
}

/* ------------------------------------------------------------- other layers' parts */

/* Layers from `first` on look into the caches of earlier ones, or only predict further tokens: no cache of theirs. */
static int read_shared_caches(struct model *m, int first, struct error *e)
{
    int shared = 0, own = traits(m)->cached_layers;
    if (hparams_integer(m, "attention.shared_kv_layers", m->hp.layers, &shared, e))
        return e->code;
    if (shared)
        own = m->hp.layers - shared;
    if (own && own < first)
        first = own;
    for (int i = first; i < m->hp.layers; i++)
        m->hp.layer[i].kv_heads = 0;
    return 0;
}

/* The experts' width, in the layers that have experts. */
static int read_expert_width(struct model *m, struct error *e)
{
    int width = 0, dense = 0;
    if (hparams_integer(m, "expert_feed_forward_length", WIDTH_MAX, &width, e) ||
        hparams_integer(m, "leading_dense_block_count", LAYERS_MAX, &dense, e))
        return e->code;
    for (int i = dense; width && m->hp.experts && i < m->hp.layers; i++)
        m->hp.layer[i].ffn = width;
    return 0;
}

int layers_read(struct model *m, struct error *e)
{
    int further = 0; /* at the end, layers that predict the tokens after the next one */
    if (hparams_integer(m, "nextn_predict_layers", m->hp.layers, &further, e))
        return e->code;
    int main_layers = m->hp.layers - further;
    if (read_windows(m, e) || read_attention_interval(m, main_layers, e) || read_states(m, main_layers, e) ||
        read_shared_caches(m, main_layers, e) || read_expert_width(m, e))
        return e->code;
    return 0;
}
