/* The scales of SmoothQuant (G. Xiao et al., arXiv 2211.10438): where inputs are rounded, too, what stands out in them moves
 * into the weights (fold.h), half of it:
 *
 *     scale of a column = sqrt(largest |x| / largest |w|) */
#ifndef CALIB_SMOOTH_H
#define CALIB_SMOOTH_H

#include <stdint.h>

/* Raises most[columns] to the largest |w| of each column. */
void smooth_meet(float *most, const float *w, int64_t rows, int64_t columns);
/* Columns without inputs or without weights keep 1. */
void smooth_scales(const float *most_input, const float *most_weight, int64_t columns, float *scales);

#endif
