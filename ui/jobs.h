/* Slow work off the screen's thread: one thread takes jobs in order; what they found is handed over on the
 * screen's thread, so the wizard's state needs no locks. */
#ifndef UI_JOBS_H
#define UI_JOBS_H

#include <stdbool.h>

/* Embedded at the beginning of a struct with the job's input and output. */
struct job {
    const char *what;                            /* shown while it runs: "measuring memory bandwidth" */
    void (*work)(struct job *j);                 /* in the other thread: touches nothing but its own struct */
    void (*done)(struct job *j, void *owner);    /* on the screen's thread; frees the struct */
    struct job *next;
};

struct jobs;
struct jobs *jobs_start(void *owner);
/* Forgets what was not begun (its `done` is called all the same, so that it is freed) and waits a moment for
 * the running one. False: that one is stuck (on a dead disk), and what it reads must stay as long as the process. */
bool jobs_stop(struct jobs *q);
void jobs_push(struct jobs *q, struct job *j);
/* Calls `done` of what finished; returns how many. */
int jobs_collect(struct jobs *q);
/* Readable when something finished. */
int jobs_fd(const struct jobs *q);
/* What is being done now, or NULL. */
const char *jobs_busy(struct jobs *q);
/* Blocks until nothing is left, collecting all along. */
void jobs_drain(struct jobs *q);

#endif
