#include "calib/layer_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

enum { PAGE = 4096, DIGITS = HASH_TEXT - 1 };

static uint64_t whole_pages(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static uint64_t head_bytes(int steps)
{
    return PAGE + whole_pages((uint64_t)steps * DIGITS);
}

uint64_t layer_store_bytes(const uint64_t *step_bytes, int steps)
{
    uint64_t bytes = head_bytes(steps);
    for (int i = 0; i < steps; i++)
        bytes += whole_pages(step_bytes[i]);
    return bytes;
}

static void lay_out(struct layer_store *s, const uint64_t *step_bytes, int steps)
{
    s->steps = steps;
    s->rooms = xcalloc(steps + 1, sizeof *s->rooms);
    s->rooms[0] = head_bytes(steps);
    for (int i = 0; i < steps; i++)
        s->rooms[i + 1] = s->rooms[i] + whole_pages(step_bytes[i]);
    s->bytes = s->rooms[steps];
}

/* Rooms of another size mean another model or method. */
static void write_title(char title[static PAGE], const struct layer_store *s, const char *fingerprint)
{
    char hash[HASH_TEXT];
    memset(title, 0, PAGE);
    hash_bytes(hash, s->rooms, (s->steps + 1) * sizeof *s->rooms);
    snprintf(title, PAGE, "quantwiz-layers 1 %s %s\n", fingerprint, hash);
}

/* Does the file hold what an attempt with the same title left? */
static bool is_same(int fd, const struct layer_store *s, const char title[static PAGE])
{
    char found[PAGE];
    struct stat st;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size == s->bytes && pread(fd, found, PAGE, 0) == PAGE &&
           memcmp(found, title, PAGE) == 0;
}

static int reserve(struct layer_store *s, int fd, struct error *e)
{
    int failed = posix_fallocate(fd, 0, (off_t)s->bytes);
    errno = failed;
    return failed ? error_errno(e, "cannot reserve %.1f MiB for finished layers in %s", (double)s->bytes / 0x1p20, s->path)
                  : 0;
}

static int map_file(struct layer_store *s, int fd, struct error *e)
{
    void *map = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return error_errno(e, "cannot map %s", s->path);
    s->map = map;
    return 0;
}

/* The title goes last: a file without it is started afresh. */
static int start_afresh(struct layer_store *s, int fd, const char title[static PAGE], struct error *e)
{
    if (ftruncate(fd, 0) != 0)
        return error_errno(e, "cannot empty %s", s->path);
    int rc = reserve(s, fd, e);
    if (!rc && pwrite(fd, title, PAGE, 0) != PAGE)
        rc = error_errno(e, "cannot write to %s", s->path);
    return rc ? rc : map_file(s, fd, e);
}

int layer_store_open(struct layer_store *s, const char *path, const char *fingerprint, const uint64_t *step_bytes,
                     int steps, bool resume, struct error *e)
{
    char title[PAGE];
    *s = (struct layer_store){.path = xstrdup(path)};
    lay_out(s, step_bytes, steps);
    write_title(title, s, fingerprint);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_errno(e, "cannot make %s", path);
    int rc = resume && is_same(fd, s, title) ? map_file(s, fd, e) : start_afresh(s, fd, title, e);
    close(fd);
    return rc;
}

unsigned char *layer_store_room(const struct layer_store *s, int step)
{
    return s->map + s->rooms[step];
}

static char *digits_of(const struct layer_store *s, int step)
{
    return (char *)s->map + PAGE + (size_t)step * DIGITS;
}

static void hash_step(const struct layer_store *s, int step, char hash[static HASH_TEXT])
{
    hash_bytes(hash, layer_store_room(s, step), s->rooms[step + 1] - s->rooms[step]);
}

bool layer_store_has(const struct layer_store *s, int step)
{
    char hash[HASH_TEXT];
    if (*digits_of(s, step) == 0)
        return false;
    hash_step(s, step, hash);
    return memcmp(hash, digits_of(s, step), DIGITS) == 0;
}

static int sync_pages(const struct layer_store *s, uint64_t from, uint64_t to, struct error *e)
{
    if (to == from || msync(s->map + from, to - from, MS_SYNC) == 0)
        return 0;
    return error_errno(e, "cannot write finished layers to %s", s->path);
}

int layer_store_finish(struct layer_store *s, int step, struct error *e)
{
    char hash[HASH_TEXT];
    hash_step(s, step, hash);
    int rc = sync_pages(s, s->rooms[step], s->rooms[step + 1], e);
    if (rc)
        return rc;
    memcpy(digits_of(s, step), hash, DIGITS);
    file_map_forget(layer_store_room(s, step), s->rooms[step + 1] - s->rooms[step]);
    return sync_pages(s, 0, s->rooms[0], e);
}

static bool holds_a_step(const struct layer_store *s)
{
    for (int i = 0; s->map && i < s->steps; i++)
        if (*digits_of(s, i))
            return true;
    return false;
}

void layer_store_close(struct layer_store *s, bool keep)
{
    if (s->path && (!keep || !holds_a_step(s)))
        unlink(s->path);
    if (s->map)
        munmap(s->map, s->bytes);
    free(s->path);
    free(s->rooms);
    *s = (struct layer_store){0};
}
