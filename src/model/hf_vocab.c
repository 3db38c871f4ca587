#include "model/hf_vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "model/hf_vocab_priv.h"

enum {
    FILE_MOST = 128 << 20, /* the largest known tokenizer.json has 33 MB, and its values take many times its text */
    TOKENS_MOST = 1 << 22, /* the largest known vocabulary has 0.9 million */
    TOKENS_UNKNOWN = 1 << 20, /* where no embedding says how many: what a lying number can cost */
};

/* ------------------------------------------------------------------- files */

int hf_json_load(json_t **out, const char *folder, const char *name, struct error *e)
{
    /* model_max_length is often 10^30; members may be NUL-bearing texts, which are looked at one by one */
    static const size_t flags = JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
    char *path = path_join(folder, name), *text;
    size_t length;
    json_error_t why;
    int rc = 0;
    *out = NULL;
    if (file_exists(path) && !(rc = file_read(path, FILE_MOST, &text, &length, e))) {
        *out = json_loadb(text, length, flags, &why);
        if (!*out)
            rc = error_set(e, ERROR_FAILED, "cannot read %s: line %d, column %d: %s; download the file again",
                           path, why.line, why.column, why.text);
        free(text);
    }
    free(path);
    return rc;
}

const char *hf_json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool hf_json_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

int64_t hf_json_integer(const json_t *number)
{
    static const double most = 1e15;
    double n = json_is_number(number) ? json_number_value(number) : -1;
    return n >= -most && n <= most ? (int64_t)n : -1;
}

static int read_files(struct hf_vocab *v, struct error *e)
{
    const struct { const char *name; json_t **out; } files[] = {
        {"tokenizer.json", &v->tokenizer},           {"tokenizer_config.json", &v->tokenizer_config},
        {"special_tokens_map.json", &v->special_map}, {"added_tokens.json", &v->added},
        {"config.json", &v->config},                 {"generation_config.json", &v->generation},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < ARRAY_LENGTH(files); i++)
        rc = hf_json_load(files[i].out, v->folder, files[i].name, e);
    return rc;
}

static void drop_files(struct hf_vocab *v)
{
    json_t *const files[] = {v->tokenizer, v->tokenizer_config, v->special_map,
                             v->added,     v->config,           v->generation};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++)
        json_decref(files[i]);
}

/* ------------------------------------------------------------------ tokens */

static void grow_to(struct hf_vocab *v, int64_t count)
{
    if (count > v->capacity) {
        int64_t capacity = count > 2 * v->capacity ? count : 2 * v->capacity;
        v->tokens = xrealloc(v->tokens, capacity * sizeof *v->tokens);
        memset(v->tokens + v->capacity, 0, (capacity - v->capacity) * sizeof *v->tokens);
        v->capacity = capacity;
    }
    v->count = count > v->count ? count : v->count;
}

int hf_vocab_put(struct hf_vocab *v, int64_t id, const char *text, float score, enum hf_kind kind, bool added,
                 struct error *e)
{
    if (id >= 0 && id >= v->limit && added)
        return 0; /* Gemma 3's <image_soft_token> in a text-only model: the embedding has no row for it */
    if (id < 0 || id >= v->limit)
        return error_set(e, ERROR_FAILED, "cannot read the vocabulary in %s: the token '%.40s' has the number "
                         "%lld, but the model has %lld tokens; are tokenizer and weights of one model?",
                         v->folder, text, (long long)id, (long long)v->limit);
    grow_to(v, id + 1);
    v->tokens[id] = (struct hf_token){arena_strdup(&v->arena, text), score, kind};
    return 0;
}

int64_t hf_vocab_find(const struct hf_vocab *v, const char *text)
{
    for (int64_t i = 0; i < v->count; i++)
        if (v->tokens[i].text && strcmp(v->tokens[i].text, text) == 0)
            return i;
    return -1;
}

