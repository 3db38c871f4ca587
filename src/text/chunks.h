/* A text as chunks of equally many tokens: what a forward pass over a person's text goes through. */
#ifndef TEXT_CHUNKS_H
#define TEXT_CHUNKS_H

#include <stdint.h>

#include "base/error.h"
#include "text/tokenizer.h"

struct chunks {
    int32_t *tokens;  /* [count][length]; each starts with the BOS where the vocabulary wants one */
    int count, length;
    int64_t found;    /* tokens in the file */
};

/* Plain text is taken as a whole, JSON lines (samples.h) one after another, each followed by a blank line. What
 * does not fill a chunk at the end is left out. `at_most` chunks, evenly spread over the text (0: all). Fails where
 * there is not one. Free with chunks_done whatever is returned. */
int chunks_read(struct chunks *c, const char *path, const struct tokenizer *t, int length, int at_most,
                struct error *e);
void chunks_done(struct chunks *c);

#endif
