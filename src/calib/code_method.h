/* The methods of checkpoint formats, for the walk over layers: weights become whole numbers (pack/scheme.h), with error
 * feedback (GPTQ); for AWQ and SmoothQuant scales are folded into each layer's weights, norms and biases first.
 *
 *     queries, keys, values    from the norm before attention
 *     attention's output       from the values, each head of which may serve several of queries
 *     gate and up              from the norm before them, but where a router or a shared expert reads it, too
 *     down                     from up, also of experts
 *
 * SmoothQuant folds into norms alone. */
#ifndef CALIB_CODE_METHOD_H
#define CALIB_CODE_METHOD_H

#include "calib/layerwise.h"
#include "pack/scheme.h"

struct code_method {
    struct layerwise_method method;
    const struct model *model;
    const struct scheme *scheme;
    const bool *wanted;
    bool nearest;
};
/* `wanted`[model->tensor_count]: the weights that are to become codes. `nearest`: without error feedback, the text
 * decides on scales alone. Borrows all. */
void code_method_init(struct code_method *c, const struct model *model, const struct scheme *s, const bool *wanted,
                      bool nearest);

/* What the walk's store holds of the model's tensor t, for which layerwise_tensor.to is not NULL: of a wanted weight its
 * codes, rows in the tensor's order, of one expert where it has several; the arrays are the store's. */
struct codes code_method_codes(const struct code_method *c, const struct tensor *t, const unsigned char *to, int expert);
/* Of another its numbers, as floats: a norm or a bias that scales were folded into. */
static inline const float *code_method_floats(const unsigned char *to)
{
    return (const float *)to;
}

#endif
