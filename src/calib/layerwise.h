/* All layers of a model quantized with error feedback, in the order in which data flows: each weight by the inputs
 * that the already quantized ones before it produce, beside those of the original (feedback.h). The original runs along.
 *
 * Holds one layer's second moments and the residual stream of all samples; the finished blocks lie in a file without
 * a name, which the system may write out. */
#ifndef CALIB_LAYERWISE_H
#define CALIB_LAYERWISE_H

#include "base/watch.h"
#include "calib/feedback.h"
#include "model/model.h"
#include "text/chunks.h"

struct layerwise_tensor {
    const struct quant_type *type; /* NULL: stays as it is */
    unsigned char *blocks;         /* set when it is done */
    struct feedback_result result; /* of experts, the worst */
};

struct layerwise {
    struct layerwise_tensor *tensors; /* [model->tensor_count] */
    int count;
    struct model *fork;               /* whose weights turn into what was made of them */
    unsigned char *store;             /* mapped */
    uint64_t store_bytes;
};

/* `types`[model->tensor_count]: what each tensor is to become; those outside of layers, those that are not products'
 * weights, and NULLs are left alone. `folder`: where the blocks are kept. Free with layerwise_done whatever is
 * returned. */
int layerwise_run(struct layerwise *l, const struct model *model, const struct quant_type *const *types,
                  const struct chunks *text, const char *folder, struct watch *w, struct error *e);
void layerwise_done(struct layerwise *l);

#endif
