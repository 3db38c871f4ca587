#include "quant/super.h"

#include "quant/sums.h"

/* How far from the rounded scale of a line the search goes: two steps gain a hundredth of what one does. */
enum { LINE_REACH = 1 };

/* Whole numbers nearest to value / unit, within low..high. */
static void round_to(float out[TILE], const float value[TILE], const float unit[TILE], float low, float high)
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes v = lanes_load(&value[l]) * lanes_inverse(lanes_load(&unit[l]));
        lanes_store(&out[l], lanes_round(lanes_clamp(v, low, high)));
    }
}

/* ------------------------------------------------------------ scale alone */

/* Of the stored scales up to `reach` from each of `scale`, the one with the least error. */
static void choose_scales(const struct tile *t, const struct fit_codes *codes, int levels, int reach,
                          const float d[TILE], float scale[TILE])
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes around = lanes_load(&scale[l]), best = around, gain = lanes_set(0);
        for (int i = -reach; i <= reach; i++) {
            lanes tried = lanes_clamp(around + (float)i, -levels, levels - 1);
            lanes unit = lanes_load(&d[l]) * tried;
            lanes found = scale_gain(scale_sums(t, l, codes, lanes_inverse(unit)), unit);
            lanes_int better = found > gain;
            best = lanes_select(better, tried, best);
            gain = lanes_select(better, found, gain);
        }
        lanes_store(&scale[l], best);
    }
}

static void find_scales(const struct super_format *f, const struct tile *t, struct super_scales *s)
{
    float d[TILE], scale[TILE];
    int per = QUANT_SUPER / t->size, levels = f->levels;
    fit_scale(t, f->codes, scale);
    for (int k = 0; k < TILE / per; k++)
        s->d[k] = fit_share(d, k, per, fit_largest(scale + k * per, per) / -levels);
    round_to(scale, scale, d, -levels, levels - 1);
    if (f->reach > 0)
        choose_scales(t, f->codes, levels, f->reach, d, scale);
    for (int i = 0; i < TILE; i++)
        s->scale[i] = scale[i];
}

/* ------------------------------------------------------ scale and minimum */

/* A tile's columns: x ≈ d × scale × code - dmin × min, and the sums (sums.h) for these codes. */
struct lines {
    float d[TILE], dmin[TILE];
    float scale[TILE], min[TILE]; /* whole numbers */
    float w[TILE], x[TILE], q[TILE], qx[TILE], qq[TILE];
};

struct line_choice {
    lanes scale, min, gain;
    struct line_sums sums;
};

static inline void line_choose(struct line_choice *best, struct line_choice found)
{
    lanes_int better = found.gain > best->gain;
    best->scale = lanes_select(better, found.scale, best->scale);
    best->min = lanes_select(better, found.min, best->min);
    best->gain = lanes_select(better, found.gain, best->gain);
    best->sums.q = lanes_select(better, found.sums.q, best->sums.q);
    best->sums.qx = lanes_select(better, found.sums.qx, best->sums.qx);
    best->sums.qq = lanes_select(better, found.sums.qq, best->sums.qq);
}

/* The minimum that suits this scale best with the codes of `s`, and what the two gain. */
static inline struct line_choice line_with(struct line_sums s, lanes scale, lanes d, lanes dmin, int levels)
{
    lanes unit = d * scale;
    lanes min = lanes_round(lanes_clamp(lanes_ratio(unit * s.q - s.x, s.w * dmin), 0, levels));
    return (struct line_choice){scale, min, line_gain(s, unit, -(dmin * min)), s};
}

static void keep(struct lines *c, int l, const struct line_choice *best)
{
    lanes_store(&c->scale[l], best->scale);
    lanes_store(&c->min[l], best->min);
    lanes_store(&c->w[l], best->sums.w);
    lanes_store(&c->x[l], best->sums.x);
    lanes_store(&c->q[l], best->sums.q);
    lanes_store(&c->qx[l], best->sums.qx);
    lanes_store(&c->qq[l], best->sums.qq);
}

