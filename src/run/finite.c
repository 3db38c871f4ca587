#include "run/finite.h"

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

int not_finite_error(const struct tensor_place *p, float value, struct error *e)
{
    return error_set(e, ERROR_FAILED, "%s: the tensor %s holds %s at row %lld, column %lld: the checkpoint is"
                     " damaged or its training diverged; get it again", p->path, p->name,
                     value != value ? "NaN" : "an infinite number", (long long)p->row, (long long)p->column);
}
