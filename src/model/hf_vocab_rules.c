/* What tokenizer.json says beyond GGUF, for the text room: keys under HF_VOCAB_PRIVATE,
 *
 *     normalizer        texts, three a step: "nfc" "" ""; "prepend" TEXT ""; "replace" TEXT BY; ...
 *     charsmap          bytes: SentencePiece's table for the step "charsmap"
 *     split             texts, a regular expression (Oniguruma's) a step
 *     metaspace         "first", "always" or "never"; metaspace_splits: bool
 *     whole_words       bool: model.ignore_merges
 *     added, added_ids, added_flags   texts, numbers of the added tokens, how they are looked for (HF_LSTRIP, …)
 *
 * Their meaning: src/normalizers, src/pre_tokenizers and src/tokenizer/added_vocabulary.rs in
 * https://github.com/huggingface/tokenizers. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab_priv.h"

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

/* -------------------------------------------------------------- normalizer */

static void add_normalizer(struct hf_rules *r, const char *what, const char *a, const char *b)
{
    array_push(r->normalizers, r->normalizer_count, r->normalizer_capacity) = what;
    array_push(r->normalizers, r->normalizer_count, r->normalizer_capacity) = a;
    array_push(r->normalizers, r->normalizer_count, r->normalizer_capacity) = b;
}

static void read_normalizer(struct hf_rules *r, const json_t *step)
{
    static const struct { const char *type, *what; } forms[] = {
        {"NFC", "nfc"}, {"NFD", "nfd"}, {"NFKC", "nfkc"}, {"NFKD", "nfkd"}, {"Precompiled", "charsmap"},
    };
    const char *type = hf_json_text(step, "type");
    const json_t *pattern = json_object_get(step, "pattern");
    const char *text = hf_json_text(pattern, "String"), *by = hf_json_text(step, "content");
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++)
        if (is(type, forms[i].type)) {
            add_normalizer(r, forms[i].what, "", "");
            return;
        }
    bool left = hf_json_true(step, "strip_left"), right = hf_json_true(step, "strip_right");
    if (is(type, "Strip") && (left || right))
        add_normalizer(r, "strip", left && right ? "both" : left ? "left" : "right", "");
    else if (is(type, "Prepend") && hf_json_text(step, "prepend"))
        add_normalizer(r, "prepend", hf_json_text(step, "prepend"), "");
    else if (is(type, "Replace") && text && *text && by)
        add_normalizer(r, "replace", text, by);
    else if (is(type, "Replace") && is(hf_json_text(pattern, "Regex"), " {2,}") && by)
        add_normalizer(r, "squeeze", by, "");
    else
        r->strange = true;
}

/* ----------------------------------------------------- SentencePiece's blanks */

static void read_metaspace(struct hf_rules *r, const json_t *step)
{
    const char *scheme = hf_json_text(step, "prepend_scheme");
    bool never = json_is_false(json_object_get(step, "add_prefix_space")); /* before there were schemes */
    never = scheme ? is(scheme, "never") : never;
    r->metaspace = is(scheme, "first") ? "first" : never ? "never" : "always";
    r->metaspace_splits = !json_is_false(json_object_get(step, "split"));
}

static void read_pre_tokenizer(struct hf_rules *r, const json_t *step)
{
    const char *type = hf_json_text(step, "type");
    if (is(type, "Metaspace"))
        read_metaspace(r, step);
    else if (is(type, "WhitespaceSplit"))
        add_normalizer(r, "words", "", "");
    else if (!is(hf_json_text(json_object_get(step, "pattern"), "String"), " "))
        r->strange = true; /* Gemma splits at blanks, of which its normalizer leaves none */
}

/* ------------------------------------------------------------- added tokens */

static void read_added(struct hf_rules *r, int64_t id, const json_t *token)
{
    static const struct { const char *key; int flag; } flags[] = {
        {"lstrip", HF_LSTRIP},         {"rstrip", HF_RSTRIP},   {"single_word", HF_SINGLE_WORD},
        {"normalized", HF_NORMALIZED}, {"special", HF_SPECIAL},
    };
    struct hf_added added = {hf_json_text(token, "content"), (int32_t)id, 0};
    if (!added.text || !*added.text)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
        added.flags |= hf_json_true(token, flags[i].key) ? flags[i].flag : 0;
    array_push(r->added, r->added_count, r->added_capacity) = added;
}

static bool is_added(const struct hf_rules *r, int64_t id)
{
    for (int i = 0; i < r->added_count; i++)
        if (r->added[i].id == id)
            return true;
    return false;
}

