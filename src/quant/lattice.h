/* Formats of 1 to 3 bits whose values are not stored one by one. A group of 8 (or 4) neighbours is a point: one of a
 * fixed list of 256 to 2048, which are those combinations of levels that occur in weights most often. Each value of a
 * point is one of a few levels, signs are stored apart, and a sub-block of 16 or 32 values has a scale:
 *
 *     x ≈ d × (2 × scale + 1) × sign × level           (2 and 3 bits: levels above zero)
 *     x ≈ d × (2 × scale + 1) × (level ± shift)        (1 bit: levels -1, 0, 1)
 *
 * In the list a point is a number: the codes of its values' levels, 2 or 3 bits each, the first value's lowest; the
 * list ascends.
 *
 * The search. For a given unit, d × (2 × scale + 1), the error of a point is a sum over its values, so it is the sum of
 * two numbers: the error of its first half, and of its second. There are at most 81 first halves. With the errors of
 * all halves in two tables, to go through the whole list costs an addition and a minimum for each point, and with a
 * sub-block in each lane of a vector no more than the searches of the K formats; so nothing is guessed, and every
 * point that a decoder knows is considered, for every scale that is tried. */
#ifndef QUANT_LATTICE_H
#define QUANT_LATTICE_H

#include "quant/fit.h"

enum lattice_signs {
    LATTICE_SIGNED, /* the levels have signs of their own */
    LATTICE_FREE,   /* a bit for each value */
    LATTICE_EVEN,   /* 7 bits for 8 values: an even number of them is negative */
};

struct lattice {
    const uint16_t *points;
    int count;
    int dims, bits;     /* values of a point, 8 or 4; bits of a code */
    int levels;
    float level[8];     /* by code */
    enum lattice_signs signs;
    float shift;        /* 0: none */
    bool shift_each;    /* every point has its own, else they of a sub-block share one */
    int scales;         /* 16 or 8 */
    float narrow, wide; /* of the search: the units that take a sub-block's largest value to the largest level, times */
};

#define LATTICE_SHIFT 0.125f
/* What the formats of two bits have in common, and those of one. */
#define LATTICE_TWO_BITS \
    .dims = 8, .bits = 2, .levels = 3, .level = {1, 25 / 8.0f, 43 / 8.0f}, .scales = 16, .narrow = 0.7f, .wide = 1.3f
#define LATTICE_ONE_BIT                                                                                          \
    .points = KERNEL(points_iq1), .count = 2048, .dims = 8, .bits = 2, .levels = 3, .level = {-1, 0, 1},         \
    .signs = LATTICE_SIGNED, .shift = LATTICE_SHIFT, .scales = 8, .narrow = 0.4f, .wide = 0.8f

/* What is stored of the one or two super-blocks of a tile. */
struct lattice_blocks {
    uint16_t d[2];
    uint8_t scale[TILE];
    uint16_t point[8][TILE];  /* places in the list, of each sub-block's groups */
    uint8_t sign[4][TILE];    /* of 8 values a bit each, the first one's lowest; 1: negative */
    uint8_t minus[8][TILE];   /* 1: the group's shift is subtracted */
};
/* The search, and what it finds put into blocks: `put` stores super-block k of the tile. */
#define lattice_encode KERNEL(lattice_encode)
void lattice_encode(const float *x, const float *importance, void *blocks, int64_t n, int size, const struct lattice *c,
                    size_t block_bytes, void (*put)(const struct lattice_blocks *b, int k, void *block));

/* What the decoders share. The levels of a 2-bit format's point are 8, 25 and 43, eighths of the ones that are searched
 * with; the same with a sign, which is the float's own. */
static inline float lattice_signed(float v, unsigned signs, int j)
{
    return float_from_bits(float_bits(v) ^ (signs >> j & 1) << 31);
}

static inline void lattice_eight(float *restrict x, float unit, unsigned point, unsigned signs)
{
    for (int j = 0; j < 8; j++) {
        int code = point >> 2 * j & 3;
        x[j] = lattice_signed(unit * (8 + 17 * code + (code >> 1)), signs, j);
    }
}

/* Of the 1-bit formats. */
static inline void lattice_shifted(float *restrict x, float unit, unsigned point, bool minus)
{
    for (int j = 0; j < 8; j++)
        x[j] = unit * ((int)(point >> 2 * j & 3) - 1 + (minus ? -LATTICE_SHIFT : LATTICE_SHIFT));
}

/* The signs of 8 values, of which 7 are stored. */
static inline unsigned lattice_even_signs(unsigned seven)
{
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

extern const uint16_t KERNEL(points_iq2_xxs)[256], KERNEL(points_iq2_xs)[512], KERNEL(points_iq2_s)[1024],
    KERNEL(points_iq3_xxs)[256], KERNEL(points_iq3_s)[512], KERNEL(points_iq1)[2048];

#endif
