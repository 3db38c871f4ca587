/* The journal: which tensors of an unfinished output are safely on disk, so that a run can go on where it stopped.
 *
 * A text file. Its first line names the inputs; then a line per tensor, written only after the tensor's bytes were
 * synced:
 *
 *     quantwiz-journal 1 FINGERPRINT
 *     tensor INDEX OFFSET BYTES HASH RMSE NAME
 *
 * HASH is that of slices.h, RMSE a hexadecimal float (so it survives exactly). NAME is for people; INDEX counts in the
 * output's order. A last line without its newline, or one that cannot be read, and everything after it, counts as not
 * written. */
#ifndef RUN_JOURNAL_H
#define RUN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

struct journal_claim {
    int index;
    uint64_t offset, bytes;
    char hash[HASH_TEXT];
    double rmse;
};

enum journal_state {
    JOURNAL_ABSENT,
    JOURNAL_OTHER,    /* written for another source, recipe or program: nothing in it counts */
    JOURNAL_SAME,
};

struct journal {
    int fd;
    char *path;
    enum journal_state found;     /* what lay there when it was opened */
    struct journal_claim *claims; /* what it lists */
    int count, capacity;
    int lines;                    /* claims in the file now: those, and what was added since */
};

/* Opens PATH; with `resume` and the same fingerprint its claims are taken over, otherwise it starts afresh. */
int journal_open(struct journal *j, const char *path, const char *fingerprint, bool resume, struct error *e);
/* Appends; on disk when it returns. */
int journal_add(struct journal *j, const struct journal_claim *claims, const char *const *names, int count,
                struct error *e);
/* Forgets all claims: what they spoke of is gone. */
int journal_restart(struct journal *j, const char *fingerprint, struct error *e);
void journal_close(struct journal *j);

#endif
