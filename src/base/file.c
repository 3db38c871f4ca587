#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

/* ------------------------------------------------------------- mapped files */

/* The maps that are open, so that the SIGBUS handler can name the file. Readers (the handler) may run at any
 * moment: an entry is published by its size, written last. */
enum { MAPS = 4096 }; /* as many as a checkpoint may have files */
static struct {
    const unsigned char *data;
    volatile uint64_t size;
    const char *path; /* the map's own */
} maps[MAPS];

static void map_publish(const struct file_map *m)
{
    for (int i = 0; i < MAPS; i++)
        if (__sync_bool_compare_and_swap(&maps[i].size, 0, 1)) {
            maps[i].data = m->data;
            maps[i].path = m->path;
            __sync_synchronize();
            maps[i].size = m->size;
            return;
        }
}

static void map_withdraw(const struct file_map *m)
{
    for (int i = 0; i < MAPS; i++)
        if (maps[i].size && maps[i].data == m->data) {
            maps[i].size = 0;
            return;
        }
}

int file_map_open(struct file_map *m, const char *path, struct error *e)
{
    *m = (struct file_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(e, "cannot open %s", path);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        error_errno(e, "cannot read %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        error_set(e, ERROR_FAILED, "%s is not a file", path);
    } else if (st.st_size == 0) {
        error_set(e, ERROR_FAILED, "%s is empty", path);
    } else {
        void *data = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            error_errno(e, "cannot map %s", path);
        } else {
            *m = (struct file_map){.data = data, .size = st.st_size, .path = xstrdup(path)};
            map_publish(m);
        }
    }
    close(fd);
    return m->data ? 0 : e->code;
}

void file_map_close(struct file_map *m)
{
    if (m->data) {
        map_withdraw(m);
        munmap((void *)m->data, m->size);
    }
    free(m->path);
    *m = (struct file_map){0};
}

/* The whole pages from the one that holds `at` to the last that ends within the range. */
static void advise(const void *at, size_t size, int advice)
{
    uintptr_t page = sysconf(_SC_PAGESIZE), from = (uintptr_t)at & ~(page - 1), to = ((uintptr_t)at + size) & ~(page - 1);
    if (to > from)
        madvise((void *)from, to - from, advice);
}

void file_map_ahead(const void *at, size_t size)
{
    advise(at, size, MADV_WILLNEED);
}

void file_map_forget(const void *at, size_t size)
{
    advise(at, size, MADV_DONTNEED);
}

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    (void)context;
    const unsigned char *at = info->si_addr;
    for (int i = 0; i < MAPS; i++)
        if (maps[i].size > 1 && at >= maps[i].data && at < maps[i].data + maps[i].size) {
            char text[512];
            if (die_hook)
                die_hook();
            int n = snprintf(text, sizeof text,
                             "quantwiz: cannot read %s at offset %llu: the file was cut short or its disk failed;"
                             " check the file, then start again\n",
                             maps[i].path, (unsigned long long)(at - maps[i].data));
            if (write(STDERR_FILENO, text, n) < 0)
                _exit(1);
            _exit(1);
        }
    signal(sig, SIG_DFL);
    raise(sig);
}

void file_bus_guard(void)
{
    struct sigaction sa = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &sa, NULL);
}

int file_read(const char *path, uint64_t limit, char **text, size_t *length, struct error *e)
{
    FILE *f = fopen(path, "re");
    struct stat st;
    if (!f)
        return error_errno(e, "cannot open %s", path);
    struct str s = {0};
    char chunk[65536];
    size_t n;
    e->code = 0;
    if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
        error_set(e, ERROR_FAILED, "%s is a folder, a file was expected", path);
    while (!e->code && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        str_add_bytes(&s, chunk, n);
        if (s.length > limit)
            error_set(e, ERROR_FAILED, "%s is larger than %llu bytes", path, (unsigned long long)limit);
    }
    if (!e->code && ferror(f))
        error_errno(e, "cannot read %s", path);
    fclose(f);
    if (e->code) {
        str_done(&s);
        return e->code;
    }
    if (length)
        *length = s.length;
    *text = str_take(&s);
    return 0;
}

