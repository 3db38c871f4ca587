#include "quant/lattice.h"

#include "quant/lanes.h"

enum { LEVELS = 8, HALF_CODES = 256 };

/* Units that are tried for a sub-block, and how far around the stored scale that is nearest to the best of them to go
 * on. Ten units gain less than 0.3 % of the error. */
enum { UNITS = 5, SCALE_REACH = 1 };

static int half_bits(const struct lattice *c)
{
    return c->dims * c->bits / 2;
}

/* ----------------------------------------------------------------------- signs */

/* Of eight rows: their signs as bits, and the rows made magnitudes. Where the number of minus signs must be even and is
 * not, the value whose wrong sign costs least changes its own: it becomes a magnitude below zero. */
static lanes_int fold_eight(struct tile *t, int row, int l, bool even)
{
    lanes_int bits = {0}, odd = {0}, at = {0};
    lanes least = lanes_set(INFINITY);
    for (int j = 0; j < 8; j++) {
        lanes x = lanes_load(&t->x[row + j][l]), cost = lanes_load(&t->weight[row + j][l]) * lanes_abs(x);
        lanes_int negative = x < 0, cheaper = cost < least;
        bits |= negative & 1 << j;
        odd ^= negative;
        at = (cheaper & 1 << j) | (~cheaper & at);
        least = lanes_select(cheaper, cost, least);
        lanes_store(&t->x[row + j][l], lanes_abs(x));
    }
    lanes_int wrong = even ? odd & at : at & 0;
    for (int j = 0; even && j < 8; j++) {
        lanes x = lanes_load(&t->x[row + j][l]);
        lanes_store(&t->x[row + j][l], lanes_select((wrong & 1 << j) != 0, -x, x));
    }
    return bits ^ wrong;
}

static void fold(struct tile *t, const struct lattice *c, struct lattice_blocks *b)
{
    for (int g = 0; c->signs != LATTICE_SIGNED && g < t->size / 8; g++)
        for (int l = 0; l < TILE; l += LANES) {
            lanes_int bits = fold_eight(t, g * 8, l, c->signs == LATTICE_EVEN);
            for (int i = 0; i < LANES; i++)
                b->sign[g][l + i] = bits[i];
        }
}

/* ---------------------------------------------------------------------- errors */

/* By how much more a value errs at each level than at zero: w (x - u v)² - w x². */
static inline void level_errors(const struct tile *t, int row, int l, const struct lattice *c, lanes unit, float shift,
                                lanes out[LEVELS])
{
    lanes x = lanes_load(&t->x[row][l]), twice = x + x, weighted = lanes_load(&t->weight[row][l]) * unit;
    for (int i = 0; i < c->levels; i++) {
        float v = c->level[i] + shift;
        out[i] = weighted * v * (unit * v - twice);
    }
}

/* Of two neighbours, by both codes: the first's in the low bits. */
static inline void pair_errors(const struct lattice *c, const lanes first[LEVELS], const lanes second[LEVELS], lanes *out)
{
    for (int b = 0; b < c->levels; b++)
        for (int a = 0; a < c->levels; a++)
            out[a | b << c->bits] = first[a] + second[b];
}

/* Of half a point, by its codes. */
static inline void half_errors(const struct tile *t, int row, int l, const struct lattice *c, lanes unit, float shift,
                               lanes out[HALF_CODES])
{
    lanes value[4][LEVELS], low[16], high[16];
    for (int j = 0; j < c->dims / 2; j++)
        level_errors(t, row + j, l, c, unit, shift, value[j]);
    if (c->dims == 4) {
        pair_errors(c, value[0], value[1], out);
        return;
    }
    pair_errors(c, value[0], value[1], low);
    pair_errors(c, value[2], value[3], high);
    for (int h = 0; h < 9; h++)
        for (int i = 0; i < 9; i++) {
            int b = h / 3 * 4 + h % 3, a = i / 3 * 4 + i % 3;
            out[a | b << 4] = low[a] + high[b];
        }
}

struct halves {
    lanes low[HALF_CODES], high[HALF_CODES];
};

static inline void point_errors(struct halves *h, const struct tile *t, int row, int l, const struct lattice *c,
                                lanes unit, float shift)
{
    half_errors(t, row, l, c, unit, shift, h->low);
    half_errors(t, row + c->dims / 2, l, c, unit, shift, h->high);
}

/* The list, cut where the second half changes: points first[k]..first[k + 1] - 1 share it. */
struct runs {
    int count;
    uint16_t first[HALF_CODES + 1], high[HALF_CODES];
    uint16_t low[2048]; /* of each point, where the errors of its first half lie: an offset in bytes */
};

