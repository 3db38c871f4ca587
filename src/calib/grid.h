/* What error feedback (feedback.h) asks of a format: the values that weights may take. Columns come in blocks. A block's
 * scales are found when the columns before it have been rounded, on what these have made of its weights; then its
 * columns are rounded, one after another, to
 *
 *     unit × code + minimum
 *
 * with a whole code within low..high or, where `uneven`, one of the levels of iq4.h. Each run of `sub` columns of a row
 * has a unit and a minimum of its own. When its turn comes, some scales near the one that was found are tried with what
 * rounding the run's columns then costs after all later ones have made good what they can. Sixteen rows go together. */
#ifndef CALIB_GRID_H
#define CALIB_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "quant/iq4.h"
#include "quant/quant_type.h"

enum {
    GRID_ROWS = 16,
    GRID_COLUMNS = 256, /* of a block at most; what is longer has one scale for all of it, found beforehand */
    GRID_SUBS = 16,     /* units of a block at most */
};

struct feedback;

/* A block of sixteen rows, of which `rows` exist. */
struct grid_block {
    float (*x)[GRID_ROWS];                 /* [columns] */
    int64_t row, column;                   /* where it begins */
    int rows, columns;
};

/* The scales of a block. */
struct grid_scales {
    float unit[GRID_SUBS][GRID_ROWS], minimum[GRID_SUBS][GRID_ROWS];
};

struct grid {
    int block, sub;
    float low, high;
    bool uneven;
    /* NULL, or called before the first column: w[rows][columns] */
    void (*begin)(struct grid *g, const struct feedback *f, const float *w, int64_t rows);
    /* Finds a block's scales. Blocks of other rows may be with other threads, here and in `keep`. */
    void (*find)(struct grid *g, const struct feedback *f, const struct grid_block *b, struct grid_scales *s);
    /* NULL, or stores the scales nearest to wanted[GRID_ROWS] for a run of a block, and puts into `s` what its units and
     * minima are then. */
    void (*rescale)(struct grid *g, const struct grid_block *b, int run, const float *wanted, struct grid_scales *s);
    /* The scales that a block has. */
    void (*recall)(struct grid *g, const struct grid_block *b, struct grid_scales *s);
    /* Stores the codes of a block whose x are rounded by now. */
    void (*keep)(struct grid *g, const struct grid_block *b);
};

static inline void grid_nearest_even(const struct grid *g, const float *x, const float *unit, const float *minimum, float *out)
{
#pragma omp simd
    for (int l = 0; l < GRID_ROWS; l++) {
        float inverse = unit[l] != 0 ? 1 / unit[l] : 0, q = (x[l] - minimum[l]) * inverse;
        q = q > g->low ? q : g->low;
        q = q < g->high ? q : g->high;
        q = q + 12582912.0f - 12582912.0f; /* to the nearest whole number */
        out[l] = unit[l] * q + minimum[l];
    }
}

static inline void grid_nearest_level(const float *x, const float *unit, float *out)
{
    for (int l = 0; l < GRID_ROWS; l++)
        out[l] = unit[l] * iq4_levels[iq4_code(unit[l] != 0 ? x[l] / unit[l] : 0)];
}

/* A part of a matrix whose rows are `step` apart, rows side by side; those that do not exist are zeros. */
void grid_load(const float *from, int64_t step, int rows, int64_t columns, float (*x)[GRID_ROWS]);
/* And back. */
void grid_store(const float (*x)[GRID_ROWS], int rows, int64_t columns, float *to, int64_t step);

/* The values of the grid nearest to x[GRID_ROWS]. Here, so that it becomes a part of loops over columns. */
static inline void grid_nearest(const struct grid *g, const float *x, const float *unit, const float *minimum, float *out)
{
    if (g->uneven)
        grid_nearest_level(x, unit, out);
    else
        grid_nearest_even(g, x, unit, minimum, out);
}

/* What a run's columns cost each row with these scales: cost[GRID_ROWS]. */
typedef void grid_cost(const void *user, const struct grid_block *b, int run, const struct grid_scales *s, float *cost);
/* The best for a run of its scales and some near them; where there is `rescale`. */
void grid_adjust(struct grid *g, const struct grid_block *b, int run, struct grid_scales *s, grid_cost *cost_of,
                 const void *user);

/* The grid of a GGUF type that has one (quant_type.h): its first member, so that the one is the other. */
struct block_grid {
    struct grid grid;
    const struct quant_type *type;
    int64_t row_bytes;
    unsigned char *blocks;                 /* where they go */
};
struct block_grid block_grid(const struct quant_type *type, int64_t columns, void *blocks);

#endif
