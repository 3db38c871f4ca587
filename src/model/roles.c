/* What a tensor does, from its name ("blk.3.attn_q.weight" is the query weight of layer 3), and what shape it must
 * have for that. Names: llama.cpp, gguf-py/gguf/constants.py, TENSOR_NAMES. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/model_priv.h"

enum { LAYER_DIGITS_MAX = 6 };

/* How long a dimension is: a number of the model's or of the layer's. */
enum extent {
    ONE, EMBD, VOCAB, QUERIES, KEYS, VALUES, MIXED, FFN, FFN_TWICE, UP, SHARED_FFN, EXPERTS, HEADS, Q_NORM, K_NORM, HALF_ROPE, ANY,
};

static const struct role_name {
    enum tensor_role role;
    bool block;               /* below "blk.N." */
    const char *stem;         /* without ".weight" or ".bias" */
    enum extent shape[3];     /* row length first; a bias has the others */
} role_names[] = {
    {ROLE_TOKEN_EMBD, false, "token_embd", {EMBD, VOCAB}},
    {ROLE_OUTPUT, false, "output", {EMBD, VOCAB}},
    {ROLE_OUTPUT_NORM, false, "output_norm", {EMBD}},
    {ROLE_ROPE_FREQS, false, "rope_freqs", {HALF_ROPE}},
    {ROLE_ROPE_FREQS, true, "rope_freqs", {HALF_ROPE}},
    {ROLE_ROPE_LONG, false, "rope_factors_long", {HALF_ROPE}},
    {ROLE_ROPE_LONG, true, "rope_factors_long", {HALF_ROPE}},
    {ROLE_ROPE_SHORT, false, "rope_factors_short", {HALF_ROPE}},
    {ROLE_ROPE_SHORT, true, "rope_factors_short", {HALF_ROPE}},
    {ROLE_ATTN_NORM, true, "attn_norm", {EMBD}},
    {ROLE_ATTN_Q, true, "attn_q", {EMBD, QUERIES}},
    {ROLE_ATTN_K, true, "attn_k", {EMBD, KEYS}},
    {ROLE_ATTN_V, true, "attn_v", {EMBD, VALUES}},
    {ROLE_ATTN_QKV, true, "attn_qkv", {EMBD, ANY}},
    {ROLE_ATTN_OUTPUT, true, "attn_output", {MIXED, EMBD}},
    {ROLE_ATTN_Q_NORM, true, "attn_q_norm", {Q_NORM}},
    {ROLE_ATTN_K_NORM, true, "attn_k_norm", {K_NORM}},
    {ROLE_ATTN_SINKS, true, "attn_sinks", {HEADS}},
    {ROLE_ATTN_POST_NORM, true, "post_attention_norm", {EMBD}},
    {ROLE_FFN_NORM, true, "ffn_norm", {EMBD}},
    {ROLE_FFN_GATE, true, "ffn_gate", {EMBD, FFN}},
    {ROLE_FFN_UP, true, "ffn_up", {EMBD, UP}},
    {ROLE_FFN_DOWN, true, "ffn_down", {FFN, EMBD}},
    {ROLE_FFN_POST_NORM, true, "post_ffw_norm", {EMBD}},
    {ROLE_FFN_GATE_INP, true, "ffn_gate_inp", {EMBD, EXPERTS}},
    {ROLE_FFN_GATE_EXPS, true, "ffn_gate_exps", {EMBD, FFN, EXPERTS}},
    {ROLE_FFN_UP_EXPS, true, "ffn_up_exps", {EMBD, FFN, EXPERTS}},
    {ROLE_FFN_GATE_UP_EXPS, true, "ffn_gate_up_exps", {EMBD, FFN_TWICE, EXPERTS}},
    {ROLE_FFN_DOWN_EXPS, true, "ffn_down_exps", {FFN, EMBD, EXPERTS}},
    {ROLE_FFN_GATE_INP_SHEXP, true, "ffn_gate_inp_shexp", {EMBD}},
    {ROLE_FFN_GATE_SHEXP, true, "ffn_gate_shexp", {EMBD, SHARED_FFN}},
    {ROLE_FFN_UP_SHEXP, true, "ffn_up_shexp", {EMBD, SHARED_FFN}},
    {ROLE_FFN_DOWN_SHEXP, true, "ffn_down_shexp", {SHARED_FFN, EMBD}},
};

/* The rest of a name after "blk.N.", with N in *layer; the whole name and -1 where it is no block's. */
static const char *after_block(const char *name, int *layer)
{
    *layer = -1;
    if (!str_starts(name, "blk."))
        return name;
    const char *digits = name + 4;
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > LAYER_DIGITS_MAX || digits[n] != '.')
        return name;
    *layer = atoi(digits);
    return digits + n + 1;
}

static const struct role_name *find_role(const char *rest, bool block)
{
    size_t n = strrchr(rest, '.') - rest;
    for (size_t i = 0; i < ARRAY_LENGTH(role_names); i++) {
        const struct role_name *r = &role_names[i];
        if (r->block == block && strlen(r->stem) == n && memcmp(r->stem, rest, n) == 0)
            return r;
    }
    return NULL;
}

