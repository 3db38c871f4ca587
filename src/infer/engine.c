#include "infer/engine.h"

#include <stdlib.h>
#include <string.h>

#include "infer/blas.h"

static bool always(void)
{
    return true;
}

static int64_t float_bytes(const struct engine *e, int64_t k)
{
    (void)e;
    return ENGINE_STRIP * k * (int64_t)sizeof(float);
}

static void multiply(const struct engine *e, const void *inputs, int64_t rows, const void *strips, int64_t n, int64_t k,
                     float *y, int64_t y_step)
{
    (void)e;
    blas_times_rows(rows, n, k, inputs, k, strips, k, y, y_step);
}

static const struct engine engine_blas = {
    .name = "blas",
    .usable = always,
    .strip_bytes = float_bytes,
    .block_bytes = float_bytes,
    .multiply = multiply,
};

extern const struct engine engine_amx;

static const struct engine *const engines[] = {
#ifdef __x86_64__
    &engine_amx,
#endif
    &engine_blas,
    NULL,
};

const struct engine *engine_at(int i)
{
    return engines[i];
}

const struct engine *engine(void)
{
    static const struct engine *chosen;
    const char *wish = getenv("QUANTWIZ_ENGINE");
    for (int i = 0; !chosen && engines[i]; i++)
        if (engines[i]->usable() && (!wish || strcmp(wish, engines[i]->name) == 0))
            chosen = engines[i];
    return chosen ? chosen : &engine_blas;
}
