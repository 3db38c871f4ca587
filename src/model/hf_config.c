#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf.h"

enum { CONFIG_MAX = 4 << 20 };

int hf_config_error(const struct hf *h, struct error *e, const char *fmt, ...)
{
    char text[640];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_set(e, ERROR_FAILED, "cannot read %s: %s", h->config_path, text);
}

/* ------------------------------------------------------------------- values */

enum { NAME_SIZE = 64 };

/* As hf_value, with the name that it was found by. */
static const json_t *value_named(const struct hf *h, const char *names, char name[static NAME_SIZE])
{
    while (*names) {
        int n = (int)strcspn(names, " ");
        snprintf(name, NAME_SIZE, "%.*s", n, names);
        const json_t *value = json_object_get(h->config, name);
        if (value && !json_is_null(value))
            return value;
        names += n + strspn(names + n, " ");
    }
    return NULL;
}

const json_t *hf_value(const struct hf *h, const char *names)
{
    char name[NAME_SIZE];
    return value_named(h, names, name);
}

int hf_integer(const struct hf *h, const char *names, int64_t *value, struct error *e)
{
    char name[NAME_SIZE];
    const json_t *j = value_named(h, names, name);
    if (!j)
        return 0;
    double number = json_number_value(j);
    if (!json_is_number(j) || number < 0 || number > INT32_MAX || number != floor(number))
        return hf_config_error(h, e, "%s is no whole number from 0 to %d", name, INT32_MAX);
    *value = (int64_t)number;
    return 0;
}

int hf_number(const struct hf *h, const json_t *in, const char *name, double *value, struct error *e)
{
    const json_t *j = json_object_get(in, name);
    if (!j || json_is_null(j))
        return 0;
    if (!json_is_number(j))
        return hf_config_error(h, e, "%s is no number", name);
    *value = json_number_value(j);
    return 0;
}

/* ---------------------------------------------------------------- which class */

static const char *class_name(const struct hf *h)
{
    return json_string_value(json_array_get(json_object_get(h->config, "architectures"), 0));
}

/* Several classes can be one architecture of GGUF: each is named. */
static int unknown_class(const struct hf *h, const char *name, struct error *e)
{
    const struct hf_class *c;
    struct str known = {0};
    for (int i = 0; (c = hf_class_at(i)); i++)
        str_addf(&known, "%s%s", i ? ", " : "", c->name);
    hf_config_error(
        h, e,
        "the architecture %.80s is none that can be read from a folder; known are %s; a GGUF file of it"
        " can be quantized",
        name, known.data);
    str_done(&known);
    return e->code;
}

static int find_class(struct hf *h, struct error *e)
{
    const char *name = class_name(h);
    const struct hf_class *c;
    if (!name)
        return hf_config_error(h, e, "it lacks \"architectures\", which says what kind of model this is");
    for (int i = 0; (c = hf_class_at(i)); i++)
        if (strcmp(c->name, name) == 0)
            h->class = c;
    if (!h->class)
        return unknown_class(h, name, e);
    h->arch = architecture_named(h->class->gguf);
    return 0;
}

/* ---------------------------------------------------- bringing into one form */

/* What transformers assumes (configuration_*.py) and published files leave out, by GGUF's name of the
 * architecture. */
static const struct { const char *arch, *key; double value; } defaults[] = {
    {"gemma2", "head_dim", 256},
    {"gemma2", "sliding_window", 4096},
    {"gemma2", "attn_logit_softcapping", 50},
    {"gemma2", "final_logit_softcapping", 30},
    {"gemma3", "vocab_size", 262208},
    {"gemma3", "num_attention_heads", 8},
    {"gemma3", "num_key_value_heads", 4},
    {"gemma3", "head_dim", 256},
    {"gemma3", "max_position_embeddings", 131072},
    {"gemma3", "rms_norm_eps", 1e-6},
    {"gemma3", "rope_theta", 1000000},
    {"gemma3", "rope_local_base_freq", 10000},
    {"gemma3", "sliding_window", 4096},
    {"gpt-oss", "head_dim", 64},
    {"gpt-oss", "rope_theta", 150000},
    {"gpt-oss", "sliding_window", 128},
    {"qwen3", "head_dim", 128},
    {"smollm3", "rope_theta", 2000000},
};

