#include "text/tokenizer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat_template.h"
#include "text/splitter.h"
#include "text/text_model.h"
#include "text/vocab.h"

static const struct text_model *const text_models[] = {&text_model_bpe, &text_model_spm, &text_model_unigram};

struct tokenizer {
    const struct text_model *kind;
    void *state;
    struct vocab vocab;
    struct splitter *splitter;   /* tokenizer.json's; NULL: those of GGUF below */
    int32_t *special;      /* tokens that are looked for in the text before all else, longest first */
    int special_count, special_capacity;
    bool starts[256];      /* bytes that one of them begins with */
    struct chat_template chat; /* of no form where there is none */
};

/* ---------------------------------------------------------------- opening */

static const struct text_model *choose_kind(struct gguf *g, const char *path, struct error *e)
{
    const char *name = gguf_text(g, "tokenizer.ggml.model");
    for (size_t i = 0; name && i < ARRAY_LENGTH(text_models); i++)
        if (strcmp(text_models[i]->name, name) == 0)
            return text_models[i];
    if (name)
        error_set(e, ERROR_FAILED, "%s: its tokenizer is of the kind '%s' (tokenizer.ggml.model), which is not "
                  "known here; known are gpt2 (byte-level BPE), llama (SentencePiece BPE) and t5 (SentencePiece "
                  "unigram)", path, name);
    else
        error_set(e, ERROR_FAILED, "%s: the metadata has no tokenizer.ggml.model, so its text cannot be split "
                  "into tokens (was the file made without a vocabulary?)", path);
    return NULL;
}

static int by_length(const void *a, const void *b, void *user)
{
    const struct vocab *v = user;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    uint32_t m = v->tokens[x].length, n = v->tokens[y].length;
    return m != n ? (m < n ? 1 : -1) : (x > y) - (x < y);
}

static void list_special(struct tokenizer *t)
{
    for (int32_t id = 0; id < t->vocab.count; id++)
        if (t->vocab.tokens[id].kind & (TOKEN_CONTROL | TOKEN_USER | TOKEN_UNKNOWN)) {
            array_push(t->special, t->special_count, t->special_capacity) = id;
            t->starts[(unsigned char)t->vocab.tokens[id].text[0]] = true;
        }
    if (t->special_count)
        qsort_r(t->special, t->special_count, sizeof *t->special, by_length, &t->vocab);
}

static const char *text_of(struct vocab *v, int32_t id)
{
    return id >= 0 ? arena_strndup(&v->arena, v->tokens[id].text, v->tokens[id].length) : "";
}

static void read_chat(struct tokenizer *t, struct gguf *g)
{
    const char *program = gguf_text(g, "tokenizer.chat_template");
    if (program)
        chat_template_read(&t->chat, program, text_of(&t->vocab, t->vocab.bos), text_of(&t->vocab, t->vocab.eos));
}

int tokenizer_open(struct tokenizer **out, const struct model *m, const char *pre, struct error *e)
{
    struct tokenizer *t = xcalloc(1, sizeof *t);
    struct gguf *g = &m->shards[0];
    int rc = ERROR_FAILED;
    *out = NULL;
    t->kind = choose_kind(g, m->path, e);
    if (t->kind)
        rc = t->kind->open(&t->state, &t->vocab, g, m->path, pre, e);
    if (!rc)
        rc = splitter_open(&t->splitter, g, &t->vocab, m->path, e);
    if (rc) {
        tokenizer_free(t);
        return rc;
    }
    list_special(t);
    read_chat(t, g);
    *out = t;
    return 0;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    if (t->state)
        t->kind->free(t->state);
    vocab_done(&t->vocab);
    chat_template_done(&t->chat);
    splitter_free(t->splitter);
    free(t->special);
    free(t);
}

/* ------------------------------------------- special tokens in the text
 *
 * Longer special tokens go before shorter ones wherever they stand, and of one token the first occurrence goes before
 * the next that it overlaps. What lies between is plain text. */

enum { PLAIN = -1, INSIDE = -2, DROPPED = -3 }; /* of a byte, where it does not begin a special token */

struct match { int rank; size_t at; };

struct matches {
    struct match *items;
    size_t count, capacity;
};

/* Control tokens only count where the caller wants them parsed; a user's own tokens always do. */
static bool wanted(const struct token *token, int flags)
{
    return flags & TOKENIZE_SPECIAL || !(token->kind & (TOKEN_CONTROL | TOKEN_UNKNOWN));
}

static void find_matches(const struct tokenizer *t, const char *text, size_t length, int flags, struct matches *found)
{
    for (size_t at = 0; at < length; at++) {
        if (!t->starts[(unsigned char)text[at]])
            continue;
        for (int rank = 0; rank < t->special_count; rank++) {
            const struct token *token = &t->vocab.tokens[t->special[rank]];
            if (token->text[0] == text[at] && token->length <= length - at && wanted(token, flags) &&
                memcmp(text + at, token->text, token->length) == 0)
                array_push(found->items, found->count, found->capacity) = (struct match){rank, at};
        }
    }
}

static int by_rank(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    return x->rank != y->rank ? x->rank - y->rank : (x->at > y->at) - (x->at < y->at);
}

