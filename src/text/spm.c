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

/* Bytes up to the next blank that follows something else, or all. */
static size_t word_end(const char *text, size_t length)
{
    size_t at = 0;
    while (is_blank(text + at, length - at))
        at += BLANK_BYTES;
    const char *blank = memmem(text + at, length - at, BLANK, BLANK_BYTES);
    return blank ? (size_t)(blank - text) : length;
}

/* ---------------------------------------------------------------- opening */

static void set_piece(struct vocab *v, int32_t id)
{
    const struct token *t = &v->tokens[id];
    struct str text = {0};
    for (size_t at = 0; at < t->length;) {
        bool blank = is_blank(t->text + at, t->length - at);
        str_add_char(&text, blank ? ' ' : t->text[at]);
        at += blank ? BLANK_BYTES : 1;
    }
    vocab_set_piece(v, id, text.data, text.length);
    str_done(&text);
}

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
            set_piece(v, id);
    }
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
        return error_set(e, ERROR_USAGE, "--pre %s: the vocabulary of %s is SentencePiece's, which has no pre-tokenizer",
                         pre, path);
    if ((rc = vocab_read(v, g, path, &d, e)))
        return rc;
    set_pieces(v);
    for (int i = 0; i < 256; i++)
        s->bytes[i] = byte_token(v, (unsigned char)i);
    s->by_words = true;
    for (int32_t id = 0; id < v->count && s->by_words; id++)
        s->by_words = word_end(v->tokens[id].text, v->tokens[id].length) == v->tokens[id].length;
    return 0;
}

/* --------------------------------------------------------------- encoding */

struct word {
    const struct vocab *v;
    const char *text;
};

static bool look_up(const void *user, const struct merge_symbol *left, const struct merge_symbol *right, float *cost,
                    int32_t *id)
{
    const struct word *w = user;
    size_t length = (size_t)left->length + right->length;
    *id = length <= w->v->longest ? vocab_find(w->v, w->text + left->start, length) : -1;
    if (*id < 0)
        return false;
    *cost = -w->v->tokens[*id].score;
    return true;
}

static void encode_word(const struct spm *s, const struct word *w, size_t length, struct merge *m, struct tokens *out)
{
    merge_start(m);
    for (size_t at = 0, n; at < length; at += n) {
        n = utf8_announced((unsigned char)w->text[at]);
        n = n < length - at ? n : length - at;
        merge_add(m, at, n, vocab_find(w->v, w->text + at, n));
    }
    merge_run(m, look_up, w);
    for (size_t i = 0; i < m->count; i++) {
        const struct merge_symbol *symbol = &m->symbols[i];
        if (symbol->length && symbol->id >= 0) {
            tokens_add(out, symbol->id);
            continue;
        }
        for (uint32_t k = 0; k < symbol->length; k++) {
            int32_t byte = s->bytes[(unsigned char)w->text[symbol->start + k]];
            if (byte >= 0)
                tokens_add(out, byte);
        }
    }
}

static void spm_encode(const void *state, const struct vocab *v, const char *text, size_t length, bool first,
                       struct tokens *out)
{
    const struct spm *s = state;
    struct str spelled = {0};
    struct merge m = {0};
    if (first && v->adds_space)
        str_add(&spelled, BLANK);
    for (size_t i = 0; i < length; i++)
        str_add_bytes(&spelled, text[i] == ' ' ? BLANK : text + i, text[i] == ' ' ? BLANK_BYTES : 1);
    for (size_t at = 0, n; at < spelled.length; at += n) {
        struct word w = {v, spelled.data + at};
        n = s->by_words ? word_end(w.text, spelled.length - at) : spelled.length - at;
        encode_word(s, &w, n, &m, out);
    }
    merge_done(&m);
    str_done(&spelled);
}

const struct text_model text_model_spm = {"llama", spm_open, free, spm_encode};
