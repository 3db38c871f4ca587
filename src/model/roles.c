/* What a tensor does, from its name: "blk.3.attn_q.weight" is the query weight of layer 3.
 * Names: llama.cpp, gguf-py/gguf/constants.py, TENSOR_NAMES. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/model_priv.h"

enum { LAYER_DIGITS_MAX = 6 };

static const struct role_name {
    enum tensor_role role;
    bool block;               /* below "blk.N." */
    const char *stem;         /* without ".weight" or ".bias" */
} role_names[] = {
    {ROLE_TOKEN_EMBD, false, "token_embd"},
    {ROLE_OUTPUT, false, "output"},
    {ROLE_OUTPUT_NORM, false, "output_norm"},
    {ROLE_ROPE_FREQS, false, "rope_freqs"},
    {ROLE_ROPE_FREQS, true, "rope_freqs"},
    {ROLE_ATTN_NORM, true, "attn_norm"},
    {ROLE_ATTN_Q, true, "attn_q"},
    {ROLE_ATTN_K, true, "attn_k"},
    {ROLE_ATTN_V, true, "attn_v"},
    {ROLE_ATTN_QKV, true, "attn_qkv"},
    {ROLE_ATTN_OUTPUT, true, "attn_output"},
    {ROLE_ATTN_Q_NORM, true, "attn_q_norm"},
    {ROLE_ATTN_K_NORM, true, "attn_k_norm"},
    {ROLE_ATTN_POST_NORM, true, "post_attention_norm"},
    {ROLE_FFN_NORM, true, "ffn_norm"},
    {ROLE_FFN_GATE, true, "ffn_gate"},
    {ROLE_FFN_UP, true, "ffn_up"},
    {ROLE_FFN_DOWN, true, "ffn_down"},
    {ROLE_FFN_POST_NORM, true, "post_ffw_norm"},
    {ROLE_FFN_GATE_INP, true, "ffn_gate_inp"},
    {ROLE_FFN_GATE_EXPS, true, "ffn_gate_exps"},
    {ROLE_FFN_UP_EXPS, true, "ffn_up_exps"},
    {ROLE_FFN_DOWN_EXPS, true, "ffn_down_exps"},
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

void tensor_classify(struct tensor *t)
{
    const char *rest = after_block(t->name, &t->layer);
    t->bias = str_ends(rest, ".bias");
    if (!t->bias && !str_ends(rest, ".weight"))
        return;
    size_t n = strrchr(rest, '.') - rest;
    for (size_t i = 0; i < ARRAY_LENGTH(role_names); i++) {
        const struct role_name *r = &role_names[i];
        if (r->block == (t->layer >= 0) && strlen(r->stem) == n && memcmp(r->stem, rest, n) == 0)
            t->role = r->role;
    }
}
