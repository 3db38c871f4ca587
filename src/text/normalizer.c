#include "text/normalizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "model/hf_vocab.h"
#include "text/charsmap.h"
#include "text/utf8.h"
#include "text/vocab.h"

/* A step appends its result to `out`. */
struct step {
    void (*apply)(const struct step *s, const char *text, size_t length, struct str *out);
    const char *a, *b; /* its two texts */
    size_t a_length, b_length;
    utf8proc_option_t form;
    const struct charsmap *map;
};

struct normalizer {
    struct step *steps;
    int count, capacity;
    struct charsmap map; /* SentencePiece's; empty: none */
    struct arena arena;
};

/* -------------------------------------------------------------------- steps */

/* The library knows the Unicode of 2016 (9.0). Later marks and later letters that have a decomposition are
 * to it like any other letter: they stay as they are, and nothing moves or joins across them. */
static const struct utf8_range later[] = {
    {0x7FD, 0x7FD}, {0x898, 0x89F}, {0x8CA, 0x8D3}, {0x9FE, 0x9FE}, {0xC3C, 0xC3C}, {0xD3B, 0xD3C},
    {0xEBA, 0xEBA}, {0x1715, 0x1715}, {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFA}, {0x32FF, 0x32FF},
    {0xA7F2, 0xA7F4}, {0xA82C, 0xA82C}, {0xAB69, 0xAB69}, {0x10781, 0x10785}, {0x10787, 0x107B0},
    {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1F16C, 0x1F16C},
    {0x1FBF0, 0x1FBF9},
};

static bool is_later(uint32_t c)
{
    return utf8_range_of(c, later, ARRAY_LENGTH(later), sizeof *later) != NULL;
}

/* What is no Unicode (surrogates) stays as it is, and all around it. */
static void form_piece(const struct step *s, const char *text, size_t length, struct str *out)
{
    utf8proc_uint8_t *formed = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &formed,
                                      UTF8PROC_STABLE | s->form);
    str_add_bytes(out, n >= 0 ? (const char *)formed : text, n >= 0 ? (size_t)n : length);
    free(formed);
}

static void to_form(const struct step *s, const char *text, size_t length, struct str *out)
{
    size_t done = 0;
    for (size_t at = 0, from = 0; at < length; from = at) {
        if (!is_later(utf8_next(text, length, &at)))
            continue;
        form_piece(s, text + done, from - done, out);
        str_add_bytes(out, text + from, at - from);
        done = at;
    }
    form_piece(s, text + done, length - done, out);
}

static void prepend(const struct step *s, const char *text, size_t length, struct str *out)
{
    if (length > 0)
        str_add_bytes(out, s->a, s->a_length);
    str_add_bytes(out, text, length);
}

static void replace(const struct step *s, const char *text, size_t length, struct str *out)
{
    const char *end = text + length, *found;
    while (text < end && (found = memmem(text, end - text, s->a, s->a_length))) {
        str_add_bytes(out, text, found - text);
        str_add_bytes(out, s->b, s->b_length);
        text = found + s->a_length;
    }
    str_add_bytes(out, text, end - text);
}

/* As the library applies SentencePiece's table: what the first bytes of a short cluster of characters
 * become is taken for the whole cluster, else each character goes by itself. */
static void map_cluster(const struct step *s, const char *text, size_t length, struct str *out)
{
    enum { SHORT = 6 };
    size_t used;
    const char *by = length < SHORT ? charsmap_shortest(s->map, text, length, &used) : NULL;
    if (by) {
        str_add(out, by);
        return;
    }
    for (size_t at = 0, from = 0; at < length; from = at) {
        utf8_next(text, length, &at);
        by = charsmap_shortest(s->map, text + from, at - from, &used);
        if (by)
            str_add(out, by);
        else
            str_add_bytes(out, text + from, at - from);
    }
}

static void map_characters(const struct step *s, const char *text, size_t length, struct str *out)
{
    utf8proc_int32_t state = 0, before = -1;
    size_t start = 0;
    for (size_t at = 0, from = 0; at < length; from = at) {
        utf8proc_int32_t c = (utf8proc_int32_t)utf8_next(text, length, &at);
        if (before >= 0 && utf8proc_grapheme_break_stateful(before, c, &state)) {
            map_cluster(s, text + start, from - start, out);
            start = from;
        }
        before = c;
    }
    if (length > start)
        map_cluster(s, text + start, length - start, out);
}

/* Two blanks or more become the text. */
static void squeeze(const struct step *s, const char *text, size_t length, struct str *out)
{
    for (size_t at = 0, n; at < length; at += n) {
        for (n = 0; at + n < length && text[at + n] == ' ';)
            n++;
        if (n > 1)
            str_add_bytes(out, s->a, s->a_length);
        else
            str_add_bytes(out, text + at, n = 1);
    }
}

