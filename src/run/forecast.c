#include "run/forecast.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "plan/recipe.h"
#include "run/checkpoint_weight.h"

/* Elements of a slice: a few blocks of every type, small enough for the second-level cache. */
enum { SLICE = 64 << 10, REPEATS_MAX = 64 };
/* A pair of types is measured for so long, or REPEATS_MAX times. */
#define PAIR_SECONDS 0.03

struct pair {
    const struct quant_type *from, *to;
    double ns_per_element;
};

/* One decoding and encoding of the slice in each of all threads at once: cores share clocks and caches. */
static void convert_slices(const struct tensor_plan *t, int64_t n, float **x, void **blocks, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int i = 0; i < threads; i++) {
        tensor_read(t->tensor, 0, n, x[i]);
        t->type->encode(x[i], NULL, blocks[i], n);
    }
}

static double measure_pair(const struct tensor_plan *t)
{
    int64_t elements = tensor_elements(t->tensor), step = t->tensor->shape[0];
    int64_t n = elements < SLICE ? elements : step > SLICE ? step : SLICE / step * step;
    int threads = threads_count(), repeats = 0;
    float **x = xcalloc(threads, sizeof *x);
    void **blocks = xcalloc(threads, sizeof *blocks);
    for (int i = 0; i < threads; i++) {
        x[i] = xaligned(n * sizeof **x);
        blocks[i] = xaligned(quant_bytes(t->type, n));
    }
    convert_slices(t, n, x, blocks, threads);
    double begun = clock_monotonic(), spent = 0;
    for (; repeats < REPEATS_MAX && spent < PAIR_SECONDS; repeats++, spent = clock_monotonic() - begun)
        convert_slices(t, n, x, blocks, threads);
    for (int i = 0; i < threads; i++) {
        free(x[i]);
        free(blocks[i]);
    }
    free(x);
    free(blocks);
    return spent * 1e9 / ((double)repeats * threads * (double)n);
}

static double pair_cost(struct pair *pairs, int *count, int limit, const struct tensor_plan *t)
{
    for (int i = 0; i < *count; i++)
        if (pairs[i].from == t->tensor->type && pairs[i].to == t->type)
            return pairs[i].ns_per_element;
    double cost = measure_pair(t);
    if (*count < limit)
        pairs[(*count)++] = (struct pair){t->tensor->type, t->type, cost};
    return cost;
}

/* The smallest weight of a folder's, made as a run makes it, stands for all: the second time, when pages and threads are
 * there. */
static const struct checkpoint_item *smallest(const struct checkpoint_layout *l)
{
    const struct checkpoint_item *least = NULL;
    for (int i = 0; i < l->count; i++)
        if (l->items[i].quantized && (!least || l->items[i].bytes < least->bytes))
            least = &l->items[i];
    return least;
}

static double folder_elements(const struct checkpoint_layout *l)
{
    double sum = 0;
    for (int i = 0; i < l->count; i++)
        sum += l->items[i].quantized ? (double)l->items[i].weight->stored->elements : 0;
    return sum;
}

static int forecast_folder(const struct model *m, const char *level, double *seconds, struct error *e)
{
    struct checkpoint_layout l = {0};
    struct scheme s;
    int rc = scheme_parse(&s, level, e);
    rc = rc ? rc : checkpoint_layout_make(&l, m, &s, NULL, 0, CHECKPOINT_FILE_BYTES, e);
    const struct checkpoint_item *item = rc ? NULL : smallest(&l);
    for (int i = 0; item && !rc && i < 2; i++) {
        struct weight_made w;
        double begun = clock_monotonic();
        rc = weight_make(&w, &l, item, NULL, e);
        *seconds = (clock_monotonic() - begun) * folder_elements(&l) / (double)item->weight->stored->elements;
        weight_done(&w);
    }
    checkpoint_layout_done(&l);
    return rc;
}

int forecast_quantize(const struct model *m, const char *level, double *seconds, struct error *e)
{
    if (scheme_is_name(level) && m->complete)
        return forecast_folder(m, level, seconds, e);
    struct recipe r;
    struct pair pairs[32];
    int count = 0, rc = m->complete ? recipe_apply(&r, m, level, &(struct recipe_options){0}, e)
                                    : error_set(e, ERROR_FAILED, "%s: the tensors' data are missing", m->path);
    if (!m->complete)
        return rc;
    *seconds = 0;
    for (int i = 0; i < r.count && !rc; i++) {
        const struct tensor_plan *t = &r.tensors[i];
        if (t->type != t->tensor->type && t->tensor->type->decode && t->type->encode)
            *seconds += pair_cost(pairs, &count, ARRAY_LENGTH(pairs), t) * 1e-9 * (double)tensor_elements(t->tensor);
    }
    recipe_done(&r);
    return rc;
}
