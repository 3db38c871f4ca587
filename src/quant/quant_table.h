/* The table of tensor types as each instruction set has it (private to src/quant and its tests). */
#ifndef QUANT_QUANT_TABLE_H
#define QUANT_QUANT_TABLE_H

#include "base/cpu.h"
#include "quant/quant_type.h"

extern const struct quant_type *const quant_table_generic[], *const quant_table_avx2[],
    *const quant_table_avx512[];

typedef void quant_loss_kernel(const float *x, const float *y, int64_t n, double *power, double *error);
quant_loss_kernel quant_loss_generic, quant_loss_avx2, quant_loss_avx512;

/* NULL where this build has no kernels for `isa`; the caller must not run kernels above cpu_isa(). */
const struct quant_type *const *quant_table(enum cpu_isa isa);

#endif
