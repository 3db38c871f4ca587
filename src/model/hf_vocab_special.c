/* Which tokens begin and end a text, pad it, stand for the unknown; the chat template. The order in which
 * the files are believed is that of gguf-py (gguf/vocab.py, SpecialVocab). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "model/hf_vocab_priv.h"

static const struct { const char *name, *key; } roles[HF_ROLES] = {
    [HF_BOS] = {"bos", "tokenizer.ggml.bos_token_id"},
    [HF_EOS] = {"eos", "tokenizer.ggml.eos_token_id"},
    [HF_UNK] = {"unk", "tokenizer.ggml.unknown_token_id"},
    [HF_SEP] = {"sep", "tokenizer.ggml.seperator_token_id"}, /* spelled so in GGUF */
    [HF_PAD] = {"pad", "tokenizer.ggml.padding_token_id"},
    [HF_CLS] = {"cls", "tokenizer.ggml.cls_token_id"},
    [HF_MASK] = {"mask", "tokenizer.ggml.mask_token_id"},
    [HF_EOT] = {"eot", "tokenizer.ggml.eot_token_id"},
    [HF_EOM] = {"eom", "tokenizer.ggml.eom_token_id"},
};

/* Ends of a turn that llama.cpp knows by their texts (src/llama-vocab.cpp): no key needs to name them. */
static const char *const known_ends[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>",
    "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "</s>", "<eos>", "<|return|>", "<|call|>", "<end_of_utterance>",
    "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
};

/* ------------------------------------------------------------------- finding */

/* The text of "bos_token": a string, or a token in full. */
static const char *role_text(const json_t *object, enum hf_role r)
{
    char key[32];
    snprintf(key, sizeof key, "%s_token", roles[r].name);
    const json_t *value = json_object_get(object, key);
    return json_is_object(value) ? hf_json_text(value, "content") : json_string_value(value);
}

static int64_t valid(const struct hf_vocab *v, const json_t *id)
{
    int64_t number = hf_json_integer(id);
    return number >= 0 && number < v->count ? number : -1;
}

/* "bos_token_id" of config.json or generation_config.json: a number, or a list whose item i is asked for. */
static int64_t role_number(const struct hf_vocab *v, const json_t *object, enum hf_role r, size_t i)
{
    char key[32];
    snprintf(key, sizeof key, "%s_token_id", roles[r].name);
    const json_t *value = json_object_get(object, key);
    if (!value)
        value = json_object_get(json_object_get(object, "text_config"), key);
    return valid(v, json_is_array(value) ? json_array_get(value, i) : i == 0 ? value : NULL);
}

static int64_t find_role(const struct hf_vocab *v, enum hf_role r)
{
    const json_t *const named[] = {v->tokenizer_config, v->special_map};
    const json_t *const numbered[] = {v->config, v->generation};
    int64_t id = -1;
    for (size_t i = 0; id < 0 && i < ARRAY_LENGTH(named); i++) {
        const char *text = role_text(named[i], r);
        id = text ? hf_vocab_find(v, text) : -1;
    }
    for (size_t i = 0; id < 0 && i < ARRAY_LENGTH(numbered); i++)
        id = role_number(v, numbered[i], r, 0);
    return id >= 0 || v->model_roles[r] >= v->count ? id : v->model_roles[r];
}

static bool known_end(const struct hf_vocab *v, int64_t id)
{
    for (size_t i = 0; i < ARRAY_LENGTH(known_ends); i++)
        if (strcmp(v->tokens[id].text, known_ends[i]) == 0)
            return true;
    return false;
}

/* Generation ends at any of a list of tokens; those that a reader would not know by their texts get a
 * role. */
static void find_other_ends(struct hf_vocab *v)
{
    bool generation = json_is_array(json_object_get(v->generation, "eos_token_id"));
    const json_t *config = generation ? v->generation : v->config;
    const json_t *list = json_object_get(config, "eos_token_id");
    enum hf_role r = HF_EOT;
    for (size_t i = 0; i < json_array_size(list) && r <= HF_EOM; i++) {
        int64_t id = role_number(v, config, HF_EOS, i);
        if (id >= 0 && id != v->roles[HF_EOS] && !known_end(v, id))
            v->roles[r++] = id;
    }
}

/* ---------------------------------------------------- what goes around a text
 *
 * TemplateProcessing: "single" lists what a text becomes: special tokens, and "Sequence" for the text itself. */

static bool is_role(const struct hf_vocab *v, const json_t *item, enum hf_role r)
{
    const char *text = hf_json_text(json_object_get(item, "SpecialToken"), "id");
    return text && v->roles[r] >= 0 && strcmp(v->tokens[v->roles[r]].text, text) == 0;
}

static void read_template(struct hf_vocab *v, const json_t *processor)
{
    const char *type = hf_json_text(processor, "type");
    const json_t *single = json_object_get(processor, "single");
    size_t n = json_array_size(single);
    if (!type || strcmp(type, "TemplateProcessing") != 0 || n == 0)
        return;
    v->adds_bos = is_role(v, json_array_get(single, 0), HF_BOS);
    v->adds_eos = n > 1 && is_role(v, json_array_get(single, n - 1), HF_EOS);
}

