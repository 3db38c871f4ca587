#include "calib/grid.h"

#include <string.h>

#include "calib/feedback.h"

static unsigned char *place_of(const struct block_grid *g, const struct grid_block *b, int row)
{
    return g->blocks + (b->row + row) * g->row_bytes + quant_bytes(g->type, b->column);
}

/* One call for all rows: encoders work on blocks side by side. */
static void encode_rows(const struct block_grid *g, const struct feedback *f, const struct grid_block *b, void *blocks)
{
    float y[GRID_ROWS * GRID_COLUMNS], weight[GRID_ROWS * GRID_COLUMNS];
    for (int l = 0; l < b->rows; l++)
        for (int j = 0; j < b->columns; j++) {
            y[l * b->columns + j] = b->x[j][l];
            weight[l * b->columns + j] = f->u ? f->weight[b->column + j] : 1;
        }
    g->type->encode(y, f->u ? weight : NULL, blocks, (int64_t)b->rows * b->columns);
}

/* The type's own search, errors weighted by what they cost. */
static void find_scales(struct grid *grid, const struct feedback *f, const struct grid_block *b, struct grid_scales *s)
{
    const struct block_grid *g = (const struct block_grid *)grid;
    float unit[GRID_SUBS], minimum[GRID_SUBS];
    unsigned char blocks[GRID_ROWS * GRID_COLUMNS * 2];
    encode_rows(g, f, b, blocks);
    for (int l = 0; l < b->rows; l++) {
        memcpy(place_of(g, b, l), blocks + l * g->type->block_bytes, g->type->block_bytes);
        g->type->grid(blocks + l * g->type->block_bytes, unit, minimum);
        for (int i = 0; i < b->columns / grid->sub; i++) {
            s->unit[i][l] = unit[i];
            s->minimum[i][l] = minimum[i];
        }
    }
}

static void rescale(struct grid *grid, const struct grid_block *b, int run, const float *wanted, struct grid_scales *s)
{
    const struct block_grid *g = (const struct block_grid *)grid;
    float unit[GRID_SUBS], minimum[GRID_SUBS];
    for (int l = 0; l < b->rows; l++) {
        g->type->rescale(place_of(g, b, l), run, wanted[l]);
        g->type->grid(place_of(g, b, l), unit, minimum);
        s->unit[run][l] = unit[run];
    }
}

static void recall(struct grid *grid, const struct grid_block *b, struct grid_scales *s)
{
    const struct block_grid *g = (const struct block_grid *)grid;
    float unit[GRID_SUBS], minimum[GRID_SUBS];
    for (int l = 0; l < b->rows; l++) {
        g->type->grid(place_of(g, b, l), unit, minimum);
        for (int i = 0; i < b->columns / grid->sub; i++) {
            s->unit[i][l] = unit[i];
            s->minimum[i][l] = minimum[i];
        }
    }
}

static void keep_codes(struct grid *grid, const struct grid_block *b)
{
    const struct block_grid *g = (const struct block_grid *)grid;
    float y[GRID_COLUMNS];
    for (int l = 0; l < b->rows; l++) {
        for (int j = 0; j < b->columns; j++)
            y[j] = b->x[j][l];
        g->type->recode(y, place_of(g, b, l));
    }
}

struct block_grid block_grid(const struct quant_type *type, int64_t columns, void *blocks)
{
    return (struct block_grid){
        .grid = {.block = type->block, .sub = type->sub, .low = type->low, .high = type->high,
                 .uneven = type->uneven, .find = find_scales, .rescale = rescale, .recall = recall, .keep = keep_codes},
        .type = type, .row_bytes = (int64_t)quant_bytes(type, columns), .blocks = blocks,
    };
}
