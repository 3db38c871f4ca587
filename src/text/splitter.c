#include "text/splitter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/hf_vocab.h"
#include "text/added.h"
#include "text/normalizer.h"
#include "text/utf8.h"

static const char BLANK[] = "\u2581";

struct splitter {
    struct normalizer *normalizer; /* NULL: none */
    struct added raw, normalized;  /* tokens that are looked for before and after normalizing */
    enum { BLANKS_STAY, BLANKS_FIRST, BLANKS_ALWAYS, BLANKS_NEVER } blanks; /* where U+2581 is put before a text */
    bool splits; /* words end before U+2581 */
    struct arena arena;
};

/* ------------------------------------------------------------------ opening */

/* Tokens that are looked for in normalized texts were normalized themselves. */
static void put_added(struct splitter *p, const char *text, size_t length, int32_t id, int flags)
{
    bool normalized = flags & HF_NORMALIZED;
    struct str s = {0};
    if (normalized && p->normalizer)
        normalizer_apply(p->normalizer, text, length, &s);
    else
        str_add_bytes(&s, text, length);
    const struct added_token token = {
        .text = arena_strndup(&p->arena, s.data ? s.data : "", s.length),
        .length = s.length,
        .id = id,
        .takes_space_before = flags & HF_LSTRIP,
        .takes_space_behind = flags & HF_RSTRIP,
        .whole_word = flags & HF_SINGLE_WORD,
        .special = flags & HF_SPECIAL,
    };
    added_put(normalized ? &p->normalized : &p->raw, &token);
    str_done(&s);
}

static int read_added(struct splitter *p, const struct gguf *g, struct vocab *v, const char *path, struct error *e)
{
    const struct gguf_value *texts = vocab_strings(g, HF_VOCAB_PRIVATE "added", path, e);
    const struct gguf_value *ids = gguf_find(g, HF_VOCAB_PRIVATE "added_ids");
    const struct gguf_value *flags = gguf_find(g, HF_VOCAB_PRIVATE "added_flags");
    if (!texts)
        return ERROR_FAILED;
    if (!ids || !flags || ids->count < texts->count || flags->count < texts->count)
        return error_set(e, ERROR_FAILED, "%s: %sadded_ids or added_flags is too short", path, HF_VOCAB_PRIVATE);
    const unsigned char *at = texts->data;
    for (uint64_t i = 0; i < texts->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        double id = gguf_item(ids, i), flag = gguf_item(flags, i);
        if (!(id >= 0 && id < v->count && flag >= 0 && flag <= HF_FLAGS)) /* nor not-a-number */
            continue;
        put_added(p, text, length, (int32_t)id, (int)flag);
        vocab_add_name(v, text, length, (int32_t)id); /* GGUF has blanks for U+2581 in it */
    }
    added_prepare(&p->raw);
    added_prepare(&p->normalized);
    return 0;
}

static void read_blanks(struct splitter *p, const struct gguf *g)
{
    static const char *const names[] = {
        [BLANKS_FIRST] = "first", [BLANKS_ALWAYS] = "always", [BLANKS_NEVER] = "never",
    };
    const struct gguf_value *value = gguf_find(g, HF_VOCAB_PRIVATE "metaspace");
    for (int i = BLANKS_FIRST; value && value->kind == GGUF_STRING && i <= BLANKS_NEVER; i++) {
        const unsigned char *at = value->data;
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        if (length == strlen(names[i]) && memcmp(text, names[i], length) == 0)
            p->blanks = i;
    }
}

int splitter_open(struct splitter **out, const struct gguf *g, struct vocab *v, const char *path, struct error *e)
{
    struct splitter *p;
    int64_t splits;
    int rc;
    *out = NULL;
    if (!gguf_find(g, HF_VOCAB_PRIVATE "added"))
        return 0;
    p = xcalloc(1, sizeof *p);
    read_blanks(p, g);
    if (gguf_integer(g, HF_VOCAB_PRIVATE "metaspace_splits", &splits))
        p->splits = splits != 0;
    if ((rc = normalizer_open(&p->normalizer, g, path, e)) || (rc = read_added(p, g, v, path, e))) {
        splitter_free(p);
        return rc;
    }
    v->prepared = true;
    *out = p;
    return 0;
}

void splitter_free(struct splitter *p)
{
    if (!p)
        return;
    normalizer_free(p->normalizer);
    added_done(&p->raw);
    added_done(&p->normalized);
    arena_done(&p->arena);
    free(p);
}

/* ------------------------------------------------------------------ cutting */

struct cutting {
    const struct splitter *p;
    const char *start; /* of the text */
    bool special, at_start;
    void (*part)(void *user, const char *text, size_t length, int32_t id);
    void *user;
};

/* SentencePiece's blanks: the part's own become U+2581, and one is put before where it does not begin with
 * one. */
static void put_blanks(const struct cutting *c, const char *text, size_t length, struct str *out)
{
    bool wanted = c->p->blanks == BLANKS_ALWAYS || (c->p->blanks == BLANKS_FIRST && c->at_start);
    bool blank = length >= strlen(BLANK) && memcmp(text, BLANK, strlen(BLANK)) == 0;
    bool there = blank || (length > 0 && *text == ' ');
    if (wanted && !there)
        str_add(out, BLANK);
    for (size_t i = 0; i < length; i++)
        str_add_bytes(out, text[i] == ' ' ? BLANK : text + i, text[i] == ' ' ? strlen(BLANK) : 1);
}

/* Each word with the U+2581 before it, where the rules say so; else the whole. */
static void give_words(const struct cutting *c, const char *text, size_t length)
{
    size_t start = 0;
    for (size_t at = 1; c->p->splits && at + strlen(BLANK) <= length; at++)
        if (memcmp(text + at, BLANK, strlen(BLANK)) == 0) {
            c->part(c->user, text + start, at - start, -1);
            start = at;
        }
    c->part(c->user, text + start, length - start, -1);
}

static void take_normalized(void *user, const char *text, size_t length, const struct added_token *token)
{
    struct cutting *c = user;
    if (token) {
        c->part(c->user, text, length, token->id);
    } else if (c->p->blanks != BLANKS_STAY) {
        struct str s = {0};
        put_blanks(c, text, length, &s);
        give_words(c, s.data, s.length);
        str_done(&s);
    } else {
        c->part(c->user, text, length, -1);
    }
    c->at_start = false;
}

static void take_raw(void *user, const char *text, size_t length, const struct added_token *token)
{
    struct cutting *c = user;
    struct str s = {0};
    c->at_start = text == c->start;
    if (token) {
        c->part(c->user, text, length, token->id);
        return;
    }
    if (c->p->normalizer)
        normalizer_apply(c->p->normalizer, text, length, &s);
    else
        str_add_bytes(&s, text, length);
    added_cut(&c->p->normalized, s.data ? s.data : "", s.length, c->special, take_normalized, c);
    str_done(&s);
}

void splitter_cut(const struct splitter *p, const char *text, size_t length, bool special,
               void (*part)(void *user, const char *text, size_t length, int32_t id), void *user)
{
    struct str clean = {0};
    utf8_clean(&clean, text, length);
    struct cutting c = {.p = p, .start = clean.data, .special = special, .part = part, .user = user};
    added_cut(&p->raw, clean.data ? clean.data : "", clean.length, special, take_raw, &c);
    str_done(&clean);
}
