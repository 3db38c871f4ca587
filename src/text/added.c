#include "text/added.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "text/utf8.h"

/* ----------------------------------------------------------------- building */

void added_put(struct added *a, const struct added_token *token)
{
    if (token->length > 0)
        array_push(a->tokens, a->count, a->capacity) = *token;
}

static int longest_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

static void list_lengths(struct added *a)
{
    int kept = 0;
    for (int i = 0; i < a->count; i++)
        array_push(a->lengths, a->length_count, a->length_capacity) = (uint32_t)a->tokens[i].length;
    if (a->length_count)
        qsort(a->lengths, a->length_count, sizeof *a->lengths, longest_first);
    for (int i = 0; i < a->length_count; i++)
        if (kept == 0 || a->lengths[i] != a->lengths[kept - 1])
            a->lengths[kept++] = a->lengths[i];
    a->length_count = kept;
}

void added_prepare(struct added *a)
{
    strmap_init(&a->by_text, a->count);
    for (int i = 0; i < a->count; i++) {
        strmap_add(&a->by_text, a->tokens[i].text, a->tokens[i].length, i);
        a->starts[(unsigned char)a->tokens[i].text[0]] = true;
    }
    list_lengths(a);
}

void added_done(struct added *a)
{
    free(a->tokens);
    free(a->lengths);
    strmap_done(&a->by_text);
    *a = (struct added){0};
}

/* ------------------------------------------------------------------ finding */

/* The longest token that stands at `text`, or NULL. */
static const struct added_token *token_at(const struct added *a, const char *text, size_t length)
{
    for (int i = 0; a->starts[(unsigned char)*text] && i < a->length_count; i++) {
        int32_t found = a->lengths[i] <= length ? strmap_get(&a->by_text, text, a->lengths[i]) : -1;
        if (found >= 0)
            return &a->tokens[found];
    }
    return NULL;
}

/* Letters, marks, digits, connectors and joiners: what a regular expression calls \w. */
static bool is_word(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC || c == 0x200C ||
           c == 0x200D;
}

static size_t char_before(const char *text, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static bool stands_alone(const char *text, size_t length, size_t from, size_t to)
{
    size_t before = from > 0 ? char_before(text, from) : 0, behind = to;
    if (from > 0 && is_word(utf8_next(text, length, &before)))
        return false;
    return to == length || !is_word(utf8_next(text, length, &behind));
}

/* Where the white space before `at` begins, but not before `least`. */
static size_t space_before(const char *text, size_t length, size_t at, size_t least)
{
    while (at > least) {
        size_t start = char_before(text, at), next = start;
        if (start < least || !utf8_is_space(utf8_next(text, length, &next)))
            break;
        at = start;
    }
    return at;
}

static size_t space_behind(const char *text, size_t length, size_t at)
{
    while (at < length) {
        size_t next = at;
        if (!utf8_is_space(utf8_next(text, length, &next)))
            break;
        at = next;
    }
    return at;
}

void added_cut(const struct added *a, const char *text, size_t length, bool special,
               void (*part)(void *user, const char *text, size_t length, const struct added_token *token), void *user)
{
    size_t done = 0, at = 0;
    while (at < length) {
        const struct added_token *t = token_at(a, text + at, length - at);
        size_t from = at, to = t ? at + t->length : 0;
        if (!t) {
            at++;
            continue;
        }
        at = to; /* one that does not count is passed over as a whole, too */
        if ((t->special && !special) || (t->whole_word && !stands_alone(text, length, from, to)))
            continue;
        if (t->takes_space_before)
            from = space_before(text, length, from, done);
        if (t->takes_space_behind)
            at = to = space_behind(text, length, to);
        if (from > done)
            part(user, text + done, from - done, NULL);
        part(user, text + from, to - from, t);
        done = to;
    }
    if (length > done)
        part(user, text + done, length - done, NULL);
}
