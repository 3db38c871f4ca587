/* Made-up numbers that are the same everywhere: a multiplicative generator, and sums of it that look normal. */
#ifndef NOISE_H
#define NOISE_H

#include <stdint.h>

struct noise {
    uint64_t state;
};

/* Within [0, 1). */
static inline double noise_uniform(struct noise *n)
{
    n->state = n->state * 6364136223846793005u + 1442695040888963407u;
    return (double)(n->state >> 11) * 0x1p-53;
}

/* Mean 0, deviation 1: the sum of twelve uniform numbers, less six. */
static inline double noise_normal(struct noise *n)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += noise_uniform(n);
    return sum;
}

static inline void noise_fill(struct noise *n, float *x, int64_t count, double deviation)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(noise_normal(n) * deviation);
}

#endif
