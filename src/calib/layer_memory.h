/* What a walk over layers will need of memory and disk, known before it starts. */
#ifndef CALIB_LAYER_MEMORY_H
#define CALIB_LAYER_MEMORY_H

#include "calib/layerwise.h"

/* Bytes. */
struct layer_memory {
    double weights;     /* as floats: of the widest stage, or layer, that has them so at once */
    double moments;     /* of the widest stage's inputs, with what factoring them takes */
    double buffers;     /* of the forward passes */
    double activations; /* of all samples, in both streams: in memory or on disk */
    double results;     /* what is made: on disk */
};
/* `experts`: have their moments in memory at once, at most. `kept`: floats that are kept for each token from stage to
 * stage, in all streams. */
void layer_memory_forecast(struct layer_memory *m, const struct layerwise_job *j, int experts, int64_t kept,
                           double buffers, double results);
/* Does it all but the activations fit? */
bool layer_memory_fits(const struct layer_memory *m, double memory);
/* Where it does: sets *on_disk, which says where the activations go; or an error that says what would do, where neither
 * `memory` nor `disk` suffices. */
int layer_memory_place(const struct layer_memory *m, const struct layerwise_job *j, double memory, double disk,
                       bool *on_disk, struct error *e);
/* Where it does not: samples of `length` tokens would (0: of any length they would not). */
int layer_memory_refuse(const struct layer_memory *m, const struct layerwise_job *j, double memory, int length,
                        struct error *e);
/* To be had now: what the machine and its containers leave. */
double layer_memory_available(void);

#endif
