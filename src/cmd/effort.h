/* What making a file or a folder takes: progress on stderr meanwhile, time and memory afterwards. */
#ifndef CMD_EFFORT_H
#define CMD_EFFORT_H

#include <jansson.h>
#include <stdint.h>

#include "base/watch.h"
#include "run/quantize.h"

struct effort {
    struct progress progress;
    struct watch watch;         /* for the work: draws the progress, looks at the memory */
    uint64_t peak_private;
    double started, seconds, sampled;
    json_t *layers, *notes;     /* what was told meanwhile */
};
/* From here on interrupts are caught. The work is done by the time of effort_end. */
void effort_begin(struct effort *x);
void effort_end(struct effort *x);
void effort_done(struct effort *x);
/* What quantize_listener's functions of these names hear: shown above the progress, and kept. */
void effort_note(struct effort *x, const char *text);
void effort_layer(struct effort *x, const struct layerwise_report *r);

struct made {
    const char *output, *level;
    double bytes, bits_per_weight;
    bool dry_run;
};
/* The keys that `quantwiz quantize --json` has for files and for folders alike; takes both references. */
json_t *effort_json(const struct effort *x, const struct made *made, json_t *files, json_t *tensors);

#endif
