/* Activations of a text that wait for the next stage, a batch at a time: in memory, or in a file without a name, which
 * the system writes out as it likes. Either way what is read is the same: 16-bit floats, each run of them with a power of
 * two of its own, so that the largest is far from overflow and what is 2^29 times smaller still has its 11 bits. */
#ifndef CALIB_STASH_H
#define CALIB_STASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct stash {
    unsigned char *data;
    int64_t floats;              /* of a batch, at most */
    uint64_t batch_bytes, bytes;
    bool on_disk;
};
/* `folder`: where its file goes; NULL: in memory. */
int stash_init(struct stash *s, int batches, int64_t floats, const char *folder, struct error *e);
void stash_done(struct stash *s);
/* A batch's first `count` floats. */
void stash_put(const struct stash *s, int batch, const float *x, int64_t count);
void stash_take(const struct stash *s, int batch, float *x, int64_t count);
/* It is not needed for a while. */
void stash_leave(const struct stash *s, int batch);
/* It is not needed any more: in memory it takes none, until something is put there again. */
void stash_drop(const struct stash *s, int batch);
/* Of so many floats, about. */
double stash_bytes(double floats);

#endif
