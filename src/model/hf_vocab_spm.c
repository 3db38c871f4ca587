/* SentencePiece vocabularies: tokenizer.model, or tokenizer.json where that is missing.
 *
 * GGUF has no merges for them but scores: of two pairs the one whose joined text has the higher score is
 * joined first. tokenizer.json lists merges in that order, so a token's score is its first merge's place,
 * negated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/hf_vocab_priv.h"
#include "model/sentencepiece.h"

/* ---------------------------------------------------------- tokenizer.model */

static int put_pieces(struct hf_vocab *v, const struct sentencepiece *s, struct error *e)
{
    static const enum hf_kind kinds[] = {
        [PIECE_NORMAL] = HF_NORMAL, [PIECE_UNKNOWN] = HF_UNKNOWN, [PIECE_CONTROL] = HF_CONTROL,
        [PIECE_USER] = HF_USER,     [PIECE_UNUSED] = HF_UNUSED,   [PIECE_BYTE] = HF_BYTE,
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < s->count; i++) {
        const struct sentencepiece_piece *p = &s->pieces[i];
        const char *text = p->type == PIECE_USER ? hf_vocab_with_blanks(v, p->text) : p->text;
        rc = hf_vocab_put(v, (int64_t)i, text, p->score, kinds[p->type], true, e);
    }
    return rc;
}

static int take_model(struct hf_vocab *v, const struct sentencepiece *s, struct error *e)
{
    if (s->algorithm != PIECES_BPE && s->algorithm != PIECES_UNIGRAM)
        return error_set(e, ERROR_FAILED, "%s/tokenizer.model is a SentencePiece model of whole words or single "
                         "characters; known are BPE and unigram", v->folder);
    v->model = s->algorithm == PIECES_BPE ? "llama" : "t5";
    v->pre = "default";
    v->adds_space = s->adds_space;
    v->removes_spaces = s->removes_spaces;
    v->space_behind = s->space_behind;
    v->charsmap_bytes = s->charsmap_bytes;
    v->charsmap = s->charsmap_bytes ? arena_alloc(&v->arena, s->charsmap_bytes) : NULL;
    if (v->charsmap)
        memcpy(v->charsmap, s->charsmap, s->charsmap_bytes);
    v->model_roles[HF_UNK] = s->unk;
    v->model_roles[HF_BOS] = s->bos;
    v->model_roles[HF_EOS] = s->eos;
    v->model_roles[HF_PAD] = s->pad;
    return put_pieces(v, s, e);
}

/* added_tokens.json: {"text": number}, how tokens were added in 2023. */
static int put_old_additions(struct hf_vocab *v, struct error *e)
{
    const char *text;
    json_t *id;
    int rc = 0;
    json_object_foreach(v->added, text, id)
        if (json_is_number(id) &&
            (rc = hf_vocab_put(v, hf_json_integer(id), text, -1000, HF_USER, true, e)))
            break;
    return rc;
}

int hf_spm_model(struct hf_vocab *v, struct error *e)
{
    enum { MODEL_MOST = 256 << 20 };
    char *path = path_join(v->folder, "tokenizer.model"), *bytes;
    struct sentencepiece s;
    size_t length;
    int rc = file_read(path, MODEL_MOST, &bytes, &length, e);
    if (!rc) {
        if (!(rc = sentencepiece_parse(&s, bytes, length, path, e)))
            rc = take_model(v, &s, e);
        sentencepiece_done(&s);
        free(bytes);
    }
    free(path);
    if (rc || (rc = put_old_additions(v, e)) || (rc = hf_json_decoder(v, false, e)))
        return rc;
    return hf_json_added(v, e);
}

/* ----------------------------------------------------------- tokenizer.json */

static bool is_byte(const char *text)
{
    unsigned byte;
    int end = 0;
    return sscanf(text, "<0x%2X>%n", &byte, &end) == 1 && end == 6 && !text[6];
}

static void set_kinds(struct hf_vocab *v)
{
    const char *unknown = hf_json_text(json_object_get(v->tokenizer, "model"), "unk_token");
    for (int64_t i = 0; i < v->count; i++) {
        struct hf_token *t = &v->tokens[i];
        if (t->text && is_byte(t->text))
            t->kind = HF_BYTE;
        else if (t->text && unknown && strcmp(t->text, unknown) == 0)
            t->kind = HF_UNKNOWN;
    }
}

