#include "run/attempts.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "run/figures.h"

enum { LIST_LIMIT = 16 << 20 };

static const char *const list_name = "attempts.jsonl";

static const struct { const char *key; size_t at; } texts[] = {
    {"level", offsetof(struct attempt, level)},         {"method", offsetof(struct attempt, method)},
    {"calibration", offsetof(struct attempt, calibration)}, {"why", offsetof(struct attempt, why)},
    {"verdict", offsetof(struct attempt, verdict)},     {"incoherent", offsetof(struct attempt, incoherent)},
}, reals[] = {
    {"loss", offsetof(struct attempt, loss)},           {"kld_mean", offsetof(struct attempt, kld_mean)},
    {"same_top", offsetof(struct attempt, same_top)},   {"bytes", offsetof(struct attempt, bytes)},
};

static const char **text_at(const struct attempt *x, size_t at)
{
    return (const char **)((char *)x + at);
}

static double *real_at(const struct attempt *x, size_t at)
{
    return (double *)((char *)x + at);
}

static const char *keep(struct attempts *a, const char *text)
{
    return text ? arena_strdup(&a->arena, text) : NULL;
}

void attempts_add(struct attempts *a, const struct attempt *x)
{
    struct attempt *own = &array_push(a->items, a->count, a->capacity);
    *own = *x;
    own->run = keep(a, x->run);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        *text_at(own, texts[i].at) = keep(a, *text_at(x, texts[i].at));
}

void attempts_done(struct attempts *a)
{
    free(a->items);
    arena_done(&a->arena);
    *a = (struct attempts){0};
}

/* -------------------------------------------------------------------- reading */

static void take_line(struct attempts *a, const json_t *j, const char *folder)
{
    const char *run = json_string_value(json_object_get(j, "run"));
    char *path = path_join(folder, run ? run : ""), *tidy = path_relative(".", path);
    struct attempt x = {.number = (int)json_integer_value(json_object_get(j, "number")),
                        .samples = (int)json_integer_value(json_object_get(j, "samples")),
                        .run = folder[0] == '/' ? path : tidy};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        *text_at(&x, texts[i].at) = json_string_value(json_object_get(j, texts[i].key));
    for (size_t i = 0; i < ARRAY_LENGTH(reals); i++)
        *real_at(&x, reals[i].at) = figure_number(j, reals[i].key);
    attempts_add(a, &x);
    free(path);
    free(tidy);
}

static int take_lines(struct attempts *a, char *text, const char *folder, const char *path, struct error *e)
{
    char *rest = text, *line;
    for (int number = 1; (line = strsep(&rest, "\n")); number++) {
        json_t *j = *line ? json_loads(line, 0, NULL) : NULL;
        bool whole = json_is_string(json_object_get(j, "run")) && json_is_string(json_object_get(j, "level"));
        if (whole)
            take_line(a, j, folder);
        json_decref(j);
        if (*line && !whole)
            return error_set(e, ERROR_FAILED, "%s:%d: expected an object of JSON with 'run' and 'level': remove the line",
                             path, number);
    }
    return 0;
}

int attempts_read(struct attempts *a, const char *folder, struct error *e)
{
    char *path = path_join(folder, list_name), *text;
    int rc = 0;
    *a = (struct attempts){0};
    if (file_exists(path) && !(rc = file_read(path, LIST_LIMIT, &text, NULL, e))) {
        rc = take_lines(a, text, folder, path, e);
        free(text);
    }
    free(path);
    return rc;
}

int attempts_read_until(struct attempts *a, const char *folder, struct error *e)
{
    int rc = attempts_read(a, folder, e);
    for (int i = 0; !rc && i < a->count; i++)
        if (file_same(a->items[i].run, folder))
            a->count = i + 1;
    return rc;
}

char *attempts_last(const char *folder)
{
    struct attempts list;
    struct error ignored;
    attempts_read(&list, folder, &ignored);
    char *last = xstrdup(list.count ? list.items[list.count - 1].run : folder);
    attempts_done(&list);
    return last;
}

/* -------------------------------------------------------------------- writing */

json_t *attempt_json(const struct attempt *x, const char *folder)
{
    json_t *j = json_object();
    char *run = path_relative(folder, x->run);
    json_object_set_new(j, "number", json_integer(x->number));
    json_object_set_new(j, "run", json_text(run));
    json_object_set_new(j, "samples", json_integer(x->samples));
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        json_object_set_new(j, texts[i].key, json_text(*text_at(x, texts[i].at)));
    for (size_t i = 0; i < ARRAY_LENGTH(reals); i++)
        json_object_set_new(j, reals[i].key, json_value(*real_at(x, reals[i].at)));
    free(run);
    return j;
}

static void put_line(struct str *out, const struct attempt *x, const char *folder)
{
    json_t *j = attempt_json(x, folder);
    char *line = json_dumps(j, JSON_COMPACT);
    str_addf(out, "%s\n", line);
    free(line);
    json_decref(j);
}

static int write_list(const struct attempts *a, const char *folder, struct error *e)
{
    struct str out = {0};
    char *path = path_join(folder, list_name);
    for (int i = 0; i < a->count; i++)
        put_line(&out, &a->items[i], folder);
    int rc = file_write(path, out.data, out.length, e);
    str_done(&out);
    free(path);
    return rc;
}

int attempts_write(const struct attempts *a, const char *folder, struct error *e)
{
    const char *first = a->items[0].run;
    int rc = write_list(a, folder, e);
    return rc || !file_exists(first) || file_same(first, folder) ? rc : write_list(a, first, e);
}
