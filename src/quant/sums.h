/* The inner loops of the searches: weighted sums over the blocks of a tile with the nearest codes for given
 * scales. From them follow the error of any other scale with the same codes, and the best one. LANES blocks
 * at a time, from column `l` of the tile. */
#ifndef QUANT_SUMS_H
#define QUANT_SUMS_H

#include "quant/fit.h"
#include "quant/iq4.h"
#include "quant/lanes.h"

struct scale_sums {
    lanes qx, qq; /* Σ weight × q × x, Σ weight × q² */
};

struct line_sums {
    lanes w, x;      /* Σ weight, Σ weight × x */
    lanes q, qx, qq; /* Σ weight × q, … × q × x, … × q² */
};

static inline lanes nearest_level(lanes v)
{
    lanes level = lanes_set(iq4_levels[0]);
    for (int i = 1; i < 16; i++) {
        lanes_int above = v > 0.5f * (iq4_levels[i - 1] + iq4_levels[i]);
        level += (lanes)(above & (lanes_int)lanes_set(iq4_levels[i] - iq4_levels[i - 1]));
    }
    return level;
}

static inline lanes nearest_code(const struct fit_codes *c, lanes v)
{
    return c->uneven ? nearest_level(v) : lanes_clamp(lanes_round(v), c->low, c->high);
}

/* With the nearest codes for x × inverse. */
static inline struct scale_sums scale_sums(const struct tile *t, int l, const struct fit_codes *c,
                                           lanes inverse)
{
    struct scale_sums s = {lanes_set(0), lanes_set(0)};
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]), q = nearest_code(c, x * inverse);
        lanes wq = lanes_load(&t->weight[j][l]) * q;
        s.qx += wq * x;
        s.qq += wq * q;
    }
    return s;
}

/* By how much the error with this scale is less than that of all zeros: Σ w x² - Σ w (x - scale q)². */
static inline lanes scale_gain(struct scale_sums s, lanes scale)
{
    return scale * (s.qx + s.qx - scale * s.qq);
}

/* The sums without codes. */
static inline struct line_sums plain_sums(const struct tile *t, int l)
{
    struct line_sums s = {.w = lanes_set(0), .x = lanes_set(0)};
    for (int j = 0; j < t->size; j++) {
        lanes w = lanes_load(&t->weight[j][l]);
        s.w += w;
        s.x += w * lanes_load(&t->x[j][l]);
    }
    return s;
}

/* Adds those with codes 0..high, the nearest for (x - minimum) × inverse, to `s`, where w and x are set. */
static inline struct line_sums line_sums(const struct tile *t, int l, struct line_sums s, lanes minimum,
                                         lanes inverse, float high)
{
    s.q = s.qx = s.qq = lanes_set(0);
    for (int j = 0; j < t->size; j++) {
        lanes x = lanes_load(&t->x[j][l]), q = lanes_clamp(lanes_round((x - minimum) * inverse), 0, high);
        lanes wq = lanes_load(&t->weight[j][l]) * q;
        s.q += wq;
        s.qx += wq * x;
        s.qq += wq * q;
    }
    return s;
}

/* Likewise: Σ w x² - Σ w (x - scale q - minimum)². */
static inline lanes line_gain(struct line_sums s, lanes scale, lanes minimum)
{
    return scale * (s.qx + s.qx - scale * s.qq) + minimum * (s.x + s.x - 2.0f * scale * s.q - minimum * s.w);
}

#endif