static void read_all_added(struct hf_vocab *v)
{
    const json_t *listed = json_object_get(v->tokenizer, "added_tokens");
    json_t *decoder = json_object_get(v->tokenizer_config, "added_tokens_decoder"), *token;
    const char *number;
    int64_t id;
    for (size_t i = 0; i < json_array_size(listed); i++) {
        const json_t *item = json_array_get(listed, i);
        id = hf_json_integer(json_object_get(item, "id"));
        if (id >= 0 && id <= INT32_MAX)
            read_added(&v->rules, id, item);
    }
    json_object_foreach(decoder, number, token)
        if (parse_int(number, 0, INT32_MAX, &id) && !is_added(&v->rules, id))
            read_added(&v->rules, id, token);
}

/* -------------------------------------------------------------------- all */

/* A step, or the steps of a Sequence in order. */
static void each(struct hf_rules *r, const json_t *step, const char *list,
                 void (*read)(struct hf_rules *r, const json_t *step))
{
    const json_t *steps = json_object_get(step, list);
    if (!json_is_object(step))
        return;
    if (!steps)
        read(r, step);
    for (size_t i = 0; i < json_array_size(steps); i++)
        read(r, json_array_get(steps, i));
}

static bool names_byte_level(const json_t *step, const char *list)
{
    const json_t *steps = json_object_get(step, list);
    bool found = is(hf_json_text(step, "type"), "ByteLevel");
    for (size_t i = 0; !found && i < json_array_size(steps); i++)
        found = is(hf_json_text(json_array_get(steps, i), "type"), "ByteLevel");
    return found;
}

bool hf_rules_bytes(const struct hf_vocab *v)
{
    return names_byte_level(json_object_get(v->tokenizer, "pre_tokenizer"), "pretokenizers") ||
           names_byte_level(json_object_get(v->tokenizer, "decoder"), "decoders");
}

void hf_rules_read(struct hf_vocab *v)
{
    struct hf_rules *r = &v->rules;
    r->whole_words = hf_json_true(json_object_get(v->tokenizer, "model"), "ignore_merges");
    each(r, json_object_get(v->tokenizer, "normalizer"), "normalizers", read_normalizer);
    if (!hf_rules_bytes(v))
        each(r, json_object_get(v->tokenizer, "pre_tokenizer"), "pretokenizers", read_pre_tokenizer);
    read_all_added(v);
}

static void write_added(const struct hf_rules *r, struct gguf_writer *w)
{
    const char **texts = xcalloc(r->added_count + 1, sizeof *texts);
    int32_t *ids = xcalloc(r->added_count + 1, sizeof *ids);
    int32_t *flags = xcalloc(r->added_count + 1, sizeof *flags);
    for (int i = 0; i < r->added_count; i++) {
        texts[i] = r->added[i].text;
        ids[i] = r->added[i].id;
        flags[i] = r->added[i].flags;
    }
    gguf_writer_texts(w, HF_VOCAB_PRIVATE "added", texts, r->added_count);
    gguf_writer_array(w, HF_VOCAB_PRIVATE "added_ids", GGUF_I32, ids, r->added_count);
    gguf_writer_array(w, HF_VOCAB_PRIVATE "added_flags", GGUF_I32, flags, r->added_count);
    free(texts);
    free(ids);
    free(flags);
}

void hf_rules_write(const struct hf_vocab *v, struct gguf_writer *w)
{
    const struct hf_rules *r = &v->rules;
    gguf_writer_texts(w, HF_VOCAB_PRIVATE "normalizer", r->normalizers, r->normalizer_count);
    if (v->charsmap)
        gguf_writer_array(w, HF_VOCAB_PRIVATE "charsmap", GGUF_U8, v->charsmap, v->charsmap_bytes);
    if (r->split_count)
        gguf_writer_texts(w, HF_VOCAB_PRIVATE "split", r->splits, r->split_count);
    if (r->metaspace)
        gguf_writer_text(w, HF_VOCAB_PRIVATE "metaspace", r->metaspace);
    gguf_writer_bool(w, HF_VOCAB_PRIVATE "metaspace_splits", r->metaspace_splits);
    gguf_writer_bool(w, HF_VOCAB_PRIVATE "whole_words", r->whole_words);
    write_added(r, w);
}

void hf_rules_done(struct hf_rules *r)
{
    free(r->normalizers);
    free(r->splits);
    free(r->added);
}
