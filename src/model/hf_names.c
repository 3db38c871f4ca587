/* The names of tensors in both worlds, and how the numbers of the one lie in the other. What each name does:
 * roles.c, by GGUF's. Sources: transformers, modeling_*.py; llama.cpp, gguf-py/gguf/tensor_mapping.py and the
 * modify_tensors of its converter's classes. */
#include "model/hf_names.h"

#include <string.h>

#include "base/str.h"

static const struct hf_name names[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},

    {"model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"model.layers.*.self_attn.qkv_proj.weight", "blk.*.attn_qkv.weight"},
    {"model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight", .turn = QUERIES},
    {"model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight", .turn = KEYS},
    {"model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
    {"model.layers.*.self_attn.q_proj.bias", "blk.*.attn_q.bias", .turn = QUERIES},
    {"model.layers.*.self_attn.k_proj.bias", "blk.*.attn_k.bias", .turn = KEYS},
    {"model.layers.*.self_attn.v_proj.bias", "blk.*.attn_v.bias"},
    {"model.layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight"},
    {"model.layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight"},
    {"model.layers.*.self_attn.sinks", "blk.*.attn_sinks.weight"},
    {"model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"model.layers.*.self_attn.o_proj.bias", "blk.*.attn_output.bias"},

    /* One name, two places: after the attention's branch, or before the feed-forward part. */
    {"model.layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight",
     .only = "gemma2 gemma3 olmo2 gpt-oss"},
    {"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight",
     .only = "llama qwen2 qwen2moe qwen3 qwen3moe phi3 smollm3 granite granitemoe"},
    {"model.layers.*.pre_feedforward_layernorm.weight", "blk.*.ffn_norm.weight"},
    {"model.layers.*.post_feedforward_layernorm.weight", "blk.*.post_ffw_norm.weight"},

    {"model.layers.*.mlp.gate_up_proj.weight", "blk.*.ffn_up.weight"}, /* gate above up: stays so (Phi-3) */
    {"model.layers.*.mlp.gate_proj.weight", "blk.*.ffn_gate.weight"},
    {"model.layers.*.mlp.up_proj.weight", "blk.*.ffn_up.weight"},
    {"model.layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight"},
    {"model.layers.*.mlp.gate_proj.bias", "blk.*.ffn_gate.bias"},
    {"model.layers.*.mlp.up_proj.bias", "blk.*.ffn_up.bias"},
    {"model.layers.*.mlp.down_proj.bias", "blk.*.ffn_down.bias"},

    /* Experts, each by itself: Mixtral; Qwen. */
    {"model.layers.*.block_sparse_moe.gate.weight", "blk.*.ffn_gate_inp.weight"},
    {"model.layers.*.block_sparse_moe.experts.#.w1.weight", "blk.*.ffn_gate_exps.weight"},
    {"model.layers.*.block_sparse_moe.experts.#.w3.weight", "blk.*.ffn_up_exps.weight"},
    {"model.layers.*.block_sparse_moe.experts.#.w2.weight", "blk.*.ffn_down_exps.weight"},
    {"model.layers.*.mlp.gate.weight", "blk.*.ffn_gate_inp.weight", .only = "qwen2moe qwen3moe"},
    {"model.layers.*.mlp.gate.weight", "blk.*.ffn_gate_inp.weight", .only = "llama",
     .apart = "block_sparse_moe.gate.weight"},
    {"model.layers.*.mlp.experts.#.gate_proj.weight", "blk.*.ffn_gate_exps.weight"},
    {"model.layers.*.mlp.experts.#.up_proj.weight", "blk.*.ffn_up_exps.weight"},
    {"model.layers.*.mlp.experts.#.down_proj.weight", "blk.*.ffn_down_exps.weight"},
    /* All of a layer in one: Granite. */
    {"model.layers.*.block_sparse_moe.router.layer.weight", "blk.*.ffn_gate_inp.weight"},
    {"model.layers.*.block_sparse_moe.input_linear.weight", "blk.*.ffn_gate_exps.weight", .rows = FIRST_HALF},
    {"model.layers.*.block_sparse_moe.input_linear.weight", "blk.*.ffn_up_exps.weight", .rows = SECOND_HALF},
    {"model.layers.*.block_sparse_moe.output_linear.weight", "blk.*.ffn_down_exps.weight"},
    {"model.layers.*.shared_mlp.input_linear.weight", "blk.*.ffn_gate_shexp.weight", .rows = FIRST_HALF},
    {"model.layers.*.shared_mlp.input_linear.weight", "blk.*.ffn_up_shexp.weight", .rows = SECOND_HALF},
    {"model.layers.*.shared_mlp.output_linear.weight", "blk.*.ffn_down_shexp.weight"},
    /* All in one, as newer versions of transformers hold them. */
    {"model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_gate_exps.weight", .rows = FIRST_HALF,
     .only = "qwen2moe qwen3moe", .apart = "mlp.experts.#.gate_proj.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_up_exps.weight", .rows = SECOND_HALF,
     .only = "qwen2moe qwen3moe", .apart = "mlp.experts.#.up_proj.weight"},
    {"model.layers.*.mlp.experts.down_proj", "blk.*.ffn_down_exps.weight", .only = "qwen2moe qwen3moe",
     .apart = "mlp.experts.#.down_proj.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_gate_exps.weight", .rows = FIRST_HALF, .only = "llama",
     .apart = "block_sparse_moe.experts.#.w1.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_up_exps.weight", .rows = SECOND_HALF, .only = "llama",
     .apart = "block_sparse_moe.experts.#.w3.weight"},
    {"model.layers.*.mlp.experts.down_proj", "blk.*.ffn_down_exps.weight", .only = "llama",
     .apart = "block_sparse_moe.experts.#.w2.weight"},
    {"model.layers.*.mlp.shared_expert_gate.weight", "blk.*.ffn_gate_inp_shexp.weight"},
    {"model.layers.*.mlp.shared_expert.gate_proj.weight", "blk.*.ffn_gate_shexp.weight"},
    {"model.layers.*.mlp.shared_expert.up_proj.weight", "blk.*.ffn_up_shexp.weight"},
    {"model.layers.*.mlp.shared_expert.down_proj.weight", "blk.*.ffn_down_shexp.weight"},

    /* GPT-OSS, in MXFP4 (rows outside) or in 16 bits (rows inside). */
    {"model.layers.*.mlp.router.weight", "blk.*.ffn_gate_inp.weight"},
    {"model.layers.*.mlp.router.bias", "blk.*.ffn_gate_inp.bias"},
    {"model.layers.*.mlp.experts.gate_up_proj_blocks", "blk.*.ffn_gate_exps.weight", .rows = EVEN_ROWS,
     .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.gate_up_proj_blocks", "blk.*.ffn_up_exps.weight", .rows = ODD_ROWS,
     .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.down_proj_blocks", "blk.*.ffn_down_exps.weight", .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_gate_exps.weight", .rows = EVEN_ROWS,
     .transposed = true, .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_up_exps.weight", .rows = ODD_ROWS,
     .transposed = true, .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.down_proj", "blk.*.ffn_down_exps.weight", .transposed = true,
     .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.gate_up_proj_bias", "blk.*.ffn_gate_exps.bias", .rows = EVEN_ROWS,
     .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.gate_up_proj_bias", "blk.*.ffn_up_exps.bias", .rows = ODD_ROWS,
     .only = "gpt-oss"},
    {"model.layers.*.mlp.experts.down_proj_bias", "blk.*.ffn_down_exps.bias", .only = "gpt-oss"},

    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
    {"language_model.lm_head.weight", "output.weight"},
};

/* Stored, but no part of the language model's weights: buffers that programs compute themselves, scales of
 * activations and caches, other modalities, layers that guess further tokens. */
static const char *const left_out_ends[] = {
    ".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias", ".input_scale", ".input_scale_ub",
    ".activation_scale",    ".k_scale",          ".v_scale",   ".q_scale",     ".position_ids",
};
static const char *const left_out_beginnings[] = {
    "vision_tower.",
    "model.vision_tower.",
    "multi_modal_projector.",
    "model.multi_modal_projector.",
    "vision_model.",
    "audio_tower.",
    "mtp.",
};

const char *const hf_prefixes[] = {"model.", "language_model.model.", "model.language_model.", "", NULL};

const struct hf_name *hf_name_at(int i)
{
    return i >= 0 && (size_t)i < ARRAY_LENGTH(names) ? &names[i] : NULL;
}

bool hf_name_in_block(const struct hf_name *n)
{
    return strchr(n->gguf, '*') != NULL;
}

bool hf_name_of_experts(const struct hf_name *n)
{
    return strchr(n->stored, '#') != NULL;
}

const char *hf_name_fill(struct arena *a, const char *prefix, const char *pattern, int layer, int expert)
{
    struct str s = {0};
    if (prefix && str_starts(pattern, "model.")) {
        str_add(&s, prefix);
        pattern += strlen("model.");
    }
    for (; *pattern; pattern++)
        if (*pattern == '*')
            str_addf(&s, "%d", layer);
        else if (*pattern == '#')
            str_addf(&s, "%d", expert);
        else
            str_add_char(&s, *pattern);
    const char *name = arena_strdup(a, s.data);
    str_done(&s);
    return name;
}

bool hf_name_left_out(const char *stored)
{
    for (size_t i = 0; i < ARRAY_LENGTH(left_out_ends); i++)
        if (str_ends(stored, left_out_ends[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LENGTH(left_out_beginnings); i++)
        if (str_starts(stored, left_out_beginnings[i]))
            return true;
    return false;
}
