#include "run/checkpoint_weight.h"

#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/mem.h"
#include "pack/codes.h"
#include "quant/half.h"
#include "run/bad_number.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ------------------------------------------------------------------------ source */

/* Where a weight's numbers come from: the source's file, or what stands in their place. */
struct numbers {
    const struct tensor_source *source;
    const float *instead;           /* [rows][columns]; NULL: the source's */
    int64_t rows, columns;
};

static const float *rows_of(const struct numbers *n, int64_t first, int64_t count, float *room)
{
    if (n->instead)
        return n->instead + first * n->columns;
    source_read(n->source, first * n->columns, count * n->columns, room);
    return room;
}

/* Rows of a piece, which are in the GGUF tensor's order, to where they are stored. */
static void place_rows(const struct stored_piece *p, const float *from, int64_t rows, int64_t columns, float *to)
{
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + (p->first + r) * columns, from + stored_row(p, r) * columns, columns * sizeof *to);
}

/* What was made of the pieces, in the stored order; NULL where nothing was. free() it. */
static float *made_floats(const struct checkpoint_made *made, const struct checkpoint_item *item, int64_t rows,
                          int64_t columns)
{
    const struct stored_weight *w = item->weight;
    float *all = NULL;
    for (int i = 0; made && made->floats && i < w->count; i++) {
        const struct tensor_source *s = w->pieces[i].tensor->source;
        float *piece = xmalloc(s->rows * s->columns * sizeof *piece);
        if (made->floats(made->user, w->pieces[i].tensor, w->pieces[i].part, piece)) {
            if (!all) {
                all = xmalloc(rows * columns * sizeof *all);
                source_read(w->source, 0, rows * columns, all);
            }
            place_rows(&w->pieces[i], piece, s->rows, columns, all);
        }
        free(piece);
    }
    return all;
}

/* ------------------------------------------------------------------------- codes */

static void place_codes(const struct stored_piece *p, const struct codes *from, struct codes *to)
{
    int64_t groups = (from->columns + from->group - 1) / from->group;
    for (int64_t r = 0; r < from->rows; r++) {
        int64_t at = p->first + r, of = stored_row(p, r);
        memcpy(to->codes + at * from->columns, from->codes + of * from->columns, from->columns);
        memcpy(to->scales + at * groups, from->scales + of * groups, groups * sizeof *to->scales);
        memcpy(to->zeros + at * groups, from->zeros + of * groups, groups);
    }
    to->group_of = from->group_of;
}

/* The codes of all pieces in the stored order; false where some piece has none. */
static bool made_codes(const struct checkpoint_made *made, const struct checkpoint_item *item, struct codes *all)
{
    const struct stored_weight *w = item->weight;
    const struct packed *p = &item->packed;
    bool have = made && made->codes && p->scheme->format->pack;
    for (int i = 0; have && i < w->count; i++) {
        const struct tensor_source *s = w->pieces[i].tensor->source;
        struct codes piece;
        codes_init(&piece, p->scheme, s->rows, p->columns);
        have = made->codes(made->user, w->pieces[i].tensor, w->pieces[i].part, &piece);
        if (have && !all->codes)
            codes_init(all, p->scheme, p->rows, p->columns);
        if (have)
            place_codes(&w->pieces[i], &piece, all);
        codes_done(&piece);
    }
    return have;
}

/* Rows `first` to `first + n` of codes, borrowed. */
static struct codes some_codes(const struct codes *all, int64_t first, int64_t n)
{
    int64_t groups = (all->columns + all->group - 1) / all->group;
    struct codes some = *all;
    some.rows = n;
    some.codes += first * all->columns;
    some.scales += first * groups;
    some.zeros += first * groups;
    return some;
}

/* ------------------------------------------------------------------------ packing */

/* Stretches of rows, a thread each. */
static int64_t stretches(const struct packed *p)
{
    return (p->rows + PACK_ROWS - 1) / PACK_ROWS;
}

static void allocate(struct packed *p)
{
    const struct pack_format *f = p->scheme->format;
    for (int i = 0; i < p->count; i++)
        p->data[i] = xcalloc(pack_part_bytes(&p->parts[i]) + 1, 1);
    if (f->scratch)
        p->scratch = xcalloc(f->scratch(p) + 1, sizeof *p->scratch);
}

/* Remembers the first bad element, whichever thread finds one. */
static void note_bad(struct weight_made *w, const float *x, int64_t first, int64_t n)
{
    int64_t bad = find_not_finite(x, n);
    if (bad < 0)
        return;
#pragma omp critical(weight_bad)
    if (w->bad < 0 || first + bad < w->bad) {
        w->bad = first + bad;
        w->value = x[bad];
    }
}

static void encode_all(struct weight_made *w, const struct numbers *n, const struct codes *codes)
{
    struct packed *p = &w->packed;
    const struct pack_format *f = p->scheme->format;
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < stretches(p); i++) {
        int64_t first = i * PACK_ROWS, count = smaller(PACK_ROWS, p->rows - first);
        float *room = xmalloc(count * p->columns * sizeof *room);
        if (codes->codes) {
            struct codes some = some_codes(codes, first, count);
            f->pack(p, first, &some);
        } else {
            const float *x = rows_of(n, first, count, room);
            note_bad(w, x, first * p->columns, count * p->columns);
            f->encode(p, first, count, x);
        }
        free(room);
    }
    if (f->finish)
        f->finish(p);
}

