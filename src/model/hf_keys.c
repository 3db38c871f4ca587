/* Hyperparameters: what config.json calls them and what GGUF does. Which keys llama.cpp wants:
 * set_gguf_parameters of its converter's classes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf.h"

/* INVERSE_ROOT: 1 / sqrt of what config.json says. */
enum key_kind { WHOLE, NUMBER, INVERSE_ROOT, TRUTH };

static const struct hf_key {
    const char *gguf;      /* below the architecture's name */
    const char *config;    /* names in config.json; the first that is there counts */
    enum key_kind kind;
    bool required;
    const char *only;      /* architectures, by GGUF's names; NULL: all */
} keys[] = {
    {"block_count", "num_hidden_layers", WHOLE, true, NULL},
    {"context_length", CONTEXT_NAMES, WHOLE, true, NULL},
    {"embedding_length", "hidden_size", WHOLE, true, NULL},
    {"feed_forward_length", "intermediate_size", WHOLE, true, NULL},
    {"attention.head_count", "num_attention_heads", WHOLE, true, NULL},
    {"attention.head_count_kv", "num_key_value_heads num_attention_heads", WHOLE, true, NULL},
    {"attention.key_length", "head_dim", WHOLE, false, NULL},
    {"attention.value_length", "head_dim", WHOLE, false, NULL},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", NUMBER, true, NULL},
    {"attention.sliding_window", "sliding_window", WHOLE, false, "gemma2 gemma3 gpt-oss olmo2 phi3"},
    {"attn_logit_softcapping", "attn_logit_softcapping", NUMBER, false, "gemma2"},
    {"final_logit_softcapping", "final_logit_softcapping", NUMBER, false, "gemma2"},
    {"attention.scale", "query_pre_attn_scalar", INVERSE_ROOT, false, "gemma2 gemma3"},
    {"attention.scale", "attention_multiplier", NUMBER, false, "granite granitemoe"},
    {"embedding_scale", "embedding_multiplier", NUMBER, false, "granite granitemoe"},
    {"residual_scale", "residual_multiplier", NUMBER, false, "granite granitemoe"},
    {"logit_scale", "logits_scaling", NUMBER, false, "granite granitemoe"},
    {"expert_count", "num_local_experts num_experts", WHOLE, false, NULL},
    {"expert_used_count", "num_experts_per_tok", WHOLE, false, NULL},
    {"expert_feed_forward_length", "moe_intermediate_size", WHOLE, true, "qwen2moe qwen3moe"},
    {"expert_feed_forward_length", "intermediate_size", WHOLE, true, "gpt-oss"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size", WHOLE, true, "qwen2moe"},
    {"expert_shared_feed_forward_length", "shared_intermediate_size", WHOLE, false, "granitemoe"},
    {"expert_weights_norm", "norm_topk_prob", TRUTH, false, "qwen2moe qwen3moe"},
    {"vocab_size", "vocab_size", WHOLE, false, NULL},
    {"rope.freq_base", "rope_theta", NUMBER, false, NULL},
    {"rope.freq_base_swa", "rope_local_base_freq", NUMBER, false, "gemma3"},
};

bool hf_listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; at && (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
            return true;
    return !list;
}

static int write_number(struct hf *h, const struct hf_key *k, const char *key, const json_t *value,
                        struct error *e)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !isfinite((float)number))
        return hf_config_error(h, e, "%s is no number", k->config);
    if (k->kind == INVERSE_ROOT && !(number > 0))
        return hf_config_error(h, e, "%s is %g, expected a number over 0", k->config, number);
    gguf_writer_f32(h->writer, key, (float)(k->kind == INVERSE_ROOT ? 1 / sqrt(number) : number));
    return 0;
}

static int write_key(struct hf *h, const struct hf_key *k, struct error *e)
{
    const json_t *value = hf_value(h, k->config);
    char key[128];
    int64_t whole = 0;
    if (!value)
        return k->required
                   ? hf_config_error(h, e, "it lacks %.*s, which %s models need", (int)strcspn(k->config, " "), k->config,
                                     h->arch->title)
                   : 0;
    snprintf(key, sizeof key, "%s.%s", h->class->gguf, k->gguf);
    if (k->kind == NUMBER || k->kind == INVERSE_ROOT)
        return write_number(h, k, key, value, e);
    if (k->kind == TRUTH)
        gguf_writer_bool(h->writer, key, json_is_true(value));
    else if (hf_integer(h, k->config, &whole, e))
        return e->code;
    else
        gguf_writer_u32(h->writer, key, (uint32_t)whole);
    return 0;
}

/* -------------------------------------------------------------------- sampling */

/* What generation_config.json recommends; runtimes take it for their defaults (gguf-py, constants.py,
 * SAMPLING_*). */
static const struct { const char *config, *gguf; enum key_kind kind; } sampling[] = {
    {"top_k", "general.sampling.top_k", WHOLE},
    {"top_p", "general.sampling.top_p", NUMBER},
    {"min_p", "general.sampling.min_p", NUMBER},
    {"temperature", "general.sampling.temp", NUMBER},
    {"repetition_penalty", "general.sampling.penalty_repeat", NUMBER},
};

/* NULL where there is none, or none that can be read: it is advice only. */
static json_t *read_generation_config(const struct hf *h)
{
    char *path = path_join(h->folder, "generation_config.json");
    json_t *j = json_load_file(path, 0, NULL);
    free(path);
    return j;
}

static void write_sampling(struct hf *h)
{
    json_t *config = read_generation_config(h);
    for (size_t i = 0; i < ARRAY_LENGTH(sampling); i++) {
        const json_t *value = json_object_get(config, sampling[i].config);
        double number = json_number_value(value);
        if (!json_is_number(value) || !(number >= 0 && number <= INT32_MAX))
            continue;
        if (sampling[i].kind == WHOLE)
            gguf_writer_u32(h->writer, sampling[i].gguf, (uint32_t)number);
        else
            gguf_writer_f32(h->writer, sampling[i].gguf, (float)number);
    }
    json_decref(config);
}

/* ------------------------------------------------------------------------- all */

int hf_keys_write(struct hf *h, struct error *e)
{
    char *name = model_path_name(h->folder);
    text_make_printable(name);
    gguf_writer_text(h->writer, "general.architecture", h->class->gguf);
    gguf_writer_text(h->writer, "general.type", "model");
    gguf_writer_text(h->writer, "general.name", name);
    free(name);
    write_sampling(h);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (hf_listed(keys[i].only, h->class->gguf) && write_key(h, &keys[i], e))
            return e->code;
    return 0;
}
