/* How a text is made ready before it is cut into words: the steps of tokenizer.json's normalizer.
 * Meaning of the steps: https://github.com/huggingface/tokenizers (tokenizers/src/normalizers). */
#ifndef TEXT_NORMALIZER_H
#define TEXT_NORMALIZER_H

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "model/gguf.h"

struct normalizer; /* used by any number of threads at once */

/* *out NULL, and no error, where the metadata have no steps (hf_vocab.h), or none that changes anything.
 * Borrows. */
int normalizer_open(struct normalizer **out, const struct gguf *g, const char *path, struct error *e);
void normalizer_free(struct normalizer *n);
/* Appends the text, normalized, to `out`. */
void normalizer_apply(const struct normalizer *n, const char *text, size_t length, struct str *out);

#endif