/* Tokens that no merge makes (single characters, special ones) are last. */
static void set_scores(struct hf_vocab *v)
{
    const json_t *vocab = json_object_get(json_object_get(v->tokenizer, "model"), "vocab");
    for (int64_t i = 0; i < v->count; i++)
        v->tokens[i].score = -1e6f;
    for (size_t i = v->merge_count; i-- > 0;) { /* from the last, so that the first stays */
        char *merge = v->merges[i], *blank = strchr(merge + 1, ' ');
        memmove(blank, blank + 1, strlen(blank));
        const json_t *id = json_object_get(vocab, merge);
        int64_t number = hf_json_integer(id);
        if (number >= 0 && number < v->count)
            v->tokens[number].score = -(float)i;
    }
}

/* Whether a blank is put before the text: by a normalizer, or with the words. */
static bool adds_space(const struct hf_rules *r)
{
    bool adds = r->metaspace && strcmp(r->metaspace, "never") != 0;
    for (int i = 0; i < r->normalizer_count; i += 3)
        adds |= strcmp(r->normalizers[i], "prepend") == 0;
    return adds;
}

int hf_spm_json(struct hf_vocab *v, struct error *e)
{
    int rc = hf_json_bpe(v, e);
    if (rc)
        return rc;
    v->model = "llama";
    v->pre = "default";
    v->adds_space = adds_space(&v->rules);
    set_scores(v);
    set_kinds(v);
    free(v->merges);
    v->merges = NULL;
    return hf_json_added(v, e);
}

/* ------------------------------------------------ tokenizer.json with a unigram */

static bool has_normalizer(const struct hf_rules *r, const char *what)
{
    bool found = false;
    for (int i = 0; i < r->normalizer_count; i += 3)
        found |= strncmp(r->normalizers[i], what, strlen(what)) == 0;
    return found;
}

/* The vocabulary is a list here: [[text, score], …], by number. */
static int put_scored(struct hf_vocab *v, struct error *e)
{
    const json_t *vocab = json_object_get(json_object_get(v->tokenizer, "model"), "vocab");
    int rc = 0;
    for (size_t i = 0; !rc && i < json_array_size(vocab); i++) {
        const json_t *item = json_array_get(vocab, i), *score = json_array_get(item, 1);
        const char *text = json_string_value(json_array_get(item, 0));
        if (!text || !json_is_number(score))
            return error_set(e, ERROR_FAILED, "cannot read %s/tokenizer.json: item %zu of model.vocab is no pair "
                             "of a text and a score", v->folder, i);
        rc = hf_vocab_put(v, (int64_t)i, text, (float)json_number_value(score), HF_NORMAL, true, e);
    }
    return rc;
}

static int read_charsmap(struct hf_vocab *v, const json_t *step, struct error *e)
{
    const json_t *map = json_object_get(step, "precompiled_charsmap");
    if (!json_is_string(map))
        return 0;
    v->charsmap = arena_alloc(&v->arena, json_string_length(map) + 1);
    v->charsmap_bytes = base64_bytes(v->charsmap, json_string_value(map), json_string_length(map));
    return v->charsmap_bytes ? 0 : error_set(e, ERROR_FAILED, "cannot read %s/tokenizer.json: "
                                             "precompiled_charsmap is not in base64", v->folder);
}

static int find_charsmap(struct hf_vocab *v, struct error *e)
{
    const json_t *normalizer = json_object_get(v->tokenizer, "normalizer");
    const json_t *steps = json_object_get(normalizer, "normalizers");
    int rc = read_charsmap(v, normalizer, e);
    for (size_t i = 0; !rc && i < json_array_size(steps); i++)
        rc = read_charsmap(v, json_array_get(steps, i), e);
    return rc;
}

int hf_unigram_json(struct hf_vocab *v, struct error *e)
{
    const json_t *unknown = json_object_get(json_object_get(v->tokenizer, "model"), "unk_id");
    int rc = put_scored(v, e);
    if (rc || (rc = find_charsmap(v, e)))
        return rc;
    v->model = "t5";
    v->pre = "default";
    v->adds_space = adds_space(&v->rules);
    v->removes_spaces = has_normalizer(&v->rules, "squeeze");
    set_kinds(v);
    int64_t number = hf_json_integer(unknown);
    if (number >= 0 && number < v->count) {
        v->model_roles[HF_UNK] = number;
        v->tokens[number].kind = HF_UNKNOWN;
    }
    return hf_json_added(v, e);
}
