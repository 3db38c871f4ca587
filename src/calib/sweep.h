/* Going over a quantized matrix once more: each weight in turn takes the value of its grid that is best beside all others
 * as they are now, those before it and those behind. Error feedback alone can make good an error only by the columns that
 * follow (coordinate descent; K. Behdin et al., QuantEase, arXiv 2309.01885, begin with it).
 *
 * With E = what is wanted - what was chosen, a row loses E H Eᵀ, and weight j is best moved by (E H)[j] / H[j][j]. Scales
 * near a run's own are tried with what going over the run then gains.
 *
 * Mean divergence of the demo model, 64 samples of 512 tokens, 20 chunks of its own kind of text:
 *
 *     sweeps      0         1         2         3         5
 *     Q4_0        0.002196  0.002001  0.001973  0.001927  0.001926
 *     Q3_K_M      0.003833  0.003301  0.003170  0.003125  0.003124
 *     Q2_K        0.01537   0.01310   0.01278   0.01276   0.01245 */
#ifndef CALIB_SWEEP_H
#define CALIB_SWEEP_H

#include "calib/feedback.h"

struct sweep {
    const struct hessian *hessian;
    struct grid *grid;
    int64_t rows;
    float known, damp;           /* what is factored (hessian.h): of the sums off the diagonal, and onto it */
    float *off;                  /* [rows][columns]: what is wanted; less what was chosen, once that is known */
    float *pull;                 /* [rows][GRID_COLUMNS]: -E H of the columns at present */
    float (*h)[GRID_COLUMNS];    /* of these columns alone, both triangles */
    double *gain;                /* [rows] */
};

/* `wanted`: [rows][columns], before the first column is rounded. Its copy is what the work needs most memory for. */
void sweep_init(struct sweep *s, const struct feedback *f, struct grid *g, const float *wanted, int64_t rows);
void sweep_done(struct sweep *s);
/* Goes over w[rows][columns] so many times; the grid stores the scales and codes. Returns by how much less all rows lose
 * together. The same for any number of threads. */
double sweep(struct sweep *s, float *w, int times);

#endif
