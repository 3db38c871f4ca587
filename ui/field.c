#include "ui/field.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/file.h"
#include "base/mem.h"
#include "ui/key.h"

const char *field_text(const struct field *f)
{
    return f->text.data ? f->text.data : "";
}

void field_set(struct field *f, const char *text)
{
    str_done(&f->text);
    str_add(&f->text, text);
    f->cursor = f->text.length;
    free(f->candidates);
    f->candidates = NULL;
}

void field_done(struct field *f)
{
    str_done(&f->text);
    free(f->candidates);
    f->candidates = NULL;
    f->cursor = 0;
}

/* The character boundary before or after `at`. */
static size_t before(const struct field *f, size_t at)
{
    const char *text = field_text(f);
    while (at && (text[--at] & 0xc0) == 0x80)
        ;
    return at;
}

static size_t after(const struct field *f, size_t at)
{
    const char *text = field_text(f);
    if (at < f->text.length)
        while ((text[++at] & 0xc0) == 0x80)
            ;
    return at;
}

/* Where the word before the cursor begins, or the part of a path. */
static size_t word_before(const struct field *f)
{
    const char *text = field_text(f);
    size_t at = f->cursor;
    while (at && strchr(" /", text[at - 1]))
        at--;
    while (at && !strchr(" /", text[at - 1]))
        at--;
    return at;
}

static void erase(struct field *f, size_t from, size_t to)
{
    if (from >= to)
        return;
    memmove(f->text.data + from, f->text.data + to, f->text.length - to + 1);
    f->text.length -= to - from;
    f->cursor = from;
}

static void insert(struct field *f, const char *bytes, size_t n)
{
    char *tail = xstrdup(field_text(f) + f->cursor);
    f->text.length = f->cursor;
    str_add_bytes(&f->text, bytes, n);
    str_add(&f->text, tail);
    f->cursor += n;
    free(tail);
}

static void insert_character(struct field *f, int key)
{
    char bytes[4];
    insert(f, bytes, (size_t)utf8proc_encode_char(key, (utf8proc_uint8_t *)bytes));
}

static void complete(struct field *f)
{
    char *head = xstrndup(field_text(f), f->cursor), *candidates = NULL;
    char *completed = f->complete(head, &candidates);
    erase(f, 0, f->cursor);
    insert(f, completed, strlen(completed));
    f->candidates = candidates;
    free(head);
    free(completed);
}

bool field_key(struct field *f, int key)
{
    free(f->candidates);
    f->candidates = NULL;
    switch (key) {
    case K_LEFT: case K_CTRL('b'): f->cursor = before(f, f->cursor); return true;
    case K_RIGHT: case K_CTRL('f'): f->cursor = after(f, f->cursor); return true;
    case K_HOME: case K_CTRL('a'): f->cursor = 0; return true;
    case K_END: case K_CTRL('e'): f->cursor = f->text.length; return true;
    case K_BACKSPACE: erase(f, before(f, f->cursor), f->cursor); return true;
    case K_DELETE: case K_CTRL('d'): erase(f, f->cursor, after(f, f->cursor)); return true;
    case K_CTRL('w'): erase(f, word_before(f), f->cursor); return true;
    case K_CTRL('u'): erase(f, 0, f->cursor); return true;
    case K_CTRL('k'): erase(f, f->cursor, f->text.length); return true;
    case K_TAB:
        if (f->complete)
            complete(f);
        return f->complete != NULL;
    default:
        if (key < ' ' || key >= K_UP)
            return false;
        insert_character(f, key);
        return true;
    }
}

void field_paint(const struct field *f, struct rect r, int y, int x, int width)
{
    const char *text = field_text(f);
    char *head = xstrndup(text, f->cursor);
    size_t from = 0;
    while (paint_width(head + from) > width - 1)
        from = after(f, from);
    int at = paint_width(head + from);
    paint_repeat(r, y, x, width, STYLE_INPUT, " ");
    paint_text((struct rect){r.y + y, r.x + x, 1, width}, 0, 0, STYLE_INPUT, text + from);
    paint_restyle(r, y, x + at, 1, STYLE_SELECTED);
    free(head);
}

/* --------------------------------------------------------------- completion */

static size_t common_length(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    while (n && (a[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static int is_candidate(const struct dirent *d, const char *prefix)
{
    return str_starts(d->d_name, prefix) && (d->d_name[0] != '.' || prefix[0] == '.') &&
           strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

/* What all names in `folder` beginning with `prefix` have in common; *count says how many there are. */
static char *common_name(const char *folder, const char *prefix, int *count, char **candidates)
{
    struct dirent **entries;
    struct str list = {0};
    char *common = NULL;
    int n = scandir(folder, &entries, NULL, alphasort);
    *count = 0;
    for (int i = 0; i < n; i++) {
        if (is_candidate(entries[i], prefix)) {
            if (common)
                common[common_length(common, entries[i]->d_name)] = 0;
            else
                common = xstrdup(entries[i]->d_name);
            str_addf(&list, "%s%s", *count ? "  " : "", entries[i]->d_name);
            (*count)++;
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    *candidates = str_take(&list);
    return common;
}

char *field_complete_path(const char *text, char **candidates)
{
    const char *slash = strrchr(text, '/'), *prefix = slash ? slash + 1 : text;
    char *head = xstrndup(text, prefix - text), *folder = path_expand(*head ? head : ".");
    int count;
    char *name = common_name(folder, prefix, &count, candidates);
    char *whole = xasprintf("%s%s", head, name ? name : prefix), *path = path_expand(whole);
    if (count == 1 && file_is_folder(path)) {
        char *with_slash = xasprintf("%s/", whole);
        free(whole);
        whole = with_slash;
    }
    if (count <= 1 && count != 0) {
        free(*candidates);
        *candidates = NULL;
    } else if (count == 0) {
        free(*candidates);
        *candidates = xstrdup("no such name");
    }
    free(head);
    free(folder);
    free(name);
    free(path);
    return whole;
}
