/* Another program, run and waited for: in a process group of its own, with a time limit, its output kept. */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <stdbool.h>

#include "base/str.h"
#include "base/watch.h"

struct child {
    struct str out, err;   /* what it wrote; the first CHILD_OUTPUT bytes of each */
    int status;            /* as a shell tells it: the exit status, or 128 and the signal */
    double seconds;
    double peak_rss_bytes; /* the most that it had resident, looked at many times a second; NaN: it ended too soon */
};
enum { CHILD_OUTPUT = 4 << 20 };

/* The first file of this name on the PATH that may be run; NULL: none. free() it. */
char *child_find(const char *program);
/* Runs argv (argv[0]: a path) to its end. An error where it cannot be started, ran longer than `seconds` or was
 * interrupted: then it and all that it has started are gone. `w` NULL: only the limit ends it, for what tidies up. Free
 * with child_done whatever is returned. */
int child_run(struct child *c, const char *const *argv, double seconds, struct watch *w, struct error *e);
void child_done(struct child *c);

#endif
