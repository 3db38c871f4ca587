/* What a walk over a model's layers has made, in a file, step by step. A finished step stays finished: its bytes were on
 * disk before its hash was, and only steps whose bytes still have their hash count as finished.
 *
 *     a page: "quantwiz-layers 1 FINGERPRINT\n"
 *     pages:  a hash for every step, 64 hexadecimal digits; zeros where it is not finished
 *     the steps' rooms, each from a page on */
#ifndef CALIB_LAYER_STORE_H
#define CALIB_LAYER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct layer_store {
    char *path;
    unsigned char *map;
    uint64_t bytes;
    int steps;
    uint64_t *rooms;  /* [steps + 1]: where they begin */
};

/* Reserves the disk space. With `resume` and the same fingerprint and rooms, finished steps are taken over; otherwise
 * it starts afresh. Free with layer_store_close whatever is returned. */
int layer_store_open(struct layer_store *s, const char *path, const char *fingerprint, const uint64_t *step_bytes,
                     int steps, bool resume, struct error *e);
unsigned char *layer_store_room(const struct layer_store *s, int step);
/* Was it finished by an earlier attempt? Reads it all. */
bool layer_store_has(const struct layer_store *s, int step);
/* On disk when it returns. */
int layer_store_finish(struct layer_store *s, int step, struct error *e);
/* `keep` leaves the file where it holds a finished step. */
void layer_store_close(struct layer_store *s, bool keep);
/* The size of the file for such steps. */
uint64_t layer_store_bytes(const uint64_t *step_bytes, int steps);

#endif
