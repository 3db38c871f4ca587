/* Work on tensors of any size in bounded memory: each is cut into slices of whole rows, all threads take slices in
 * order (a thread that is done with one tensor goes on with the next), and what the slices found is put together in
 * their order. So neither the cut nor any result depends on the number of threads. */
#ifndef RUN_SLICES_H
#define RUN_SLICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/watch.h"

/* Elements of a slice, unless one row is longer; rows longer than this are cut too, at multiples of every block. */
enum { SLICE_ELEMENTS = 128 * 1024 };

struct slice_tensor {
    const char *name;
    int64_t row, elements;
    bool skip;
};
struct slice {
    int tensor;
    int64_t first, count;       /* elements within the tensor */
};
struct slice_buffers {          /* a thread's own, room for the longest slice */
    float *x, *y, *weight;
    unsigned char *blocks;      /* 4 bytes an element: no type is larger */
};
/* What one slice found, or all of a tensor's together: sums are added, and a tensor's hash is the hash of its slices'
 * hashes, in order. */
struct slice_result {
    double error, power;        /* sums of squares: of what was lost, of what was there */
    char hash[HASH_TEXT];
};

struct slice_work {
    const struct slice_tensor *tensors;
    int count;
    /* Serial, in order, before a tensor's first slice. May be NULL. */
    void (*begin)(void *user, int tensor);
    /* On any thread. */
    int (*process)(void *user, const struct slice *s, struct slice_buffers *b, struct slice_result *r, struct error *e);
    /* Serial, after a tensor's last slice; seconds since its beginning. */
    int (*end)(void *user, int tensor, const struct slice_result *r, double seconds, struct error *e);
    void *user;
    struct watch *watch;        /* ticks before every slice, one thread at a time; a tick that waits makes all wait */
};
/* Returns the first error, after the other threads have finished their slices. */
int slices_run(const struct slice_work *w, struct error *e);

#endif
