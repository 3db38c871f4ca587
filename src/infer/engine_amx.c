/* Products on the matrix tiles of recent Intel processors (AMX-BF16), with the accuracy of float32 or, for calibration,
 * of inputs rounded to bfloat16.
 *
 * A tile holds 16 rows of 64 bytes; one instruction multiplies 16 x 32 by 32 x 16 bfloat16 numbers and adds
 * to 16 x 16 float32 sums. A float32 has 24 significant bits, a bfloat16 has 8. So each number is cut in
 * three parts,
 *
 *     x = x0 + x1 + x2,   x0 = bf16(x),   x1 = bf16(x - x0),   x2 = bf16(x - x0 - x1)
 *     x·w ≈ x2·w0 + x1·w0 + x1·w1 + x0·w1 + x0·w0 + x0·w2
 *
 * which leaves out terms under 2^-24 |x·w|; products of bfloat16 are exact in float32, and so the errors are
 * those of any float32 sum. Six instructions do the work of one, and are still faster than one of float32.
 * Many weights need fewer parts (BF16 one; F16, Q4_0 and the like two): a strip of them skips the products
 * that would add 0.
 *
 * Rough products leave out all but x0·w1 + x0·w0: two instructions instead of six.
 *
 * Layout: for each 32 columns k, two tiles of a kilobyte for each part that counts: rows 0-15 and 16-31,
 *
 *     [k / 32][part 0: 0-15 | 16-31][part 1: 0-15 | 16-31][part 2: 0-15 | 16-31]
 *
 * in an input tile one row of x after the other; in a weight tile, as the instruction wants it, pairs of
 * columns one after the other, each with the pair of all 16 rows of w. A line of 64 bytes after a strip says
 * how many parts count. */
#include "infer/engine.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cpu.h"
#include "infer/amx.h"

enum {
    PARTS = 3,
    TILE = 16,             /* rows of a tile */
    DEPTH = 32,            /* columns of a bfloat16 tile */
    TILE_BYTES = 1024,
    PART_BYTES = 2 * TILE_BYTES,
    LINE_BYTES = 64,
    GROUPS_AT_ONCE = 24,   /* of a strip: 144 KB, which stay near while many rows pass by */
};
_Static_assert(ENGINE_STRIP == 2 * TILE && ENGINE_BLOCK == 2 * TILE, "two tiles each way");

static int64_t groups(int64_t k)
{
    return (k + DEPTH - 1) / DEPTH;
}

static int64_t parts_bytes(int parts, int64_t k)
{
    return groups(k) * parts * PART_BYTES;
}

static int64_t block_bytes(const struct engine *e, int64_t k)
{
    return parts_bytes(e->input_parts, k);
}

static int64_t strip_bytes(const struct engine *e, int64_t k)
{
    return parts_bytes(e->weight_parts, k) + LINE_BYTES;
}

/* The kernel hands out the tile registers on request only (Linux 5.16, Documentation/arch/x86/xstate.rst). */
static bool ask_for_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static bool usable(void)
{
    int found = 0;
    for (const char *const *f = cpu_features(); *f; f++)
        found += strcmp(*f, "amx_tile") == 0 || strcmp(*f, "amx_bf16") == 0 || strcmp(*f, "avx512_bf16") == 0;
    return found == 3 && cpu_isa() == CPU_AVX512 && ask_for_tiles();
}

/* The upper halves of 16 floats each, rounded: a in the lower part, b in the upper. */
static inline __m512i narrow(__m512 a, __m512 b)
{
    return (__m512i)_mm512_cvtne2ps_pbh(b, a);
}

static inline __m512 widen(__m256i h)
{
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
}

/* 32 floats, those past `count` taken as 0, cut in parts of 32 bfloat16 each. */
static inline void cut(const float *x, int64_t count, int parts, __m512i part[static PARTS])
{
    __mmask32 valid = count >= DEPTH ? ~0u : (1u << count) - 1;
    __m512 a = _mm512_maskz_loadu_ps((__mmask16)valid, x);
    __m512 b = _mm512_maskz_loadu_ps((__mmask16)(valid >> TILE), x + TILE);
    for (int i = 0; i < parts; i++) {
        part[i] = narrow(a, b);
        a = _mm512_sub_ps(a, widen(_mm512_castsi512_si256(part[i])));
        b = _mm512_sub_ps(b, widen(_mm512_extracti64x4_epi64(part[i], 1)));
    }
}

