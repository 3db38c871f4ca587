/* The files beside the weights of a checkpoint folder: tokenizer, templates, settings of generation, licence. */
#ifndef RUN_SIDECARS_H
#define RUN_SIDECARS_H

#include <stdint.h>

#include "base/error.h"

/* Copies from one folder to another what belongs to any checkpoint made of it; not its weights, config.json, and what
 * speaks of this very checkpoint (README.md, logs). */
int sidecars_copy(const char *from, const char *to, struct error *e);
/* Their bytes. */
uint64_t sidecars_bytes(const char *from);

#endif
