/* Model to GGUF: every tensor decoded, encoded to its planned type on all cores, written in place, journalled.
 * Holds a few tensors' slices at a time, whatever the model's size; output does not depend on the thread count. */
#ifndef RUN_QUANTIZE_H
#define RUN_QUANTIZE_H

#include "base/error.h"
#include "base/watch.h"
#include "calib/layerwise.h"
#include "plan/recipe.h"
#include "run/layout.h"
#include "text/calibration.h"

struct quantize_tensor {
    const char *name, *from, *to, *wanted;
    double rmse;                     /* relative to the tensor's root mean square; 0 where it was copied */
    double seconds;                  /* from its first slice to its last; NaN where reused */
    uint64_t bytes, source_bytes;
    bool reused;                     /* was safely on disk from an earlier attempt */
};
/* Any function may be NULL; one call at a time, from any thread. */
struct quantize_listener {
    void (*begin)(void *user, const struct quantize_tensor *t, int index, int count);
    void (*end)(void *user, const struct quantize_tensor *t, int index, int count);
    void (*stage)(void *user, const char *stage);  /* "calibrate" with a text, "quantize", then "verify" */
    void (*layer)(void *user, const struct layerwise_report *r); /* one that a text has decided */
    void (*note)(void *user, const char *text);    /* a line for people */
    void *user;
};
struct importance;
struct quantize_job {
    const struct model *model;
    const struct recipe *recipe;
    const char *out;                 /* final path; of shards, without their numbers (OUT.gguf) */
    const struct split *split;       /* NULL: one file */
    const struct calibration *calibration; /* a text to quantize by, with error feedback; NULL: to nearest */
    double memory_bytes;             /* that going through the layers by a text may use; 0: what is available */
    const struct importance *importance; /* matched with the recipe; NULL: none. Not for what the calibration decides */
    const char *journal;             /* file that lists what is safely on disk; NULL: no resuming */
    bool resume;
    const struct quantize_listener *listener;
    struct watch *watch;             /* done and total count elements, of writing and of verifying together */
};
/* Checks source, output and free disk first; re-reads and checks the output before it gets its name. After an error
 * the parts and the journal stay only where `resume` can go on from them. After success the journal stays: with it
 * `resume` finds that all is done; who does not want that removes it. */
int quantize_run(const struct quantize_job *j, struct error *e);

/* The checks alone, and the size that the output will have. */
int quantize_check(const struct quantize_job *j, struct error *e);
uint64_t quantize_output_bytes(const struct model *m, const struct recipe *r, const struct split *split);

#endif
