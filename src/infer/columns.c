#include "infer/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/blas.h"
#include "infer/columns_amx.h"
#include "infer/engine.h"

/* Square tiles of the sum are the work of one thread each. */
enum { PIECE = 128, PIECE_OF_FLOATS = 256 };
_Static_assert(PIECE % COLUMNS_STRIP == 0, "whole strips");

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool in_tiles(void)
{
    return strcmp(engine()->name, "amx") == 0;
}

static int64_t groups_of(int64_t rows)
{
    return (rows + COLUMNS_GROUP - 1) / COLUMNS_GROUP;
}

static int64_t side_bytes(int64_t rows, int64_t count)
{
    return (count + COLUMNS_STRIP - 1) / COLUMNS_STRIP * groups_of(rows) * COLUMNS_GROUP_BYTES;
}

uint64_t columns_bytes(int64_t rows, int64_t count)
{
    return in_tiles() ? 2 * side_bytes(rows, count) : 0;
}

/* ------------------------------------------------------------------ in float32 */

static void add_floats(const struct columns *a, const struct columns *b, bool upper, float *sum)
{
    int64_t m = a->count, n = b->count, across = (n + PIECE_OF_FLOATS - 1) / PIECE_OF_FLOATS;
    int64_t down = (m + PIECE_OF_FLOATS - 1) / PIECE_OF_FLOATS;
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < down * across; t++) {
        int64_t i = t / across * PIECE_OF_FLOATS, j = t % across * PIECE_OF_FLOATS;
        if (!upper || j >= i)
            blas_add_columns(smaller(PIECE_OF_FLOATS, m - i), smaller(PIECE_OF_FLOATS, n - j), a->rows, a->x + i, m,
                             b->x + j, n, sum + i * n + j, n);
    }
}

#ifdef __x86_64__
/* -------------------------------------------------------------------- in tiles */

static void make_room(struct columns *c, int64_t bytes)
{
    if (bytes <= c->room)
        return;
    free(c->left);
    free(c->right);
    c->left = xaligned(bytes);
    c->right = xaligned(bytes);
    c->room = bytes;
}

static void pack(struct columns *c)
{
    int64_t strip = groups_of(c->rows) * COLUMNS_GROUP_BYTES;
    make_room(c, side_bytes(c->rows, c->count));
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < c->count; i += COLUMNS_STRIP)
        columns_amx_pack(c->x, c->rows, c->count, i, c->left + i / COLUMNS_STRIP * strip,
                         c->right + i / COLUMNS_STRIP * strip);
}

/* Strip i of a with strip j of b; at the edges by way of a whole tile. */
static void add_strips(const struct columns *a, int64_t i, const struct columns *b, int64_t j, float *sum)
{
    int64_t groups = groups_of(a->rows), strip = groups * COLUMNS_GROUP_BYTES, n = b->count;
    const unsigned char *left = a->left + i / COLUMNS_STRIP * strip, *right = b->right + j / COLUMNS_STRIP * strip;
    int64_t rows = smaller(COLUMNS_STRIP, a->count - i), columns = smaller(COLUMNS_STRIP, n - j);
    _Alignas(64) float whole[COLUMNS_STRIP * COLUMNS_STRIP] = {0};
    if (rows == COLUMNS_STRIP && columns == COLUMNS_STRIP) {
        columns_amx_add(left, right, groups, sum + i * n + j, n);
        return;
    }
    columns_amx_add(left, right, groups, whole, COLUMNS_STRIP);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            sum[(i + r) * n + j + c] += whole[r * COLUMNS_STRIP + c];
}

static void add_piece(const struct columns *a, int64_t i, const struct columns *b, int64_t j, bool upper, float *sum)
{
    for (int64_t r = i; r < smaller(i + PIECE, a->count); r += COLUMNS_STRIP)
        for (int64_t c = j; c < smaller(j + PIECE, b->count); c += COLUMNS_STRIP)
            if (!upper || c >= r)
                add_strips(a, r, b, c, sum);
}

static void add_tiles(const struct columns *a, const struct columns *b, bool upper, float *sum)
{
    int64_t across = (b->count + PIECE - 1) / PIECE, down = (a->count + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < down * across; t++) {
        int64_t i = t / across * PIECE, j = t % across * PIECE;
        if (!upper || j >= i)
            add_piece(a, i, b, j, upper, sum);
    }
}
#else
static void pack(struct columns *c)
{
    (void)c;
}

static void add_tiles(const struct columns *a, const struct columns *b, bool upper, float *sum)
{
    add_floats(a, b, upper, sum);
}
#endif

void columns_set(struct columns *c, const float *x, int64_t rows, int64_t count)
{
    c->x = x;
    c->rows = rows;
    c->count = count;
    if (in_tiles())
        pack(c);
}

void columns_done(struct columns *c)
{
    free(c->left);
    free(c->right);
    *c = (struct columns){0};
}

void columns_add(const struct columns *a, const struct columns *b, bool upper, float *sum)
{
    (a->left ? add_tiles : add_floats)(a, b, upper, sum);
}
