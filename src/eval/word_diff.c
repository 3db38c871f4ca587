/* The longest common subsequence of words, by the usual table: R. A. Wagner, M. J. Fischer (1974), The string-to-string
 * correction problem. Answers have tens of words, so its size does not matter. */
#include "eval/word_diff.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { WORDS = 512 };

struct word { const char *at; size_t length; };
struct words { struct word list[WORDS]; int count; };

static void split(struct words *w, const char *text)
{
    w->count = 0;
    while (*text && w->count < WORDS) {
        while (isspace((unsigned char)*text))
            text++;
        size_t n = 0;
        while (text[n] && !isspace((unsigned char)text[n]))
            n++;
        if (n)
            w->list[w->count++] = (struct word){text, n};
        text += n;
    }
}

static bool same(const struct word *a, const struct word *b)
{
    return a->length == b->length && memcmp(a->at, b->at, a->length) == 0;
}

/* common[i][k]: the longest common subsequence of a from i on and b from k on. */
typedef unsigned short row[WORDS + 1];

static row *table_of(const struct words *a, const struct words *b)
{
    row *common = xcalloc(a->count + 1, sizeof *common);
    for (int i = a->count; i-- > 0;)
        for (int k = b->count; k-- > 0;)
            common[i][k] = same(&a->list[i], &b->list[k])          ? common[i + 1][k + 1] + 1
                           : common[i + 1][k] >= common[i][k + 1] ? common[i + 1][k]
                                                                  : common[i][k + 1];
    return common;
}

/* Neighbours of one kind share their marks. */
struct marker { struct str out; char kind; };

static void mark(struct marker *m, char kind, const struct word *w)
{
    if (m->kind != kind) {
        if (m->kind == '-')
            str_add(&m->out, "-]");
        else if (m->kind == '+')
            str_add(&m->out, "+}");
    }
    if (w && m->out.length)
        str_add_char(&m->out, ' ');
    if (w && m->kind != kind)
        str_add(&m->out, kind == '-' ? "[-" : kind == '+' ? "{+" : "");
    if (w)
        str_add_bytes(&m->out, w->at, w->length);
    m->kind = kind;
}

const char *word_diff(const char *a, const char *b, struct arena *arena)
{
    struct words *x = xmalloc(sizeof *x), *y = xmalloc(sizeof *y);
    struct marker m = {.kind = ' '};
    split(x, a);
    split(y, b);
    row *common = table_of(x, y);
    int i = 0, k = 0;
    while (i < x->count || k < y->count)
        if (i < x->count && k < y->count && same(&x->list[i], &y->list[k])) {
            mark(&m, ' ', &x->list[i++]);
            k++;
        } else if (k == y->count || (i < x->count && common[i + 1][k] >= common[i][k + 1])) {
            mark(&m, '-', &x->list[i++]);
        } else {
            mark(&m, '+', &y->list[k++]);
        }
    mark(&m, ' ', NULL);
    const char *text = arena_strdup(arena, m.out.data ? m.out.data : "");
    str_done(&m.out);
    free(common);
    free(x);
    free(y);
    return text;
}
