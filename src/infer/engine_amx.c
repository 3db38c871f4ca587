/* Products on the matrix tiles of recent Intel processors (AMX-BF16), with nearly the accuracy of float32.
 *
 * A tile holds 16 rows of 64 bytes; one instruction multiplies 16 x 32 by 32 x 16 bfloat16 numbers and adds to
 * 16 x 16 float32 sums. A float32 has 24 significant bits, a bfloat16 has 8. So each number is split in two,
 *
 *     x = high + low + rest,   high = bf16(x),   low = bf16(x - high),   |rest| <= 2^-17 |x|
 *     x·w ≈ high·high + low·high + high·low
 *
 * Products of bfloat16 are exact in float32. What is left out (low·low and the rests) is under 2^-15 |x·w| for each
 * term in the worst case and, errors being of either sign, near 2e-7 |x||w| for a whole sum: fifty times less than
 * what rounding activations to float16 costs. F16 weights have 11 bits, and lose nothing by the split.
 *
 * Layout: for each 32 columns k, four tiles of a kilobyte: high and low of rows 0-15 and 16-31,
 *
 *     [k / 32][high 0-15 | high 16-31 | low 0-15 | low 16-31]
 *
 * in an input tile one row of x after the other; in a weight tile, as the instruction wants it, pairs of columns one
 * after the other, each with the pair of all 16 rows of w. */
#include "infer/engine.h"

#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cpu.h"

enum {
    TILE = 16,             /* rows of a tile */
    DEPTH = 32,            /* columns of a bfloat16 tile */
    TILE_BYTES = 1024,
    GROUP_BYTES = 4 * TILE_BYTES,
    GROUPS_AT_ONCE = 24,   /* of a strip: 96 KB, which stay near while many rows pass by */
};
_Static_assert(ENGINE_STRIP == 2 * TILE && ENGINE_BLOCK == 2 * TILE, "two tiles each way");

static int64_t groups(int64_t k)
{
    return (k + DEPTH - 1) / DEPTH;
}

static int64_t packed_bytes(int64_t k)
{
    return groups(k) * GROUP_BYTES;
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

/* 32 floats, those past `count` taken as 0, as 32 bfloat16 of high and of low parts. */
static inline void split(const float *x, int64_t count, __m512i *high, __m512i *low)
{
    __mmask32 valid = count >= DEPTH ? ~0u : (1u << count) - 1;
    __m512 a = _mm512_maskz_loadu_ps((__mmask16)valid, x);
    __m512 b = _mm512_maskz_loadu_ps((__mmask16)(valid >> TILE), x + TILE);
    __m512i h = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    __m512 a_high = (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(h)), 16);
    __m512 b_high = (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(h, 1)), 16);
    *high = h;
    *low = (__m512i)_mm512_cvtne2ps_pbh(_mm512_sub_ps(b, b_high), _mm512_sub_ps(a, a_high));
}

static void pack_inputs(const float *x, int64_t rows, int64_t k, void *block)
{
    for (int64_t r = 0; r < ENGINE_BLOCK; r++)
        for (int64_t g = 0; g < groups(k); g++) {
            __m512i high = _mm512_setzero_si512(), low = high;
            if (r < rows)
                split(x + r * k + g * DEPTH, k - g * DEPTH, &high, &low);
            char *to = (char *)block + g * GROUP_BYTES + r * 64;
            _mm512_store_si512(to, high);
            _mm512_store_si512(to + 2 * TILE_BYTES, low);
        }
}