bool file_first_line(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    bool found = f && fgets(line, (int)size, f);
    if (f)
        fclose(f);
    if (found)
        line[strcspn(line, "\n")] = 0;
    return found;
}

/* ------------------------------------------------------------ files written */

/* The name may have moved on to another file between our opening and our locking it: its writer was done. */
static bool still_named(int fd, const char *path)
{
    struct stat here, there;
    return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static int open_locked(const char *path, struct error *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_errno(e, "cannot create %s", path);
        return -1;
    }
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES)) {
        error_set(e, ERROR_FAILED, "cannot write %s: another process is writing it; wait for it, or choose another name",
                  path);
        close(fd);
        return -1;
    }
    if (still_named(fd, path))
        return fd;
    close(fd);
    return open_locked(path, e);
}

int file_out_open(struct file_out *f, const char *path, bool resume, struct error *e)
{
    *f = (struct file_out){.fd = -1, .path = xstrdup(path), .part = xasprintf("%s.part", path)};
    f->fd = open_locked(f->part, e);
    if (f->fd >= 0 && (resume || file_out_clear(f, e) == 0))
        return 0;
    file_out_abandon(f, true);
    return e->code;
}

int file_out_clear(struct file_out *f, struct error *e)
{
    f->offset = 0;
    return ftruncate(f->fd, 0) == 0 ? 0 : error_errno(e, "cannot empty %s", f->part);
}

int file_out_reserve(struct file_out *f, uint64_t size, struct error *e)
{
    if (fallocate(f->fd, 0, 0, size) == 0 || (errno == EOPNOTSUPP && ftruncate(f->fd, size) == 0))
        return 0;
    char text[FORMAT_SIZE];
    return error_errno(e, "cannot reserve %s for %s: free some space or choose another folder",
                       format_bytes(text, size), f->part);
}

