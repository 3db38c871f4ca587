#include "text/samples.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { FILE_LIMIT = 1 << 28 };

static void add(struct samples *s, char *owned)
{
    array_push(s->items, s->count, s->capacity) = owned;
}

/* All texts below a JSON value in their order, a line each. */
static void collect_texts(const json_t *value, struct str *out)
{
    const char *key;
    size_t i;
    json_t *item;
    if (json_is_string(value))
        str_addf(out, "%s%s", out->length ? "\n" : "", json_string_value(value));
    else if (json_is_object(value))
        json_object_foreach((json_t *)value, key, item)
            collect_texts(item, out);
    else if (json_is_array(value))
        json_array_foreach(value, i, item)
            collect_texts(item, out);
}

static int read_json_line(struct samples *s, const char *line, size_t length, const char *path, int number,
                          struct error *e)
{
    json_error_t why;
    struct str text = {0};
    json_t *value = json_loadb(line, length, JSON_DECODE_ANY, &why);
    if (!value)
        return error_set(e, ERROR_USAGE, "%s:%d: not JSON (%s); expected an object or a string on each line",
                         path, number, why.text);
    collect_texts(value, &text);
    json_decref(value);
    if (text.length)
        add(s, str_take(&text));
    str_done(&text);
    return 0;
}

static int read_json(struct samples *s, const char *text, const char *path, struct error *e)
{
    int rc = 0, number = 1;
    for (const char *p = text; *p && !rc; number++) {
        size_t n = strcspn(p, "\n");
        if (strspn(p, " \t\r") < n)
            rc = read_json_line(s, p, n, path, number, e);
        p += n + (p[n] == '\n');
    }
    return rc;
}

static bool is_blank_line(const char *p)
{
    p += strspn(p, " \t\r");
    return *p == '\n';
}

static void read_paragraphs(struct samples *s, const char *p)
{
    while (*p) {
        const char *begin = p += strspn(p, " \t\r\n");
        while (*p && !(*p == '\n' && (!p[1] || is_blank_line(p + 1))))
            p++;
        if (p > begin)
            add(s, xstrndup(begin, p - begin));
    }
}

static double share_of(const char *text, size_t length, const char *marks)
{
    size_t found = 0;
    for (size_t i = 0; i < length; i++)
        found += text[i] && strchr(marks, text[i]) != NULL;
    return length ? (double)found / (double)length : 0;
}

bool samples_are_json(const char *text)
{
    const char *first = text + strspn(text, " \t\r\n");
    return *first == '{' || *first == '"';
}

int samples_parse(struct samples *s, const char *text, const char *path, struct error *e)
{
    int rc = 0;
    *s = (struct samples){.json = samples_are_json(text)};
    if (s->json)
        rc = read_json(s, text, path, e);
    else
        read_paragraphs(s, text);
    for (int i = 0; i < s->count; i++)
        s->code_share += share_of(s->items[i], strlen(s->items[i]), "{}()[]<>=;_#/\\|&") / s->count;
    if (!rc && !s->count)
        rc = error_set(e, ERROR_USAGE, "%s: no text in it", path);
    return rc;
}

int samples_read(struct samples *s, const char *path, struct error *e)
{
    char *text;
    *s = (struct samples){0};
    if (file_read(path, FILE_LIMIT, &text, NULL, e))
        return e->code;
    int rc = samples_parse(s, text, path, e);
    free(text);
    return rc;
}

void samples_done(struct samples *s)
{
    for (int i = 0; i < s->count; i++)
        free(s->items[i]);
    free(s->items);
    free(s->tokens);
    *s = (struct samples){0};
}

void samples_count_tokens(struct samples *s, const struct tokenizer *t)
{
    struct tokens tokens = {0};
    s->tokens = xrealloc(s->tokens, (s->count + 1) * sizeof *s->tokens);
    for (int i = 0; i < s->count; i++) {
        tokens.count = 0;
        tokenizer_encode(t, s->items[i], strlen(s->items[i]), 0, &tokens);
        s->tokens[i] = (int)tokens.count;
    }
    tokens_done(&tokens);
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int samples_quantile(const struct samples *s, double share)
{
    if (!s->count || !s->tokens)
        return 0;
    int *sorted = xmalloc(s->count * sizeof *sorted);
    memcpy(sorted, s->tokens, s->count * sizeof *sorted);
    qsort(sorted, s->count, sizeof *sorted, by_value);
    int value = sorted[(int)(share * (s->count - 1) + 0.5)];
    free(sorted);
    return value;
}
