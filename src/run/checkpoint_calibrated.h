/* The part of a checkpoint folder that a text decides: codes and folded scales (calib/code_method.h), before it is
 * written. */
#ifndef RUN_CHECKPOINT_CALIBRATED_H
#define RUN_CHECKPOINT_CALIBRATED_H

#include "calib/code_method.h"
#include "run/checkpoint.h"

struct checkpoint_calibrated {
    struct chunks text;
    bool *wanted;                   /* [model->tensor_count]: tensors all of whose parts are quantized */
    struct code_method method;
    struct layerwise layers;
    struct checkpoint_made made;    /* what checkpoint_calibrated_make has decided */
};

/* Reads the job's text and mixes it into the layout's fingerprint; nothing where the job has none. Free with
 * checkpoint_calibrated_done whatever is returned. */
int checkpoint_calibrated_read(struct checkpoint_calibrated *c, const struct checkpoint_job *j,
                               struct checkpoint_layout *l, struct error *e);
/* Goes through the layers; the layout must outlive what is made. */
int checkpoint_calibrated_make(struct checkpoint_calibrated *c, const struct checkpoint_job *j,
                               const struct checkpoint_layout *l, struct watch *w, struct error *e);
/* `keep`: finished layers stay for a later attempt. */
void checkpoint_calibrated_done(struct checkpoint_calibrated *c, bool keep);

#endif
