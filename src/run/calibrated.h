/* The part of a quantization that a text decides: blocks made with error feedback (calib/layerwise.h), before the file
 * is written. */
#ifndef RUN_CALIBRATED_H
#define RUN_CALIBRATED_H

#include "base/hash.h"
#include "calib/layerwise.h"
#include "run/quantize.h"

struct calibrated {
    struct chunks text;
    struct layerwise layers;
    const unsigned char **blocks;     /* [recipe->count]; NULLs for what is rounded to nearest */
};

/* Reads the job's text; nothing where it has none. Free with calibrated_done whatever is returned. */
int calibrated_read(struct calibrated *c, const struct quantize_job *j, struct error *e);
/* Another text or other samples make another file. */
void calibrated_mix(const struct calibrated *c, char fingerprint[static HASH_TEXT]);
int calibrated_make(struct calibrated *c, const struct quantize_job *j, struct watch *w, struct error *e);
void calibrated_done(struct calibrated *c);

#endif
