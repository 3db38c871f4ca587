#include "eval/findings.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { SIZE_LIMIT = 1 << 28 }; /* bytes of a file that somebody else may have put there */

struct findings {
    int fd;            /* -1: in memory alone */
    char *path;
    json_t *kinds;     /* {kind: {name: value}} */
};

static json_t *kind_of(const struct findings *f, const char *kind)
{
    json_t *names = json_object_get(f->kinds, kind);
    if (!names)
        json_object_set_new(f->kinds, kind, names = json_object());
    return names;
}

/* ---------------------------------------------------------------------- reading */

static bool take_line(struct findings *f, const json_t *line)
{
    const char *kind = json_string_value(json_object_get(line, "kind"));
    const char *name = json_string_value(json_object_get(line, "name"));
    json_t *value = json_object_get(line, "value");
    return kind && name && value && json_object_set(kind_of(f, kind), name, value) == 0;
}

static bool is_head(const json_t *line, const char *key)
{
    const char *said = json_string_value(json_object_get(line, "key"));
    return said && strcmp(said, key) == 0;
}

/* Takes lines up to the first that is not whole; the bytes that were good. */
static size_t take_lines(struct findings *f, const char *text, const char *key)
{
    const char *at = text, *end;
    bool good = true;
    for (; good && (end = strchr(at, '\n')); at = good ? end + 1 : at) {
        json_t *line = json_loadb(at, end - at, 0, NULL);
        good = line && (at == text ? is_head(line, key) : take_line(f, line));
        json_decref(line);
    }
    return at - text;
}

/* ---------------------------------------------------------------------- writing */

/* From here on in memory alone: the disk is full, say. */
static void leave_file(struct findings *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static void write_line(struct findings *f, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT), *whole = xasprintf("%s\n", text ? text : "{}");
    size_t length = strlen(whole);
    if (f->fd >= 0 && write(f->fd, whole, length) != (ssize_t)length)
        leave_file(f);
    free(text);
    free(whole);
    json_decref(line);
}

static void begin(struct findings *f, const char *key)
{
    if (ftruncate(f->fd, 0))
        leave_file(f);
    write_line(f, json_pack("{s:s, s:s}", "quantwiz", "findings", "key", key));
}

/* Cuts off what was not written whole. */
static void load(struct findings *f, const char *key)
{
    struct error e;
    char *text;
    size_t length, good = 0;
    if (file_read(f->path, SIZE_LIMIT, &text, &length, &e) == 0) {
        good = take_lines(f, text, key);
        free(text);
    }
    if (good == 0)
        begin(f, key);
    else if (ftruncate(f->fd, (off_t)good))
        leave_file(f);
}

int findings_open(struct findings **out, const char *name, const char *key, struct error *e)
{
    struct findings *f = *out = xcalloc(1, sizeof *f);
    char *folder = path_xdg("XDG_CACHE_HOME", ".cache");
    struct error ignored;
    f->kinds = json_object();
    f->path = path_join(folder, name);
    f->fd = file_make_folder(folder, &ignored) ? -1 : open(f->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    free(folder);
    if (f->fd < 0)
        return 0;
    if (flock(f->fd, LOCK_EX | LOCK_NB))
        return error_set(e, ERROR_FAILED, "another quantwiz is measuring this model now (%s): wait for it", f->path);
    load(f, key);
    return 0;
}

void findings_close(struct findings *f)
{
    if (!f)
        return;
    leave_file(f);
    json_decref(f->kinds);
    free(f->path);
    free(f);
}

const json_t *findings_get(const struct findings *f, const char *kind, const char *name)
{
    return json_object_get(json_object_get(f->kinds, kind), name);
}

void findings_put(struct findings *f, const char *kind, const char *name, json_t *value)
{
    json_object_set(kind_of(f, kind), name, value);
    write_line(f, json_pack("{s:s, s:s, s:o}", "kind", kind, "name", name, "value", value));
}