static void find_runs(struct runs *r, const struct lattice *c)
{
    int bits = half_bits(c);
    r->count = 0;
    for (int i = 0; i < c->count; i++) {
        int high = c->points[i] >> bits;
        if (i == 0 || high != r->high[r->count - 1]) {
            r->first[r->count] = i;
            r->high[r->count++] = high;
        }
        r->low[i] = (c->points[i] & ((1 << bits) - 1)) * sizeof(lanes);
    }
    r->first[r->count] = c->count;
}

static inline lanes low_error(const struct halves *h, const struct runs *r, int point)
{
    return *(const lanes *)((const char *)h->low + r->low[point]);
}

/* The least error of the first halves in a run. */
static inline lanes least_of_run(const struct halves *h, const struct runs *r, int k)
{
    int i = r->first[k], end = r->first[k + 1];
    lanes a = low_error(h, r, i), b = a;
    for (; i + 1 < end; i += 2) {
        a = lanes_min(low_error(h, r, i), a);
        b = lanes_min(low_error(h, r, i + 1), b);
    }
    return lanes_min(lanes_min(a, b), low_error(h, r, end - 1));
}

/* The least error of all points. */
static inline lanes least_error(const struct halves *h, const struct runs *r)
{
    lanes least = lanes_set(INFINITY);
    for (int k = 0; k < r->count; k++)
        least = lanes_min(least_of_run(h, r, k) + h->high[r->high[k]], least);
    return least;
}

/* Of a sub-block with this unit. */
static lanes block_error(const struct tile *t, int l, const struct lattice *c, const struct runs *r, lanes unit)
{
    struct halves h;
    lanes plus = lanes_set(0), minus = lanes_set(0);
    for (int row = 0; row < t->size; row += c->dims) {
        point_errors(&h, t, row, l, c, unit, c->shift);
        lanes a = least_error(&h, r), b = a;
        if (c->shift != 0) {
            point_errors(&h, t, row, l, c, unit, -c->shift);
            b = least_error(&h, r);
        }
        if (c->shift_each)
            a = b = lanes_min(a, b);
        plus += a;
        minus += b;
    }
    return lanes_min(plus, minus);
}

/* ---------------------------------------------------------------------- scales */

static lanes largest(const struct tile *t, int l)
{
    lanes most = lanes_set(0);
    for (int j = 0; j < t->size; j++)
        most = lanes_max(lanes_abs(lanes_load(&t->x[j][l])), most);
    return most;
}

/* The best unit of each sub-block, as if it were free. */
static void free_units(const struct tile *t, const struct lattice *c, const struct runs *r, float unit[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes top = largest(t, l) / c->level[c->levels - 1], best = lanes_set(0), least = lanes_set(0);
        for (int i = 0; i < UNITS; i++) {
            lanes tried = top * (c->narrow + (c->wide - c->narrow) * i / (UNITS - 1)), error = block_error(t, l, c, r, tried);
            lanes_int better = error < least;
            best = lanes_select(better, tried, best);
            least = lanes_select(better, error, least);
        }
        lanes_store(&unit[l], best);
    }
}

/* Of the stored scales around the one nearest to the free unit, that with the least error. */
static void choose_scales(const struct tile *t, const struct lattice *c, const struct runs *r, const float d[TILE],
                          const float unit[TILE], float scale[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes step = lanes_load(&d[l]), least = lanes_set(INFINITY), best = lanes_set(0);
        lanes around = lanes_round((lanes_load(&unit[l]) * lanes_inverse(step) - 1.0f) * 0.5f);
        for (int i = -SCALE_REACH; i <= SCALE_REACH; i++) {
            lanes tried = lanes_clamp(around + (float)i, 0, c->scales - 1);
            lanes error = block_error(t, l, c, r, step * (tried + tried + 1.0f));
            lanes_int better = error < least;
            best = lanes_select(better, tried, best);
            least = lanes_select(better, error, least);
        }
        lanes_store(&scale[l], best);
    }
}

/* ---------------------------------------------------------------------- points */

struct choice {
    lanes error;
    int point[LANES];
};

/* The run first, for all lanes at once, then the point in it. */
static void best_point(struct choice *best, const struct halves *h, const struct runs *r)
{
    lanes_int run = {0};
    best->error = lanes_set(INFINITY);
    for (int k = 0; k < r->count; k++) {
        lanes error = least_of_run(h, r, k) + h->high[r->high[k]];
        lanes_int better = error < best->error;
        best->error = lanes_select(better, error, best->error);
        run = (better & k) | (~better & run);
    }
    for (int i = 0; i < LANES; i++) {
        int at = r->first[run[i]];
        for (int p = at + 1; p < r->first[run[i] + 1]; p++)
            at = low_error(h, r, p)[i] < low_error(h, r, at)[i] ? p : at;
        best->point[i] = at;
    }
}

