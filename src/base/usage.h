/* What this process uses of the machine. */
#ifndef BASE_USAGE_H
#define BASE_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t rss_bytes;       /* resident, mapped files included */
    uint64_t private_bytes;   /* resident and nobody else's: what it would free by ending */
    double cpu_seconds;       /* user and system, all threads */
};
/* From /proc; zeros where it cannot be read. */
void usage_read(struct usage *u);
/* Resident bytes of this process's mappings of a file; 0 where it has none. */
uint64_t usage_of_file(const char *path);
/* Gives back what was freed, so that private_bytes grows by all that is taken from here on. */
void usage_settle(void);
/* The most that rss_bytes ever was, as the kernel counts it. */
uint64_t usage_peak_rss(void);

#endif
