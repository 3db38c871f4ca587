#include "run/run_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* Locks of the open file description: unlike flock(2) they can be asked about without being taken, and unlike the
 * older fcntl(2) locks they do not vanish when some other descriptor of the file is closed. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static int open_lock(const char *folder, int flags, char **path)
{
    *path = path_join(folder, "lock");
    return open(*path, flags | O_CLOEXEC, 0666);
}

static int held_error(int fd, const char *folder, struct error *e)
{
    char holder[128] = "", *run = str_word(folder);
    ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
    holder[n > 0 ? strcspn(holder, "\n") : 0] = 0;
    int rc = error_set(e, ERROR_FAILED, "%s: another worker runs there (%s): watch it with `quantwiz attach %s`, or stop it"
                       " there first", folder, *holder ? holder : "unknown process", run);
    free(run);
    return rc;
}

static int sign(int fd, const char *path, struct error *e)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "process %d on %s\n", (int)getpid(), host) < 0)
        return error_errno(e, "cannot write %s", path);
    return 0;
}

int run_lock_take(struct run_lock *l, const char *folder, struct error *e)
{
    char *path;
    struct flock lock = whole_file();
    l->fd = open_lock(folder, O_RDWR | O_CREAT, &path);
    e->code = 0;
    if (l->fd < 0)
        error_errno(e, "cannot open %s", path);
    else if (fcntl(l->fd, F_OFD_SETLK, &lock) == 0)
        sign(l->fd, path, e);
    else if (errno == EAGAIN || errno == EACCES)
        held_error(l->fd, folder, e);
    else
        error_errno(e, "cannot lock %s", path);
    if (e->code)
        run_lock_drop(l);
    free(path);
    return e->code;
}

void run_lock_drop(struct run_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

bool run_lock_held(const char *folder)
{
    char *path;
    struct flock lock = whole_file();
    int fd = open_lock(folder, O_RDWR, &path);
    free(path);
    if (fd < 0)
        return false;
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}