bool hf_vocab_special(const char *text, bool flag)
{
    static const char *const known[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    static const struct { const char *first, *last; } looks[] = {
        {"<|", "|>"}, {"<\uFF5C", "\uFF5C>"}, {"<unused", ">"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        flag |= strcmp(known[i], text) == 0;
    for (size_t i = 0; i < ARRAY_LENGTH(looks); i++)
        flag |= str_starts(text, looks[i].first) && str_ends(text, looks[i].last);
    return flag;
}

const char *hf_vocab_with_blanks(struct hf_vocab *v, const char *text)
{
    static const char blank[] = "\u2581";
    char *copy = arena_strdup(&v->arena, text), *to = copy;
    for (const char *from = text; *from;) {
        bool found = str_starts(from, blank);
        *to++ = found ? ' ' : *from;
        from += found ? sizeof blank - 1 : 1;
    }
    *to = 0;
    return copy;
}

/* Numbers that no token has, up to the embedding's size: "[PADn]". */
static void pad(struct hf_vocab *v)
{
    if (v->limit_known)
        grow_to(v, v->limit);
    for (int64_t i = 0; i < v->count; i++) {
        struct hf_token *t = &v->tokens[i];
        if (!t->text)
            *t = (struct hf_token){arena_printf(&v->arena, "[PAD%lld]", (long long)i), -10000, HF_UNUSED};
    }
}

/* ------------------------------------------------------------------ writing */

static void write_tokens(const struct hf_vocab *v, struct gguf_writer *w)
{
    const char **texts = xcalloc(v->count + 1, sizeof *texts);
    float *scores = xcalloc(v->count + 1, sizeof *scores);
    int32_t *kinds = xcalloc(v->count + 1, sizeof *kinds);
    for (int64_t i = 0; i < v->count; i++) {
        texts[i] = v->tokens[i].text;
        scores[i] = v->tokens[i].score;
        kinds[i] = v->tokens[i].kind;
    }
    gguf_writer_texts(w, "tokenizer.ggml.tokens", texts, v->count);
    if (strcmp(v->model, "gpt2") != 0)
        gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, scores, v->count);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, kinds, v->count);
    free(texts);
    free(scores);
    free(kinds);
}

static int write_all(struct hf_vocab *v, struct gguf_writer *w, struct error *e)
{
    pad(v);
    hf_special_find(v);
    gguf_writer_text(w, "tokenizer.ggml.model", v->model);
    if (v->pre)
        gguf_writer_text(w, "tokenizer.ggml.pre", v->pre);
    write_tokens(v, w);
    if (v->merges)
        gguf_writer_texts(w, "tokenizer.ggml.merges", (const char *const *)v->merges, v->merge_count);
    if (v->charsmap && strcmp(v->model, "t5") == 0)
        gguf_writer_array(w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, v->charsmap, v->charsmap_bytes);
    if (v->tokenizer && !v->rules.strange)
        hf_rules_write(v, w);
    return hf_special_write(v, w, e);
}

/* ------------------------------------------------------------------ reading */

/* Byte-level BPE: the name of the pre-tokenizer first, so that an unknown one is found before any work. */
static int read_bpe(struct hf_vocab *v, const char *pre, struct error *e)
{
    int rc;
    v->model = "gpt2";
    v->pre = pre ? pre : hf_pretokenizer_name(v, e);
    if (!v->pre)
        return ERROR_FAILED;
    rc = hf_json_bpe(v, e);
    return rc ? rc : hf_json_added(v, e);
}

static int read_json(struct hf_vocab *v, const char *type, const char *pre, struct error *e)
{
    if (v->rules.strange && !pre)
        return error_set(e, ERROR_FAILED, "%s/tokenizer.json prepares texts in a way that GGUF knows nothing of "
                         "(see its normalizer and pre_tokenizer); --pre default takes it as plain SentencePiece",
                         v->folder);
    if (type && strcmp(type, "BPE") == 0)
        return hf_spm_json(v, e);
    if (type && strcmp(type, "Unigram") == 0)
        return hf_unigram_json(v, e);
    return error_set(e, ERROR_FAILED, "cannot read %s/tokenizer.json: its model is of the type '%s'; known are BPE "
                     "and Unigram", v->folder, type ? type : "none");
}

static int read_vocabulary(struct hf_vocab *v, const char *pre, struct error *e)
{
    const char *type = hf_json_text(json_object_get(v->tokenizer, "model"), "type");
    char *model = path_join(v->folder, "tokenizer.model");
    bool has_model = file_exists(model);
    free(model);
    if (!v->tokenizer && !has_model) {
        int rc = hf_tekken_read(v, e);
        if (rc)
            return rc;
        type = hf_json_text(json_object_get(v->tokenizer, "model"), "type");
    }
    hf_rules_read(v);
    if (v->tokenizer && hf_rules_bytes(v) && (!type || strcmp(type, "BPE") == 0))
        return read_bpe(v, pre, e);
    if (has_model)
        return hf_spm_model(v, e);
    if (v->tokenizer)
        return read_json(v, type, pre, e);
    return error_set(e, ERROR_FAILED, "%s has no vocabulary: neither tokenizer.json nor tokenizer.model (nor "
                     "Mistral's tekken.json) is there; download it too", v->folder);
}

int hf_vocab_write(struct gguf_writer *w, const char *folder, int64_t vocab_size, const char *architecture,
                   const char *pre, struct error *e)
{
    struct hf_vocab v = {
        .folder = folder,
        .architecture = architecture ? architecture : "",
        .limit = vocab_size > 0 ? vocab_size : TOKENS_UNKNOWN,
        .limit_known = vocab_size > 0,
        .adds_bos = -1,
        .adds_eos = -1,
        .adds_space = -1,
        .removes_spaces = -1,
    };
    for (int r = 0; r < HF_ROLES; r++)
        v.model_roles[r] = -1;
    int rc = vocab_size > TOKENS_MOST
        ? error_set(e, ERROR_FAILED, "cannot read the vocabulary in %s: the embedding has %lld rows, which is "
                    "more than any vocabulary", folder, (long long)vocab_size)
        : read_files(&v, e);
    if (!rc && !(rc = read_vocabulary(&v, pre, e)))
        rc = write_all(&v, w, e);
    hf_rules_done(&v.rules);
    drop_files(&v);
    free(v.tokens);
    free(v.merges);
    arena_done(&v.arena);
    return rc;
}
