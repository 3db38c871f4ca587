/* The sixteen levels of IQ4_NL and IQ4_XS. They are not evenly spaced: near zero, where most weights of a
 * normal distribution lie, the steps are 11 to 15, at the ends 19 to 24 (ggml-common.h, kvalues_iq4nl). */
#ifndef QUANT_IQ4_H
#define QUANT_IQ4_H

#include <stdint.h>

static const int8_t iq4_levels[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
};

/* The code of the level nearest to v. */
static inline int iq4_code(float v)
{
    int code = 0;
    for (int i = 1; i < 16; i++)
        code += v > 0.5f * (iq4_levels[i - 1] + iq4_levels[i]);
    return code;
}

#endif
