/* Tokens that are known by their texts, because files do not always say what they are for. */
#ifndef TEXT_SPECIAL_H
#define TEXT_SPECIAL_H

#include "text/vocab.h"

/* Marks the tokens that end generation, and gives control tokens the kind that they should have had. */
void special_mark(struct vocab *v, const struct gguf *g);
/* Marks the tokens that swallow white space around them in some models, known by their name. */
void special_strip(struct vocab *v, struct gguf *g);

#endif