/* Added in the order of rows, so that no number of threads changes a digit. */
static void measure(struct weight_made *w, const struct numbers *n)
{
    const struct packed *p = &w->packed;
    double *sums = xcalloc(2 * stretches(p), sizeof *sums);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < stretches(p); i++) {
        int64_t first = i * PACK_ROWS, count = smaller(PACK_ROWS, p->rows - first), all = count * p->columns;
        float *room = xmalloc(2 * all * sizeof *room), *y = room + all;
        const float *x = rows_of(n, first, count, room);
        if (x == room)
            drop_not_finite(room, all); /* of codes that went by a text, which counts them as 0 */
        p->scheme->format->decode(p, first, count, y);
        quant_loss(x, y, all, &sums[2 * i], &sums[2 * i + 1]);
        free(room);
    }
    for (int64_t i = 0; i < stretches(p); i++) {
        w->power += sums[2 * i];
        w->error += sums[2 * i + 1];
    }
    free(sums);
}

static void make_packed(struct weight_made *w, const struct checkpoint_item *item, const struct checkpoint_made *made)
{
    struct codes codes = {0};
    float *instead = made_floats(made, item, item->packed.rows, item->packed.columns);
    struct numbers n = {item->weight->source, instead, item->packed.rows, item->packed.columns};
    w->packed = item->packed;
    w->changed = instead != NULL;
    allocate(&w->packed);
    if (!made_codes(made, item, &codes))
        codes_done(&codes);
    encode_all(w, &n, &codes);
    if (w->bad < 0)
        measure(w, &n);
    codes_done(&codes);
    free(instead);
}

/* -------------------------------------------------------------------------- kept */

static void narrow(const float *x, int64_t n, bool bf16, unsigned char *to)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t half = bf16 ? bf16_from_float(x[i]) : half_from_float(x[i]);
        memcpy(to + 2 * i, &half, sizeof half);
    }
}

/* Numbers through floats, into 16 bits. */
static void make_narrow(struct weight_made *w, const struct checkpoint_item *item, const float *instead)
{
    enum { RUN = 1 << 16 };
    int64_t all = item->weight->stored->elements;
    bool bf16 = strcmp(item->dtype->name, "BF16") == 0;
    float *x = xmalloc(RUN * sizeof *x);
    for (int64_t i = 0; i < all; i += RUN) {
        int64_t n = smaller(RUN, all - i);
        if (instead)
            memcpy(x, instead + i, n * sizeof *x);
        else
            source_read(item->weight->source, i, n, x);
        for (int64_t k = 0; k < n && !bf16; k++)
            x[k] = x[k] > HALF_MAX || x[k] < -HALF_MAX ? x[k] * 0x1p120f * 0x1p120f : x[k]; /* infinite, and found */
        note_bad(w, x, i, n);
        narrow(x, n, bf16, w->packed.data[0] + 2 * i);
    }
    free(x);
}

static void make_kept(struct weight_made *w, const struct checkpoint_item *item, const struct checkpoint_made *made)
{
    const struct stored_tensor *t = item->weight->stored;
    int64_t columns = t->shape[t->dims > 0 ? t->dims - 1 : 0];
    float *instead = columns ? made_floats(made, item, t->elements / columns, columns) : NULL;
    w->packed.count = 1;
    w->packed.data[0] = xmalloc(item->bytes + 1);
    w->changed = instead != NULL;
    if (instead && item->dtype->bytes == 4)
        memcpy(w->packed.data[0], instead, item->bytes);
    else if (instead || item->dtype != t->dtype || t->packed)
        make_narrow(w, item, instead);
    else
        memcpy(w->packed.data[0], t->data, item->bytes);
    free(instead);
}

/* ------------------------------------------------------------------------- whole */

static int bad_number(const struct checkpoint_item *item, const struct weight_made *w, struct error *e)
{
    const struct stored_tensor *t = item->weight->stored;
    int64_t columns = t->shape[t->dims > 0 ? t->dims - 1 : 0];
    struct tensor_place place = {t->path, t->name, w->bad / columns, w->bad % columns};
    return bad_number_error(&place, w->value, e);
}

int weight_make(struct weight_made *w, const struct checkpoint_layout *l, const struct checkpoint_item *item,
                const struct checkpoint_made *made, struct error *e)
{
    (void)l;
    *w = (struct weight_made){.bad = -1};
    if (item->quantized)
        make_packed(w, item, made);
    else
        make_kept(w, item, made);
    return w->bad < 0 ? 0 : bad_number(item, w, e);
}

void weight_done(struct weight_made *w)
{
    for (int i = 0; i < w->packed.count; i++)
        free(w->packed.data[i]);
    free(w->packed.scratch);
    *w = (struct weight_made){0};
}

int64_t weight_check(const struct checkpoint_item *item, const unsigned char *const *parts, float *value)
{
    struct weight_made w = {.packed = item->packed, .bad = -1};
    struct packed *p = &w.packed;
    for (int i = 0; i < p->count; i++)
        p->data[i] = (unsigned char *)parts[i];
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < stretches(p); i++) {
        int64_t first = i * PACK_ROWS, count = smaller(PACK_ROWS, p->rows - first);
        float *x = xmalloc(count * p->columns * sizeof *x);
        p->scheme->format->decode(p, first, count, x);
        note_bad(&w, x, first * p->columns, count * p->columns);
        free(x);
    }
    *value = w.value;
    return w.bad;
}
