#include "infer/kernels.h"

extern const struct kernels kernels_generic, kernels_avx2, kernels_avx512;

static const struct kernels *const builds[CPU_ISA_COUNT] = {
    [CPU_GENERIC] = &kernels_generic,
#ifdef __x86_64__
    [CPU_AVX2] = &kernels_avx2,
    [CPU_AVX512] = &kernels_avx512,
#endif
};

const struct kernels *kernels_for(enum cpu_isa isa)
{
    return builds[isa];
}

const struct kernels *kernels(void)
{
    return builds[cpu_isa()];
}
