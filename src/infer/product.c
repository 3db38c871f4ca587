#include "infer/product.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    SLAB_BYTES = 8 << 20,     /* packed weights at a time: they stay in the shared cache */
    FEW_ROWS = 4,             /* up to here, dot products */
    NEAR_FLOATS = 4096,       /* decoded weights at a time for those: half of a first-level cache */
    ROWS_AT_ONCE = 256,       /* a unit of work is so many rows of inputs ... */
    COLUMNS_AT_ONCE = 192,    /* ... by so many rows of weights */
};
_Static_assert(ROWS_AT_ONCE % ENGINE_BLOCK == 0 && COLUMNS_AT_ONCE % ENGINE_STRIP == 0, "whole blocks and strips");

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces(int64_t n, int64_t piece)
{
    return (n + piece - 1) / piece;
}

uint64_t product_init(struct product *p, int64_t max_rows, int64_t max_columns)
{
    int64_t strip = p->engine->strip_bytes(max_columns), blocks = 0, rounded = 0;
    int64_t decoded = p->threads * ENGINE_STRIP * max_columns * (int64_t)sizeof *p->decoded;
    p->max_rows = max_rows;
    p->max_columns = max_columns;
    p->slab_bytes = strip > SLAB_BYTES ? strip : SLAB_BYTES;
    p->slab = xaligned(p->slab_bytes);
    p->decoded = xaligned(decoded);
    if (p->engine->pack_inputs)
        p->blocks = xaligned(blocks = pieces(max_rows, ENGINE_BLOCK) * p->engine->block_bytes(max_columns));
    if (p->imitate)
        p->rounded = xaligned(rounded = max_rows * max_columns * (int64_t)sizeof *p->rounded);
    return p->slab_bytes + decoded + blocks + rounded;
}

void product_done(struct product *p)
{
    free(p->slab);
    free(p->decoded);
    free(p->blocks);
    free(p->rounded);
}

void product_input(struct product *p, const float *x, int64_t rows, int64_t columns)
{
    p->x = p->ready = x;
    p->rows = rows;
    p->columns = columns;
    p->rounding = ROUND_NOT;
    p->packed = false;
}

/* Weights of several types share an input, and may want it rounded differently. */
static void round_inputs(struct product *p, enum rounding wanted)
{
    if (p->rounding == wanted)
        return;
    p->rounding = wanted;
    p->packed = false;
    p->ready = wanted == ROUND_NOT ? p->x : p->rounded;
    if (wanted == ROUND_NOT)
        return;
#pragma omp parallel for num_threads(p->threads)
    for (int64_t r = 0; r < p->rows; r++) {
        float *row = p->rounded + r * p->columns;
        memcpy(row, p->x + r * p->columns, p->columns * sizeof *row);
        round_row(wanted, row, p->columns);
    }
}

static void pack_inputs(struct product *p)
{
    if (p->packed || !p->engine->pack_inputs)
        return;
    int64_t bytes = p->engine->block_bytes(p->columns);
#pragma omp parallel for num_threads(p->threads)
    for (int64_t r = 0; r < p->rows; r += ENGINE_BLOCK)
        p->engine->pack_inputs(p->ready + r * p->columns, smaller(ENGINE_BLOCK, p->rows - r), p->columns,
                               p->blocks + r / ENGINE_BLOCK * bytes);
    p->packed = true;
}

/* Row r, a multiple of ENGINE_BLOCK, in the engine's form. */
static const void *inputs_from(const struct product *p, int64_t r)
{
    if (!p->engine->pack_inputs)
        return p->ready + r * p->columns;
    return p->blocks + r / ENGINE_BLOCK * p->engine->block_bytes(p->columns);
}

static void decode_rows(const struct weight *w, int64_t first, int64_t count, float *x)
{
    const struct quant_type *type = w->tensor->type;
    uint64_t row = quant_bytes(type, w->columns);
    type->decode(w->tensor->data + (w->first + first) * row, x, count * w->columns);
}

