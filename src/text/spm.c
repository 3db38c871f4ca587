/* SentencePiece BPE ("llama"): blanks become U+2581, each character is a symbol, and the pair whose joined text is the
 * token with the highest score is joined first. Characters that are no tokens are spelled as bytes, <0xXX>.
 *
 * All of the text is one word. But where no token has a blank behind another character, which is the rule, nothing
 * is ever joined across the end of a word, so words are done one by one, with the same result and a small heap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "text/merge.h"
#include "text/text_model.h"
#include "text/utf8.h"

static const char BLANK[] = "\u2581";
enum { BLANK_BYTES = sizeof BLANK - 1 };

struct spm {
    int32_t bytes[256]; /* tokens of the bytes; -1: none */
    bool by_words;
};

static bool is_blank(const char *text, size_t length)
{
    return length >= BLANK_BYTES && memcmp(text, BLANK, BLANK_BYTES) == 0;
}

/* ---------------------------------------------------------------- opening */

static void set_pieces(struct vocab *v)
{
    for (int32_t id = 0; id < v->count; id++) {
        const struct token *t = &v->tokens[id];
        unsigned byte;
        char text[8] = "";
        memcpy(text, t->text, t->length < sizeof text ? t->length : 0);
        if (t->kind & TOKEN_BYTE && sscanf(text, "<0x%2X>", &byte) == 1)
            vocab_set_piece(v, id, &(char){(char)byte}, 1);
        else if (t->kind & TOKEN_NORMAL && !(t->kind & (TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER)))
            vocab_set_blanks(v, id);
    }
}

/* Has a blank behind something else? */
static bool crosses_words(const struct token *t)
{
    size_t at = 0;
    while (is_blank(t->text + at, t->length - at))
        at += BLANK_BYTES;
    return memmem(t->text + at, t->length - at, BLANK, BLANK_BYTES) != NULL;
}

static int32_t byte_token(const struct vocab *v, unsigned char byte)
{
    int32_t id = vocab_byte(v, byte);
    if (id < 0)
        id = vocab_find(v, (const char *)&byte, 1);
    return id >= 0 ? id : v->unknown;
}

static int spm_open(void **state, struct vocab *v, struct gguf *g, const char *path, const char *pre, struct error *e)
{
    static const struct vocab_defaults d = {.bos = 1, .eos = 2, .unknown = 0, .adds_bos = true, .adds_space = true};
    struct spm *s = *state = xcalloc(1, sizeof *s);
    int rc;
    if (pre)
        return error_set(e, ERROR_USAGE, "--pre %s: the vocabulary of %s is SentencePiece's, which has no "
                         "pre-tokenizer", pre, path);
    if ((rc = vocab_read(v, g, path, &d, e)))
        return rc;
    set_pieces(v);
    for (int i = 0; i < 256; i++)
        s->bytes[i] = byte_token(v, (unsigned char)i);
    s->by_words = true;
    for (int32_t id = 0; id < v->count && s->by_words; id++)
        s->by_words = !crosses_words(&v->tokens[id]);
    return 0;
}

/* --------------------------------------------------------------- encoding */

struct encoding { /* one call's state */
    const struct spm *s;
    const struct vocab *v;
    struct str text;    /* with U+2581 for blanks */
    struct merge merge; /* the word at hand */
    struct tokens *out;
};

static bool look_up(const void *user, const struct merge_symbol *left, const struct merge_symbol *right, float *cost,
                    int32_t *id)
{
    const struct encoding *c = user;
    size_t length = (size_t)left->length + right->length;
    *id = length <= c->v->longest ? vocab_find(c->v, c->text.data + left->start, length) : -1;
    if (*id < 0)
        return false;
    *cost = -c->v->tokens[*id].score;
    return true;
}

static void add_bytes(struct encoding *c, const struct merge_symbol *symbol)
{
    for (uint32_t i = 0; i < symbol->length; i++) {
        int32_t byte = c->s->bytes[(unsigned char)c->text.data[symbol->start + i]];
        if (byte >= 0)
            tokens_add(c->out, byte);
    }
}

static void finish_word(struct encoding *c)
{
    merge_run(&c->merge, look_up, c);
    for (size_t i = 0; i < c->merge.count; i++) {
        const struct merge_symbol *symbol = &c->merge.symbols[i];
        if (symbol->length && symbol->id >= 0)
            tokens_add(c->out, symbol->id);
        else
            add_bytes(c, symbol);
    }
    merge_start(&c->merge);
}

/* A symbol is what its first byte announces, whatever follows: bytes that are no UTF-8 may swallow a blank's. */
static void encode_symbols(struct encoding *c)
{
    bool blank = true;
    for (size_t at = 0, n; at < c->text.length; at += n) {
        const char *symbol = c->text.data + at;
        n = utf8_announced((unsigned char)*symbol);
        n = n < c->text.length - at ? n : c->text.length - at;
        if (c->s->by_words && !blank && is_blank(symbol, n))
            finish_word(c);
        blank = is_blank(symbol, n);
        merge_add(&c->merge, at, n, vocab_find(c->v, symbol, n));
    }
    finish_word(c);
}

static void spm_encode(const void *state, const struct vocab *v, const char *text, size_t length, bool first,
                       struct tokens *out)
{
    struct encoding c = {.s = state, .v = v, .out = out};
    if (first && v->adds_space)
        str_add(&c.text, BLANK);
    for (size_t i = 0; i < length; i++)
        str_add_bytes(&c.text, text[i] == ' ' ? BLANK : text + i, text[i] == ' ' ? BLANK_BYTES : 1);
    encode_symbols(&c);
    merge_done(&c.merge);
    str_done(&c.text);
}

const struct text_model text_model_spm = {"llama", spm_open, free, spm_encode};
