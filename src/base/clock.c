#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static double read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

double clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_now(void)
{
    const char *frozen = getenv("QUANTWIZ_NOW");
    return frozen ? strtod(frozen, NULL) : read_clock(CLOCK_REALTIME);
}

char *clock_stamp(char out[static 32], double t)
{
    time_t seconds = (time_t)t;
    struct tm tm;
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    return out;
}
