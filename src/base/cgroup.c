#include "base/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* Where a controller of this process lives: `top` is the mount point, `group` this process's folder in it. */
struct hierarchy {
    char *top, *group;
    bool v2;
};

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ','))
            return true;
    return false;
}

/* This process's path in the version 1 hierarchy of `controller`, or with NULL in version 2's. */
static char *group_path(const char *root, const char *controller)
{
    char *file = xasprintf("%s/proc/self/cgroup", root), *line = NULL, *path = NULL;
    size_t size = 0;
    FILE *f = fopen(file, "re");
    while (f && !path && getline(&line, &size, f) > 0) {
        char *names = strchr(line, ':'), *where = names ? strchr(names + 1, ':') : NULL;
        if (!where)
            continue;
        *where++ = 0;
        where[strcspn(where, "\n")] = 0;
        names++;
        if (controller ? has_word(names, controller) : !*names && str_starts(line, "0:"))
            path = xstrdup(where);
    }
    if (f)
        fclose(f);
    free(line);
    free(file);
    return path;
}

/* A line of mountinfo(5): "ID PARENT DEVICE ROOT MOUNT-POINT OPTIONS... - TYPE SOURCE SUPER-OPTIONS". */
struct mount {
    char root[512], point[512], type[32], options[512];
};

static bool parse_mount(struct mount *m, const char *line)
{
    const char *tail = strstr(line, " - ");
    return tail && sscanf(line, "%*s %*s %*s %511s %511s", m->root, m->point) == 2 &&
           sscanf(tail, " - %31s %*s %511s", m->type, m->options) == 2;
}

static bool find_mount(struct mount *m, const char *root, const char *controller)
{
    char *file = xasprintf("%s/proc/self/mountinfo", root), *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *f = fopen(file, "re");
    while (f && !found && getline(&line, &size, f) > 0)
        found = parse_mount(m, line) && strcmp(m->type, controller ? "cgroup" : "cgroup2") == 0 &&
                (!controller || has_word(m->options, controller));
    if (f)
        fclose(f);
    free(line);
    free(file);
    return found;
}

/* The part of `path` below `base`, both absolute. A container without a namespace of its own sees its group's
 * full path, while only that group is mounted; a path outside what is mounted means the top. */
static const char *path_below(const char *path, const char *base)
{
    size_t n = strcmp(base, "/") == 0 ? 0 : strlen(base);
    if (strncmp(path, base, n) != 0 || (path[n] && path[n] != '/') || strstr(path, "/.."))
        return "";
    return strcmp(path + n, "/") == 0 ? "" : path + n;
}

static bool find_hierarchy(struct hierarchy *h, const char *root, const char *controller)
{
    struct mount m;
    char *path = group_path(root, controller);
    bool found = path && find_mount(&m, root, controller);
    if (found) {
        h->v2 = !controller;
        h->top = xasprintf("%s%s", root, m.point);
        h->group = xasprintf("%s%s", h->top, path_below(path, m.root));
    }
    free(path);
    return found;
}

/* The i-th number of a control file; "max" and a missing file are infinite. */
static double control(const char *folder, const char *name, int i)
{
    char *path = path_join(folder, name), line[128], *word, *save = NULL;
    double value = INFINITY;
    bool read = file_first_line(path, line, sizeof line);
    free(path);
    word = read ? strtok_r(line, " ", &save) : NULL;
    while (word && i-- > 0)
        word = strtok_r(NULL, " ", &save);
    return word && parse_double(word, &value) ? value : INFINITY;
}

/* A row of memory.stat; 0 where there is none. */
static double memory_stat(const char *folder, const char *key)
{
    char *path = path_join(folder, "memory.stat"), name[64];
    double value, found = 0;
    FILE *f = fopen(path, "re");
    while (f && fscanf(f, "%63s %lf", name, &value) == 2)
        if (strcmp(name, key) == 0)
            found = value;
    if (f)
        fclose(f);
    free(path);
    return found;
}

static void read_memory(struct cgroup *c, const char *folder, bool v2)
{
    double limit = v2 ? fmin(control(folder, "memory.max", 0), control(folder, "memory.high", 0))
                      : control(folder, "memory.limit_in_bytes", 0);
    if (limit >= 0x1p62) /* version 1 writes "no limit" as the largest page-aligned number */
        return;
    double used = control(folder, v2 ? "memory.current" : "memory.usage_in_bytes", 0);
    double cached = memory_stat(folder, v2 ? "inactive_file" : "total_inactive_file") +
                    memory_stat(folder, v2 ? "active_file" : "total_active_file");
    c->memory_limit = fmin(c->memory_limit, limit);
    if (isfinite(used))
        c->memory_left = fmin(c->memory_left, fmax(0, limit - fmax(0, used - cached)));
}

static void read_cpus(struct cgroup *c, const char *folder, bool v2)
{
    double quota = v2 ? control(folder, "cpu.max", 0) : control(folder, "cpu.cfs_quota_us", 0);
    double period = v2 ? control(folder, "cpu.max", 1) : control(folder, "cpu.cfs_period_us", 0);
    if (isfinite(quota) && quota > 0 && isfinite(period) && period > 0)
        c->cpus = fmin(c->cpus, quota / period);
}

/* Reads every folder from the process's group up to the mount point. */
static void climb(struct cgroup *c, struct hierarchy *h, void (*read)(struct cgroup *, const char *, bool))
{
    size_t top = strlen(h->top);
    for (;;) {
        read(c, h->group, h->v2);
        if (strlen(h->group) <= top)
            break;
        *strrchr(h->group, '/') = 0;
    }
    free(h->group);
    free(h->top);
}

void cgroup_read(struct cgroup *c, const char *root)
{
    static const struct {
        const char *controller;
        void (*read)(struct cgroup *, const char *, bool);
    } wanted[] = {{"memory", read_memory}, {"cpu", read_cpus}};
    *c = (struct cgroup){INFINITY, INFINITY, INFINITY};
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        struct hierarchy h;
        /* On a mixed system a controller is in version 1's hierarchy or in version 2's, and both are read. */
        if (find_hierarchy(&h, root, wanted[i].controller))
            climb(c, &h, wanted[i].read);
        if (find_hierarchy(&h, root, NULL))
            climb(c, &h, wanted[i].read);
    }
}
