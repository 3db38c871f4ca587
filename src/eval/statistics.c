#include "eval/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static const double NORMAL_95 = 1.959963984540054;

void moments_add(struct moments *m, double x)
{
    double before = x - m->mean;
    m->count += 1;
    m->mean += before / m->count;
    m->squares += before * (x - m->mean);
}

double moments_error(const struct moments *m)
{
    return m->count < 2 ? NAN : sqrt(m->squares / (m->count - 1) / m->count);
}

double moments_half_width(const struct moments *m)
{
    return m->count < 2 ? NAN : student_95(m->count - 1) * moments_error(m);
}

/* Up to 4 degrees from the table; from there on the expansion of Abramowitz and Stegun, 26.7.5. */
double student_95(double freedom)
{
    static const double table[] = {12.7062, 4.3027, 3.1824, 2.7764};
    double z = NORMAL_95, z2 = z * z, n = freedom;
    if (n <= ARRAY_LENGTH(table))
        return table[n < 1 ? 0 : (int)n - 1];
    double terms[] = {
        (z2 + 1) / 4,
        ((5 * z2 + 16) * z2 + 3) / 96,
        (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    };
    double sum = 0;
    for (size_t i = ARRAY_LENGTH(terms); i-- > 0;)
        sum = (sum + terms[i]) / n;
    return z + z * sum;
}

void interval_wilson(double hits, double count, double *low, double *high)
{
    double z2 = NORMAL_95 * NORMAL_95, share = hits / count;
    if (count <= 0) {
        *low = 0;
        *high = 1;
        return;
    }
    double middle = (share + z2 / (2 * count)) / (1 + z2 / count);
    double half = NORMAL_95 / (1 + z2 / count) * sqrt(share * (1 - share) / count + z2 / (4 * count * count));
    *low = hits > 0 ? middle - half : 0; /* exactly, not up to rounding */
    *high = hits < count ? middle + half : 1;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Merges from the back, so that nothing has to be copied away first. */
void sample_add(struct sample *s, float *x, size_t n)
{
    if (n == 0)
        return;
    if (s->count + n > s->capacity) {
        s->capacity = 2 * (s->count + n);
        s->sorted = xrealloc(s->sorted, s->capacity * sizeof *s->sorted);
    }
    qsort(x, n, sizeof *x, by_size);
    size_t old = s->count, to = s->count += n;
    while (n > 0)
        s->sorted[--to] = old > 0 && s->sorted[old - 1] > x[n - 1] ? s->sorted[--old] : x[--n];
}

double sample_quantile(const struct sample *s, double share)
{
    if (s->count == 0)
        return NAN;
    double at = share * (s->count - 1);
    size_t below = (size_t)at, above = below + 1 < s->count ? below + 1 : below;
    return s->sorted[below] + (at - below) * ((double)s->sorted[above] - s->sorted[below]);
}

void sample_done(struct sample *s)
{
    free(s->sorted);
    *s = (struct sample){0};
}
