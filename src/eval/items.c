#include "eval/items.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "eval/eval_priv.h"
#include "eval/item_layouts.h"

/* ----------------------------------------------------------------- reading */

static int bad_line(struct error *e, const char *path, int line, const char *what, const char *keys)
{
    return error_set(e, ERROR_USAGE, "%s:%d: expected %s in an object of %s", path, line, what, keys);
}

static int read_object(struct items *list, const json_t *j, const char *path, int line, struct error *e)
{
    const struct item_kind *kind = item_kind_of(j);
    if (!kind)
        return bad_line(e, path, line, "a question with its choices and the right answer", ITEM_SIMPLEST);
    if (list->layout && list->layout != &kind->layout)
        return error_set(e, ERROR_USAGE, "%s:%d: this is a line of %s, the first is one of %s: put them into files of"
                         " their own", path, line, kind->layout.name, list->layout->name);
    list->layout = &kind->layout;
    struct item *item = &array_push(list->items, list->count, list->capacity);
    *item = (struct item){0};
    struct item_reading r = {.arena = &list->arena, .item = item, .json = j};
    return kind->read(&r) ? 0 : bad_line(e, path, line, r.expected, list->layout->keys);
}

static int read_line(struct items *list, const char *text, const char *path, int line, struct error *e)
{
    json_error_t why;
    json_t *j = json_loads(text, 0, &why);
    if (!j)
        return error_set(e, ERROR_USAGE, "%s:%d: not JSON at character %d: %s", path, line, why.column, why.text);
    int rc = read_object(list, j, path, line, e);
    json_decref(j);
    return rc;
}

static bool is_empty(const char *line)
{
    return line[strspn(line, " \t\r")] == 0;
}

int items_read(struct items *list, const char *path, struct error *e)
{
    char *text, *rest, *line;
    const char *name = path_name(path), *dot = strrchr(name, '.');
    *list = (struct items){0};
    list->name = dot && dot > name ? arena_strndup(&list->arena, name, dot - name) : arena_strdup(&list->arena, name);
    int rc = file_read(path, EVAL_FILE_LIMIT, &text, NULL, e), number = 0;
    if (rc)
        return error_context(e, "tasks");
    for (rest = text; !rc && (line = strsep(&rest, "\n"));) {
        number++;
        if (!is_empty(line))
            rc = read_line(list, line, path, number, e);
    }
    free(text);
    if (!rc && list->count == 0)
        rc = error_set(e, ERROR_USAGE, "%s: no tasks in it: expected JSON lines with " ITEM_SIMPLEST, path);
    return rc;
}

void items_done(struct items *list)
{
    free(list->items);
    arena_done(&list->arena);
    *list = (struct items){0};
}

static int is_task_file(const struct dirent *d)
{
    return d->d_name[0] != '.' && str_ends(d->d_name, ".jsonl");
}

int items_files(const char *path, char ***files, int *count, struct error *e)
{
    struct dirent **names = NULL;
    bool folder = file_is_folder(path);
    int n = folder ? scandir(path, &names, is_task_file, alphasort) : 1;
    *count = n > 0 ? n : 0;
    *files = xcalloc(*count + 1, sizeof **files);
    for (int i = 0; i < *count; i++) {
        (*files)[i] = folder ? path_join(path, names[i]->d_name) : xstrdup(path);
        if (folder)
            free(names[i]);
    }
    free(names);
    if (n < 0)
        return error_errno(e, "cannot read the folder of tasks %s", path);
    return n ? 0 : error_set(e, ERROR_USAGE, "%s: no tasks in it: expected files that end in .jsonl", path);
}

/* ---------------------------------------------------------------- matching */

/* A piece of a text. */
struct piece {
    const char *at;
    size_t length;
};

static struct piece bare(const char *at, size_t length)
{
    static const char around[] = " \t\r\n.";
    while (length && strchr(around, *at))
        at++, length--;
    while (length && strchr(around, at[length - 1]))
        length--;
    return (struct piece){at, length};
}

static bool is_of_number(char c)
{
    return isdigit((unsigned char)c) || c == '.' || c == ',' || c == '-';
}

/* The last number of a text; empty where there is none. */
static struct piece last_number(const char *text)
{
    const char *end = text + strlen(text);
    while (end > text && !isdigit((unsigned char)end[-1]))
        end--;
    const char *at = end;
    while (at > text && is_of_number(at[-1]))
        at--;
    return bare(at, end - at);
}

/* Thousands may be set apart or not. */
static bool same_piece(struct piece a, struct piece b)
{
    size_t i = 0, k = 0;
    while (i < a.length || k < b.length) {
        if (i < a.length && a.at[i] == ',')
            i++;
        else if (k < b.length && b.at[k] == ',')
            k++;
        else if (i == a.length || k == b.length ||
                 tolower((unsigned char)a.at[i++]) != tolower((unsigned char)b.at[k++]))
            return false;
    }
    return true;
}

bool item_matches(const struct item *item, const char *written)
{
    const char *marked = strstr(item->expected, ITEM_MARK), *said = strstr(written, ITEM_MARK);
    if (marked)
        return same_piece(last_number(marked), last_number(said ? said : written));
    while (isspace((unsigned char)*written))
        written++;
    return same_piece(bare(item->expected, strlen(item->expected)), bare(written, strcspn(written, "\n")));
}
