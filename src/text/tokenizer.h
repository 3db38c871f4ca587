/* Text to tokens and back, as the vocabulary in the checkpoint says: token by token, a GGUF file's as in
 * llama.cpp, a folder's as in the tokenizers library. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

struct tokenizer; /* borrows from the model: close it first */

/* `pre`: overrides the pre-tokenizer's name (NULL: as the file says). */
int tokenizer_open(struct tokenizer **out, const struct model *m, const char *pre, struct error *e);
void tokenizer_free(struct tokenizer *t);

struct tokens {
    int32_t *ids;
    size_t count, capacity;
};
enum {
    TOKENIZE_BOS = 1,     /* add BOS/EOS where the vocabulary wants it */
    TOKENIZE_SPECIAL = 2, /* parse "<s>" and the like */
};
/* Appends. Any bytes are accepted, invalid UTF-8 included. */
void tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, int flags, struct tokens *out);
void tokens_done(struct tokens *t);

/* The bytes of one token (special tokens give their text where `special`). Borrowed. */
const char *tokenizer_piece(const struct tokenizer *t, int32_t id, bool special, size_t *length);
int tokenizer_vocab(const struct tokenizer *t);
/* The first token that is not the same text in both, or the length of the shorter vocabulary; -1: they are equal. */
int32_t tokenizer_difference(const struct tokenizer *a, const struct tokenizer *b);
int32_t tokenizer_bos(const struct tokenizer *t); /* -1: none */
/* The checkpoint's chat template (chat_template.h); NULL: it has none, or one of a form that is not known. Borrowed. */
const struct chat_template *tokenizer_chat(const struct tokenizer *t);
bool tokenizer_adds_bos(const struct tokenizer *t);
bool tokenizer_ends(const struct tokenizer *t, int32_t id); /* EOS, EOT and the like: generation stops */

#endif