static void read_switch(const json_t *config, const char *key, int *value)
{
    const json_t *j = json_object_get(config, key);
    if (json_is_boolean(j))
        *value = json_is_true(j);
}

/* Classes of transformers that put BOS in front unless told otherwise. */
static bool class_adds_bos(const struct hf_vocab *v)
{
    static const char *const classes[] = {"LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer"};
    const char *class = hf_json_text(v->tokenizer_config, "tokenizer_class");
    bool adds = false;
    for (size_t i = 0; class && i < ARRAY_LENGTH(classes); i++)
        adds |= str_starts(class, classes[i]);
    return adds;
}

static void find_additions(struct hf_vocab *v)
{
    const json_t *post = json_object_get(v->tokenizer, "post_processor");
    json_t *processor;
    size_t i;
    json_array_foreach(json_object_get(post, "processors"), i, processor)
        read_template(v, processor);
    read_template(v, post);
    read_switch(v->tokenizer_config, "add_bos_token", &v->adds_bos);
    read_switch(v->tokenizer_config, "add_eos_token", &v->adds_eos);
    read_switch(v->tokenizer_config, "add_prefix_space", &v->adds_space);
    if (v->tokenizer && v->adds_bos < 0) /* tokenizer.json adds what it says, and nothing else */
        v->adds_bos = class_adds_bos(v) && strcmp(v->model, "llama") == 0;
    if (v->tokenizer && v->adds_eos < 0)
        v->adds_eos = 0;
}

void hf_special_find(struct hf_vocab *v)
{
    for (int r = 0; r < HF_ROLES; r++)
        v->roles[r] = r < HF_EOT ? find_role(v, r) : -1;
    find_other_ends(v);
    find_additions(v);
}

/* ------------------------------------------------------------- chat template */

static void write_template(struct gguf_writer *w, const char *name, const char *text)
{
    char *key = name ? xasprintf("tokenizer.chat_template.%s", name) : xstrdup("tokenizer.chat_template");
    gguf_writer_text(w, key, text);
    free(key);
}

/* A name becomes part of a key, which GGUF wants short and printable. */
static bool is_key(const char *name)
{
    enum { NAME_MOST = 64 };
    size_t length = 0;
    while (name && name[length] > ' ' && name[length] < 0x7F)
        length++;
    return length > 0 && length <= NAME_MOST && !name[length];
}

/* Several templates: [{"name", "template"}]; "default" is the one of a plain chat. */
static void write_named(struct gguf_writer *w, const json_t *list)
{
    const char **names = xcalloc(json_array_size(list) + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = hf_json_text(item, "name"), *text = hf_json_text(item, "template");
        bool plain = name && strcmp(name, "default") == 0;
        if (is_key(name) && text)
            write_template(w, plain ? NULL : name, text);
        if (is_key(name) && text && !plain)
            names[count++] = name;
    }
    if (count)
        gguf_writer_texts(w, "tokenizer.chat_templates", names, count);
    free(names);
}

static int write_file(const struct hf_vocab *v, struct gguf_writer *w, struct error *e)
{
    enum { TEMPLATE_MOST = 16 << 20 };
    char *path = path_join(v->folder, "chat_template.jinja"), *text;
    json_t *j = NULL;
    size_t length;
    int rc = 0;
    if (file_exists(path)) {
        if (!(rc = file_read(path, TEMPLATE_MOST, &text, &length, e))) {
            write_template(w, NULL, text);
            free(text);
        }
    } else {
        rc = hf_json_load(&j, v->folder, "chat_template.json", e);
        if (hf_json_text(j, "chat_template"))
            write_template(w, NULL, hf_json_text(j, "chat_template"));
    }
    json_decref(j);
    free(path);
    return rc;
}

static int write_templates(const struct hf_vocab *v, struct gguf_writer *w, struct error *e)
{
    const json_t *inside = json_object_get(v->tokenizer_config, "chat_template");
    if (json_is_string(inside))
        write_template(w, NULL, json_string_value(inside));
    else if (json_is_array(inside))
        write_named(w, inside);
    else
        return write_file(v, w, e);
    return 0;
}

/* ------------------------------------------------------------------- writing */

int hf_special_write(const struct hf_vocab *v, struct gguf_writer *w, struct error *e)
{
    bool bytes = strcmp(v->model, "gpt2") == 0;
    for (int r = 0; r < HF_ROLES; r++)
        if (v->roles[r] >= 0)
            gguf_writer_u32(w, roles[r].key, (uint32_t)v->roles[r]);
    if (v->adds_bos >= 0)
        gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", v->adds_bos > 0 && v->roles[HF_BOS] >= 0);
    if (v->adds_eos >= 0)
        gguf_writer_bool(w, "tokenizer.ggml.add_eos_token", v->adds_eos > 0 && v->roles[HF_EOS] >= 0);
    if (v->adds_space >= 0 && (!bytes || strcmp(v->architecture, "llama") == 0))
        gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", v->adds_space > 0);
    if (v->removes_spaces >= 0 && !bytes)
        gguf_writer_bool(w, "tokenizer.ggml.remove_extra_whitespaces", v->removes_spaces > 0);
    if (v->space_behind)
        gguf_writer_bool(w, "tokenizer.ggml.treat_whitespace_as_suffix", true);
    return write_templates(v, w, e);
}
