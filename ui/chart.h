/* Small charts in text cells: bars in eighths (a sparkline when one row high, a histogram when more), and
 * curves in braille dots. */
#ifndef UI_CHART_H
#define UI_CHART_H

#include "ui/paint.h"

/* Bars from the bottom of `r`, a column each (`step` columns where there is room), scaled to the largest;
 * NaN leaves a gap. More values than columns are averaged. Returns the step, 0 where values were averaged. */
int chart_bars(struct rect r, enum style s, const double *values, int count);

/* A curve: values at equal distances over the whole width; NaN interrupts, and what lies outside of low to
 * high is not drawn. Dotted curves set every other dot, so that two can be told apart without colour. */
struct curve {
    const double *values;
    int count;
    bool dotted;
    enum style style;
};
/* `planned`: the number of values at the right edge (curves grow towards it). */
void chart_curves(struct rect r, const struct curve *curves, int count, int planned, double low, double high);

/* Pure parts, for tests. */
/* Resamples by averaging into `columns` cells; returns the largest. */
double chart_resample(const double *values, int count, double *out, int columns);
/* Sets a curve's dots in a canvas of 2·w × 4·h dots, one byte per text cell in braille order. */
void chart_trace(const struct curve *c, int planned, double low, double high, int h, int w,
                 unsigned char *cells);

#endif
