/* A file of importance, of any bytes, in either form; what is read of it is finite, and can be merged and asked for. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "calib/imatrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct imatrix *m)
{
    for (int i = 0; i < m->count; i++) {
        const struct imatrix_entry *x = &m->entries[i];
        float *mean = xmalloc((x->columns + 1) * sizeof *mean);
        for (int k = 0; k < x->matrices; k++)
            if (imatrix_means(x, k, mean) != (x->counts[k] > 0))
                abort();
        if (!(imatrix_coverage(x) >= 0 && imatrix_coverage(x) <= 1) || imatrix_find(m, x->name) != x)
            abort();
        free(mean);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imatrix m, twice = {0};
    struct error e = {0};
    if (imatrix_parse(&m, data, size, "input", &e) == 0) {
        ask(&m);
        if (imatrix_merge(&twice, &m, &e) || imatrix_merge(&twice, &m, &e) || twice.count != m.count)
            abort();
    } else if (!*e.text) {
        abort();
    }
    imatrix_done(&m);
    imatrix_done(&twice);
    return 0;
}