/* Of c->scale and its neighbours, with codes for `minimum`, the best ones; their minima and sums. */
static void choose_lines(const struct tile *t, int high, int levels, const float minimum[TILE],
                         struct lines *c)
{
    for (int l = 0; l < TILE; l += LANES) {
        lanes d = lanes_load(&c->d[l]), around = lanes_load(&c->scale[l]), low = lanes_load(&minimum[l]);
        struct line_sums plain = plain_sums(t, l);
        struct line_choice best = {lanes_set(0), lanes_set(0), lanes_set(-INFINITY), plain};
        for (int i = -LINE_REACH; i <= LINE_REACH; i++) {
            lanes scale = lanes_clamp(around + (float)i, 0, levels);
            struct line_sums s = line_sums(t, l, plain, low, lanes_inverse(d * scale), high);
            line_choose(&best, line_with(s, scale, d, lanes_load(&c->dmin[l]), levels));
        }
        keep(c, l, &best);
    }
}

/* Σ weight × x² of the columns first..last - 1. */
static float power(const struct tile *t, int first, int last)
{
    float sum = 0;
    for (int j = 0; j < t->size; j++)
        for (int i = first; i < last; i++)
            sum += t->weight[j][i] * t->x[j][i] * t->x[j][i];
    return sum;
}

/* The best d and dmin for the codes, scales and minima of a super-block: two normal equations. Where they do
 * not have two positive solutions, d and dmin stay. With importance the values do not shrink (fit_unshrink). */
static void refit(const struct tile *t, const struct lines *c, int first, int last, float *d, float *dmin)
{
    float aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int i = first; i < last; i++) {
        float a = c->scale[i], b = c->min[i];
        aa += a * a * c->qq[i];
        ab += a * b * c->q[i];
        bb += b * b * c->w[i];
        ax += a * c->qx[i];
        bx += b * c->x[i];
    }
    float determinant = aa * bb - ab * ab, above = ax * bb - ab * bx, above_min = ab * ax - aa * bx;
    if (determinant > 1e-6f * aa * bb && above > 0 && above_min > 0) {
        *d = above / determinant;
        *dmin = above_min / determinant;
        float larger = t->weighed ? fit_unshrink((*d * ax - *dmin * bx) / power(t, first, last)) : 1;
        *d *= larger;
        *dmin *= larger;
    } else if (bb == 0 && aa > 0) {
        *d = ax / aa;
    }
}

static void share_lines(struct lines *c, struct super_scales *s, int k, int per, float d, float dmin)
{
    s->d[k] = fit_share(c->d, k, per, d);
    s->dmin[k] = fit_share(c->dmin, k, per, dmin);
}

static void find_lines(const struct super_format *f, const struct tile *t, struct super_scales *s)
{
    float scale[TILE], minimum[TILE];
    struct lines c;
    int per = QUANT_SUPER / t->size, levels = f->levels;
    fit_line(t, f->high, false, scale, minimum);
    for (int i = 0, k = 0; k < TILE / per; k++, i += per)
        share_lines(&c, s, k, per, fit_largest(scale + i, per) / levels,
                    -fit_largest(minimum + i, per) / levels);
    round_to(c.scale, scale, c.d, 0, levels);
    choose_lines(t, f->high, levels, minimum, &c);
    for (int i = 0, k = 0; k < TILE / per; k++, i += per) {
        float d = c.d[i], dmin = c.dmin[i];
        refit(t, &c, i, i + per, &d, &dmin);
        share_lines(&c, s, k, per, d, dmin);
    }
    for (int i = 0; i < TILE; i++) {
        s->scale[i] = c.scale[i];
        s->min[i] = c.min[i];
    }
}

void super_encode(const struct super_format *f, const float *x, const float *importance, void *blocks, int64_t n)
{
    unsigned char *block = blocks;
    struct tile t;
    struct super_scales s;
    for (int64_t i = 0; i < n; i += t.count * f->size) {
        tile_load(&t, x + i, importance ? importance + i : NULL, f->size, tile_count(n - i, f->size));
        if (f->codes)
            find_scales(f, &t, &s);
        else
            find_lines(f, &t, &s);
        for (int k = 0; k < t.count * f->size / QUANT_SUPER; k++, block += f->block_bytes)
            f->put(x + i + k * QUANT_SUPER, &s, k, block);
    }
}
