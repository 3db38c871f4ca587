#include "pack/codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "quant/half.h"

void codes_init(struct codes *c, const struct scheme *s, int64_t rows, int64_t columns)
{
    int64_t groups = scheme_groups(s, columns);
    *c = (struct codes){.rows = rows, .columns = columns, .group = (int)scheme_group(s, columns)};
    c->codes = xmalloc(rows * columns);
    c->scales = xcalloc(rows * groups, sizeof *c->scales);
    c->zeros = xcalloc(rows * groups, 1);
}

void codes_done(struct codes *c)
{
    free(c->codes);
    free(c->scales);
    free(c->zeros);
    *c = (struct codes){0};
}

/* --------------------------------------------------------------------- to codes */

struct grid {
    float scale;
    int zero, top;      /* codes run from 0 to top */
};

static void range_of(const float *w, int64_t n, float *low, float *high)
{
    *low = *high = 0;
    for (int64_t i = 0; i < n; i++) {
        *low = w[i] < *low ? w[i] : *low;
        *high = w[i] > *high ? w[i] : *high;
    }
}

/* Symmetric: codes reach as far below 0 as above, but for half a step. Else the range, with 0 on the grid. A group of
 * zeros gets some scale: readers divide by it. */
static struct grid grid_of(const struct scheme *s, const float *w, int64_t n)
{
    struct grid g = {.scale = 1, .zero = 1 << (s->bits - 1), .top = (1 << s->bits) - 1};
    float low, high;
    range_of(w, n, &low, &high);
    if (low == high)
        return g;
    if (s->symmetric) {
        g.scale = scheme_round_scale(s, 2 * fmaxf(-low, high) / g.top);
        return g;
    }
    g.scale = (high - low) / g.top;
    g.zero = (int)lrintf(-low / g.scale);
    if (g.zero < scheme_least_zero(s)) {
        g.zero = scheme_least_zero(s);
        g.scale = high / (g.top - g.zero);
    }
    g.scale = scheme_round_scale(s, g.scale);
    return g;
}

static uint8_t code_of(const struct grid *g, float w)
{
    float code = nearbyintf(w / g->scale) + g->zero;
    return code < 0 ? 0 : code > g->top ? g->top : (uint8_t)code;
}

void codes_nearest(struct codes *c, const struct scheme *s, const float *w)
{
    int64_t groups = scheme_groups(s, c->columns);
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t g = 0; g < groups; g++) {
            int64_t at = r * c->columns + g * c->group;
            int64_t n = c->columns - g * c->group < c->group ? c->columns - g * c->group : c->group;
            struct grid grid = grid_of(s, w + at, n);
            for (int64_t i = at; i < at + n; i++)
                c->codes[i] = code_of(&grid, w[i]);
            c->scales[r * groups + g] = grid.scale;
            c->zeros[r * groups + g] = grid.zero;
        }
}

/* -------------------------------------------------------------------- to floats */

static void floats_in_order(const struct codes *c, int64_t groups, int64_t row, float *w)
{
    const uint8_t *codes = c->codes + row * c->columns;
    for (int64_t g = 0; g < groups; g++) {
        int64_t end = (g + 1) * c->group < c->columns ? (g + 1) * c->group : c->columns;
        float scale = c->scales[row * groups + g];
        int zero = c->zeros[row * groups + g];
        for (int64_t i = g * c->group; i < end; i++)
            w[i] = (float)(codes[i] - zero) * scale;
    }
}

static void floats_out_of_order(const struct codes *c, int64_t groups, int64_t row, float *w)
{
    const uint8_t *codes = c->codes + row * c->columns;
    for (int64_t i = 0; i < c->columns; i++) {
        int64_t g = row * groups + c->group_of[i];
        w[i] = (float)(codes[i] - c->zeros[g]) * c->scales[g];
    }
}

void codes_floats(const struct codes *c, float *w)
{
    int64_t groups = (c->columns + c->group - 1) / c->group;
    for (int64_t r = 0; r < c->rows; r++)
        (c->group_of ? floats_out_of_order : floats_in_order)(c, groups, r, w + r * c->columns);
}

void codes_get_zeros(struct codes *c, const struct bit_stream *s, int64_t first, int64_t group, int add)
{
    int64_t groups = (c->columns + c->group - 1) / c->group, from = first / 32 * 32, n = first + c->rows - from;
    uint8_t *stored = xmalloc(n);
    bits_get(s, from, n, stored, 1);
    for (int64_t r = 0; r < c->rows; r++)
        c->zeros[r * groups + group] = (stored[first - from + r] + add) & ((1 << s->bits) - 1);
    free(stored);
}

/* ---------------------------------------------------------------- whole formats */

void codes_encode(struct packed *p, int64_t first, int64_t n, const float *w)
{
    struct codes c;
    codes_init(&c, p->scheme, n, p->columns);
    codes_nearest(&c, p->scheme, w);
    p->scheme->format->pack(p, first, &c);
    codes_done(&c);
}

void codes_decode(const struct packed *p, int64_t first, int64_t n, float *w)
{
    struct codes c;
    codes_init(&c, p->scheme, n, p->columns);
    p->scheme->format->unpack(p, first, &c);
    codes_floats(&c, w);
    codes_done(&c);
}

/* ----------------------------------------------------------------------- scales */

float pack_largest(const float *w, int64_t n)
{
    float largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fabsf(w[i]) > largest ? fabsf(w[i]) : largest;
    return largest;
}

void pack_put_float(struct packed *p, int part, int64_t i, float x)
{
    const struct pack_part *t = &p->parts[part];
    uint16_t half = t->dtype[0] == 'B' ? bf16_from_float(x) : half_from_float(x);
    memcpy(p->data[part] + i * t->item, t->item == 4 ? (const void *)&x : &half, t->item);
}

float pack_get_float(const struct packed *p, int part, int64_t i)
{
    const struct pack_part *t = &p->parts[part];
    float x;
    uint16_t half;
    memcpy(t->item == 4 ? (void *)&x : &half, p->data[part] + i * t->item, t->item);
    return t->item == 4 ? x : t->dtype[0] == 'B' ? bf16_to_float(half) : half_to_float(half);
}
