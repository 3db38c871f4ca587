/* GGUF to GGUF: every tensor decoded, encoded to its planned type on all cores, written in place, journalled.
 * Holds a few tensors' slices at a time, whatever the model's size; output does not depend on the thread count. */
#ifndef RUN_QUANTIZE_H
#define RUN_QUANTIZE_H

#include "base/error.h"
#include "base/watch.h"
#include "plan/recipe.h"

struct quantize_tensor { const char *name, *from, *to, *wanted; double rmse /* relative to the tensor's RMS */, seconds; uint64_t bytes; bool reused; };
struct quantize_listener {
    void (*begin)(void *user, const struct quantize_tensor *t, int index, int count);
    void (*end)(void *user, const struct quantize_tensor *t, int index, int count);
    void *user;
};
struct quantize_job {
    const struct model *model;
    const struct recipe *recipe;
    const char *out;                 /* final path */
    const char *journal;             /* file that lists what is safely on disk; NULL: no resuming */
    bool resume;
    const struct quantize_listener *listener;
    struct watch *watch;
};
/* Checks source, output and free disk first; re-reads and checks the output before it gets its name. */
int quantize_run(const struct quantize_job *j, struct error *e);

#endif
