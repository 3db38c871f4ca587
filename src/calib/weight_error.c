#include "calib/weight_error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

enum { ELEMENTS_TRIED = 1 << 18 }; /* of a tensor: the error of so many is that of all within a percent */

/* One thread's room: numbers of a row, its importance, what came of it. */
struct trial {
    float *x, *y, *weight;
    unsigned char *blocks;
};

static struct trial trial_new(int64_t columns)
{
    size_t bytes = columns * sizeof(float);
    return (struct trial){xaligned(bytes), xaligned(bytes), xaligned(bytes), xaligned(bytes + 256)};
}

static void trial_done(struct trial *t)
{
    free(t->x);
    free(t->y);
    free(t->weight);
    free(t->blocks);
}

/* Mean squares scaled to a mean of 1, and that mean. Where nothing is known all count 1. */
static double weigh(const struct imatrix_entry *inputs, int matrix, int64_t columns, float *weight)
{
    double sum = 0;
    bool known = inputs && inputs->columns == columns && matrix < inputs->matrices &&
                 imatrix_means(inputs, matrix, weight);
    for (int64_t c = 0; known && c < columns; c++)
        sum += weight[c];
    for (int64_t c = 0; c < columns; c++)
        weight[c] = sum > 0 ? (float)(weight[c] * columns / sum) : 1;
    return sum > 0 ? sum / columns : 1;
}

static double row_error(const struct trial *t, const struct quant_type *type, int64_t columns, bool told)
{
    double error = 0;
    type->encode(t->x, told ? t->weight : NULL, t->blocks, columns);
    type->decode(t->blocks, t->y, columns);
    for (int64_t c = 0; c < columns; c++)
        error += (double)t->weight[c] * (t->x[c] - t->y[c]) * (t->x[c] - t->y[c]);
    return error;
}

static void try_row(const struct weight_error_job *j, struct trial *t, int64_t row, double *error)
{
    int64_t columns = j->tensor->shape[0];
    double power = weigh(j->inputs, (int)(row / j->tensor->shape[1]), columns, t->weight);
    tensor_read(j->tensor, row * columns, columns, t->x);
    for (int i = 0; i < j->count; i++)
        error[i] += columns % j->types[i]->block ? NAN : power * row_error(t, j->types[i], columns, j->told);
}

/* Each row has a sum of its own, so that the result does not depend on the number of threads. */
void weight_errors(const struct weight_error_job *j, double *error)
{
    int64_t columns = j->tensor->shape[0], rows = tensor_elements(j->tensor) / columns;
    int64_t step = tensor_elements(j->tensor) / ELEMENTS_TRIED + 1, tried = (rows + step - 1) / step;
    double *of_row = xcalloc(tried * j->count, sizeof *of_row);
#pragma omp parallel num_threads(threads_count())
    {
        struct trial t = trial_new(columns);
#pragma omp for schedule(dynamic)
        for (int64_t r = 0; r < tried; r++)
            try_row(j, &t, r * step, of_row + r * j->count);
        trial_done(&t);
    }
    memset(error, 0, j->count * sizeof *error);
    for (int64_t r = 0; r < tried; r++)
        for (int i = 0; i < j->count; i++)
            error[i] += of_row[r * j->count + i] * rows / tried;
    free(of_row);
}
