/* What the quality gate has tried for one model: FOLDER/attempts.jsonl, an object a line, the first attempt first. Each
 * attempt is a run with a folder of its own, and each folder holds the list up to and including itself, so that its
 * document can tell how it was come by; the first one's folder holds the whole list. Keys:
 *
 *     number       1 for the first
 *     run          the attempt's folder, relative to the folder that the list lies in ("../demo-Q5_K_M.quantwiz")
 *     level        "Q5_K_M"
 *     method       "feedback", "nearest", or null: no text
 *     calibration  the text, or null
 *     samples      of it; 0 without
 *     why          of this step, from rules/steps.yaml; null for the first
 *     verdict      "accept", "reject", "undecided"
 *     loss         of perplexity, as a fraction; kld_mean, same_top, bytes: as in the results
 *     incoherent   what gave the output away as such, or null
 *
 * A run is the next attempt after another where its plan says so (gate: after). */
#ifndef RUN_ATTEMPTS_H
#define RUN_ATTEMPTS_H

#include <jansson.h>

#include "base/error.h"
#include "base/mem.h"

struct attempt {
    int number, samples;
    const char *run;              /* as seen from where the program runs */
    const char *level, *method, *calibration, *why, *verdict, *incoherent; /* NULL: none */
    double loss, kld_mean, same_top, bytes; /* NaN: not measured */
};
struct attempts {
    struct attempt *items;
    int count, capacity;
    struct arena arena;
};

/* The list in a run's folder; empty where there is none. Free with attempts_done whatever is returned. */
int attempts_read(struct attempts *a, const char *folder, struct error *e);
/* The list up to and including that run itself, which the first one's goes beyond. */
int attempts_read_until(struct attempts *a, const char *folder, struct error *e);
/* The folder of the last attempt after that of this folder, which may be itself; free() it. */
char *attempts_last(const char *folder);
void attempts_done(struct attempts *a);
/* An attempt as its line in the list of this folder. */
json_t *attempt_json(const struct attempt *x, const char *folder);
/* Copies what it borrows. */
void attempts_add(struct attempts *a, const struct attempt *x);
/* Writes the list into a run's folder, and into that of the first attempt. */
int attempts_write(const struct attempts *a, const char *folder, struct error *e);

#endif
