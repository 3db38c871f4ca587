/* From stored tensors to the source of one of GGUF's; for hf_tensors.c and stored.c. */
#ifndef MODEL_HF_SOURCE_H
#define MODEL_HF_SOURCE_H

#include "model/hf.h"
#include "model/hf_names.h"

/* Fills all but the name of *out, by which the type is chosen: `count` stored tensors of one shape (experts,
 * or one alone), as the table's row says. */
int hf_source_make(struct hf *h, const struct hf_name *n, const struct stored_tensor *const *t, int count,
                   struct hf_tensor *out, struct error *e);

#endif
