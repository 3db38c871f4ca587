#include "calib/smooth.h"

#include <math.h>

/* Moves no column by more than this either way: beyond it 16-bit norms lose what the weights gain. */
#define FARTHEST 1e3f

void smooth_meet(float *most, const float *w, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            most[c] = fmaxf(most[c], fabsf(w[r * columns + c]));
}

void smooth_scales(const float *most_input, const float *most_weight, int64_t columns, float *scales)
{
    for (int64_t c = 0; c < columns; c++) {
        float scale = most_weight[c] > 0 ? sqrtf(most_input[c] / most_weight[c]) : 0;
        scales[c] = scale > 0 && isfinite(scale) ? fminf(fmaxf(scale, 1 / FARTHEST), FARTHEST) : 1;
    }
}
