/* What each weight of a model costs in divergence, by the type that it gets.
 *
 * Rounding a weight adds noise to its outputs, and for small noise the KL divergence of the predictions grows with the
 * square of its amplitude; the noises of two weights have nothing to do with each other. So the divergence of a mix of
 * types is about
 *
 *     Σ over weights  slope × error(type)
 *
 * with the squared error of calib/weight_error.h, which takes one look at the weight for each type, and a slope that
 * tells how much of the model's predictions hangs on these outputs. Slopes are measured: the real model runs with one
 * group of weights quantized to a type of few bits and all else as it is (probe.h), and the divergence is divided by
 * the group's error. A group is the weights of one role in neighbouring layers.
 *
 * What was measured stays in the cache (findings.h), under the model's fingerprint and the text's. */
#ifndef EVAL_SENSITIVITY_H
#define EVAL_SENSITIVITY_H

#include "base/watch.h"
#include "quant/quant_type.h"
#include "text/calibration.h"
#include "model/model.h"

struct sensitivity_job {
    const struct model *model;
    const int *tensors;                    /* [tensor_count] of the model: those that may get another type */
    int tensor_count;
    const struct quant_type *const *types; /* [type_count] that they may get */
    int type_count;
    const struct quant_type *const *probes;/* NULL-terminated: what groups are probed with, the first that all rows allow */
    const char *text;                      /* as calibration_path() takes it */
    bool told;                             /* importance is also told to the encoder: files are made by a text */
    int groups;                            /* at most, about */
    struct watch *watch;
};

struct sensitivities {
    double *loss;      /* [tensor_count][type_count]: divergence by this weight in this type; NaN: its rows do not allow it */
    int tensor_count, type_count;
    int groups, measured; /* measured: of these now, not taken from the cache */
    double seconds;
};

/* Free with sensitivities_done whatever is returned. */
int sensitivities_measure(struct sensitivities *s, const struct sensitivity_job *j, struct error *e);
void sensitivities_done(struct sensitivities *s);

#endif
