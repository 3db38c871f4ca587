#include "calib/grid.h"

#include <string.h>

#include "base/mem.h"

enum { LANES = GRID_ROWS };

void grid_load(const float *from, int64_t step, int rows, int64_t columns, float (*x)[LANES])
{
    for (int64_t j = 0; j < columns; j++)
        for (int l = 0; l < LANES; l++)
            x[j][l] = l < rows ? from[l * step + j] : 0;
}

void grid_store(const float (*x)[LANES], int rows, int64_t columns, float *to, int64_t step)
{
    for (int l = 0; l < rows; l++)
        for (int64_t j = 0; j < columns; j++)
            to[l * step + j] = x[j][l];
}

/* Tried over the scales that a run has. */
static const float trials[] = {0.9f, 0.94f, 0.97f, 1.03f, 1.06f, 1.1f};

void grid_adjust(struct grid *g, const struct grid_block *b, int run, struct grid_scales *s, grid_cost *cost_of,
                 const void *user)
{
    float found[LANES], best[LANES], least[LANES], wanted[LANES], cost[LANES];
    memcpy(found, s->unit[run], sizeof found);
    memcpy(best, found, sizeof best);
    cost_of(user, b, run, s, least);
    for (size_t i = 0; i < ARRAY_LENGTH(trials); i++) {
        for (int l = 0; l < LANES; l++)
            wanted[l] = found[l] * trials[i];
        g->rescale(g, b, run, wanted, s);
        cost_of(user, b, run, s, cost);
        for (int l = 0; l < LANES; l++)
            if (cost[l] < least[l]) {
                least[l] = cost[l];
                best[l] = s->unit[run][l];
            }
    }
    g->rescale(g, b, run, best, s);
}
