/* What a tokenizer of one kind does: a row of the table in tokenizer.c for each value of tokenizer.ggml.model. */
#ifndef TEXT_TEXT_MODEL_H
#define TEXT_TEXT_MODEL_H

#include "text/tokenizer.h"
#include "text/vocab.h"

struct text_model {
    const char *name; /* tokenizer.ggml.model */
    /* Reads the vocabulary with this kind's defaults, sets the pieces, prepares `state`. `pre`: the pre-tokenizer to
     * use instead of the file's, or NULL. On failure `state` and `v` are in order for free and vocab_done. */
    int (*open)(void **state, struct vocab *v, struct gguf *g, const char *path, const char *pre, struct error *e);
    void (*free)(void *state);
    /* Plain text between special tokens; `first`: at the very front or right behind a special token. Appends. */
    void (*encode)(const void *state, const struct vocab *v, const char *text, size_t length, bool first,
                   struct tokens *out);
};

extern const struct text_model text_model_bpe, text_model_spm, text_model_unigram;

void tokens_add(struct tokens *t, int32_t id);

#endif
