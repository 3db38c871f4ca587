/* What a checkpoint folder of a scheme will hold: which tensors are quantized, and what all of it takes.
 * Only the weights of linear layers within the blocks are; embeddings, output, norms, biases and routers stay as they
 * are stored. */
#ifndef PLAN_CHECKPOINT_H
#define PLAN_CHECKPOINT_H

#include "model/model.h"
#include "model/stored.h"
#include "plan/recipe.h"

bool checkpoint_takes(const struct tensor *t);
/* The first tensor that the scheme cannot store, with the reason in *why; NULL where it can store all. */
const struct tensor *checkpoint_misfit(const struct model *m, const struct scheme *s, const char **why);
/* Is this level a candidate for the model? All tensors fit, and no offered level of the same format and bits with a
 * larger group would do. */
bool checkpoint_offers(const struct rules *r, const struct level *level, const struct model *m);
/* The tensors with their bytes: quantized ones have no type (NULL). `level` without a scheme: all as they are. */
void checkpoint_sketch(struct recipe *r, const struct model *m, const struct level *level);

/* The largest file of weights, as transformers writes them; a weight that is larger gets one of its own. */
#define CHECKPOINT_FILE_BYTES 5000000000u

/* The format that a stored tensor is kept in: its own; but numbers of 8 bits, packed ones, and those of more than 16 where
 * the embeddings have more, too (`wide`), in 16 bits. */
const struct dtype *checkpoint_kept(const struct stored_weight *w, bool wide, bool bf16);

/* What the sizes of files need and no level changes. Borrows the model. */
struct checkpoint_walk;
struct checkpoint_walk *checkpoint_walk_new(const struct model *m);
void checkpoint_walk_free(struct checkpoint_walk *w);
/* Bytes of the files of weights, headers included; without a scheme those of the folder as it is. */
uint64_t checkpoint_file_bytes(const struct checkpoint_walk *w, const struct scheme *s);

#endif
