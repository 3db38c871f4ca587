#include "quant/quant_type.h"

#include <strings.h>

#include "quant/quant_table.h"

static const struct quant_type *const *const tables[CPU_ISA_COUNT] = {
    [CPU_GENERIC] = quant_table_generic,
#ifdef __x86_64__
    [CPU_AVX2] = quant_table_avx2,
    [CPU_AVX512] = quant_table_avx512,
#endif
};

const struct quant_type *const *quant_table(enum cpu_isa isa)
{
    return tables[isa];
}

static quant_loss_kernel *const losses[CPU_ISA_COUNT] = {
    [CPU_GENERIC] = quant_loss_generic,
#ifdef __x86_64__
    [CPU_AVX2] = quant_loss_avx2,
    [CPU_AVX512] = quant_loss_avx512,
#endif
};

void quant_loss(const float *x, const float *y, int64_t n, double *power, double *error)
{
    losses[cpu_isa()](x, y, n, power, error);
}

const struct quant_type *quant_type_at(int i)
{
    return tables[cpu_isa()][i];
}

const struct quant_type *quant_type(enum quant_id id)
{
    const struct quant_type *t;
    for (int i = 0; (t = quant_type_at(i)); i++)
        if (t->id == id)
            return t;
    return NULL;
}

const struct quant_type *quant_type_named(const char *name)
{
    const struct quant_type *t;
    for (int i = 0; (t = quant_type_at(i)); i++)
        if (strcasecmp(t->name, name) == 0)
            return t;
    return NULL;
}
