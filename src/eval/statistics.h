/* The statistics behind the evaluation's figures: means with their errors, intervals, quantiles. Pure functions. */
#ifndef EVAL_STATISTICS_H
#define EVAL_STATISTICS_H

#include <stddef.h>

/* Mean and spread of numbers that come one by one. B. P. Welford (1962), Note on a method for calculating corrected
 * sums of squares and products. Zero it to start. */
struct moments {
    double count, mean, squares; /* squares: Σ (x - mean)² */
};
void moments_add(struct moments *m, double x);
/* Standard error of the mean, taking the numbers as independent; NaN for fewer than two. */
double moments_error(const struct moments *m);

/* Half the width of the 95 % interval of the mean: Student's t times the standard error. */
double moments_half_width(const struct moments *m);
/* The t that 95 % of Student's distribution lies within (-t, t); freedom ≥ 1. To 0.1 %. */
double student_95(double freedom);

/* 95 % interval of a share of `hits` among `count`, by Wilson's score: E. B. Wilson (1927), Probable inference, the law
 * of succession, and statistical inference. [0, 1] where count is 0. */
void interval_wilson(double hits, double count, double *low, double *high);

/* All the numbers seen, in order of size, for exact quantiles. Zero it to start. */
struct sample {
    float *sorted;
    size_t count, capacity;
};
/* Takes in `n` more; sorts `x`. */
void sample_add(struct sample *s, float *x, size_t n);
/* The quantile at `share` from 0 to 1, interpolated between neighbours; NaN without numbers. */
double sample_quantile(const struct sample *s, double share);
void sample_done(struct sample *s);

#endif
