/* How fast all cores together read memory: what bounds tokens/s on a CPU. */
#ifndef MACHINE_BANDWIDTH_H
#define MACHINE_BANDWIDTH_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes to read in a pass: twice the caches, so that each pass finds none of its lines in them; at least 256
 * MiB, so that it lasts; at most an eighth of what is available. */
size_t bandwidth_buffer(double cache_bytes, double available_bytes);
/* Bytes per second of the best pass within about `seconds`; NaN where the memory could not be had. *bytes is
 * what to read, and then what could be made ready within half of the time. */
double bandwidth_measure(size_t *bytes, int threads, double seconds);

/* A figure holds until the next boot, for the same processors and threads: its key says so. NULL where the
 * system names no boot; free() it. */
char *bandwidth_key(const char *root, int threads);
/* $XDG_CACHE_HOME/quantwiz/bandwidth keeps the latest few, a line each: "KEY BYTES-PER-SECOND". A cache that
 * cannot be read or written is no error: it is measured again. */
bool bandwidth_recall(const char *key, double *bytes_per_s);
void bandwidth_remember(const char *key, double bytes_per_s);

#endif
