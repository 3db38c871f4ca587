#include "calib/hessian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/mem.h"
#include "infer/blas.h"

void hessian_init(struct hessian *h, int64_t columns)
{
    size_t bytes = (size_t)columns * columns * sizeof *h->sum;
    *h = (struct hessian){.columns = columns, .sum = xaligned(bytes), .size = xcalloc(columns, sizeof *h->size),
                          .most = xcalloc(columns, sizeof *h->most)};
    memset(h->sum, 0, bytes);
}

void hessian_done(struct hessian *h)
{
    free(h->sum);
    free(h->drift);
    free(h->size);
    free(h->most);
    *h = (struct hessian){0};
}

/* A tenth of an input for every column: on the demo model at Q3_K_M an eighth to a half of what makes no difference with
 * 64 samples, and with two or eight of them the divergence is 1 to 3 % less than without. */
#define UNKNOWN 0.1
#define MOST_DAMP 1e4

/* Square tiles are the work of one thread each, so that no sum depends on how many there are. */
enum { TILE = 256 };

static int64_t tile_length(int64_t n, int64_t at)
{
    return n - at < TILE ? n - at : TILE;
}

enum { SHARE = 64 }; /* columns whose sizes are the work of one thread */

/* Of few rows, so that a float's sum is exact enough. */
static void sizes_of(const float *x, int64_t rows, int64_t step, int64_t columns, float sum[SHARE], float most[SHARE])
{
    memset(sum, 0, SHARE * sizeof *sum);
    memset(most, 0, SHARE * sizeof *most);
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t j = 0; j < columns; j++) {
            float size = fabsf(x[r * step + j]);
            sum[j] += size;
            most[j] = size > most[j] ? size : most[j];
        }
}

/* Columns are shared out, so that a column's sum does not depend on the number of threads. */
static void add_sizes(struct hessian *h, const float *x, int64_t rows)
{
    enum { FEW = 64 };
    int64_t n = h->columns;
#pragma omp parallel for
    for (int64_t c = 0; c < n; c += SHARE)
        for (int64_t r = 0; r < rows; r += FEW) {
            float sum[SHARE], most[SHARE];
            int64_t columns = n - c < SHARE ? n - c : SHARE;
            sizes_of(x + r * n + c, rows - r < FEW ? rows - r : FEW, n, columns, sum, most);
            for (int64_t j = 0; j < columns; j++) {
                h->size[c + j] += sum[j];
                h->most[c + j] = most[j] > h->most[c + j] ? most[j] : h->most[c + j];
            }
        }
}

void hessian_add(struct hessian *h, const struct columns *x, const struct columns *off)
{
    columns_add(x, x, true, h->sum);
    if (off) {
        h->drift = h->drift ? h->drift : xcalloc(h->columns * h->columns, sizeof *h->drift);
        columns_add(off, x, false, h->drift);
    }
    add_sizes(h, x->x, x->rows);
    h->rows += (double)x->rows;
}

struct ranked {
    float diagonal;
    int32_t column;
};

static int by_diagonal(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->diagonal != y->diagonal ? (x->diagonal < y->diagonal) - (x->diagonal > y->diagonal)
                                      : (x->column > y->column) - (x->column < y->column);
}

static void rank_columns(const struct hessian *h, int32_t *order)
{
    struct ranked *ranked = xmalloc(h->columns * sizeof *ranked);
    for (int64_t i = 0; i < h->columns; i++)
        ranked[i] = (struct ranked){h->sum[i * h->columns + i], (int32_t)i};
    qsort(ranked, h->columns, sizeof *ranked, by_diagonal);
    for (int64_t i = 0; i < h->columns; i++)
        order[i] = ranked[i].column;
    free(ranked);
}

/* a[n][n] with rows and columns in an order; NULL of NULL. */
static float *reordered(const float *a, int64_t n, const int32_t *order)
{
    float *out = a ? xaligned((size_t)n * n * sizeof *out) : NULL;
#pragma omp parallel for
    for (int64_t i = 0; i < (a ? n : 0); i++)
        for (int64_t j = 0; j < n; j++)
            out[i * n + j] = a[(int64_t)order[i] * n + order[j]];
    return out;
}

