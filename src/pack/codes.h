/* What the formats of whole numbers share: rounding floats to codes, codes back to floats, scales as they are stored. */
#ifndef PACK_CODES_H
#define PACK_CODES_H

#include "pack/bits.h"
#include "pack/pack.h"

/* Room for so many rows; codes_done frees. `group_of` stays NULL. */
void codes_init(struct codes *c, const struct scheme *s, int64_t rows, int64_t columns);
void codes_done(struct codes *c);

/* Each weight to the nearest code, scales from the largest (symmetric) or the range of each group's: the plain way,
 * which needs no calibration text. */
void codes_nearest(struct codes *c, const struct scheme *s, const float *w);
/* w[rows][columns]. */
void codes_floats(const struct codes *c, float *w);
/* The group of a column. */
static inline int64_t codes_group(const struct codes *c, int64_t column)
{
    return c->group_of ? c->group_of[column] : column / c->group;
}

/* `encode` and `decode` of pack.h by way of `pack` and `unpack`. */
void codes_encode(struct packed *p, int64_t first, int64_t n, const float *w);
void codes_decode(const struct packed *p, int64_t first, int64_t n, float *w);

/* c->zeros of a group, from a stream of all rows' zero points less `add`. Rows need not begin at a word. */
void codes_get_zeros(struct codes *c, const struct bit_stream *s, int64_t first, int64_t group, int add);

/* The largest magnitude. */
float pack_largest(const float *w, int64_t n);
/* Number i of a part that holds F16, BF16 or F32. */
void pack_put_float(struct packed *p, int part, int64_t i, float x);
float pack_get_float(const struct packed *p, int part, int64_t i);

#endif
