/* What this process uses of the machine. */
#ifndef RUN_USAGE_H
#define RUN_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t rss_bytes;       /* resident, mapped files included */
    uint64_t private_bytes;   /* resident and nobody else's: what it would free by ending */
    double cpu_seconds;       /* user and system, all threads */
};
/* From /proc; zeros where it cannot be read. */
void usage_read(struct usage *u);
/* The most that rss_bytes ever was, as the kernel counts it. */
uint64_t usage_peak_rss(void);

#endif