bool tensor_role_of_experts(enum tensor_role role)
{
    return role == ROLE_FFN_GATE_EXPS || role == ROLE_FFN_UP_EXPS || role == ROLE_FFN_GATE_UP_EXPS ||
           role == ROLE_FFN_DOWN_EXPS;
}

const char *tensor_role_name(enum tensor_role role)
{
    for (size_t i = 0; i < ARRAY_LENGTH(role_names); i++)
        if (role_names[i].role == role)
            return role_names[i].stem;
    return "other";
}

void tensor_classify(struct tensor *t)
{
    const char *rest = after_block(t->name, &t->layer);
    t->bias = str_ends(rest, ".bias");
    if (!t->bias && !str_ends(rest, ".weight"))
        return;
    const struct role_name *r = find_role(rest, t->layer >= 0);
    t->role = r ? r->role : ROLE_OTHER;
}

/* -------------------------------------------------------------------- shapes */

static int64_t length_of(enum extent x, const struct model *m, const struct layer_shape *l)
{
    const struct hparams *hp = &m->hp;
    bool whole_rows = m->arch->head_norms == HEAD_NORMS_ALL;
    switch (x) {
    case EMBD: return hp->embd;
    case VOCAB: return hp->vocab;
    case QUERIES: return (int64_t)l->heads * l->key_length;
    case KEYS: return (int64_t)l->kv_heads * l->key_length;
    case VALUES: return (int64_t)l->kv_heads * l->value_length;
    case MIXED: return (int64_t)l->heads * l->value_length;
    case FFN: return l->ffn;
    case FFN_TWICE: return l->ffn * 2ll;
    case UP: return l->ffn * (m->arch->gate_up_fused ? 2ll : 1ll);
    case SHARED_FFN: return hp->shared_ffn;
    case EXPERTS: return hp->experts;
    case HEADS: return l->heads;
    case Q_NORM: return l->key_length * (whole_rows ? l->heads : 1ll);
    case K_NORM: return l->key_length * (whole_rows ? l->kv_heads : 1ll);
    case HALF_ROPE: return hp->rope_dims / 2;
    default: return 1;
    }
}

static int check_shape(const struct model *m, const struct tensor *t, struct error *e)
{
    static const struct layer_shape none;
    int unused;
    const struct role_name *r = find_role(after_block(t->name, &unused), t->layer >= 0);
    const struct layer_shape *l = t->layer >= 0 ? &m->hp.layer[t->layer] : &none;
    enum extent bias[3] = {r->shape[1] ? r->shape[1] : r->shape[0], r->shape[2]};
    const enum extent *shape = t->bias ? bias : r->shape;
    for (int d = 0; d < 4; d++) {
        enum extent x = d < 3 ? shape[d] : ONE;
        int64_t wanted = length_of(x, m, l);
        if (x != ANY && t->shape[d] != wanted)
            return error_set(e, ERROR_FAILED, "cannot read %s: dimension %d of the tensor %s is %lld, but by the metadata of"
                             " this %s model it must be %lld; the file is damaged or of a variant that this version does"
                             " not know", m->path, d, t->name, (long long)t->shape[d], m->arch->title, (long long)wanted);
    }
    return 0;
}

static int check_required(const struct model *m, struct error *e)
{
    static const char *const suffixes[] = {"block_count", "embedding_length", "feed_forward_length",
                                           "attention.head_count"};
    for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++)
        if (!hparams_value(m, suffixes[i]))
            return error_set(e, ERROR_FAILED, "cannot read %s: its metadata lacks %s.%s, which a %s model needs; convert the"
                             " original checkpoint again", m->path, m->arch_name, suffixes[i], m->arch->title);
    return 0;
}

/* The decoder shares keys and values among groups of heads, and rotates the first rope_dims numbers of each. */
static int check_heads(const struct model *m, int layer, struct error *e)
{
    const struct layer_shape *l = &m->hp.layer[layer];
    if (l->heads > 0 && l->kv_heads > 0 && l->heads % l->kv_heads == 0 && m->hp.rope_dims % 2 == 0 &&
        m->hp.rope_dims <= l->key_length)
        return 0;
    return error_set(e, ERROR_FAILED, "cannot read %s: by the metadata layer %d has %d heads, %d heads for keys and values,"
                     " and %d of %d numbers rotated, which cannot be; the file is damaged", m->path, layer, l->heads,
                     l->kv_heads, m->hp.rope_dims, l->key_length);
}

int shapes_check(const struct model *m, struct error *e)
{
    if (!m->arch || !m->arch->evaluated || m->tensor_count == 0)
        return 0;
    if (check_required(m, e))
        return e->code;
    for (int i = 0; i < m->hp.layers; i++)
        if (check_heads(m, i, e))
            return e->code;
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        if (t->layer >= m->hp.layers)
            return error_set(e, ERROR_FAILED, "cannot read %s: the tensor %s is of layer %d, but the metadata says %d layers;"
                             " the file is damaged", m->path, t->name, t->layer, m->hp.layers);
        if (t->role != ROLE_OTHER && check_shape(m, t, e))
            return e->code;
    }
    return 0;
}