static void drop_space(const struct token *token, const char *text, size_t length, size_t at, int32_t *owner)
{
    size_t i;
    for (i = at; token->kind & TOKEN_LSTRIP && i > 0 && owner[i - 1] == PLAIN &&
         isspace((unsigned char)text[i - 1]); i--)
        owner[i - 1] = DROPPED;
    for (i = at + token->length; token->kind & TOKEN_RSTRIP && i < length && owner[i] == PLAIN &&
         isspace((unsigned char)text[i]); i++)
        owner[i] = DROPPED;
}

/* owner[i]: the special token that begins at byte i, or one of the values above. */
static void assign(const struct tokenizer *t, const char *text, size_t length, const struct matches *found,
                   int32_t *owner)
{
    for (size_t i = 0; i < length; i++)
        owner[i] = PLAIN;
    for (size_t k = 0; k < found->count; k++) {
        int32_t id = t->special[found->items[k].rank];
        const struct token *token = &t->vocab.tokens[id];
        size_t at = found->items[k].at, n = 0;
        while (n < token->length && owner[at + n] == PLAIN)
            n++;
        if (n < token->length)
            continue;
        for (n = 0; n < token->length; n++)
            owner[at + n] = n ? INSIDE : id;
        drop_space(token, text, length, at, owner);
    }
}

static void encode_parts(const struct tokenizer *t, const char *text, size_t length, const int32_t *owner,
                         struct tokens *out)
{
    bool first = true;
    for (size_t at = 0, end; at < length; at = end) {
        for (end = at + 1; end < length && owner[end] == PLAIN && owner[at] == PLAIN;)
            end++;
        if (owner[at] == PLAIN)
            t->kind->encode(t->state, &t->vocab, text + at, end - at, first, out);
        else if (owner[at] >= 0)
            tokens_add(out, owner[at]);
        if (owner[at] == PLAIN || owner[at] >= 0)
            first = owner[at] != PLAIN;
    }
}

static void encode_text(const struct tokenizer *t, const char *text, size_t length, int flags, struct tokens *out)
{
    struct matches found = {0};
    find_matches(t, text, length, flags, &found);
    if (found.count > 0) {
        int32_t *owner = xmalloc(length * sizeof *owner);
        qsort(found.items, found.count, sizeof *found.items, by_rank);
        assign(t, text, length, &found, owner);
        encode_parts(t, text, length, owner, out);
        free(owner);
    } else if (length > 0) {
        t->kind->encode(t->state, &t->vocab, text, length, true, out);
    }
    free(found.items);
}

/* ------------------------------------------- the same, by tokenizer.json's rules */

struct by_splitter {
    const struct tokenizer *t;
    struct tokens *out;
};

static void take_part(void *user, const char *text, size_t length, int32_t id)
{
    struct by_splitter *b = user;
    if (id >= 0)
        tokens_add(b->out, id);
    else
        b->t->kind->encode(b->t->state, &b->t->vocab, text, length, false, b->out);
}

/* ------------------------------------------------------------------- use */

void tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, int flags, struct tokens *out)
{
    if (flags & TOKENIZE_BOS && t->vocab.adds_bos)
        tokens_add(out, t->vocab.bos);
    if (t->splitter)
        splitter_cut(t->splitter, text, length, flags & TOKENIZE_SPECIAL, take_part,
                     &(struct by_splitter){t, out});
    else
        encode_text(t, text, length, flags, out);
    if (flags & TOKENIZE_BOS && t->vocab.adds_eos)
        tokens_add(out, t->vocab.eos);
}

void tokens_add(struct tokens *t, int32_t id)
{
    array_push(t->ids, t->count, t->capacity) = id;
}

void tokens_done(struct tokens *t)
{
    free(t->ids);
    *t = (struct tokens){0};
}

const char *tokenizer_piece(const struct tokenizer *t, int32_t id, bool special, size_t *length)
{
    const struct token *token = id >= 0 && id < t->vocab.count ? &t->vocab.tokens[id] : NULL;
    bool hidden = !token || (!special && token->kind & (TOKEN_CONTROL | TOKEN_UNKNOWN));
    *length = hidden ? 0 : token->piece_length;
    return hidden ? "" : token->piece;
}

static bool same_token(const struct tokenizer *a, const struct tokenizer *b, int32_t id)
{
    size_t n, m;
    const char *x = tokenizer_piece(a, id, true, &n), *y = tokenizer_piece(b, id, true, &m);
    return n == m && memcmp(x, y, n) == 0;
}

int32_t tokenizer_difference(const struct tokenizer *a, const struct tokenizer *b)
{
    int n = tokenizer_vocab(a), m = tokenizer_vocab(b), both = n < m ? n : m;
    for (int32_t id = 0; id < both; id++)
        if (!same_token(a, b, id))
            return id;
    return n == m ? -1 : both;
}

int tokenizer_vocab(const struct tokenizer *t)
{
    return t->vocab.count;
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->vocab.bos;
}

const struct chat_template *tokenizer_chat(const struct tokenizer *t)
{
    return t->chat.form ? &t->chat : NULL;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
    return t->vocab.adds_bos;
}

bool tokenizer_ends(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.count && t->vocab.tokens[id].kind & TOKEN_ENDS;
}
