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
_Static_assert(ROWS_AT_ONCE % ENGINE_BLOCK == 0 && COLUMNS_AT_ONCE % ENGINE_STRIP == 0,
               "whole blocks and strips");

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
    int64_t strip = p->engine->strip_bytes(p->engine, max_columns), blocks = 0, rounded = 0;
    int64_t decoded = p->threads * ENGINE_STRIP * max_columns * (int64_t)sizeof *p->decoded;
    p->max_columns = max_columns;
    p->slab_bytes = strip > SLAB_BYTES ? strip : SLAB_BYTES;
    for (int i = 0; i < 2; i++)
        p->slabs[i] = xaligned(p->slab_bytes);
    p->decoded = xaligned(decoded);
    if (p->engine->pack_inputs)
        p->blocks = xaligned(blocks = pieces(max_rows, ENGINE_BLOCK) * p->engine->block_bytes(p->engine, max_columns));
    if (p->imitate || p->serve)
        p->rounded = xaligned(rounded = max_rows * max_columns * (int64_t)sizeof *p->rounded);
    return 2 * p->slab_bytes + decoded + blocks + rounded;
}

void product_borrow(struct product *p, const struct product *from)
{
    p->max_columns = from->max_columns;
    p->slab_bytes = from->slab_bytes;
    memcpy(p->slabs, from->slabs, sizeof p->slabs);
    p->decoded = from->decoded;
    p->blocks = from->blocks;
    p->rounded = from->rounded;
}

void product_done(struct product *p)
{
    free(p->slabs[0]);
    free(p->slabs[1]);
    free(p->decoded);
    free(p->blocks);
    free(p->rounded);
}

/* Weights of several types share an input, and may want it rounded differently. */
static void round_inputs(struct product *p, enum rounding wanted)
{
    if (p->rounding == wanted)
        return;
    p->rounding = wanted;
    p->packed = false;
    p->ready = wanted == ROUND_NOT ? p->x : p->rounded;
    if (wanted != ROUND_NOT)
        round_rows(wanted, p->x, p->rows, p->columns, p->threads, p->rounded);
}

/* Within a parallel region; ends with all threads together. */
static void pack_inputs(const struct product *p)
{
    int64_t bytes = p->engine->block_bytes(p->engine, p->columns);
#pragma omp for schedule(dynamic)
    for (int64_t r = 0; r < p->rows; r += ENGINE_BLOCK)
        p->engine->pack_inputs(p->engine, p->ready + r * p->columns, smaller(ENGINE_BLOCK, p->rows - r), p->columns,
                               p->blocks + r / ENGINE_BLOCK * bytes);
}

/* Row r, a multiple of ENGINE_BLOCK, in the engine's form. */
static const void *inputs_from(const struct product *p, int64_t r)
{
    if (!p->engine->pack_inputs)
        return p->ready + r * p->columns;
    return p->blocks + r / ENGINE_BLOCK * p->engine->block_bytes(p->engine, p->columns);
}

static void decode_rows(const struct weight *w, int64_t first, int64_t count, float *x)
{
    tensor_read(w->tensor, (w->first + first) * w->columns, count * w->columns, x);
}

static void pack_strip(const struct product *p, const struct weight *w, int64_t first, void *strip)
{
    int64_t rows = smaller(ENGINE_STRIP, w->rows - first);
    float *decoded = p->decoded + omp_get_thread_num() * ENGINE_STRIP * p->max_columns;
    if (!p->engine->pack_weights)
        decoded = strip;
    decode_rows(w, first, rows, decoded);
    if (p->engine->pack_weights)
        p->engine->pack_weights(p->engine, decoded, rows, w->columns, strip);
}

static void add_bias(const struct weight *w, int64_t first, int64_t count, int64_t rows, float *y)
{
    for (int64_t r = 0; w->bias && r < rows; r++)
        for (int64_t c = first; c < first + count; c++)
            y[r * w->rows + c] += w->bias[c];
}

/* Some of an output's weight rows, packed. */
struct slab {
    const struct output *output;
    int64_t first, rows;
    unsigned char *strips;
};

static void fill_slab(const struct product *p, const struct slab *s)
{
    int64_t bytes = p->engine->strip_bytes(p->engine, p->columns);
#pragma omp for schedule(dynamic)
    for (int64_t i = 0; i < s->rows; i += ENGINE_STRIP)
        pack_strip(p, s->output->weight, s->first + i, s->strips + i / ENGINE_STRIP * bytes);
}

