/* What config.json can say and GGUF cannot: its runtimes take these for granted, by the architecture's name.
 * Where a checkpoint differs, a file made of it would be another model, so it is refused; where it differs
 * only in very long texts, there is a warning. */
#include <stdlib.h>
#include <string.h>

#include "model/hf.h"
#include "model/model_priv.h"
#include "pack/pack.h"

static const struct {
    const char *only;      /* architectures, by GGUF's names */
    const char *names;     /* in config.json; the first that is there counts */
    const char *text;      /* what it must be; NULL: `number` */
    double number;
} granted[] = {
    {"llama qwen2 qwen2moe qwen3 qwen3moe phi3 smollm3 olmo2 granite granitemoe gpt-oss", "hidden_act",
     "silu", 0},
    {"gemma2 gemma3", "hidden_activation hidden_act", "gelu_pytorch_tanh", 0},
    {"qwen2moe qwen3moe", "decoder_sparse_step", NULL, 1},
    {"gpt-oss", "swiglu_limit", NULL, 7},
    {"gpt-oss", "swiglu_alpha", NULL, 1.702},
    {"smollm3", "no_rope_layer_interval", NULL, 4},
    {"gemma3", "sliding_window_pattern _sliding_window_pattern", NULL, 6},
};

static int check_granted(const struct hf *h, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LENGTH(granted); i++) {
        const json_t *value =
            hf_listed(granted[i].only, h->class->gguf) ? hf_value(h, granted[i].names) : NULL;
        const char *text = json_string_value(value);
        if (value && granted[i].text && (!text || strcmp(text, granted[i].text) != 0))
            return hf_config_error(h, e, "%s is %.40s; in GGUF every %s model has %s", granted[i].names,
                                   text ? text : "no text", h->arch->title, granted[i].text);
        if (value && !granted[i].text && json_number_value(value) != granted[i].number)
            return hf_config_error(h, e, "%s is %g; in GGUF every %s model has %g", granted[i].names,
                                   json_number_value(value), h->arch->title, granted[i].number);
    }
    return 0;
}

/* --------------------------------------------------------------- layer by layer */

/* Of every `period` layers the last one is different, or the first one. */
static bool is_different(int period, bool first, size_t layer)
{
    return period && layer % period == (first ? 0 : (size_t)period - 1);
}

static int check_windows(const struct hf *h, struct error *e)
{
    const json_t *types = hf_value(h, "layer_types"), *type;
    size_t i;
    if (!h->arch->window_period || !hf_value(h, "sliding_window"))
        return 0;
    json_array_foreach(types, i, type) {
        const char *name = json_string_value(type);
        bool full = is_different(h->arch->window_period, h->arch->window_full_first, i);
        if (!name || (strcmp(name, "full_attention") == 0) != full)
            return hf_config_error(
                h, e, "layer_types: layer %zu has %.40s; in GGUF every %s model has %s there", i,
                name ? name : "no text", h->arch->title, full ? "full_attention" : "sliding_attention");
    }
    return 0;
}

/* no_rope_layers holds, against its name, 1 where there is a rotation. */
static int check_rotated(const struct hf *h, struct error *e)
{
    const json_t *layers = hf_value(h, "no_rope_layers"), *layer;
    int period = h->arch->rope_skip_period;
    size_t i;
    json_array_foreach(layers, i, layer) {
        bool rotated = json_integer_value(layer) != 0;
        if (period && rotated == is_different(period, false, i))
            return hf_config_error(h, e, "no_rope_layers: layer %zu is %s; in GGUF of every %d layers of a %s"
                                   " model the last is not rotated", i, rotated ? "rotated" : "not rotated",
                                   period, h->arch->title);
    }
    return 0;
}

static int check_dense_layers(const struct hf *h, struct error *e)
{
    size_t count = json_array_size(hf_value(h, "mlp_only_layers"));
    if (count && h->arch->experts)
        return hf_config_error(
            h, e, "mlp_only_layers: %zu layers have no experts; in GGUF all layers of a %s model have them",
            count, h->arch->title);
    return 0;
}

/* ------------------------------------------------------------------- warnings */

static void warn_windows(struct hf *h, struct model *m)
{
    int64_t window = 0, context = 0;
    struct error ignored;
    bool off = hf_value(h, "use_sliding_window") && !json_is_true(hf_value(h, "use_sliding_window"));
    if (off || h->arch->window_period || hf_integer(h, "sliding_window", &window, &ignored) ||
        hf_integer(h, CONTEXT_NAMES, &context, &ignored))
        return;
    if (window && window < context)
        model_warn(m, "the checkpoint's layers look back %lld tokens, %s models in GGUF further: this differs"
                   " in longer texts only", (long long)window, h->arch->title);
}

int hf_check(struct hf *h, struct error *e)
{
    return check_granted(h, e) || check_windows(h, e) || check_rotated(h, e) || check_dense_layers(h, e)
               ? e->code
               : 0;
}

/* Of DeepSeek's and GPT-OSS' own formats there is no better original. */
static void warn_quantized(const struct hf *h, struct model *m)
{
    static const char by_tools[] = "gptq awq bitsandbytes compressed-tensors";
    const char *method = json_string_value(json_object_get(hf_value(h, "quantization_config"), "quant_method"));
    if (!method || !hf_listed(by_tools, method))
        return;
    m->quantized = true;
    model_warn(m, "the weights are quantized already (%.40s): quantizing again loses more than quantizing the F16 or BF16"
               " original", h->packed ? h->packed->scheme->format->title : method);
}

void hf_warn(struct hf *h, struct model *m)
{
    warn_quantized(h, m);
    warn_windows(h, m);
}
