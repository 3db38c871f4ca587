#include "run/forecast.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "plan/recipe.h"

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

int forecast_quantize(const struct model *m, const char *level, double *seconds, struct error *e)
{
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