/* Unit u of a slab's work; neighbours share their rows of inputs. */
static void multiply_unit(const struct product *p, const struct slab *s, int64_t u)
{
    const struct weight *w = s->output->weight;
    int64_t across = pieces(s->rows, COLUMNS_AT_ONCE);
    int64_t r = u / across * ROWS_AT_ONCE, c = u % across * COLUMNS_AT_ONCE;
    int64_t rows = smaller(ROWS_AT_ONCE, p->rows - r), columns = smaller(COLUMNS_AT_ONCE, s->rows - c);
    const unsigned char *strips = s->strips + c / ENGINE_STRIP * p->engine->strip_bytes(p->engine, p->columns);
    float *y = s->output->y + r * w->rows;
    p->engine->multiply(p->engine, inputs_from(p, r), rows, strips, columns, p->columns, y + s->first + c, w->rows);
    add_bias(w, s->first + c, columns, rows, y);
}

static void multiply_slab(const struct product *p, const struct slab *s)
{
    int64_t units = pieces(p->rows, ROWS_AT_ONCE) * pieces(s->rows, COLUMNS_AT_ONCE);
#pragma omp for schedule(dynamic) nowait
    for (int64_t u = 0; u < units; u++)
        multiply_unit(p, s, u);
}

/* A thread that has finished with one slab goes on to fill the next. All meet when that is full; by then
 * nobody reads the one before, and so two places are enough. */
static void products_of_many(struct product *p, const struct output *outputs, int count)
{
    int64_t most = p->slab_bytes / p->engine->strip_bytes(p->engine, p->columns) * ENGINE_STRIP;
#pragma omp parallel num_threads(p->threads)
    {
        int turn = 0;
        if (p->engine->pack_inputs && !p->packed)
            pack_inputs(p);
        for (int i = 0; i < count; i++)
            for (int64_t first = 0; first < outputs[i].weight->rows; first += most, turn ^= 1) {
                struct slab s = {.output = &outputs[i], .first = first, .strips = p->slabs[turn],
                                 .rows = smaller(most, outputs[i].weight->rows - first)};
                fill_slab(p, &s);
                multiply_slab(p, &s);
            }
    }
    p->packed = true;
}

/* `count` rows of weights from `first` on, by all rows of inputs. */
static void dot_rows(const struct product *p, const struct output *o, int64_t first, int64_t count)
{
    float *decoded = p->decoded + omp_get_thread_num() * ENGINE_STRIP * p->max_columns;
    int64_t k = p->columns, step = o->weight->rows;
    decode_rows(o->weight, first, count, decoded);
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t c = 0; c < count; c++)
            o->y[r * step + first + c] = p->kernels->dot(p->ready + r * k, decoded + c * k, k);
    add_bias(o->weight, first, count, p->rows, o->y);
}

static void products_of_few(const struct product *p, const struct output *outputs, int count)
{
    int64_t near = NEAR_FLOATS / p->columns < 1 ? 1 : smaller(NEAR_FLOATS / p->columns, ENGINE_STRIP);
#pragma omp parallel num_threads(p->threads)
    for (int i = 0; i < count; i++) {
        int64_t rows = outputs[i].weight->rows;
#pragma omp for schedule(static) nowait
        for (int64_t first = 0; first < rows; first += near)
            dot_rows(p, &outputs[i], first, smaller(near, rows - first));
    }
}

static enum rounding wanted_rounding(const struct product *p, const struct output *o)
{
    const struct tensor *t = o->weight->tensor;
    if (p->serve && t->source && t->source->inputs != INPUTS_EXACT)
        return rounding_of_inputs(t->source->inputs);
    return p->imitate ? rounding_for(t->type) : ROUND_NOT;
}

/* Outputs from the first on that want their inputs rounded alike. */
static int alike(const struct product *p, const struct output *outputs, int count)
{
    int n = 1;
    while (n < count && wanted_rounding(p, &outputs[n]) == wanted_rounding(p, &outputs[0]))
        n++;
    return n;
}

void product_tap_inputs(const struct product *p, const float *x, int64_t rows, const struct output *outputs, int count)
{
    for (int i = 0; p->tap && i < count; i++) {
        const struct weight *w = outputs[i].weight;
        if (!w->follows)
            p->tap(p->tap_user, w->tensor, w->expert, x, rows, w->columns);
    }
}

void product(struct product *p, const float *x, int64_t rows, const struct output *outputs, int count)
{
    p->x = p->ready = x;
    p->rows = rows;
    p->columns = outputs[0].weight->columns;
    p->rounding = ROUND_NOT;
    p->packed = false;
    if (!p->silent)
        product_tap_inputs(p, x, rows, outputs, count);
    for (int i = 0, n; i < count; i += n) {
        n = alike(p, outputs + i, count - i);
        round_inputs(p, wanted_rounding(p, &outputs[i]));
        if (rows <= FEW_ROWS)
            products_of_few(p, outputs + i, n);
        else
            products_of_many(p, outputs + i, n);
    }
}