void hessian_sort(struct hessian *out, const struct hessian *h, int32_t *order)
{
    int64_t n = h->columns;
    rank_columns(h, order);
    hessian_init(out, n);
    out->rows = h->rows;
    out->drift = reordered(h->drift, n, order);
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) {
        out->size[i] = h->size[order[i]];
        out->most[i] = h->most[order[i]];
        for (int64_t j = i; j < n; j++) {
            int64_t a = order[i], b = order[j];
            out->sum[i * n + j] = a <= b ? h->sum[a * n + b] : h->sum[b * n + a];
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double hessian_typical(const struct hessian *h)
{
    float *reached = xmalloc(h->columns * sizeof *reached);
    int64_t count = 0;
    for (int64_t i = 0; i < h->columns; i++) {
        float diagonal = h->sum[i * h->columns + i];
        if (!(diagonal <= 0))
            reached[count++] = diagonal;
    }
    bool numbers = find_not_finite(reached, count) < 0;
    qsort(reached, numbers ? count : 0, sizeof *reached, by_size);
    double typical = numbers && count ? reached[count / 2] : 0;
    free(reached);
    return typical;
}

double hessian_known(const struct hessian *h)
{
    return h->rows / (h->rows + UNKNOWN * (double)h->columns);
}

/* The lower triangle of what is factored in reverse order, its last row and column first, with `more` on the diagonal. */
static void reverse_into(const struct hessian *h, float more, float *out)
{
    int64_t n = h->columns;
    float known = (float)hessian_known(h);
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) {
        out[(n - 1 - i) * n + n - 1 - i] = h->sum[i * n + i] + more;
        for (int64_t j = i + 1; j < n; j++)
            out[(n - 1 - i) * n + n - 1 - j] = known * h->sum[i * n + j];
    }
}

/* Within a parallel region, so that it runs on one thread: on several it rounds otherwise. */
static bool factor_tile(float *a, int64_t width, int64_t n)
{
    bool done = false;
#pragma omp parallel
#pragma omp single
    done = blas_factor(width, a, n);
    return done;
}

/* Tile by tile: the diagonal one, those below it, then all that these touch. */
static bool factor(float *a, int64_t n)
{
    for (int64_t k = 0; k < n; k += TILE) {
        int64_t width = tile_length(n, k), next = k + width, tiles = (n - next + TILE - 1) / TILE;
        const float *diagonal = a + k * n + k;
        if (!factor_tile(a + k * n + k, width, n))
            return false;
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = next; i < n; i += TILE)
            blas_divide_rows(tile_length(n, i), width, diagonal, n, a + i * n + k, n);
#pragma omp parallel for schedule(dynamic)
        for (int64_t t = 0; t < tiles * tiles; t++) {
            int64_t i = next + t / tiles * TILE, j = next + t % tiles * TILE;
            if (j <= i)
                blas_subtract_rows(tile_length(n, i), tile_length(n, j), width, a + i * n + k, n, a + j * n + k, n,
                                   a + i * n + j, n);
        }
    }
    return true;
}

/* Columns [k, k + TILE) of l⁻¹, from row k on, into x[n - k][TILE]. They need those columns of l and later ones. */
static void solve_columns(const float *l, int64_t n, int64_t k, float *x)
{
    int64_t width = tile_length(n, k);
    memset(x, 0, (n - k) * width * sizeof *x);
    for (int64_t i = 0; i < width; i++)
        x[i * width + i] = 1;
    blas_solve(n - k, width, l + k * n + k, n, x, width);
}

static void put_columns(float *l, int64_t n, int64_t k, const float *x)
{
    int64_t width = tile_length(n, k);
    for (int64_t i = k; i < n; i++)
        memcpy(l + i * n + k, x + (i - k) * width, width * sizeof *x);
}

/* Lower triangular l = l⁻¹, some tiles of columns at a time, from the first on: in place, because a matrix of this size is
 * what a layer's work needs most memory for. */
static void invert(float *l, int64_t n)
{
    enum { TILES = 8 };
    float *x = xaligned(TILES * TILE * n * sizeof *x);
    for (int64_t first = 0; first < n; first += TILES * TILE) {
        int64_t end = n - first < TILES * TILE ? n : first + TILES * TILE;
#pragma omp parallel for schedule(dynamic)
        for (int64_t k = first; k < end; k += TILE)
            solve_columns(l, n, k, x + (k - first) * n);
#pragma omp parallel for
        for (int64_t k = first; k < end; k += TILE)
            put_columns(l, n, k, x + (k - first) * n);
    }
    free(x);
}

/* Both orders reversed: what is lower triangular becomes upper, with zeros below. */
static void reverse(float *a, int64_t n)
{
    float *diagonal = xmalloc(n * sizeof *diagonal);
    for (int64_t i = 0; i < n; i++)
        diagonal[n - 1 - i] = a[i * n + i];
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i + 1; j < n; j++)
            a[i * n + j] = a[(n - 1 - i) * n + n - 1 - j];
        a[i * n + i] = diagonal[i];
    }
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++)
        memset(a + i * n, 0, i * sizeof *a);
    free(diagonal);
}

/* With J that reverses the order: J H J = L Lᵀ, so H = (J L J)(J L J)ᵀ, where J L J is upper triangular; its inverse
 * J L⁻¹ J is the u that is wanted. One factorization and one triangular inverse do what inverting H and factoring
 * that would need three for. */
bool hessian_factor(const struct hessian *h, double *damp, float *u)
{
    int64_t n = h->columns;
    double typical = h->rows > 0 ? hessian_typical(h) : 0;
    bool done = false;
    for (; !done && typical > 0 && *damp <= MOST_DAMP; *damp *= done ? 1 : 10) {
        reverse_into(h, (float)(*damp * typical), u);
        done = factor(u, n);
    }
    if (!done)
        return false;
    invert(u, n);
    reverse(u, n);
    return true;
}
