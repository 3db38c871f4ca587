/* SentencePiece unigram ("t5"): of all ways to put a text together from tokens the one with the highest sum
 * of scores (https://arxiv.org/abs/1804.10959; found from left to right, as Viterbi does). A character that
 * is no token costs 10 more than the worst token, and a run of such characters is one unknown token.
 *
 * Before that the text is normalized: by the table of the vocabulary, and by its rules for blanks. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "text/charsmap.h"
#include "text/text_model.h"
#include "text/utf8.h"

static const char BLANK[] = "\u2581";
static const double UNKNOWN_PENALTY = 10;

struct node { /* of the trie of tokens */
    int32_t child, next; /* first child, next sibling; 0: none */
    int32_t id;          /* of the token that ends here, -1: none */
    unsigned char byte;
};

struct unigram {
    struct charsmap map;
    struct node *nodes;
    size_t count, capacity;
    int32_t first[256];  /* children of the root */
    double unknown_score;
    int32_t bytes[256];  /* tokens of the bytes */
    bool has_bytes;      /* all of them: then no character need be unknown */
    bool merges_blanks, blank_behind;
};

/* ---------------------------------------------------------------- opening */

static int32_t new_node(struct unigram *u, unsigned char byte, int32_t next)
{
    array_push(u->nodes, u->count, u->capacity) = (struct node){0, next, -1, byte};
    return (int32_t)u->count - 1;
}

static int32_t child(const struct unigram *u, int32_t node, unsigned char byte)
{
    int32_t at = u->nodes[node].child;
    while (at && u->nodes[at].byte != byte)
        at = u->nodes[at].next;
    return at;
}

static void insert(struct unigram *u, const char *text, size_t length, int32_t id)
{
    unsigned char byte = (unsigned char)text[0];
    int32_t node = u->first[byte] ? u->first[byte] : (u->first[byte] = new_node(u, byte, 0));
    for (size_t i = 1; i < length; i++) {
        int32_t next = child(u, node, (unsigned char)text[i]);
        if (!next) {
            next = new_node(u, (unsigned char)text[i], u->nodes[node].child);
            u->nodes[node].child = next;
        }
        node = next;
    }
    if (u->nodes[node].id < 0)
        u->nodes[node].id = id;
}

static void take_tokens(struct unigram *u, struct vocab *v)
{
    double worst = 0;
    new_node(u, 0, 0); /* number 0 stands for none */
    for (int32_t id = 0; id < v->count; id++) {
        const struct token *t = &v->tokens[id];
        if (!(t->kind & (TOKEN_NORMAL | TOKEN_USER | TOKEN_UNUSED)) || t->kind & (TOKEN_CONTROL | TOKEN_UNKNOWN))
            continue;
        insert(u, t->text, t->length, id);
        vocab_set_blanks(v, id);
        if (t->kind & TOKEN_NORMAL && t->score < worst)
            worst = t->score;
    }
    u->unknown_score = worst - UNKNOWN_PENALTY;
}

static void take_bytes(struct unigram *u, const struct vocab *v)
{
    u->has_bytes = true;
    for (int i = 0; i < 256; i++) {
        u->bytes[i] = vocab_byte(v, (unsigned char)i);
        u->has_bytes &= u->bytes[i] >= 0 && v->tokens[u->bytes[i]].kind & TOKEN_BYTE;
    }
}

static int read_map(struct unigram *u, const struct gguf *g, const char *path, struct error *e)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    const struct gguf_value *v = gguf_find(g, key);
    if (!v || v->count == 0)
        return 0;
    bool bytes = v->kind == GGUF_ARRAY && (v->item_kind == GGUF_U8 || v->item_kind == GGUF_I8);
    return bytes && charsmap_init(&u->map, v->data, v->count)
        ? 0 : error_set(e, ERROR_FAILED, "%s: metadata %s at offset %llu is no such table", path, key,
                        (unsigned long long)v->offset);
}

static int unigram_open(void **state, struct vocab *v, struct gguf *g, const char *path, const char *pre,
                        struct error *e)
{
    static const struct vocab_defaults d = {
        .bos = -1, .eos = 1, .unknown = 2, .adds_eos = true, .adds_space = true};
    struct unigram *u = *state = xcalloc(1, sizeof *u);
    int rc;
    if (pre)
        return error_set(e, ERROR_USAGE, "--pre %s: the vocabulary of %s is SentencePiece's, which has no "
                         "pre-tokenizer", pre, path);
    if ((rc = vocab_read(v, g, path, &d, e)) || (rc = read_map(u, g, path, e)))
        return rc;
    u->merges_blanks = vocab_flag(g, "tokenizer.ggml.remove_extra_whitespaces", false);
    u->blank_behind = vocab_flag(g, "tokenizer.ggml.treat_whitespace_as_suffix", false);
    take_tokens(u, v);
    take_bytes(u, v);
    return 0;
}

static void unigram_free(void *state)
{
    struct unigram *u = state;
    free(u->nodes);
    free(u);
}

