/* Shared by the files that build a struct model; nobody else includes this. */
#ifndef MODEL_MODEL_PRIV_H
#define MODEL_MODEL_PRIV_H

#include "model/model.h"

/* Adds a sentence to the model's warnings. */
void model_warn(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "cannot read FILE: offset N, KEY: …", for a value of the first shard. */
int model_bad_value(const struct model *m, const struct gguf_value *v, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* roles.c: sets role, layer and bias from the name. */
void tensor_classify(struct tensor *t);

/* hparams.c: fills m->hp from the metadata and the tensors' shapes. */
int hparams_read(struct model *m, struct error *e);

#endif