/* The words with one blank between, whatever white space was there. */
static void join_words(const struct step *s, const char *text, size_t length, struct str *out)
{
    bool started = false, wanted = false;
    (void)s;
    for (size_t at = 0, from = 0; at < length; from = at) {
        if (utf8_is_space(utf8_next(text, length, &at))) {
            wanted = started;
            continue;
        }
        str_add(out, wanted ? " " : "");
        str_add_bytes(out, text + from, at - from);
        started = true;
        wanted = false;
    }
}

/* White space at the ends goes: `a` names them, "left", "right" or "both". */
static void strip(const struct step *s, const char *text, size_t length, struct str *out)
{
    size_t from = 0, to = length, at, next;
    for (at = 0; *s->a != 'r' && at < length && utf8_is_space(utf8_next(text, length, &at));)
        from = at;
    for (at = from, to = from; at < length; at = next) {
        next = at;
        if (!utf8_is_space(utf8_next(text, length, &next)) || *s->a == 'l')
            to = next;
    }
    str_add_bytes(out, text + from, to - from);
}

static const struct {
    const char *name;
    void (*apply)(const struct step *s, const char *text, size_t length, struct str *out);
    utf8proc_option_t form;
} known[] = { /* as hf_vocab_rules.c writes them */
    {"nfc", to_form, UTF8PROC_COMPOSE},
    {"nfd", to_form, UTF8PROC_DECOMPOSE},
    {"nfkc", to_form, UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
    {"nfkd", to_form, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
    {"prepend", prepend, 0},
    {"replace", replace, 0},
    {"charsmap", map_characters, 0},
    {"squeeze", squeeze, 0},
    {"words", join_words, 0},
    {"strip", strip, 0},
};

/* ------------------------------------------------------------------ opening */

static const char *next_text(struct normalizer *n, const unsigned char **at, size_t *length)
{
    uint64_t bytes;
    const char *text = gguf_next_string(at, &bytes);
    *length = bytes;
    return arena_strndup(&n->arena, text, bytes);
}

static int add_step(struct normalizer *n, const unsigned char **at, const char *path, struct error *e)
{
    size_t length, k = 0;
    struct step s = {0};
    const char *name = next_text(n, at, &length);
    s.a = next_text(n, at, &s.a_length);
    s.b = next_text(n, at, &s.b_length);
    while (k < ARRAY_LENGTH(known) && strcmp(known[k].name, name) != 0)
        k++;
    if (k == ARRAY_LENGTH(known) || (known[k].apply == replace && s.a_length == 0))
        return error_set(e, ERROR_FAILED, "%s: unknown step '%s' in %snormalizer", path, name, HF_VOCAB_PRIVATE);
    s.apply = known[k].apply;
    s.map = &n->map;
    s.form = known[k].form;
    array_push(n->steps, n->count, n->capacity) = s;
    return 0;
}

static void read_map(struct charsmap *m, const struct gguf *g)
{
    const struct gguf_value *v = gguf_find(g, HF_VOCAB_PRIVATE "charsmap");
    if (v && v->kind == GGUF_ARRAY && v->item_kind == GGUF_U8)
        charsmap_init(m, v->data, v->count);
}

int normalizer_open(struct normalizer **out, const struct gguf *g, const char *path, struct error *e)
{
    static const char key[] = HF_VOCAB_PRIVATE "normalizer";
    const struct gguf_value *texts = gguf_find(g, key) ? vocab_strings(g, key, path, e) : NULL;
    int rc = 0;
    *out = NULL;
    if (!texts)
        return gguf_find(g, key) ? ERROR_FAILED : 0;
    struct normalizer *n = xcalloc(1, sizeof *n);
    const unsigned char *at = texts->data;
    read_map(&n->map, g);
    for (uint64_t i = 0; !rc && i + 3 <= texts->count; i += 3)
        rc = add_step(n, &at, path, e);
    if (rc || n->count == 0) {
        normalizer_free(n);
        return rc;
    }
    *out = n;
    return 0;
}

void normalizer_free(struct normalizer *n)
{
    if (!n)
        return;
    free(n->steps);
    arena_done(&n->arena);
    free(n);
}

void normalizer_apply(const struct normalizer *n, const char *text, size_t length, struct str *out)
{
    struct str now = {0}, next = {0};
    str_add_bytes(&now, text, length);
    for (int i = 0; i < n->count; i++) {
        next.length = 0;
        n->steps[i].apply(&n->steps[i], now.data ? now.data : "", now.length, &next);
        struct str swap = now;
        now = next;
        next = swap;
    }
    str_add_bytes(out, now.data ? now.data : "", now.length);
    str_done(&now);
    str_done(&next);
}
