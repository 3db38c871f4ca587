/* Every tensor type of today's ggml, in order of id. Types that we can read or make stand in a file of their
 * own, with their layout; of the others only the size is known: enough to describe a file that holds them. */
#include "quant/kernel.h"
#include "quant/quant_table.h"

#define KNOWN(id_, name_, block_, bytes_, quantized_) \
    &(const struct quant_type)                        \
    {                                                 \
        .id = id_, .name = name_, .block = block_, .block_bytes = bytes_, .quantized = quantized_ \
    }

const struct quant_type *const KERNEL(table)[] = {
    &KERNEL(f32),
    &KERNEL(f16),
    &KERNEL(q4_0),
    &KERNEL(q4_1),
    &KERNEL(q5_0),
    &KERNEL(q5_1),
    &KERNEL(q8_0),
    KNOWN(QUANT_Q8_1, "Q8_1", 32, 36, true),
    &KERNEL(q2_k),
    &KERNEL(q3_k),
    &KERNEL(q4_k),
    &KERNEL(q5_k),
    &KERNEL(q6_k),
    KNOWN(QUANT_Q8_K, "Q8_K", 256, 292, true),
    &KERNEL(iq2_xxs),
    &KERNEL(iq2_xs),
    &KERNEL(iq3_xxs),
    &KERNEL(iq1_s),
    &KERNEL(iq4_nl),
    &KERNEL(iq3_s),
    &KERNEL(iq2_s),
    &KERNEL(iq4_xs),
    KNOWN(QUANT_I8, "I8", 1, 1, false),
    KNOWN(QUANT_I16, "I16", 1, 2, false),
    KNOWN(QUANT_I32, "I32", 1, 4, false),
    KNOWN(QUANT_I64, "I64", 1, 8, false),
    KNOWN(QUANT_F64, "F64", 1, 8, false),
    &KERNEL(iq1_m),
    &KERNEL(bf16),
    KNOWN(QUANT_TQ1_0, "TQ1_0", 256, 54, true),
    KNOWN(QUANT_TQ2_0, "TQ2_0", 256, 66, true),
    &KERNEL(mxfp4),
    KNOWN(QUANT_NVFP4, "NVFP4", 64, 36, true),
    KNOWN(QUANT_Q1_0, "Q1_0", 128, 18, true),
    KNOWN(QUANT_Q2_0, "Q2_0", 64, 18, true),
    NULL,
};
