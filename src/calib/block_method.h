/* The method of GGUF levels: error feedback on the grids of their blocks. */
#ifndef CALIB_BLOCK_METHOD_H
#define CALIB_BLOCK_METHOD_H

#include "calib/layerwise.h"

struct block_method {
    struct layerwise_method method;
    const struct model *model;
    const struct quant_type *const *types;
};
/* `types`[model->tensor_count]: what each tensor is to become; NULL, or a type that is not in blocks: it stays as it is.
 * Borrows both. */
void block_method_init(struct block_method *b, const struct model *model, const struct quant_type *const *types);

#endif
