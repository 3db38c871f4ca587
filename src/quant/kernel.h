/* What the files of kernels share. Each of them is compiled once per instruction set (cpu.h), with QUANT_ISA
 * set to generic, avx2 or avx512; KERNEL(q4_0) gives its table row a name of its own in each of these builds.
 *
 * The three builds of one file give the same bits: every sum has one written order, products are not fused
 * (-ffp-contract=off), and what is vectorized is independent work side by side, never a sum cut in pieces. */
#ifndef QUANT_KERNEL_H
#define QUANT_KERNEL_H

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "quant/half.h"
#include "quant/quant_type.h"

#ifndef QUANT_ISA
#define QUANT_ISA generic
#endif
#define KERNEL_PASTE_(name, isa) name##_##isa
#define KERNEL_PASTE(name, isa) KERNEL_PASTE_(name, isa)
#define KERNEL(name) KERNEL_PASTE(quant_##name, QUANT_ISA)

extern const struct quant_type KERNEL(f32), KERNEL(f16), KERNEL(bf16), KERNEL(q4_0), KERNEL(q4_1),
    KERNEL(q5_0), KERNEL(q5_1), KERNEL(q8_0), KERNEL(q2_k), KERNEL(q3_k), KERNEL(q4_k), KERNEL(q5_k),
    KERNEL(q6_k), KERNEL(iq4_nl), KERNEL(iq4_xs), KERNEL(mxfp4), KERNEL(iq3_s), KERNEL(iq3_xxs), KERNEL(iq2_s),
    KERNEL(iq2_xs), KERNEL(iq2_xxs), KERNEL(iq1_m), KERNEL(iq1_s);

enum {
    QUANT_BLOCK = 32,  /* elements of a block of the older formats */
    QUANT_SUPER = 256, /* elements of a super-block of the K formats */
};

#endif