/* -------------------------------------------------------------- normalizing */

/* What the text at *at becomes; moves *at past it. `own`: room for a character. */
static const char *next_normal(const struct unigram *u, const char *text, size_t length, size_t *at, char own[4],
                               size_t *bytes)
{
    size_t used;
    const char *by = charsmap_longest(&u->map, text + *at, length - *at, &used);
    if (by) {
        *at += used;
        *bytes = strlen(by);
        return by;
    }
    *bytes = (size_t)utf8_put(own, utf8_next(text, length, at));
    return own;
}

/* Blanks become U+2581; those before a word may be merged into one, and one may be put before the first
 * word. */
static void normalize(const struct unigram *u, const struct vocab *v, const char *text, size_t length,
                      struct str *out)
{
    bool before = v->adds_space && !u->blank_behind, in_word = false;
    char own[4];
    for (size_t at = 0, n; at < length;) {
        const char *part = next_normal(u, text, length, &at, own, &n);
        for (size_t i = 0; i < n; i++) {
            if (part[i] == ' ') {
                in_word = false;
                str_add(out, u->merges_blanks ? "" : BLANK);
                continue;
            }
            if (!in_word && (before || u->merges_blanks))
                str_add(out, BLANK);
            before = before && in_word;
            in_word = true;
            str_add_char(out, part[i]);
        }
    }
    if (v->adds_space && u->blank_behind)
        str_add(out, BLANK);
}

/* ---------------------------------------------------------------- searching */

struct best { /* way to put together the text up to here */
    double score;
    size_t start; /* of its last token */
    int32_t id;
};

static void offer(struct best *b, double score, size_t start, int32_t id)
{
    if (score > b->score)
        *b = (struct best){score, start, id};
}

static double score_of(const struct vocab *v, int32_t id)
{
    return v->tokens[id].kind & TOKEN_USER ? 0 : v->tokens[id].score;
}

/* Offers each token that begins at `at`, and an unknown one where no token is this character. */
static size_t search_at(const struct unigram *u, const struct vocab *v, const char *text, size_t length, size_t at,
                        struct best *best)
{
    size_t character = (size_t)utf8_announced((unsigned char)text[at]);
    bool known = false;
    character = character < length - at ? character : length - at;
    int32_t node = u->first[(unsigned char)text[at]];
    for (size_t end = at + 1; node; end++) {
        int32_t id = u->nodes[node].id;
        if (id >= 0)
            offer(&best[end], best[at].score + score_of(v, id), at, id);
        known |= id >= 0 && end == at + character;
        node = end < length ? child(u, node, (unsigned char)text[end]) : 0;
    }
    if (!known)
        offer(&best[at + character], best[at].score + u->unknown_score, at, v->unknown);
    return at + character;
}

static void add_bytes_backwards(const struct unigram *u, const char *text, size_t from, size_t to,
                                struct tokens *out)
{
    while (to > from)
        tokens_add(out, u->bytes[(unsigned char)text[--to]]);
}

/* The last first. What is unknown is one token, or spelled in bytes as the tokenizers library does it
 * (llama.cpp does not). */
static void add_backwards(const struct unigram *u, const struct vocab *v, const char *text, const struct best *best,
                          size_t length, struct tokens *out)
{
    bool spells = u->has_bytes && v->prepared, unknown = false;
    for (size_t at = length; at > 0; at = best[at].start) {
        const struct best *b = &best[at];
        bool again = unknown && b->id == v->unknown;
        unknown = b->id == v->unknown;
        if (unknown && spells)
            add_bytes_backwards(u, text, b->start, at, out);
        else if (b->id >= 0 && !again)
            tokens_add(out, b->id);
    }
}

static void reverse(struct tokens *out, size_t first)
{
    for (size_t i = first, j = out->count; i + 1 < j; i++) {
        int32_t swap = out->ids[i];
        out->ids[i] = out->ids[--j];
        out->ids[j] = swap;
    }
}

static void search(const struct unigram *u, const struct vocab *v, const char *text, size_t length,
                   struct tokens *out)
{
    struct best *best = xmalloc((length + 1) * sizeof *best);
    for (size_t i = 0; i <= length; i++)
        best[i] = (struct best){i ? -DBL_MAX : 0, 0, -1};
    for (size_t at = 0; at < length;)
        at = search_at(u, v, text, length, at, best);
    size_t first = out->count;
    add_backwards(u, v, text, best, length, out);
    reverse(out, first);
    free(best);
}

static void unigram_encode(const void *state, const struct vocab *v, const char *text, size_t length, bool first,
                           struct tokens *out)
{
    struct str s = {0};
    (void)first; /* a blank goes before every part */
    if (v->prepared)
        str_add_bytes(&s, text, length);
    else
        normalize(state, v, text, length, &s);
    if (s.length)
        search(state, v, s.data, s.length, out);
    str_done(&s);
}

const struct text_model text_model_unigram = {"t5", unigram_open, unigram_free, unigram_encode};
