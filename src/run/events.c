#include "run/events.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

static const struct { const char *name, *help; } kinds[EVENT_COUNT] = {
#define EVENT_ROW(id, name, help) [EVENT_##id] = {name, help},
    EVENT_KINDS(EVENT_ROW)
#undef EVENT_ROW
};

const char *event_name(enum event_kind k)
{
    return kinds[k].name;
}

const char *event_help(enum event_kind k)
{
    return kinds[k].help;
}

int event_find(const char *name)
{
    for (int k = 0; k < EVENT_COUNT; k++)
        if (strcmp(kinds[k].name, name) == 0)
            return k;
    return -1;
}

/* A worker that was killed may have left half a line behind. */
static bool ends_within_line(int fd)
{
    char last;
    off_t size = lseek(fd, 0, SEEK_END);
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

int event_log_open(struct event_log *l, const char *folder, FILE *stream, struct error *e)
{
    char *path = path_join(folder, "events.jsonl");
    *l = (struct event_log){.fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666), .stream = stream};
    if (l->fd < 0)
        error_errno(e, "cannot open the run's log %s", path);
    free(path);
    if (l->fd < 0)
        return e->code;
    l->torn = ends_within_line(l->fd);
    pthread_mutex_init(&l->mutex, NULL);
    return 0;
}

void event_log_close(struct event_log *l)
{
    close(l->fd);
    l->fd = -1;
    pthread_mutex_destroy(&l->mutex);
}

/* `line` starts with a newline, which is left out unless the last line was torn. */
static void append(struct event_log *l, const char *line, size_t length)
{
    size_t skip = l->torn ? 0 : 1, left = length - skip;
    ssize_t n;
    do
        n = write(l->fd, line + skip, left);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        l->torn = (size_t)n < left;
    if (n < (ssize_t)left)
        l->lost++;
    if (l->stream) {
        fwrite(line + 1, 1, length - 1, l->stream);
        fflush(l->stream);
    }
}

void event_send(struct event_log *l, enum event_kind k, json_t *fields)
{
    json_t *event = json_object();
    /* Milliseconds are enough, and keep the line short. */
    json_object_set_new(event, "t", json_real(round(clock_now() * 1e3) / 1e3));
    json_object_set_new(event, "kind", json_string(event_name(k)));
    if (fields)
        json_object_update(event, fields);
    char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(13));
    char *line = xasprintf("\n%s\n", text ? text : "{}");
    pthread_mutex_lock(&l->mutex);
    append(l, line, strlen(line));
    pthread_mutex_unlock(&l->mutex);
    free(line);
    free(text);
    json_decref(event);
    json_decref(fields);
}

void event_say(struct event_log *l, const char *level, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *fields = json_object();
    json_object_set_new(fields, "level", json_string(level));
    json_object_set_new(fields, "text", json_text(text));
    event_send(l, EVENT_LOG, fields);
}

json_t *event_layer(const struct layerwise_report *r)
{
    json_t *j = json_object();
    json_object_set_new(j, "layer", json_integer(r->layer));
    json_object_set_new(j, "layers", json_integer(r->layers));
    json_object_set_new(j, "tensors", json_integer(r->tensors));
    json_object_set_new(j, "plain", json_integer(r->plain));
    json_object_set_new(j, "loss", json_value(r->loss));
    json_object_set_new(j, "damp", json_value(r->damp));
    json_object_set_new(j, "inputs", json_value(r->inputs));
    json_object_set_new(j, "seconds", json_value(r->seconds));
    json_object_set_new(j, "reused", json_boolean(r->reused));
    return j;
}
