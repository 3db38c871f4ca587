#include "calib/fold.h"

void fold_columns(float *w, int64_t rows, int64_t columns, const float *scales)
{
#pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            w[r * columns + c] *= scales[c];
}

void fold_rows(float *w, int64_t rows, int64_t columns, const float *scales)
{
#pragma omp parallel for
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            w[r * columns + c] /= scales[r];
}
