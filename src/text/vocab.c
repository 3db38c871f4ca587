#include "text/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "text/special.h"

const struct gguf_value *vocab_strings(const struct gguf *g, const char *key, const char *path, struct error *e)
{
    const struct gguf_value *v = gguf_find(g, key);
    if (!v)
        error_set(e, ERROR_FAILED, "%s: the metadata has no %s, so its text cannot be split into tokens "
                  "(was the file made without a vocabulary?)", path, key);
    else if (v->kind != GGUF_ARRAY || v->item_kind != GGUF_STRING || v->count > INT32_MAX / 2)
        error_set(e, ERROR_FAILED, "%s: metadata %s at offset %llu is not a list of texts", path, key,
                  (unsigned long long)v->offset);
    else
        return v;
    return NULL;
}

/* A list of numbers with an item for every token; NULL, and no error, where the file has none. */
static int numbers(const struct gguf_value **out, const struct gguf *g, const char *key, const char *path, int count,
                   struct error *e)
{
    const struct gguf_value *v = *out = gguf_find(g, key);
    if (v && (v->kind != GGUF_ARRAY || v->item_kind == GGUF_STRING || v->item_kind == GGUF_ARRAY))
        return error_set(e, ERROR_FAILED, "%s: metadata %s at offset %llu is not a list of numbers", path, key,
                         (unsigned long long)v->offset);
    if (v && v->count < (uint64_t)count)
        return error_set(e, ERROR_FAILED, "%s: metadata %s at offset %llu has %llu items for %d tokens", path, key,
                         (unsigned long long)v->offset, (unsigned long long)v->count, count);
    return 0;
}

static unsigned kind_of(const struct gguf_value *types, int i)
{
    static const unsigned kinds[] = {0,          TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL,
                                     TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE};
    double type = types ? gguf_item(types, i) : 1;
    return type >= 0 && type < ARRAY_LENGTH(kinds) ? kinds[(int)type] : 0;
}

static void read_text(struct vocab *v, int i, const char *text, size_t length)
{
    if (length == 0) { /* no text can give it, but its place is kept */
        char name[32];
        length = snprintf(name, sizeof name, "[EMPTY_%d]", i);
        text = arena_strdup(&v->arena, name);
    }
    v->tokens[i].text = v->tokens[i].piece = text;
    v->tokens[i].length = v->tokens[i].piece_length = (uint32_t)length;
    v->longest = length > v->longest ? length : v->longest;
    strmap_add(&v->ids, text, length, i); /* of equal texts the first counts */
}

static int read_tokens(struct vocab *v, const struct gguf *g, const char *path, struct error *e)
{
    const struct gguf_value *texts = vocab_strings(g, "tokenizer.ggml.tokens", path, e), *types, *scores;
    int rc;
    if (!texts)
        return ERROR_FAILED;
    if ((rc = numbers(&types, g, "tokenizer.ggml.token_type", path, (int)texts->count, e)) ||
        (rc = numbers(&scores, g, "tokenizer.ggml.scores", path, (int)texts->count, e)))
        return rc;
    v->tokens = xcalloc(texts->count, sizeof *v->tokens);
    v->count = (int)texts->count;
    strmap_init(&v->ids, texts->count);
    const unsigned char *at = texts->data;
    for (int i = 0; i < v->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        v->tokens[i].kind = kind_of(types, i);
        v->tokens[i].score = scores ? (float)gguf_item(scores, i) : 0;
        read_text(v, i, text, length);
    }
    return 0;
}

/* A token named by its number; a number outside of the vocabulary counts as not said, and so does the default. */
static int32_t special_id(const struct vocab *v, const struct gguf *g, const char *key, int32_t fallback)
{
    int64_t id;
    if (gguf_integer(g, key, &id) && id >= 0 && id < v->count)
        return (int32_t)id;
    return fallback < v->count ? fallback : -1;
}

bool vocab_flag(const struct gguf *g, const char *key, bool fallback)
{
    int64_t value;
    return gguf_integer(g, key, &value) ? value != 0 : fallback;
}

static int read_special(struct vocab *v, const struct gguf *g, const char *path, const struct vocab_defaults *d,
                        struct error *e)
{
    v->bos = special_id(v, g, "tokenizer.ggml.bos_token_id", d->bos);
    v->eos = special_id(v, g, "tokenizer.ggml.eos_token_id", d->eos);
    v->unknown = special_id(v, g, "tokenizer.ggml.unknown_token_id", d->unknown);
    v->adds_bos = vocab_flag(g, "tokenizer.ggml.add_bos_token", d->adds_bos);
    v->adds_eos = vocab_flag(g, "tokenizer.ggml.add_eos_token", d->adds_eos);
    v->adds_space = vocab_flag(g, "tokenizer.ggml.add_space_prefix", d->adds_space);
    if ((v->adds_bos && v->bos < 0) || (v->adds_eos && v->eos < 0))
        return error_set(e, ERROR_FAILED, "%s: metadata tokenizer.ggml.add_%s_token is true, but no such token is "
                         "named", path, v->adds_bos && v->bos < 0 ? "bos" : "eos");
    return 0;
}

int vocab_read(struct vocab *v, struct gguf *g, const char *path, const struct vocab_defaults *d, struct error *e)
{
    int rc;
    *v = (struct vocab){0};
    if ((rc = read_tokens(v, g, path, e)) || (rc = read_special(v, g, path, d, e)))
        return rc;
    special_mark(v, g);
    special_strip(v, g);
    return 0;
}

void vocab_done(struct vocab *v)
{
    free(v->tokens);
    strmap_done(&v->ids);
    arena_done(&v->arena);
    *v = (struct vocab){0};
}

int32_t vocab_find(const struct vocab *v, const char *text, size_t length)
{
    return strmap_get(&v->ids, text, length);
}

void vocab_add_name(struct vocab *v, const char *text, size_t length, int32_t id)
{
    if (strmap_add(&v->ids, text, length, id) && length > v->longest)
        v->longest = length;
}

int32_t vocab_byte(const struct vocab *v, unsigned char byte)
{
    char text[8];
    return vocab_find(v, text, snprintf(text, sizeof text, "<0x%02X>", byte));
}

void vocab_set_piece(struct vocab *v, int32_t id, const char *bytes, size_t length)
{
    char *copy = arena_alloc(&v->arena, length + 1); /* may hold zero bytes */
    memcpy(copy, bytes, length);
    v->tokens[id].piece = copy;
    v->tokens[id].piece_length = (uint32_t)length;
}

void vocab_set_blanks(struct vocab *v, int32_t id)
{
    static const char blank[] = "\u2581";
    const struct token *t = &v->tokens[id];
    struct str text = {0};
    for (size_t at = 0, n; at < t->length; at += n) {
        n = t->length - at >= strlen(blank) && memcmp(t->text + at, blank, strlen(blank)) == 0 ? strlen(blank) : 1;
        str_add_char(&text, n > 1 ? ' ' : t->text[at]);
    }
    vocab_set_piece(v, id, text.data, text.length);
    str_done(&text);
}
