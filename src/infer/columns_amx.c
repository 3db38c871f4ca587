#include "infer/columns_amx.h"

#include "infer/amx.h"

enum { TILE = 16, TILE_BYTES = 1024, LINE_BYTES = 64 };
_Static_assert(2 * TILE_BYTES == COLUMNS_GROUP_BYTES, "two tiles a group");

/* 16 floats of a row, those that do not exist as 0. */
static inline __m512 row_of(const float *x, int64_t rows, int64_t count, int64_t r, int64_t c)
{
    int64_t left = count - c;
    __mmask16 valid = r >= rows || left <= 0 ? 0 : left >= TILE ? 0xffff : (__mmask16)((1u << left) - 1);
    return _mm512_maskz_loadu_ps(valid, x + (valid ? r * count + c : 0));
}

/* Word i: element i of two rows, the first in its lower half. */
static inline __m512i pair_up(__m512 first, __m512 second)
{
    __m512i a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
    __m512i b = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

static void pack_tile(const float *x, int64_t rows, int64_t count, int64_t r, int64_t c, char *left, char *right)
{
    __m512i pairs[TILE];
    for (int i = 0; i < TILE; i++) {
        pairs[i] = pair_up(row_of(x, rows, count, r + 2 * i, c), row_of(x, rows, count, r + 2 * i + 1, c));
        _mm512_store_si512(right + i * LINE_BYTES, pairs[i]);
    }
    amx_transpose(pairs);
    for (int i = 0; i < TILE; i++)
        _mm512_store_si512(left + i * LINE_BYTES, pairs[i]);
}

void columns_amx_pack(const float *x, int64_t rows, int64_t count, int64_t first, void *left, void *right)
{
    char *l = left, *r = right;
    for (int64_t row = 0; row < rows; row += COLUMNS_GROUP)
        for (int half = 0; half < 2; half++, l += TILE_BYTES, r += TILE_BYTES)
            pack_tile(x, rows, count, row, first + half * TILE, l, r);
}

void columns_amx_add(const void *left, const void *right, int64_t groups, float *sum, int64_t step)
{
    const char *l = left, *r = right;
    float *below = sum + TILE * step;
    int64_t bytes = step * (int64_t)sizeof *sum;
    amx_configure();
    amx_settle();
    _tile_loadd(0, sum, bytes);
    _tile_loadd(1, sum + TILE, bytes);
    _tile_loadd(2, below, bytes);
    _tile_loadd(3, below + TILE, bytes);
    for (int64_t g = 0; g < groups; g++, l += COLUMNS_GROUP_BYTES, r += COLUMNS_GROUP_BYTES) {
        _tile_loadd(4, l, LINE_BYTES);
        _tile_loadd(5, l + TILE_BYTES, LINE_BYTES);
        _tile_loadd(6, r, LINE_BYTES);
        _tile_loadd(7, r + TILE_BYTES, LINE_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sum, bytes);
    _tile_stored(1, sum + TILE, bytes);
    _tile_stored(2, below, bytes);
    _tile_stored(3, below + TILE, bytes);
    _tile_release();
    amx_settle();
}
