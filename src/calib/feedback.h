/* Quantizing with error feedback: columns are rounded in order, and what a column's rounding spoils in the outputs
 * is made good, as far as may be, by the columns that follow (E. Frantar et al., GPTQ, arXiv 2210.17323), on the
 * grids of block formats: a block's scales are searched on its weights as the columns before have left them.
 *
 * Where the inputs have drifted from the original model's (hessian.h), the weights are changed first to those that
 * bring the outputs nearest to the original's: W + W · drift · H⁻¹, the least-squares answer (Y. Li et al., GPTAQ, arXiv
 * 2504.02692). So every weight also makes good what those before it lost.
 *
 * With uᵀ u = H⁻¹, column j's error e costs (e / u[j][j])² after the best change of the later columns,
 * which is -e / u[j][j] · u[j][k] for column k. At the end all weights are gone over again (sweep.h). */
#ifndef CALIB_FEEDBACK_H
#define CALIB_FEEDBACK_H

#include <stdint.h>

#include "base/error.h"
#include "calib/grid.h"
#include "calib/hessian.h"

struct feedback_result {
    double loss;      /* mean square of what it changes an output by; NaN where `plain` */
    double damp;      /* what the factorization took */
    double inputs;    /* that it went by */
    int plain;        /* 1: it never succeeded: rounded to nearest; of a tensor, how many of its parts */
};

/* Of a typical column's inputs (hessian.h), what is added to those of all. More than GPTQ's customary 0.01 of the mean: what
 * the next text wakes is not what the calibration's did. Mean divergence at Q3_K_M, 64 samples of 512 tokens, of SmolLM2 on
 * wikitext and of the demo model on its own kind of text:
 *
 *     damping     0.1      0.3      0.5      1
 *     SmolLM2     0.0603   0.0536            0.0498
 *     demo        0.0030   0.0032   0.0034   0.0038 */
#define FEEDBACK_DAMP 1.0

#define FEEDBACK_SWEEPS 3

/* A factored Hessian, for any number of tensors that share their inputs. */
struct feedback {
    const struct hessian *hessian;
    const float *drift; /* the Hessian's, which is made good first; NULL: none is known, or not in numbers */
    float *u;         /* [columns][columns]; NULL: plain */
    float *weight;    /* [columns]: 1 / u[j][j]², what an error of a column costs */
    double damp;
    int sweeps;       /* over what feedback made (sweep.h) */
};
void feedback_init(struct feedback *f, const struct hessian *h, double damp);
void feedback_done(struct feedback *f);

/* Rows w[rows][columns] onto a grid, which stores their codes; `w` is overwritten with what these decode to, within the
 * rounding of a product. The same for any number of threads. */
void feedback_encode(const struct feedback *f, struct grid *g, float *w, int64_t rows, struct feedback_result *r);
/* Its first step alone: w += w · drift · H⁻¹, where a drift is known. */
void feedback_undrift(const struct feedback *f, float *w, int64_t rows);

#endif
