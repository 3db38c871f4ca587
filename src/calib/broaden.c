#include "calib/broaden.h"

#include <math.h>

#include "base/mem.h"
#include "base/random.h"

enum {
    EVERY = 8,
    COMMON = 200, /* so many of the first tokens are about as frequent as each other */
};

/* Vocabularies are in the order in which their words were found worth a token, so that token i is about as frequent as
 * 1 / (COMMON + i) (Zipf's law). The inverse of that distribution: */
static int32_t random_token(int vocab, uint64_t *state)
{
    double token = COMMON * (pow(1 + (double)vocab / COMMON, random_share(state)) - 1);
    return token < vocab ? (int32_t)token : vocab - 1;
}

/* One that stands for text. */
static int32_t random_word(const struct tokenizer *t, uint64_t *state)
{
    enum { TRIES = 100 };
    int32_t token = 0;
    size_t length = 0;
    for (int i = 0; i < TRIES && length == 0; i++) {
        token = random_token(tokenizer_vocab(t), state);
        tokenizer_piece(t, token, false, &length);
    }
    return token;
}

void broaden(struct chunks *c, const struct tokenizer *t)
{
    uint64_t state = 1;
    int64_t from = (int64_t)c->count * c->length, to;
    c->random = c->count / EVERY;
    c->count += c->random;
    to = (int64_t)c->count * c->length;
    c->tokens = xrealloc(c->tokens, to * sizeof *c->tokens);
    for (int64_t i = from; i < to; i++)
        c->tokens[i] = i % c->length == 0 && tokenizer_adds_bos(t) ? tokenizer_bos(t) : random_word(t, &state);
}
