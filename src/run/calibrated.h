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

/* A calibration's text as samples of tokens; `broadened`: with some of random tokens (calib/broaden.h). Free with
 * chunks_done. */
int calibrated_text(struct chunks *c, const struct model *m, const struct calibration *from, bool broadened,
                    struct error *e);
/* Reads the job's text; nothing where it has none. Free with calibrated_done whatever is returned. */
int calibrated_read(struct calibrated *c, const struct quantize_job *j, struct error *e);
/* Another text, other samples or another method make another file. `nearest`: without feedback. */
void calibrated_mix_text(const struct chunks *text, bool nearest, char fingerprint[static HASH_TEXT]);
/* The same, of error feedback by the job's text. */
void calibrated_mix(const struct calibrated *c, char fingerprint[static HASH_TEXT]);
/* `fingerprint`: as mixed; `output_bytes`: what will be written beside the finished layers. */
int calibrated_make(struct calibrated *c, const struct quantize_job *j, const char *fingerprint, uint64_t output_bytes,
                    struct watch *w, struct error *e);
/* `keep`: finished layers stay for a later attempt. */
void calibrated_done(struct calibrated *c, bool keep);
/* The file that finished layers are kept in; free() it. */
char *calibrated_store(const char *out);

#endif