static void put_defaults(struct hf *h)
{
    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++)
        if (strcmp(defaults[i].arch, h->class->gguf) == 0 && !json_object_get(h->config, defaults[i].key))
            json_object_set_new(h->config, defaults[i].key, json_real(defaults[i].value));
}

/* Newer files put every rotary setting into rope_parameters, of models with windows once for each kind of
 * layer. */
static void put_rope(struct hf *h, json_t *rope)
{
    json_t *global = json_object_get(rope, "full_attention"),
           *local = json_object_get(rope, "sliding_attention");
    json_t *theta = json_object_get(global ? global : rope, "rope_theta");
    json_t *local_theta = json_object_get(local, "rope_theta");
    json_t *partial = json_object_get(global ? global : rope, "partial_rotary_factor");
    if (theta)
        json_object_set(h->config, "rope_theta", theta);
    if (local_theta)
        json_object_set(h->config, "rope_local_base_freq", local_theta);
    if (partial)
        json_object_set(h->config, "partial_rotary_factor", partial);
    json_object_set(h->config, "rope_scaling", global ? global : rope);
}

static void normalize(struct hf *h)
{
    json_t *text = json_object_get(h->config, "text_config");
    if (json_is_object(text))
        json_object_update(h->config, text);
    json_t *rope = json_object_get(h->config, "rope_parameters");
    if (json_is_object(rope))
        put_rope(h, rope);
    json_t *scaling = json_object_get(h->config, "rope_scaling");
    json_t *type = json_object_get(scaling, "type"); /* the older name */
    if (type && !json_object_get(scaling, "rope_type"))
        json_object_set(scaling, "rope_type", type);
    put_defaults(h);
}

/* ------------------------------------------------------------------- reading */

/* What else a folder may be, by a file in it. */
static const struct { const char *file, *what; } strangers[] = {
    {"adapter_config.json", "it holds an adapter (LoRA), not a model: merge it into its base model first"
                            " (merge_and_unload of peft) and save that"},
    {"params.json", "it is in Mistral's own format (params.json): get the repository's files for transformers"
                    " (config.json, model*.safetensors)"},
    {"model_index.json", "it is a diffusion pipeline, not a language model"},
};

static int no_config(const struct hf *h, struct error *e)
{
    const char *what =
        "it has no config.json, so it is no checkpoint folder; name a .gguf file or a folder with"
        " config.json and *.safetensors";
    for (size_t i = ARRAY_LENGTH(strangers); i-- > 0;)
        if (file_exists_in(h->folder, strangers[i].file))
            what = strangers[i].what;
    return error_set(e, ERROR_FAILED, "cannot open %s: %s", h->folder, what);
}

int hf_config_load(const struct hf *h, json_t **config, struct error *e)
{
    char *text;
    size_t length;
    json_error_t je;
    *config = NULL;
    if (file_read(h->config_path, CONFIG_MAX, &text, &length, e))
        return e->code;
    json_t *read = json_loadb(text, length, 0, &je);
    free(text);
    if (json_is_object(read)) {
        *config = read;
        return 0;
    }
    hf_config_error(h, e, "line %d: %s", read ? 1 : je.line, read ? "no JSON object" : je.text);
    json_decref(read);
    return e->code;
}

int hf_config_read(struct hf *h, struct error *e)
{
    h->config_path = path_join(h->folder, "config.json");
    if (!file_exists(h->config_path))
        return no_config(h, e);
    if (hf_config_load(h, &h->config, e) || find_class(h, e))
        return e->code;
    normalize(h);
    return 0;
}
