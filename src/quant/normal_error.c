#include "quant/normal_error.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"

enum { NUMBERS = 1 << 14 };

/* The sum of twelve uniform numbers, less six: mean 0, deviation 1, and near enough to normal. */
static float next_normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += random_share(state);
    return (float)sum;
}

double quant_normal_error(const struct quant_type *t)
{
    float *x = xmalloc(NUMBERS * sizeof *x), *y = xmalloc(NUMBERS * sizeof *y);
    void *blocks = xmalloc(quant_bytes(t, NUMBERS));
    double power = 0, error = 0;
    uint64_t state = 1;
    for (int i = 0; i < NUMBERS; i++)
        x[i] = next_normal(&state);
    t->encode(x, NULL, blocks, NUMBERS);
    t->decode(blocks, y, NUMBERS);
    quant_loss(x, y, NUMBERS, &power, &error);
    free(x);
    free(y);
    free(blocks);
    return error / power;
}
