/* A text to calibrate by and how much of it: what a person chooses, a plan records and a run takes. */
#ifndef TEXT_CALIBRATION_H
#define TEXT_CALIBRATION_H

#include <stdbool.h>

#include "base/error.h"

/* The mix of prose, code and dialogue that comes with the program (demo/general): where a method wants a text and
 * nobody gave one. */
#define CALIBRATION_GENERAL "general"

struct calibration {
    const char *text;                /* a file, a folder, or CALIBRATION_GENERAL; NULL: none */
    const char *hash;                /* its SHA-256 (samples.h); NULL: any */
    int samples, sample_length;      /* at most so many, of so many tokens each */
};

enum { CALIBRATION_SAMPLES = 128, CALIBRATION_LENGTH = 512 }; /* where nobody said more */

/* The file or the folder that a text's name stands for; free() it. */
int calibration_path(char **path, const char *text, struct error *e);
bool calibration_is_general(const struct calibration *c);
/* That the text is still the one of c->hash. */
int calibration_check(const struct calibration *c, struct error *e);
/* The share of the text to evaluate on that stands in the one to calibrate by (overlap.h); NaN: it is too short. */
int calibration_overlap(double *share, const struct calibration *c, const char *evaluated, struct error *e);
/* Sample length and count for prompts of about so many tokens, in a model that takes `context` (0: unknown): samples
 * as long as the prompts, and so many that there is always about the same amount of text, but 128 to 512. */
void calibration_suggest(struct calibration *c, int prompt_tokens, int context);

#endif
