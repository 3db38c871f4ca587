#include "base/finite.h"

#include <string.h>

/* An exponent of all ones. Counted without branches, so that the usual case is one pass of vector code. */
static int64_t count_not_finite(const float *x, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n;) {
        int64_t end = i + 4096 < n ? i + 4096 : n;
        int32_t some = 0;
        for (; i < end; i++) {
            uint32_t bits;
            memcpy(&bits, &x[i], sizeof bits);
            some += (bits & 0x7f800000) == 0x7f800000;
        }
        count += some;
    }
    return count;
}

int64_t find_not_finite(const float *x, int64_t n)
{
    if (count_not_finite(x, n) == 0)
        return -1;
    int64_t i = 0;
    while (x[i] - x[i] == 0)
        i++;
    return i;
}

int64_t drop_not_finite(float *x, int64_t n)
{
    int64_t count = count_not_finite(x, n);
    for (int64_t i = 0; i < n && count; i++)
        x[i] = x[i] - x[i] == 0 ? x[i] : 0;
    return count;
}
