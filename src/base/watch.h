/* How long work tells its caller how far it is, and how it learns that it should stop. */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include <stdbool.h>

#include "base/error.h"

/* Passed to long functions; may be NULL there. `tick` is called from one thread at a time, a few times a
 * second at most is fine; it returns false when the work should stop, which then returns ERROR_INTERRUPTED. */
struct watch {
    bool (*tick)(struct watch *w, double done, double total, const char *what);
    void *user;
};
/* True to go on; also looks at the interrupt flag. */
bool watch_tick(struct watch *w, double done, double total, const char *what);

/* A part of longer work: what the part calls 0 to its total, the whole sees as `from` to `to` of `total`, `what`. */
struct watch_part {
    struct watch watch;
    struct watch *whole; /* may be NULL */
    double from, to, total;
    const char *what;
};
/* Sets up `p` and returns the watch to pass to the part. */
struct watch *watch_part(struct watch_part *p, struct watch *whole, double from, double to, double total,
                         const char *what);

/* SIGINT and SIGTERM set a flag instead of killing; a second SIGINT within a second kills. */
void interrupt_catch(void);
bool interrupt_pending(void);
void interrupt_raise(void);
/* Fills `e` with "interrupted" and returns ERROR_INTERRUPTED. */
int interrupt_error(struct error *e);

/* A watch that draws progress on stderr: a bar on a terminal, elsewhere a line every few seconds; nothing
 * when `quiet`. */
struct progress {
    struct watch watch;
    double started, drawn, first; /* first: the share that was done when it began; NaN before the first tick */
    bool quiet, terminal, shown;
};
void progress_init(struct progress *p, bool quiet);
void progress_done(struct progress *p);
/* A line on stderr that the bar does not run into. */
void progress_say(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
