/* A SentencePiece model file: a message of protocol buffers, of which the few fields that matter are read.
 * Fields: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
 * Encoding: https://protobuf.dev/programming-guides/encoding/ */
#ifndef MODEL_SENTENCEPIECE_H
#define MODEL_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

enum sentencepiece_type { /* of a piece, as stored */
    PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER, PIECE_UNUSED, PIECE_BYTE,
};
enum sentencepiece_algorithm { PIECES_UNIGRAM = 1, PIECES_BPE, PIECES_WORD, PIECES_CHAR }; /* as stored */

struct sentencepiece_piece {
    const char *text; /* in the arena */
    float score;
    enum sentencepiece_type type;
};

struct sentencepiece {
    struct sentencepiece_piece *pieces; /* [count] */
    size_t count, capacity;
    enum sentencepiece_algorithm algorithm;
    int32_t unk, bos, eos, pad;         /* -1: none */
    const unsigned char *charsmap;      /* the normalizer's table, in the bytes that were parsed; NULL: none */
    size_t charsmap_bytes;
    bool adds_space, removes_spaces, space_behind; /* add_dummy_prefix, remove_extra_whitespaces, …_as_suffix */
    struct arena arena;
};

/* `charsmap` borrows from `bytes`. `name` is what errors call them. sentencepiece_done whatever is
 * returned. */
int sentencepiece_parse(struct sentencepiece *s, const void *bytes, size_t size, const char *name, struct error *e);
void sentencepiece_done(struct sentencepiece *s);

#endif
