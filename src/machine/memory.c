#include "machine/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cgroup.h"
#include "machine/machine_priv.h"

struct meminfo {
    double total, available, free, cached; /* bytes; NaN: not told */
};

static void read_meminfo(struct meminfo *info, const char *root)
{
    const struct { const char *key; double *value; } rows[] = {
        {"MemTotal:", &info->total}, {"MemAvailable:", &info->available},
        {"MemFree:", &info->free}, {"Cached:", &info->cached},
    };
    char *path = xasprintf("%s/proc/meminfo", root), line[256], key[64];
    double kib;
    FILE *f = fopen(path, "re");
    *info = (struct meminfo){NAN, NAN, NAN, NAN};
    while (f && fgets(line, sizeof line, f))
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
            if (sscanf(line, "%63s %lf kB", key, &kib) == 2 && strcmp(key, rows[i].key) == 0)
                *rows[i].value = kib * 1024;
    if (f)
        fclose(f);
    free(path);
    if (isnan(info->available)) /* kernels before 3.14 */
        info->available = info->free + info->cached;
}

void memory_read(struct machine_memory *mem, const char *root)
{
    struct meminfo info;
    struct cgroup group;
    read_meminfo(&info, root);
    cgroup_read(&group, root);
    bool limited = isfinite(group.memory_limit) && !(group.memory_limit >= info.total);
    mem->total_bytes = fact_of(info.total, FACT_FOUND);
    mem->limit_bytes = limited ? fact_found(group.memory_limit) : (struct fact){0};
    mem->available_bytes = fact_found(fmin(info.available, group.memory_left));
}
