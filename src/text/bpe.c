/* Byte-level BPE ("gpt2"): the text is cut into words, each byte of a word is a symbol, and pairs of symbols are
 * joined in the order of the list of merges.
 *
 * Vocabulary and merges spell bytes as letters: those that print in Latin-1 as themselves, the other 68 as the code
 * points from U+0100 on (https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode). A symbol's
 * id is its token's; strings that merges mention but that are no tokens get ids behind the vocabulary. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab.h"
#include "text/merge.h"
#include "text/pretokenizer.h"
#include "text/text_model.h"
#include "text/utf8.h"

struct rule {
    int32_t left, right; /* left -1: a free slot */
    int32_t rank, joined;
};

struct letter {
    char text[2];
    int length;
    int32_t symbol; /* -1: none */
};

enum { LETTERS = 256 + 68 };

struct bpe {
    struct pretokenizer *pre;
    bool whole_words, adds_bos, no_bos; /* as in pretokenizer_traits */
    bool not_added;                     /* added tokens are no whole words */
    struct letter letters[256];  /* of each byte */
    int16_t byte_of[LETTERS];    /* of each letter's code point; -1: none */
    struct rule *rules;          /* hash table, a power of two of them */
    size_t mask;
    struct strmap other;         /* symbols that are no tokens */
    struct arena arena;
};

/* ---------------------------------------------------------------- opening */

static void make_letters(struct bpe *b, const struct vocab *v)
{
    int next = 256;
    memset(b->byte_of, -1, sizeof b->byte_of);
    for (int byte = 0; byte < 256; byte++) {
        bool prints = (byte > ' ' && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        int c = prints ? byte : next++;
        char text[4];
        struct letter *l = &b->letters[byte];
        l->length = utf8_put(text, c);
        memcpy(l->text, text, l->length);
        l->symbol = vocab_find(v, l->text, l->length);
        b->byte_of[c] = (int16_t)byte;
    }
}

/* A token's text in bytes again; texts with other letters in them stay as they are. */
static void set_piece(const struct bpe *b, struct vocab *v, int32_t id)
{
    const struct token *t = &v->tokens[id];
    struct str bytes = {0};
    size_t at = 0;
    while (at < t->length) {
        uint32_t c = utf8_next(t->text, t->length, &at);
        if (c >= LETTERS || b->byte_of[c] < 0)
            break;
        str_add_char(&bytes, (char)b->byte_of[c]);
    }
    if (at == t->length && bytes.length > 0)
        vocab_set_piece(v, id, bytes.data, bytes.length);
    str_done(&bytes);
}

static void set_pieces(const struct bpe *b, struct vocab *v)
{
    for (int32_t id = 0; id < v->count; id++)
        if (!(v->tokens[id].kind & (TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER)))
            set_piece(b, v, id);
}

static struct rule *find_rule(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15;
    for (size_t i = h >> 32 & b->mask;; i = (i + 1) & b->mask) {
        struct rule *r = &b->rules[i];
        if (r->left < 0 || (r->left == left && r->right == right))
            return r;
    }
}

static int32_t symbol_of(struct bpe *b, const struct vocab *v, const char *left, size_t l, const char *right, size_t r)
{
    int32_t id = strmap_get_joined(&v->ids, left, l, right, r);
    if (id >= 0 || (id = strmap_get_joined(&b->other, left, l, right, r)) >= 0)
        return id;
    char *text = arena_alloc(&b->arena, l + r + 1);
    memcpy(text, left, l);
    memcpy(text + l, right, r);
    id = v->count + (int32_t)b->other.count;
    strmap_add(&b->other, text, l + r, id);
    return id;
}

/* A merge is two strings with a blank between; the first may itself begin with one. Of equal ones the first counts. */
static void add_rule(struct bpe *b, const struct vocab *v, const char *text, size_t length, int32_t rank)
{
    const char *blank = length > 1 ? memchr(text + 1, ' ', length - 1) : NULL;
    if (!blank)
        return;
    size_t l = blank - text, r = length - l - 1;
    int32_t left = symbol_of(b, v, text, l, "", 0), right = symbol_of(b, v, blank + 1, r, "", 0);
    struct rule *rule = find_rule(b, left, right);
    if (rule->left < 0)
        *rule = (struct rule){left, right, rank, symbol_of(b, v, text, l, blank + 1, r)};
}

static int read_rules(struct bpe *b, const struct vocab *v, const struct gguf *g, const char *path, struct error *e)
{
    const struct gguf_value *merges = vocab_strings(g, "tokenizer.ggml.merges", path, e);
    size_t size = 16;
    if (!merges)
        return ERROR_FAILED;
    while (size < 2 * merges->count)
        size *= 2;
    b->rules = xmalloc(size * sizeof *b->rules);
    b->mask = size - 1;
    for (size_t i = 0; i < size; i++)
        b->rules[i].left = -1;
    const unsigned char *at = merges->data;
    for (uint64_t i = 0; i < merges->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        add_rule(b, v, text, length, (int32_t)i);
    }
    return 0;
}

static int open_named(struct bpe *b, struct gguf *g, const char *path, const char *pre, struct error *e)
{
    const char *name = pre ? pre : gguf_text(g, "tokenizer.ggml.pre");
    const struct pretokenizer_traits *traits = pretokenizer_named(name ? name : "default");
    if (!traits)
        return pretokenizer_unknown(pre ? "--pre" : path, name, pre ? ERROR_USAGE : ERROR_FAILED, e);
    b->whole_words = traits->whole_words;
    b->adds_bos = traits->adds_bos;
    b->no_bos = traits->no_bos;
    return pretokenizer_open(&b->pre, traits, e);
}

/* The patterns of a folder's tokenizer.json (hf_vocab.h). */
static int open_patterns(struct bpe *b, const struct gguf *g, const struct gguf_value *split, const char *path,
                         struct error *e)
{
    const unsigned char *at = split->data;
    const char **patterns = xcalloc(split->count + 1, sizeof *patterns);
    int64_t whole = 0;
    for (uint64_t i = 0; i < split->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        patterns[i] = arena_strndup(&b->arena, text, length);
    }
    gguf_integer(g, HF_VOCAB_PRIVATE "whole_words", &whole);
    b->whole_words = whole != 0;
    b->not_added = true;
    int rc = pretokenizer_open_patterns(&b->pre, patterns, (int)split->count, e);
    free(patterns);
    return rc ? error_context(e, "%s", path) : 0;
}

static int choose_pretokenizer(struct bpe *b, struct gguf *g, const char *path, const char *pre, struct error *e)
{
    static const char key[] = HF_VOCAB_PRIVATE "split";
    if (pre || !gguf_find(g, key))
        return open_named(b, g, path, pre, e);
    const struct gguf_value *split = vocab_strings(g, key, path, e);
    return split ? open_patterns(b, g, split, path, e) : ERROR_FAILED;
}

static int bpe_open(void **state, struct vocab *v, struct gguf *g, const char *path, const char *pre, struct error *e)
{
    enum { DEFAULT_SPECIAL = 11 }; /* llama.cpp's, from when Falcon was the only such model */
    struct bpe *b = *state = xcalloc(1, sizeof *b);
    struct vocab_defaults d = {DEFAULT_SPECIAL, DEFAULT_SPECIAL, -1, false, false, false};
    int rc = choose_pretokenizer(b, g, path, pre, e);
    if (rc)
        return rc;
    d.adds_bos = b->adds_bos;
    if (b->no_bos)
        d.bos = -1;
    if ((rc = vocab_read(v, g, path, &d, e)))
        return rc;
    strmap_init(&b->other, 0);
    make_letters(b, v);
    set_pieces(b, v);
    return read_rules(b, v, g, path, e);
}

static void bpe_free(void *state)
{
    struct bpe *b = state;
    pretokenizer_free(b->pre);
    strmap_done(&b->other);
    arena_done(&b->arena);
    free(b->rules);
    free(b);
}

/* --------------------------------------------------------------- encoding */

struct encoding { /* one call's state */
    const struct bpe *b;
    const struct vocab *v;
    struct merge merge;
    struct str spelled;
    struct tokens *out;
};

static bool look_up(const void *user, const struct merge_symbol *left, const struct merge_symbol *right, float *cost,
                    int32_t *id)
{
    const struct bpe *b = user;
    if (left->id < 0 || right->id < 0)
        return false;
    const struct rule *r = find_rule(b, left->id, right->id);
    *cost = (float)r->rank; /* exact: a vocabulary has far fewer than 2^24 merges */
    *id = r->joined;
    return r->left >= 0;
}

/* The whole word as one token, or -1. */
static int32_t whole_word(struct encoding *c, const char *text, size_t length)
{
    if (length > c->v->longest)
        return -1;
    c->spelled.length = 0;
    for (size_t i = 0; i < length; i++) {
        const struct letter *l = &c->b->letters[(unsigned char)text[i]];
        str_add_bytes(&c->spelled, l->text, l->length);
    }
    int32_t id = vocab_find(c->v, c->spelled.data, c->spelled.length);
    bool added = id >= 0 && c->v->tokens[id].kind & (TOKEN_CONTROL | TOKEN_USER);
    return added && c->b->not_added ? -1 : id;
}

/* A symbol that is no token: its ASCII letters that are tokens remain, the rest is lost, as in llama.cpp. A
 * vocabulary with all 256 bytes never comes here. */
static void add_letters(struct encoding *c, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const struct letter *l = &c->b->letters[(unsigned char)text[i]];
        if (l->length == 1 && l->symbol >= 0)
            tokens_add(c->out, l->symbol);
    }
}

