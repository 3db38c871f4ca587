/* A checkpoint folder as it is stored, for who writes another one of it: each stored tensor with its own name and order
 * of rows, and which rows of which GGUF tensors it holds. */
#ifndef MODEL_STORED_H
#define MODEL_STORED_H

#include <jansson.h>

#include "model/model.h"
#include "model/safetensors.h"

/* Rows `first` to `first` + source->rows of a stored tensor are one part of a GGUF tensor. */
struct stored_piece {
    const struct tensor *tensor;
    int part;                           /* expert; 0 where there are none */
    int64_t first;
};

struct stored_weight {
    const struct stored_tensor *stored;
    const struct tensor_source *source; /* its numbers in its own order; NULL: it belongs to no GGUF tensor */
    struct stored_piece *pieces;
    int count, capacity;
};

struct stored_weights {
    struct stored_weight *items;        /* in the order of the files */
    int count;
    struct arena arena;                 /* of what is not stored by itself */
};
/* Fails for GGUF files, which are not stored so. What is only part of others (scales) is left out. Everything lives as
 * long as the model, but for the list itself. */
int stored_weights_of(const struct model *m, struct stored_weights *s, struct error *e);
/* The list alone, without sources: for who only counts. */
void stored_weights_list(const struct model *m, struct stored_weights *s);
void stored_weights_done(struct stored_weights *s);

/* Can the parts of a tensor that are stored in one be stored each by itself, as those want them who read quantized
 * checkpoints? They are listed so. */
bool stored_comes_apart(const struct tensor_source *s);

/* Is it the language model's own? Else another modality's, say, which is carried over as it is. */
bool stored_is_own(const struct stored_weight *w);

/* The row of the GGUF tensor's part that stands in row `first` + `row` of the stored one. */
int64_t stored_row(const struct stored_piece *p, int64_t row);
/* config.json as it stands in the folder; json_decref() it. */
int stored_config(const struct model *m, json_t **config, struct error *e);

#endif
