/* The vocabulary of a GGUF file: texts, kinds and scores of its tokens, and which of them mean something special.
 * Keys: tokenizer.ggml.* in https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/gguf.h"
#include "text/strmap.h"

enum { /* what a token is; the first six as tokenizer.ggml.token_type has them */
    TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 4, TOKEN_USER = 8, TOKEN_UNUSED = 16, TOKEN_BYTE = 32,
    TOKEN_ENDS = 64,   /* generation stops here */
    TOKEN_RSTRIP = 128,/* takes the white space behind it along */
    TOKEN_LSTRIP = 256,/* and before it */
};

struct token {
    const char *text;      /* as stored: byte-level BPE in its own letters, SentencePiece with U+2581 */
    const char *piece;     /* as printed */
    uint32_t length, piece_length;
    float score;
    unsigned kind;
};

struct vocab {
    struct token *tokens;
    int count;
    size_t longest;        /* bytes of the longest text */
    struct strmap ids;     /* by text */
    int32_t bos, eos, unknown; /* -1: none */
    bool adds_bos, adds_eos, adds_space; /* adds_space: SentencePiece puts a blank before the text */
    bool prepared;         /* texts come normalized, with SentencePiece's blanks where they belong */
    struct arena arena;
};

/* What holds where the file does not say. */
struct vocab_defaults {
    int32_t bos, eos, unknown;
    bool adds_bos, adds_eos, adds_space;
};

/* Borrows from `g`. `path` is for errors. Free with vocab_done whatever is returned. */
int vocab_read(struct vocab *v, struct gguf *g, const char *path, const struct vocab_defaults *d, struct error *e);
void vocab_done(struct vocab *v);
int32_t vocab_find(const struct vocab *v, const char *text, size_t length); /* -1: none */
/* Lets a token be found by another text too, which is borrowed. */
void vocab_add_name(struct vocab *v, const char *text, size_t length, int32_t id);
/* The token of "<0xXX>", or -1. */
int32_t vocab_byte(const struct vocab *v, unsigned char byte);
void vocab_set_piece(struct vocab *v, int32_t id, const char *bytes, size_t length); /* copied */
/* The token's text with blanks for SentencePiece's U+2581. */
void vocab_set_blanks(struct vocab *v, int32_t id);
/* A truth value of the metadata. */
bool vocab_flag(const struct gguf *g, const char *key, bool fallback);

/* An array of strings as a vocabulary has them, checked: items of `key`, or NULL with an error. */
const struct gguf_value *vocab_strings(const struct gguf *g, const char *key, const char *path, struct error *e);

#endif
