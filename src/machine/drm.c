#include "machine/drm.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

double drm_number(const char *folder, const char *name)
{
    char *path = path_join(folder, name), line[64], *end = line;
    double value = NAN;
    if (file_first_line(path, line, sizeof line))
        value = strtod(line, &end); /* reads 0x1002 too */
    free(path);
    return end > line ? value : NAN;
}

const char *drm_text(const char *folder, const char *name, struct arena *a)
{
    char *path = path_join(folder, name), line[256];
    bool found = file_first_line(path, line, sizeof line) && *line;
    free(path);
    return found ? arena_strdup(a, line) : NULL;
}

int drm_numa(const char *folder)
{
    double node = drm_number(folder, "device/numa_node");
    return node >= 0 ? (int)node : -1;
}

/* The driver and the place on the bus, from lines "KEY=VALUE". */
static void read_uevent(struct drm_card *c, struct arena *a)
{
    char *path = path_join(c->folder, "device/uevent"), line[256];
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (str_starts(line, "PCI_SLOT_NAME="))
            c->bus = arena_strdup(a, line + strlen("PCI_SLOT_NAME="));
        else if (str_starts(line, "DRIVER="))
            c->driver = arena_strdup(a, line + strlen("DRIVER="));
    }
    if (f)
        fclose(f);
    free(path);
}

static unsigned number_or_0(const char *folder, const char *name)
{
    double v = drm_number(folder, name);
    return v > 0 && v < 65536 ? (unsigned)v : 0;
}

/* "card0" is a card, "card0-DP-1" one of its sockets. */
static int is_card(const struct dirent *d)
{
    const char *number = d->d_name + strlen("card");
    return str_starts(d->d_name, "card") && *number && !number[strspn(number, "0123456789")];
}

void drm_each(struct gpu_scan *s, void (*each)(struct gpu_scan *s, const struct drm_card *c))
{
    struct arena *a = &s->m->arena;
    char *top = xasprintf("%s/sys/class/drm", s->m->root);
    struct dirent **names;
    int n = scandir(top, &names, is_card, versionsort);
    for (int i = 0; i < n; i++) {
        struct drm_card c = {.folder = arena_printf(a, "%s/%s", top, names[i]->d_name)};
        read_uevent(&c, a);
        c.vendor = number_or_0(c.folder, "device/vendor");
        c.device = number_or_0(c.folder, "device/device");
        c.revision = number_or_0(c.folder, "device/revision");
        each(s, &c);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    free(top);
}
