/* Private to columns.c: its tiles (engine_amx.c compiles for the same processors).
 *
 * Strips of 32 columns, one after the other; of each, groups of 32 rows, rounded to bfloat16; the missing ones of the
 * last group are zeros. A group is two tiles of a kilobyte: its first and its last 16 columns. On the left side a tile
 * has a row for each column, on the right side one for each pair of rows, so that column c of the left and column d of
 * the right meet as the instruction wants it. */
#ifndef INFER_COLUMNS_AMX_H
#define INFER_COLUMNS_AMX_H

#include <stdint.h>

enum { COLUMNS_STRIP = 32, COLUMNS_GROUP = 32, COLUMNS_GROUP_BYTES = 2048 };

/* One strip: columns [first, first + 32) of x[rows][count]. */
void columns_amx_pack(const float *x, int64_t rows, int64_t count, int64_t first, void *left, void *right);
/* sum[32][32], whose rows are `step` apart, += leftᵀ · right of two strips of so many groups. */
void columns_amx_add(const void *left, const void *right, int64_t groups, float *sum, int64_t step);

#endif
