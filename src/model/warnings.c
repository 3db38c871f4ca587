/* What a person should know about a file before choosing it. Each check adds at most one sentence. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/model_priv.h"

/* A file beside a model rather than one. */
static void warn_other_kind(struct model *m)
{
    const char *type = gguf_text(&m->shards[0], "general.type");
    if (type && strcmp(type, "model") != 0)
        model_warn(m, "this is no language model but of type \"%.40s\"; it belongs beside one", type);
}

static void warn_architecture(struct model *m)
{
    if (!m->arch)
        model_warn(m, "the architecture %s is unknown: its weights can be quantized, but not evaluated, and estimates take"
                   " its attention for a plain one", m->arch_name);
    else if (!m->arch->evaluated)
        model_warn(m, "%s models can be estimated and quantized, but not evaluated yet", m->arch->title);
}

static void warn_incomplete(struct model *m)
{
    if (!m->complete)
        model_warn(m, "the tensor data is missing: this file can be estimated, but neither quantized nor run");
}

static void warn_tokenizer(struct model *m)
{
    struct gguf *g = &m->shards[0];
    const struct gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    if (!tokens || tokens->kind != GGUF_ARRAY)
        model_warn(m, "there is no tokenizer in the file: it cannot be evaluated, and runtimes will refuse it");
    else if (tokens->count != (uint64_t)m->hp.vocab)
        model_warn(m, "the tokenizer has %llu tokens, the embedding %d rows: runtimes may refuse it",
                   (unsigned long long)tokens->count, m->hp.vocab);
    else if (!gguf_find(g, "tokenizer.chat_template"))
        model_warn(m, "there is no chat template: chat front ends will guess how to put the prompt");
}

/* Phi-3 above all: https://github.com/ggml-org/llama.cpp/pull/13676 */
static void warn_window(struct model *m)
{
    struct error ignored;
    int window = 0;
    if (!m->arch || m->arch->window_period || hparams_integer(m, "attention.sliding_window", INT_MAX, &window, &ignored))
        return;
    if (window > 0 && window < m->hp.context)
        model_warn(m, "the checkpoint's layers attend to the last %d tokens; runtimes of GGUF files let those of a %s model"
                   " attend to all, as is done here: texts longer than that come out otherwise than its makers meant",
                   window, m->arch->title);
}

/* A folder's own; a GGUF file of the model is run with the rounded range here too. */
static void warn_ramp(struct model *m)
{
    if (m->hp.rope_ramp_exact && strcmp(m->hp.rope_scaling, "yarn") == 0)
        model_warn(m, "runtimes of GGUF files round the range over which YaRN scales rotary positions, which this checkpoint"
                   " does not: a file made of it answers slightly differently, whatever its type");
}

/* llama.cpp takes Gemma's scale from the number of layers. */
static void warn_score_scale(struct model *m)
{
    const struct hparams *hp = &m->hp;
    if (!m->arch || !m->arch->wide_query_layers || hp->layers < 1 || hp->attention_scale == 0)
        return;
    const struct layer_shape *l = &hp->layer[0];
    double usual = hp->layers == m->arch->wide_query_layers ? (double)hp->embd / l->heads : l->key_length;
    if (fabs(hp->attention_scale * sqrt(usual) - 1) > 1e-3)
        model_warn(m, "attention's scores are scaled by %.4g; llama.cpp scales them by %.4g in a %s model of %d layers,"
                   " whatever the file says, and answers differently", hp->attention_scale, 1 / sqrt(usual),
                   m->arch->title, hp->layers);
}

/* Elements in quantized tensors, and the type that holds most of them. */
static uint64_t quantized_elements(const struct model *m, const struct quant_type **most)
{
    const struct quant_type *t;
    uint64_t total = 0, best = 0;
    for (int i = 0; (t = quant_type_at(i)); i++) {
        uint64_t elements = 0;
        for (int k = 0; t->quantized && k < m->tensor_count; k++)
            elements += m->tensors[k].type == t ? tensor_elements(&m->tensors[k]) : 0;
        total += elements;
        if (elements > best) {
            best = elements;
            *most = t;
        }
    }
    return total;
}

static void warn_quantized(struct model *m)
{
    const struct quant_type *most = NULL;
    uint64_t elements = quantized_elements(m, &most);
    if (elements)
        model_warn(m, "%.0f %% of the weights are quantized already, most to %s: quantizing again loses more than quantizing"
                   " the F16 or BF16 original", 100.0 * elements / m->parameters, most->name);
}

static void warn_undecodable(struct model *m)
{
    const struct tensor *first = NULL;
    int count = 0;
    for (int i = 0; i < m->tensor_count; i++)
        if (!m->tensors[i].type->decode && m->tensors[i].type->quantized && count++ == 0)
            first = &m->tensors[i];
    if (first)
        model_warn(m, "%d tensors are of types that cannot be decoded here (%s is %s): they can be kept, but not quantized"
                   " again, and the model cannot be evaluated", count, first->name, first->type->name);
}

void warnings_collect(struct model *m)
{
    static void (*const checks[])(struct model *) = {
        warn_other_kind, warn_architecture, warn_incomplete, warn_quantized, warn_undecodable, warn_tokenizer,
        warn_window, warn_ramp, warn_score_scale,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++)
        checks[i](m);
}
