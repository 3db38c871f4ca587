#include "quant/kernel.h"
#include "quant/lanes.h"
#include "quant/quant_table.h"

/* Sixteen sums side by side, as many as the widest vectors hold, each over 16 of TERMS terms: so few that
 * floats are accurate enough. */
enum { SUMS = 16, TERMS = 256 };

static void sum_terms(const float *x, const float *y, int n, float power[SUMS], float error[SUMS])
{
    for (int l = 0; l < SUMS; l += LANES) {
        lanes p = lanes_set(0), e = lanes_set(0);
        for (int i = l; i + SUMS - l <= n; i += SUMS) {
            lanes v = lanes_load(x + i), lost = v - lanes_load(y + i);
            p += v * v;
            e += lost * lost;
        }
        lanes_store(power + l, p);
        lanes_store(error + l, e);
    }
    for (int i = n - n % SUMS; i < n; i++) {
        power[0] += x[i] * x[i];
        error[0] += (x[i] - y[i]) * (x[i] - y[i]);
    }
}

void KERNEL(loss)(const float *x, const float *y, int64_t n, double *power, double *error)
{
    for (int64_t i = 0; i < n; i += TERMS) {
        float p[SUMS], e[SUMS];
        sum_terms(x + i, y + i, n - i < TERMS ? n - i : TERMS, p, e);
        for (int k = 0; k < SUMS; k++) {
            *power += p[k];
            *error += e[k];
        }
    }
}
