/* How tokenizer.json cuts a text into parts, where the metadata say it (HF_VOCAB_PRIVATE in
 * model/hf_vocab.h): added tokens, the normalizer, SentencePiece's blanks. The vocabulary of a folder has
 * such rules, that of a GGUF file none. */
#ifndef TEXT_SPLITTER_H
#define TEXT_SPLITTER_H

#include "text/text_model.h"

struct splitter; /* used by any number of threads at once */

/* *out NULL, and no error, where the metadata have no rules. Borrows from `g`; `v`
 * learns the added tokens' texts as they stand in tokenizer.json. */
int splitter_open(struct splitter **out, const struct gguf *g, struct vocab *v, const char *path, struct error *e);
void splitter_free(struct splitter *r);
/* Calls `part` for each part of the text, in order: a token (id), or text that is ready to be cut into
 * words (id -1). `special`: as TOKENIZE_SPECIAL. */
void splitter_cut(const struct splitter *p, const char *text, size_t length, bool special,
               void (*part)(void *user, const char *text, size_t length, int32_t id), void *user);

#endif