int file_out_pwrite(struct file_out *f, const void *data, size_t size, uint64_t offset, struct error *e)
{
    const char *p = data;
    while (size) {
        ssize_t n = pwrite(f->fd, p, size, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(e, errno == ENOSPC ? "cannot write %s: free some space or choose another folder (--out)"
                                                  : "cannot write %s", f->part);
        p += n;
        offset += n;
        size -= n;
    }
    return 0;
}

int file_out_write(struct file_out *f, const void *data, size_t size, struct error *e)
{
    int rc = file_out_pwrite(f, data, size, f->offset, e);
    if (rc == 0)
        f->offset += size;
    return rc;
}

int file_out_sync(struct file_out *f, struct error *e)
{
    return fdatasync(f->fd) == 0 ? 0 : error_errno(e, "cannot write %s to disk", f->part);
}

static void sync_folder_of(const char *path)
{
    char *folder = path_folder(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

int file_out_commit(struct file_out *f, struct error *e)
{
    int rc = 0;
    if (fsync(f->fd) != 0)
        rc = error_errno(e, "cannot write %s to disk", f->part);
    else if (rename(f->part, f->path) != 0)
        rc = error_errno(e, "cannot rename %s to %s", f->part, f->path);
    else
        sync_folder_of(f->path);
    file_out_abandon(f, true);
    return rc;
}

void file_out_abandon(struct file_out *f, bool keep)
{
    if (f->fd >= 0) {
        close(f->fd);
        if (!keep)
            unlink(f->part);
    }
    free(f->path);
    free(f->part);
    *f = (struct file_out){.fd = -1};
}

int file_write(const char *path, const void *data, size_t size, struct error *e)
{
    struct file_out f;
    int rc = file_out_open(&f, path, false, e);
    if (rc)
        return rc;
    rc = file_out_write(&f, data, size, e);
    if (rc) {
        file_out_abandon(&f, false);
        return rc;
    }
    return file_out_commit(&f, e);
}

/* ---------------------------------------------------------- names and space */

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_exists_in(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = file_exists(path);
    free(path);
    return there;
}

bool file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_is_plain(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int file_free_bytes(const char *path, uint64_t *bytes, struct error *e)
{
    struct statvfs vfs;
    char *at = xstrdup(path);
    while (statvfs(at, &vfs) != 0) {
        if (errno != ENOENT || strcmp(at, ".") == 0 || strcmp(at, "/") == 0) {
            error_errno(e, "cannot tell the free space of %s", path);
            free(at);
            return e->code;
        }
        char *up = path_folder(at);
        free(at);
        at = up;
    }
    free(at);
    *bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    return 0;
}

int file_make_folder(const char *path, struct error *e)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && file_is_folder(path)))
        return 0;
    if (errno == ENOENT) {
        char *up = path_folder(path);
        int rc = strcmp(up, path) ? file_make_folder(up, e) : ERROR_FAILED;
        free(up);
        if (rc)
            return rc;
        if (mkdir(path, 0777) == 0)
            return 0;
    }
    return error_errno(e, "cannot make the folder %s", path);
}

static char *existing(const char *folder, const char *name)
{
    char *path = folder ? path_join(folder, name) : NULL;
    if (path && file_exists(path))
        return path;
    free(path);
    return NULL;
}

char *file_data(const char *name)
{
    char program[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    char *beside = path_folder(program), *above = path_join(beside, "..");
    char *path = existing(getenv("QUANTWIZ_DATA"), name);
    if (!path && n > 0 && !(path = existing(beside, name)))
        path = existing(above, name);
    free(beside);
    free(above);
    return path ? path : existing(PKGDATADIR, name);
}

char *path_join(const char *folder, const char *name)
{
    if (name[0] == '/' || strcmp(folder, ".") == 0)
        return xstrdup(name);
    return xasprintf("%s%s%s", folder, str_ends(folder, "/") ? "" : "/", name);
}

char *path_folder(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n ? xstrndup(path, n) : xstrdup(".");
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *path_absolute(const char *path)
{
    char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *all = xasprintf("%s/%s", cwd ? cwd : "", path), *save = NULL;
    struct str s = {0};
    str_add(&s, "");
    for (char *part = strtok_r(all, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, "..") == 0)
            while (s.length && s.data[--s.length] != '/')
                ;
        else if (strcmp(part, ".") != 0)
            str_addf(&s, "/%s", part);
        s.data[s.length] = 0;
    }
    free(cwd);
    free(all);
    return s.length ? str_take(&s) : (str_done(&s), xstrdup("/"));
}

char *path_relative(const char *folder, const char *path)
{
    char *from = path_absolute(folder), *to = path_absolute(path);
    size_t same = 0;
    for (size_t i = 0; ; i++) {
        bool end_from = !from[i] || from[i] == '/', end_to = !to[i] || to[i] == '/';
        if (end_from && end_to)
            same = i;
        if (!from[i] || !to[i] || from[i] != to[i])
            break;
    }
    struct str s = {0};
    for (const char *c = from + same; *c; c++)
        if (*c == '/')
            str_add(&s, "../");
    if (same && to[same])
        str_add(&s, to + same + 1);
    if (!s.length)
        str_add(&s, "."); /* the folder itself: an empty name would be no path */
    char *relative = same ? str_take(&s) : xstrdup(to);
    str_done(&s);
    free(from);
    free(to);
    return relative;
}

char *path_expand(const char *path)
{
    const char *home = getenv("HOME");
    if (path[0] == '~' && (path[1] == 0 || path[1] == '/') && home)
        return xasprintf("%s%s", home, path + 1);
    return xstrdup(path);
}

char *path_xdg(const char *variable, const char *fallback)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base && base[0] == '/')
        return xasprintf("%s/quantwiz", base);
    return xasprintf("%s/%s/quantwiz", home ? home : "", fallback);
}
