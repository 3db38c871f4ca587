#include "hub/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/watch.h"

/* ----------------------------------------------------------------------- places */

/* A variable's value with `~` expanded, and `below` it; NULL where it is unset or empty. */
static char *below_variable(const char *variable, const char *below)
{
    const char *value = getenv(variable);
    if (!value || !*value)
        return NULL;
    char *folder = path_expand(value), *path = *below ? path_join(folder, below) : xstrdup(folder);
    free(folder);
    return path;
}

char *cache_home(void)
{
    char *path = below_variable("HF_HOME", "");
    path = path ? path : below_variable("XDG_CACHE_HOME", "huggingface");
    return path ? path : path_expand("~/.cache/huggingface");
}

char *cache_folder(void)
{
    char *path = below_variable("HF_HUB_CACHE", "");
    path = path ? path : below_variable("HUGGINGFACE_HUB_CACHE", "");
    if (path)
        return path;
    char *home = cache_home();
    path = path_join(home, "hub");
    free(home);
    return path;
}

void cache_open(struct cache *c, const char *repository)
{
    struct str name = {0};
    str_add(&name, "models--");
    for (const char *p = repository; *p; p++)
        if (*p == '/')
            str_add(&name, "--");
        else
            str_add_char(&name, *p);
    *c = (struct cache){.root = cache_folder(), .name = str_take(&name)};
}

void cache_close(struct cache *c)
{
    free(c->root);
    free(c->name);
    *c = (struct cache){0};
}

char *cache_blob(const struct cache *c, const char *etag)
{
    return xasprintf("%s/%s/blobs/%s", c->root, c->name, etag);
}

char *cache_incomplete(const struct cache *c, const char *etag)
{
    return xasprintf("%s/%s/blobs/%s.incomplete", c->root, c->name, etag);
}

char *cache_snapshot(const struct cache *c, const char *commit)
{
    return xasprintf("%s/%s/snapshots/%s", c->root, c->name, commit);
}

char *cache_entry(const struct cache *c, const char *commit, const char *file)
{
    return xasprintf("%s/%s/snapshots/%s/%s", c->root, c->name, commit, file);
}

bool cache_is_commit(const char *text)
{
    return text && strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

bool cache_is_etag(const char *text)
{
    size_t n = text ? strlen(text) : 0;
    return n >= 1 && n <= 128 && text[0] != '.' &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == n;
}

/* "…/models--org--name/snapshots/COMMIT/FILE" */
char *cache_reference(const char *path)
{
    static const char models[] = "/models--", snapshots[] = "/snapshots/";
    char *full = path_absolute(path), *name = strstr(full, models), *reference = NULL;
    char *place = name ? strstr(name, snapshots) : NULL, *commit = place ? place + strlen(snapshots) : NULL;
    char *file = commit ? strchr(commit, '/') : NULL, *dashes = NULL;
    if (commit) {
        name += strlen(models);
        dashes = strstr(name, "--");
        *place = 0;
        if (file)
            *file++ = 0;
    }
    if (cache_is_commit(commit) && dashes && dashes < place)
        reference = xasprintf("hf:%.*s/%s@%s%s%s", (int)(dashes - name), name, dashes + 2, commit,
                              file ? ":" : "", file ? file : "");
    else if (cache_is_commit(commit))
        reference = xasprintf("hf:%s@%s%s%s", name, commit, file ? ":" : "", file ? file : "");
    free(full);
    return reference;
}

/* --------------------------------------------------------------------- revisions */

char *cache_commit(const struct cache *c, const char *revision)
{
    char line[64];
    char *ref = xasprintf("%s/%s/refs/%s", c->root, c->name, revision);
    bool known = file_first_line(ref, line, sizeof line) && cache_is_commit(line);
    free(ref);
    if (known)
        return xstrdup(line);
    return cache_is_commit(revision) ? xstrdup(revision) : NULL;
}

static int make_folder_of(const char *path, struct error *e)
{
    char *folder = path_folder(path);
    int rc = file_make_folder(folder, e);
    free(folder);
    return rc;
}

/* Several programs may do this at once, each with a temporary file of its own. */
static int replace_text(const char *text, const char *path, struct error *e)
{
    char *temporary = xasprintf("%s.%ld.tmp", path, (long)getpid());
    int rc = file_write(temporary, text, strlen(text), e);
    if (!rc && rename(temporary, path) != 0) {
        rc = error_errno(e, "cannot rename %s to %s", temporary, path);
        unlink(temporary);
    }
    free(temporary);
    return rc;
}

int cache_remember(const struct cache *c, const char *revision, const char *commit, struct error *e)
{
    char *known = cache_commit(c, revision);
    bool same = known && strcmp(known, commit) == 0;
    free(known);
    if (same)
        return 0;
    char *ref = xasprintf("%s/%s/refs/%s", c->root, c->name, revision);
    int rc = make_folder_of(ref, e);
    rc = rc ? rc : replace_text(commit, ref, e);
    free(ref);
    return rc;
}

/* The new link takes the place of an old one at once, so that no reader finds nothing. */
static int replace_link(const char *target, const char *path, struct error *e)
{
    char *temporary = xasprintf("%s.%ld.link", path, (long)getpid());
    unlink(temporary);
    int rc = symlink(target, temporary) == 0 && rename(temporary, path) == 0
                 ? 0
                 : error_errno(e, "cannot make the link %s", path);
    if (rc)
        unlink(temporary);
    free(temporary);
    return rc;
}

int cache_link(const struct cache *c, const char *commit, const char *file, const char *etag, struct error *e)
{
    char *blob = cache_blob(c, etag), *entry = cache_entry(c, commit, file), *folder = path_folder(entry);
    char *target = path_relative(folder, blob);
    int rc = file_make_folder(folder, e);
    if (!rc && !file_same(blob, entry))
        rc = replace_link(target, entry, e);
    free(blob);
    free(entry);
    free(folder);
    free(target);
    return rc;
}

/* ------------------------------------------------------------------------- locks */

/* 1: taken, 0: held by another, or the file was removed before it was locked. */
static int try_lock(const char *path, int *fd, struct error *e)
{
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    if (*fd < 0)
        return error_errno(e, "cannot make the lock %s", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0 ? fstat(*fd, &st) == 0 && st.st_nlink > 0
                                           : errno == ENOSYS || errno == EOPNOTSUPP)
        return 1;
    close(*fd);
    *fd = -1;
    return 0;
}

int cache_lock(const struct cache *c, const char *etag, int *fd, bool (*tick)(void *user), void *user,
               struct error *e)
{
    const struct timespec nap = {.tv_nsec = 100 * 1000 * 1000};
    char *path = xasprintf("%s/.locks/%s/%s.lock", c->root, c->name, etag);
    int rc = make_folder_of(path, e);
    while (!rc && !(rc = try_lock(path, fd, e))) {
        if (!tick(user))
            rc = interrupt_error(e);
        else
            nanosleep(&nap, NULL);
    }
    free(path);
    return rc > 0 ? 0 : rc;
}

void cache_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