static void pack_inputs(const struct engine *e, const float *x, int64_t rows, int64_t k, void *block)
{
    int parts = e->input_parts;
    char *to = block;
    for (int64_t g = 0; g < groups(k); g++, to += parts * PART_BYTES)
        for (int64_t r = 0; r < ENGINE_BLOCK; r++) {
            __m512i part[PARTS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
            if (r < rows)
                cut(x + r * k + g * DEPTH, k - g * DEPTH, parts, part);
            for (int i = 0; i < parts; i++)
                _mm512_store_si512(to + i * PART_BYTES + r * LINE_BYTES, part[i]);
        }
}

/* One group of 16 rows of weights: a tile of each part. Returns how many parts are not all 0. */
static int pack_tiles(int parts, const float *w, int64_t rows, int64_t k, int64_t column, char *to)
{
    __m512i part[TILE][PARTS], tile[TILE];
    int used = 1;
    memset(part, 0, sizeof part);
    for (int r = 0; r < TILE && r < rows; r++)
        cut(w + r * k + column, k - column, parts, part[r]);
    for (int i = 0; i < parts; i++) {
        __m512i any = _mm512_setzero_si512();
        for (int r = 0; r < TILE; r++)
            any = _mm512_or_si512(any, tile[r] = part[r][i]);
        used = _mm512_test_epi32_mask(any, any) ? i + 1 : used;
        amx_transpose(tile);
        for (int r = 0; r < TILE; r++)
            _mm512_store_si512(to + i * PART_BYTES + r * LINE_BYTES, tile[r]);
    }
    return used;
}

static void pack_weights(const struct engine *e, const float *w, int64_t rows, int64_t k, void *strip)
{
    int most = 1;
    char *to = strip;
    for (int64_t g = 0; g < groups(k); g++, to += e->weight_parts * PART_BYTES) {
        int upper = pack_tiles(e->weight_parts, w, rows, k, g * DEPTH, to);
        int lower = pack_tiles(e->weight_parts, w + TILE * k, rows - TILE, k, g * DEPTH, to + TILE_BYTES);
        most = upper > most ? upper : most;
        most = lower > most ? lower : most;
    }
    memcpy(to, &most, sizeof most);
}

/* Tiles 0 to 3 hold sums, 4 and 5 a part of the inputs, 6 and 7 one of the weights. */
#define LOAD_INPUTS(part)                                    \
    do {                                                     \
        _tile_loadd(4, x + (part) * PART_BYTES, 64);         \
        _tile_loadd(5, x + (part) * PART_BYTES + TILE_BYTES, 64);  \
    } while (0)
#define LOAD_WEIGHTS(part)                                   \
    do {                                                     \
        _tile_loadd(6, w + (part) * PART_BYTES, 64);         \
        _tile_loadd(7, w + (part) * PART_BYTES + TILE_BYTES, 64);  \
    } while (0)
#define MULTIPLY_ADD()                                       \
    do {                                                     \
        _tile_dpbf16ps(0, 4, 6);                             \
        _tile_dpbf16ps(1, 4, 7);                             \
        _tile_dpbf16ps(2, 5, 6);                             \
        _tile_dpbf16ps(3, 5, 7);                             \
    } while (0)

/* A block of inputs by a strip of weights, `count` groups deep. Small terms first, and never two loads of
 * tiles where one does. */
static inline void multiply_exactly(const char *x, const char *w, int64_t count, int parts)
{
    for (int64_t g = 0; g < count; g++, x += PARTS * PART_BYTES, w += PARTS * PART_BYTES) {
        LOAD_WEIGHTS(0);
        LOAD_INPUTS(2);
        MULTIPLY_ADD();
        LOAD_INPUTS(1);
        MULTIPLY_ADD();
        if (parts > 1) {
            LOAD_WEIGHTS(1);
            MULTIPLY_ADD();
        }
        LOAD_INPUTS(0);
        MULTIPLY_ADD();
        if (parts > 2) {
            LOAD_WEIGHTS(2);
            MULTIPLY_ADD();
        }
        if (parts > 1) {
            LOAD_WEIGHTS(0);
            MULTIPLY_ADD();
        }
    }
}

static inline void multiply_roughly(const char *x, const char *w, int64_t count, int parts)
{
    for (int64_t g = 0; g < count; g++, x += PART_BYTES, w += 2 * PART_BYTES) {
        LOAD_INPUTS(0);
        if (parts > 1) {
            LOAD_WEIGHTS(1);
            MULTIPLY_ADD();
        }
        LOAD_WEIGHTS(0);
        MULTIPLY_ADD();
    }
}

static void multiply_block(const struct engine *e, const char *x, const char *w, int64_t count, int parts, float *y,
                           int64_t y_step, bool add)
{
    int64_t step = y_step * (int64_t)sizeof *y;
    float *below = y + TILE * y_step;
    if (add) {
        _tile_loadd(0, y, step);
        _tile_loadd(1, y + TILE, step);
        _tile_loadd(2, below, step);
        _tile_loadd(3, below + TILE, step);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    (e->input_parts == PARTS ? multiply_exactly : multiply_roughly)(x, w, count, parts);
    _tile_stored(0, y, step);
    _tile_stored(1, y + TILE, step);
    _tile_stored(2, below, step);
    _tile_stored(3, below + TILE, step);
}

/* At the edges of y: through a block of our own, all of k at once. */
static void multiply_edge(const struct engine *e, const char *x, const char *w, int64_t k, float *y, int64_t y_step,
                          int64_t rows, int64_t n)
{
    _Alignas(64) float whole[ENGINE_BLOCK * ENGINE_STRIP];
    amx_settle();
    multiply_block(e, x, w, groups(k), e->weight_parts, whole, ENGINE_STRIP, false);
    amx_settle();
    for (int64_t r = 0; r < rows; r++)
        memcpy(y + r * y_step, whole + r * ENGINE_STRIP, n * sizeof *y);
}

static int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* Groups [first, first + count) of one strip by all blocks; blocks at the edge are done whole with the first
 * group. */
static void multiply_strip(const struct engine *e, const char *inputs, int64_t rows, const char *strip, int64_t n,
                           int64_t k, int64_t first, int64_t count, float *y, int64_t y_step)
{
    int64_t block = block_bytes(e, k), group = e->input_parts * PART_BYTES;
    const char *w = strip + first * e->weight_parts * PART_BYTES;
    int parts;
    memcpy(&parts, strip + parts_bytes(e->weight_parts, k), sizeof parts);
    for (int64_t r = 0; r < rows; r += ENGINE_BLOCK) {
        const char *x = inputs + r / ENGINE_BLOCK * block;
        if (rows - r >= ENGINE_BLOCK && n >= ENGINE_STRIP)
            multiply_block(e, x + first * group, w, count, parts, y + r * y_step, y_step, first > 0);
        else if (first == 0)
            multiply_edge(e, x, strip, k, y + r * y_step, y_step, at_most(rows - r, ENGINE_BLOCK),
                          at_most(n, ENGINE_STRIP));
    }
}

/* Deep products go in stages, so that a strip's stage stays in the cache while all rows pass by. */
static void multiply(const struct engine *e, const void *inputs, int64_t rows, const void *strips, int64_t n, int64_t k,
                     float *y, int64_t y_step)
{
    int64_t depth = groups(k), strip = strip_bytes(e, k);
    amx_configure();
    for (int64_t g = 0; g < depth; g += GROUPS_AT_ONCE)
        for (int64_t c = 0; c < n; c += ENGINE_STRIP)
            multiply_strip(e, inputs, rows, (const char *)strips + c / ENGINE_STRIP * strip, n - c, k, g,
                           at_most(depth - g, GROUPS_AT_ONCE), y + c, y_step);
    _tile_release();
    amx_settle();
}

static const struct engine engine_amx_rough = {
    .name = "amx-rough",
    .usable = usable,
    .input_parts = 1,
    .weight_parts = 2,
    .strip_bytes = strip_bytes,
    .block_bytes = block_bytes,
    .pack_weights = pack_weights,
    .pack_inputs = pack_inputs,
    .multiply = multiply,
};

const struct engine engine_amx = {
    .name = "amx",
    .rough = &engine_amx_rough,
    .usable = usable,
    .input_parts = PARTS,
    .weight_parts = PARTS,
    .strip_bytes = strip_bytes,
    .block_bytes = block_bytes,
    .pack_weights = pack_weights,
    .pack_inputs = pack_inputs,
    .multiply = multiply,
};
