/* Shared by the files that build a struct model; nobody else includes this. */
#ifndef MODEL_MODEL_PRIV_H
#define MODEL_MODEL_PRIV_H

#include "model/model.h"

/* What a value may be at most. Far above any model, and small enough that the bytes of a cache (layers × context ×
 * heads × head length × a few) stay within 64 bits. */
enum {
    LAYERS_MAX = 1024,         /* llama.cpp: LLAMA_MAX_LAYERS is 512 */
    CONTEXT_MAX = 1 << 27,
    HEADS_MAX = 4096,
    HEAD_LENGTH_MAX = 16384,
    WIDTH_MAX = 1 << 24,       /* of the embedding and the feed-forward part */
    EXPERTS_MAX = 65536,
};

/* Adds a sentence to the model's warnings. */
void model_warn(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "cannot read FILE: offset N, KEY: …", for a value of the first shard; of a folder, config.json is named. */
int model_bad_value(const struct model *m, const struct gguf_value *v, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* roles.c: sets role, layer and bias from the name. */
void tensor_classify(struct tensor *t);
/* roles.c: an error where a tensor of an evaluated architecture is not shaped as the hyperparameters say. */
int shapes_check(const struct model *m, struct error *e);

/* hparams.c: fills m->hp from the metadata and the tensors' shapes. */
int hparams_read(struct model *m, struct error *e);
/* One whole number from 0 to `high` at "ARCH.SUFFIX", of an array the first; a missing key leaves *value as it is. */
int hparams_integer(const struct model *m, const char *suffix, int high, int *value, struct error *e);
/* The value at "ARCH.SUFFIX", or NULL. */
const struct gguf_value *hparams_value(const struct model *m, const char *suffix);

/* layers.c: windows, states and shared caches, as the architecture's row and the file say. */
int layers_read(struct model *m, struct error *e);

/* warnings.c: what a person should know before choosing this file. */
void warnings_collect(struct model *m);

#endif