/* 16 x 16 words of 32 bits, rows to columns, in four rounds: 2x2 words, 4x4 words, then lanes of 128 bits. */
static inline void transpose(__m512i r[static TILE])
{
    __m512i t[TILE];
    for (int i = 0; i < TILE; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < TILE; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* One group of 16 rows of weights: a tile of high parts and one of low parts. */
static void pack_tiles(const float *w, int64_t rows, int64_t k, int64_t column, char *to)
{
    __m512i high[TILE], low[TILE];
    for (int r = 0; r < TILE; r++) {
        high[r] = low[r] = _mm512_setzero_si512();
        if (r < rows)
            split(w + r * k + column, k - column, &high[r], &low[r]);
    }
    transpose(high);
    transpose(low);
    for (int r = 0; r < TILE; r++) {
        _mm512_store_si512(to + r * 64, high[r]);
        _mm512_store_si512(to + 2 * TILE_BYTES + r * 64, low[r]);
    }
}

static void pack_weights(const float *w, int64_t rows, int64_t k, void *strip)
{
    for (int64_t g = 0; g < groups(k); g++) {
        char *to = (char *)strip + g * GROUP_BYTES;
        pack_tiles(w, rows, k, g * DEPTH, to);
        pack_tiles(w + TILE * k, rows - TILE, k, g * DEPTH, to + TILE_BYTES);
    }
}

/* The intrinsics of GCC do not tell the compiler that they touch memory. */
static inline void settle(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Eight tiles of 16 rows of 64 bytes. */
static void configure_tiles(void)
{
    struct { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = TILE;
    }
    __asm__ volatile("" : "+m"(c));
    _tile_loadconfig(&c);
}

/* A block of inputs by a strip of weights, `count` groups deep: 32 x 32 sums in tiles 0 to 3. Tiles 4 and 5 hold
 * inputs (low, then high), 6 and 7 weights (high, then low). */
static inline void multiply_block(const char *x, const char *w, int64_t count, float *y, int64_t y_step, bool add)
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
    for (int64_t g = 0; g < count; g++, x += GROUP_BYTES, w += GROUP_BYTES) {
        _tile_loadd(4, x + 2 * TILE_BYTES, 64);
        _tile_loadd(5, x + 3 * TILE_BYTES, 64);
        _tile_loadd(6, w, 64);
        _tile_loadd(7, w + TILE_BYTES, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        _tile_loadd(4, x, 64);
        _tile_loadd(5, x + TILE_BYTES, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        _tile_loadd(6, w + 2 * TILE_BYTES, 64);
        _tile_loadd(7, w + 3 * TILE_BYTES, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, y, step);
    _tile_stored(1, y + TILE, step);
    _tile_stored(2, below, step);
    _tile_stored(3, below + TILE, step);
}

/* At the edges of y: through a block of our own, all of k at once. */
static void multiply_edge(const char *x, const char *w, int64_t k, float *y, int64_t y_step, int64_t rows, int64_t n)
{
    _Alignas(64) float whole[ENGINE_BLOCK * ENGINE_STRIP];
    settle();
    multiply_block(x, w, groups(k), whole, ENGINE_STRIP, false);
    settle();
    for (int64_t r = 0; r < rows; r++)
        memcpy(y + r * y_step, whole + r * ENGINE_STRIP, n * sizeof *y);
}

/* Deep products go in stages, so that a strip's stage stays in the cache while all rows pass by. */
static void multiply(const void *inputs, int64_t rows, const void *strips, int64_t n, int64_t k, float *y,
                     int64_t y_step)
{
    int64_t depth = groups(k), bytes = packed_bytes(k);
    configure_tiles();
    for (int64_t g = 0; g < depth; g += GROUPS_AT_ONCE) {
        int64_t count = depth - g < GROUPS_AT_ONCE ? depth - g : GROUPS_AT_ONCE;
        for (int64_t c = 0; c < n; c += ENGINE_STRIP)
            for (int64_t r = 0; r < rows; r += ENGINE_BLOCK) {
                const char *x = (const char *)inputs + r / ENGINE_BLOCK * bytes;
                const char *w = (const char *)strips + c / ENGINE_STRIP * bytes;
                float *to = y + r * y_step + c;
                if (rows - r >= ENGINE_BLOCK && n - c >= ENGINE_STRIP)
                    multiply_block(x + g * GROUP_BYTES, w + g * GROUP_BYTES, count, to, y_step, g > 0);
                else if (g == 0)
                    multiply_edge(x, w, k, to, y_step, rows - r < ENGINE_BLOCK ? rows - r : ENGINE_BLOCK,
                                  n - c < ENGINE_STRIP ? n - c : ENGINE_STRIP);
            }
    }
    _tile_release();
    settle();
}

const struct engine engine_amx = {
    .name = "amx",
    .usable = usable,
    .strip_bytes = packed_bytes,
    .block_bytes = packed_bytes,
    .pack_weights = pack_weights,
    .pack_inputs = pack_inputs,
    .multiply = multiply,
};
