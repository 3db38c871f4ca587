/* Products of columns, on all cores:
 *
 *     sum[m][n] += a[rows][m]ᵀ · b[rows][n]
 *
 * which second moments of a layer's inputs are made of. Where the processor multiplies tiles of bfloat16 (engine_amx.c),
 * both sides are rounded to that first: a product is then off by 2^-7 of itself at most, to either side alike, and so
 * the sum over thousands of rows by far less than the choice of the rows makes it. Elsewhere they are products of
 * float32. No sum depends on the number of threads. */
#ifndef INFER_COLUMNS_H
#define INFER_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

/* A matrix that takes part. Zero it to start; its rooms are used again for the next one. */
struct columns {
    const float *x;       /* [rows][count], borrowed */
    int64_t rows, count;
    unsigned char *left, *right; /* in tiles, for either side of a product; NULL: not so here */
    int64_t room;
};
void columns_set(struct columns *c, const float *x, int64_t rows, int64_t count);
void columns_done(struct columns *c);

/* The rows of both are the same. `upper`: of a with itself, on and above the diagonal; what lies below is undefined. */
void columns_add(const struct columns *a, const struct columns *b, bool upper, float *sum);
/* Bytes that a matrix holds beside its numbers. */
uint64_t columns_bytes(int64_t rows, int64_t count);

#endif
