/* The one algorithm behind byte-level BPE and SentencePiece BPE: a row of symbols in which the best adjacent pair
 * is joined, again and again, until no pair can be.
 *
 * Best is the lowest cost (a merge's rank, or a piece's negated score), then the leftmost. Pairs wait in a heap;
 * joining two symbols adds at most two new pairs, so n symbols take O(n log n). A pair whose symbols have changed
 * since it was put there is recognized by its length when it comes up, and dropped. */
#ifndef TEXT_MERGE_H
#define TEXT_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_symbol {
    int32_t prev, next;     /* neighbours that are left, -1: none */
    uint32_t start, length; /* bytes of the text; length 0: joined into its left neighbour */
    int32_t id;             /* what the caller calls it; -1: nothing */
};

struct merge_pair {
    float cost;
    int32_t left;
    uint32_t length; /* of both symbols together */
    int32_t id;      /* of the symbol that they become */
};

/* Looks up what two adjacent symbols become; false where they cannot be joined. */
typedef bool merge_lookup(const void *user, const struct merge_symbol *left, const struct merge_symbol *right,
                          float *cost, int32_t *id);

struct merge { /* zero it to start; reused from word to word */
    struct merge_symbol *symbols;
    size_t count, capacity;
    struct merge_pair *heap;
    size_t heap_count, heap_capacity;
};
/* Starts a word: no symbols. */
void merge_start(struct merge *m);
/* Appends the next symbol of the word. */
void merge_add(struct merge *m, size_t start, size_t length, int32_t id);
/* Joins what can be joined. What is left: symbols with length > 0, in order. */
void merge_run(struct merge *m, merge_lookup *lookup, const void *user);
void merge_done(struct merge *m);

#endif
