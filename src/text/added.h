/* Added tokens as the tokenizers library looks for them in a text: from the left, of those that match at a
 * place the longest. (src/tokenizer/added_vocabulary.rs in https://github.com/huggingface/tokenizers) */
#ifndef TEXT_ADDED_H
#define TEXT_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/strmap.h"

struct added_token {
    const char *text; /* borrowed */
    size_t length;
    int32_t id;
    bool takes_space_before, takes_space_behind, whole_word, special;
};

struct added { /* zero it to start */
    struct added_token *tokens;
    int count, capacity;
    struct strmap by_text;
    uint32_t *lengths; /* those that occur, the longest first */
    int length_count, length_capacity;
    bool starts[256];  /* bytes that a token begins with */
};
void added_put(struct added *a, const struct added_token *token);
/* After the last added_put. */
void added_prepare(struct added *a);
void added_done(struct added *a);

/* Calls `part` for each part of the text, in order: a token (of `a`), or the text between tokens (NULL).
 * Special tokens only count where `special`. */
void added_cut(const struct added *a, const char *text, size_t length, bool special,
               void (*part)(void *user, const char *text, size_t length, const struct added_token *token), void *user);

#endif
