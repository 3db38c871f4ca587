#include "run/usage.h"

#include <stdio.h>
#include <sys/resource.h>

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

uint64_t usage_peak_rss(void)
{
    struct rusage r;
    return getrusage(RUSAGE_SELF, &r) == 0 ? (uint64_t)r.ru_maxrss << 10 : 0;
}
