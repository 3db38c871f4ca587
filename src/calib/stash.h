/* Activations of a text that wait for the next stage, a batch at a time: in memory, or in a file without a name, which
 * the system writes out as it likes. Either way what is read is what was written, bit for bit. */
#ifndef CALIB_STASH_H
#define CALIB_STASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct stash {
    float *data;
    uint64_t batch_bytes, bytes;
    bool on_disk;
};
/* `folder`: where its file goes; NULL: in memory. */
int stash_init(struct stash *s, int batches, int64_t floats, const char *folder, struct error *e);
void stash_done(struct stash *s);
float *stash_batch(const struct stash *s, int batch);
/* It is not needed for a while. */
void stash_leave(const struct stash *s, int batch);

#endif
