/* tokenizer.json: {"model": {"type", "vocab", "merges", …}, "added_tokens": [{"id", "content", "special",
 * …}], …}. Format: https://github.com/huggingface/tokenizers (tokenizers/src/models and
 * src/tokenizer/serialization.rs). */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab_priv.h"

static int broken(const struct hf_vocab *v, const char *what, struct error *e)
{
    return error_set(e, ERROR_FAILED, "cannot read the vocabulary in %s: tokenizer.json: %s; download the file "
                     "again", v->folder, what);
}

/* A text that C can hold, or NULL. */
static const char *plain_text(const json_t *j)
{
    const char *text = json_string_value(j);
    return text && strlen(text) == json_string_length(j) ? text : NULL;
}

/* ------------------------------------------------------------------- tokens */

static int read_vocab(struct hf_vocab *v, struct error *e)
{
    json_t *vocab = json_object_get(json_object_get(v->tokenizer, "model"), "vocab"), *id;
    const char *text;
    size_t length;
    int rc = 0;
    if (!json_is_object(vocab))
        return broken(v, "model.vocab is no table of tokens", e);
    json_object_keylen_foreach(vocab, text, length, id) {
        if (!json_is_number(id) || strlen(text) != length)
            return broken(v, "model.vocab has a token without a number, or with a zero byte in it", e);
        if ((rc = hf_vocab_put(v, hf_json_integer(id), text, 0, HF_NORMAL, false, e)))
            return rc;
    }
    return 0;
}

static const struct hf_token *token_numbered(const struct hf_vocab *v, int64_t id)
{
    return id >= 0 && id < v->count && v->tokens[id].text ? &v->tokens[id] : NULL;
}

/* {"content", "special", …}, as tokenizer.json and tokenizer_config.json have it. */
static int add_token(struct hf_vocab *v, int64_t id, const json_t *token, struct error *e)
{
    const char *text = plain_text(json_object_get(token, "content"));
    if (!text || !*text)
        return broken(v, "an added token has no text, or a zero byte in it", e);
    bool special = hf_vocab_special(text, hf_json_true(token, "special"));
    const struct hf_token *old = token_numbered(v, id);
    enum hf_kind kind = old && old->kind == HF_UNKNOWN ? HF_UNKNOWN : special ? HF_CONTROL : HF_USER;
    return hf_vocab_put(v, id, special ? text : hf_vocab_with_blanks(v, text), old ? old->score : -1000, kind,
                        true, e);
}

int hf_json_decoder(struct hf_vocab *v, bool missing, struct error *e)
{
    const char *number;
    json_t *token;
    int64_t id;
    int rc = 0;
    json_object_foreach(json_object_get(v->tokenizer_config, "added_tokens_decoder"), number, token) {
        bool wanted = parse_int(number, 0, INT32_MAX, &id) && !(missing && token_numbered(v, id));
        if (wanted && (rc = add_token(v, id, token, e)))
            break;
    }
    return rc;
}

int hf_json_added(struct hf_vocab *v, struct error *e)
{
    json_t *token;
    size_t i;
    int rc = 0;
    json_array_foreach(json_object_get(v->tokenizer, "added_tokens"), i, token) {
        const json_t *id = json_object_get(token, "id");
        rc = json_is_number(id) ? add_token(v, hf_json_integer(id), token, e)
                                : broken(v, "an added token has no number", e);
        if (rc)
            break;
    }
    return rc ? rc : hf_json_decoder(v, true, e);
}

/* ------------------------------------------------------------------- merges */

/* A pair is "left right" or, since a part may hold a blank, ["left", "right"]. A blank in a part goes by
 * its letter in byte-level BPE, U+0120. */
static char *pair_text(struct hf_vocab *v, const json_t *left, const json_t *right)
{
    const char *parts[] = {plain_text(left), plain_text(right)};
    struct str s = {0};
    if (!parts[0] || !parts[1] || !*parts[0] || !*parts[1])
        return NULL;
    for (int i = 0; i < 2; i++) {
        str_add(&s, i ? " " : "");
        for (const char *c = parts[i]; *c; c++)
            str_add_bytes(&s, *c == ' ' ? "\u0120" : c, *c == ' ' ? strlen("\u0120") : 1);
    }
    char *text = arena_strndup(&v->arena, s.data, s.length);
    str_done(&s);
    return text;
}

/* The left part, which is not empty, may begin with a blank of its own. */
static char *merge_text(struct hf_vocab *v, const json_t *merge)
{
    const char *text = plain_text(merge), *blank = text && *text ? strchr(text + 1, ' ') : NULL;
    if (json_array_size(merge) == 2)
        return pair_text(v, json_array_get(merge, 0), json_array_get(merge, 1));
    return blank && blank[1] ? arena_strdup(&v->arena, text) : NULL;
}

static int read_merges(struct hf_vocab *v, struct error *e)
{
    json_t *merges = json_object_get(json_object_get(v->tokenizer, "model"), "merges"), *merge;
    size_t i;
    v->merges = xcalloc(json_array_size(merges) + 1, sizeof *v->merges);
    json_array_foreach(merges, i, merge)
        if (!(v->merges[v->merge_count++] = merge_text(v, merge)))
            return broken(v, "model.merges has one that is no pair of texts", e);
    return json_is_array(merges) ? 0 : broken(v, "model.merges is no list", e);
}

int hf_json_bpe(struct hf_vocab *v, struct error *e)
{
    int rc = read_vocab(v, e);
    return rc ? rc : read_merges(v, e);
}
