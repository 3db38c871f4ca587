#include "base/usage.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

void usage_read(struct usage *u)
{
    struct rusage r;
    char line[128];
    unsigned long long kib;
    FILE *f = fopen("/proc/self/status", "re");
    *u = (struct usage){0};
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmRSS: %llu kB", &kib) == 1)
            u->rss_bytes = kib << 10;
        if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
            u->private_bytes = kib << 10;
    }
    if (f)
        fclose(f);
    if (getrusage(RUSAGE_SELF, &r) == 0)
        u->cpu_seconds = seconds_of(r.ru_utime) + seconds_of(r.ru_stime);
}

/* A line that begins a mapping: "START-END PERMISSIONS OFFSET DEVICE INODE PATH". */
static bool maps_inode(const char *line, unsigned long *inode)
{
    return sscanf(line, "%*x-%*x %*4s %*x %*x:%*x %lu", inode) == 1;
}

uint64_t usage_of_file(const char *path)
{
    struct stat st;
    char line[512];
    unsigned long inode;
    unsigned long long kib;
    uint64_t bytes = 0;
    bool ours = false;
    FILE *f = stat(path, &st) == 0 ? fopen("/proc/self/smaps", "re") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        if (maps_inode(line, &inode))
            ours = inode == st.st_ino;
        else if (ours && sscanf(line, "Rss: %llu kB", &kib) == 1)
            bytes += kib << 10;
    }
    if (f)
        fclose(f);
    return bytes;
}

void usage_settle(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

uint64_t usage_peak_rss(void)
{
    struct rusage r;
    return getrusage(RUSAGE_SELF, &r) == 0 ? (uint64_t)r.ru_maxrss << 10 : 0;
}