static void encode_word(void *user, const char *text, size_t length)
{
    struct encoding *c = user;
    int32_t whole = c->b->whole_words ? whole_word(c, text, length) : -1;
    if (whole >= 0) {
        tokens_add(c->out, whole);
        return;
    }
    merge_start(&c->merge);
    for (size_t i = 0; i < length; i++)
        merge_add(&c->merge, i, 1, c->b->letters[(unsigned char)text[i]].symbol);
    merge_run(&c->merge, look_up, c->b);
    for (size_t i = 0; i < c->merge.count; i++) {
        const struct merge_symbol *s = &c->merge.symbols[i];
        if (s->length && s->id >= 0 && s->id < c->v->count)
            tokens_add(c->out, s->id);
        else
            add_letters(c, text + s->start, s->length);
    }
}

static void bpe_encode(const void *state, const struct vocab *v, const char *text, size_t length, bool first,
                       struct tokens *out)
{
    struct encoding c = {.b = state, .v = v, .out = out};
    struct str clean = {0};
    (void)first;
    utf8_clean(&clean, text, length);
    pretokenizer_split(c.b->pre, clean.data ? clean.data : "", clean.length, encode_word, &c);
    str_done(&clean);
    str_done(&c.spelled);
    merge_done(&c.merge);
}

const struct text_model text_model_bpe = {"gpt2", bpe_open, bpe_free, bpe_encode};