static void pack_strip(const struct product *p, const struct weight *w, int64_t first, void *strip)
{
    int64_t rows = smaller(ENGINE_STRIP, w->rows - first);
    float *decoded = p->decoded + omp_get_thread_num() * ENGINE_STRIP * p->max_columns;
    if (!p->engine->pack_weights)
        decoded = strip;
    decode_rows(w, first, rows, decoded);
    if (p->engine->pack_weights)
        p->engine->pack_weights(decoded, rows, w->columns, strip);
}

static void add_bias(const struct weight *w, int64_t first, int64_t count, int64_t rows, float *y, int64_t y_step)
{
    for (int64_t r = 0; w->bias && r < rows; r++)
        for (int64_t c = 0; c < count; c++)
            y[r * y_step + c] += w->bias[first + c];
}

/* Unit u of the slab's work; neighbours share their rows of inputs. */
static void multiply_unit(const struct product *p, const struct weight *w, int64_t slab_first, int64_t slab_rows,
                          int64_t u, float *y, int64_t y_step)
{
    int64_t across = pieces(slab_rows, COLUMNS_AT_ONCE);
    int64_t r = u / across * ROWS_AT_ONCE, c = u % across * COLUMNS_AT_ONCE;
    int64_t rows = smaller(ROWS_AT_ONCE, p->rows - r), columns = smaller(COLUMNS_AT_ONCE, slab_rows - c);
    const unsigned char *strips = p->slab + c / ENGINE_STRIP * p->engine->strip_bytes(w->columns);
    float *to = y + r * y_step + slab_first + c;
    p->engine->multiply(inputs_from(p, r), rows, strips, columns, w->columns, to, y_step);
    add_bias(w, slab_first + c, columns, rows, to, y_step);
}

static void product_of_many(struct product *p, const struct weight *w, float *y, int64_t y_step)
{
    pack_inputs(p);
    int64_t strip = p->engine->strip_bytes(w->columns), slab = p->slab_bytes / strip * ENGINE_STRIP;
#pragma omp parallel num_threads(p->threads)
    for (int64_t first = 0; first < w->rows; first += slab) {
        int64_t rows = smaller(slab, w->rows - first);
        int64_t units = pieces(p->rows, ROWS_AT_ONCE) * pieces(rows, COLUMNS_AT_ONCE);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < rows; i += ENGINE_STRIP)
            pack_strip(p, w, first + i, p->slab + i / ENGINE_STRIP * strip);
#pragma omp for schedule(dynamic)
        for (int64_t u = 0; u < units; u++)
            multiply_unit(p, w, first, rows, u, y, y_step);
    }
}

static void product_of_few(struct product *p, const struct weight *w, float *y, int64_t y_step)
{
    int64_t k = w->columns, near = NEAR_FLOATS / k < 1 ? 1 : smaller(NEAR_FLOATS / k, ENGINE_STRIP);
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < w->rows; i += near) {
        float *decoded = p->decoded + omp_get_thread_num() * ENGINE_STRIP * p->max_columns;
        int64_t count = smaller(near, w->rows - i);
        decode_rows(w, i, count, decoded);
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t c = 0; c < count; c++)
                y[r * y_step + i + c] = p->kernels->dot(p->ready + r * k, decoded + c * k, k);
        add_bias(w, i, count, p->rows, y + i, y_step);
    }
}

void product(struct product *p, const struct weight *w, float *y, int64_t y_step)
{
    if (p->tap && w->first == 0)
        p->tap(p->tap_user, w->tensor, p->x, p->rows, p->columns);
    if (p->imitate)
        round_inputs(p, rounding_for(w->tensor->type));
    if (p->rows <= FEW_ROWS)
        product_of_few(p, w, y, y_step);
    else
        product_of_many(p, w, y, y_step);
}
