#include "calib/stash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { PAGE = 4096 };

static int map_file(struct stash *s, const char *folder, struct error *e)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, "cannot make a file for activations in %s", folder);
    int failed = posix_fallocate(fd, 0, (off_t)s->bytes);
    void *map = failed ? MAP_FAILED : mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (failed)
        errno = failed;
    close(fd);
    if (map == MAP_FAILED)
        return error_errno(e, "cannot reserve %.1f MiB for activations in %s", (double)s->bytes / 0x1p20, folder);
    s->data = map;
    return 0;
}

int stash_init(struct stash *s, int batches, int64_t floats, const char *folder, struct error *e)
{
    uint64_t bytes = (uint64_t)floats * sizeof *s->data;
    *s = (struct stash){.batch_bytes = (bytes + PAGE - 1) / PAGE * PAGE, .on_disk = folder};
    s->bytes = batches * s->batch_bytes;
    if (folder)
        return map_file(s, folder, e);
    s->data = xaligned(s->bytes);
    return 0;
}

void stash_done(struct stash *s)
{
    if (s->on_disk && s->data)
        munmap(s->data, s->bytes);
    else if (!s->on_disk)
        free(s->data);
    *s = (struct stash){0};
}

float *stash_batch(const struct stash *s, int batch)
{
    return s->data + batch * s->batch_bytes / sizeof *s->data;
}

void stash_leave(const struct stash *s, int batch)
{
    if (s->on_disk)
        file_map_forget(stash_batch(s, batch), s->batch_bytes);
}