/* Takes the choices of `from` where `mask`, into one group of what is stored. */
static void store_points(struct lattice_blocks *b, int group, int l, const struct choice *plus, const struct choice *minus,
                         lanes_int subtract)
{
    for (int i = 0; i < LANES; i++) {
        b->point[group][l + i] = subtract[i] ? minus->point[i] : plus->point[i];
        b->minus[group][l + i] = subtract[i] != 0;
    }
}

static void choose_points(const struct tile *t, const struct lattice *c, const struct runs *r, int l, lanes unit,
                          struct lattice_blocks *b)
{
    struct halves h;
    struct choice plus[8], minus[8];
    lanes sum = lanes_set(0);
    int groups = t->size / c->dims;
    for (int g = 0; g < groups; g++) {
        point_errors(&h, t, g * c->dims, l, c, unit, c->shift);
        best_point(&plus[g], &h, r);
        minus[g] = plus[g];
        if (c->shift != 0) {
            point_errors(&h, t, g * c->dims, l, c, unit, -c->shift);
            best_point(&minus[g], &h, r);
        }
        sum += minus[g].error - plus[g].error;
    }
    for (int g = 0; g < groups; g++)
        store_points(b, g, l, &plus[g], &minus[g], c->shift_each ? minus[g].error < plus[g].error : sum < 0);
}

/* ------------------------------------------------------------------ everything */

/* What value j of column i decodes to, in units. */
static float level_at(const struct lattice *c, const struct lattice_blocks *b, int j, int i)
{
    int g = j / c->dims, code = c->points[b->point[g][i]] >> j % c->dims * c->bits & ((1 << c->bits) - 1);
    return c->level[code] + (b->minus[g][i] ? -c->shift : c->shift);
}

/* Weighted sums over a super-block, with the points and scales that it has. */
struct fitness {
    float xx, qx, qq;
};

static struct fitness fitness_of(const struct tile *t, const struct lattice *c, const struct lattice_blocks *b, int first,
                                 int last)
{
    struct fitness f = {0};
    for (int i = first; i < last; i++)
        for (int j = 0; j < t->size; j++) {
            float q = (2 * b->scale[i] + 1) * level_at(c, b, j, i), wx = t->weight[j][i] * t->x[j][i];
            f.xx += wx * t->x[j][i];
            f.qx += wx * q;
            f.qq += t->weight[j][i] * q * q;
        }
    return f;
}

/* The best d for the points and scales as they are; then, `full`, so much larger that the blocks do not shrink: what
 * errs least lacks the share of x's square that it errs by. */
static void refit(const struct tile *t, const struct lattice *c, struct lattice_blocks *b, bool full, float d[TILE])
{
    int per = QUANT_SUPER / t->size;
    for (int k = 0; k < TILE / per; k++) {
        struct fitness f = fitness_of(t, c, b, k * per, (k + 1) * per);
        bool known = f.qx > 0 && f.qq > 0;
        float best = known ? f.qx / f.qq : d[k * per], kept = known ? f.qx * f.qx / (f.qq * f.xx) : 1;
        b->d[k] = fit_share(d, k, per, full ? best * fit_unshrink(kept) : best);
    }
}

static void choose_all(const struct tile *t, const struct lattice *c, const struct runs *r, const float d[TILE],
                       const float scale[TILE], struct lattice_blocks *b)
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes s = lanes_load(&scale[l]);
        choose_points(t, c, r, l, lanes_load(&d[l]) * (s + s + 1.0f), b);
    }
    for (int i = 0; i < TILE; i++)
        b->scale[i] = scale[i];
}

static void fit(struct tile *t, const struct lattice *c, const struct runs *r, struct lattice_blocks *b)
{
    float unit[TILE], d[TILE], scale[TILE];
    int per = QUANT_SUPER / t->size;
    fold(t, c, b);
    free_units(t, c, r, unit);
    for (int k = 0; k < TILE / per; k++)
        b->d[k] = fit_share(d, k, per, fit_largest(unit + k * per, per) / (2 * c->scales - 1));
    choose_scales(t, c, r, d, unit, scale);
    choose_all(t, c, r, d, scale, b);
    refit(t, c, b, false, d);
    choose_all(t, c, r, d, scale, b);
    refit(t, c, b, true, d);
}

void lattice_encode(const float *x, const float *importance, void *blocks, int64_t n, int size, const struct lattice *c,
                    size_t block_bytes, void (*put)(const struct lattice_blocks *b, int k, void *block))
{
    unsigned char *block = blocks;
    struct tile t;
    struct lattice_blocks b;
    struct runs r;
    find_runs(&r, c);
    for (int64_t i = 0; i < n; i += t.count * size) {
        tile_load(&t, x + i, importance ? importance + i : NULL, size, tile_count(n - i, size));
        fit(&t, c, &r, &b);
        for (int k = 0; k < t.count * size / QUANT_SUPER; k++, block += block_bytes)
            put(&b, k, block);
    }
}
