#include "text/chunks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/calibration.h"
#include "text/chat_template.h"
#include "text/samples.h"
#include "text/text_model.h"

/* ----------------------------------------------------------------- encoding */

/* A text's tokens: its running text, and its records one behind the other. */
struct encoded {
    struct samples samples;
    struct tokens running, records;
    size_t *begin, *end;      /* [samples] of a record's tokens, in `records` */
    int *drawable;            /* [drawable_count] samples that are records */
    int drawable_count;
    int kinds[RECORD_LINES + 1]; /* how many of each kind */
};

static void encode_running(struct tokens *all, const struct sample_file *f, const struct tokenizer *t)
{
    if (all->count)
        tokenizer_encode(t, "\n\n", 2, 0, all);
    tokenizer_encode(t, f->text, f->length, all->count ? 0 : TOKENIZE_BOS, all);
}

static void encode_record(struct encoded *x, int i, const struct tokenizer *t)
{
    struct sample *record = &x->samples.items[i];
    struct tokens *all = &x->records;
    x->begin[i] = all->count;
    sample_encode(record, t, all->count ? 0 : TOKENIZE_BOS, all);
    record->tokens = (int)(all->count - x->begin[i]);
    if (record->tokens < SAMPLE_SHORTEST) {
        all->count = x->begin[i];
        x->samples.too_short++;
        return;
    }
    if (record->kind != RECORD_CHAT)
        tokenizer_encode(t, "\n\n", 2, 0, all);
    x->end[i] = all->count;
    x->drawable[x->drawable_count++] = i;
    x->kinds[record->kind]++;
}

static void encode_file(struct encoded *x, const struct sample_file *f, const struct tokenizer *t)
{
    if (!f->records)
        encode_running(&x->running, f, t);
    for (int i = f->first; i < f->first + f->count && f->records; i++)
        encode_record(x, i, t);
}

static int encode(struct encoded *x, const char *name, const struct tokenizer *t, struct error *e)
{
    char *path;
    *x = (struct encoded){0};
    int rc = calibration_path(&path, name, e);
    rc = rc ? rc : samples_read(&x->samples, path, t, e);
    x->begin = xcalloc(x->samples.count + 1, sizeof *x->begin);
    x->end = xcalloc(x->samples.count + 1, sizeof *x->end);
    x->drawable = xcalloc(x->samples.count + 1, sizeof *x->drawable);
    for (int f = 0; f < x->samples.file_count && !rc; f++)
        encode_file(x, &x->samples.files[f], t);
    free(path);
    return rc;
}

static void encoded_done(struct encoded *x)
{
    samples_done(&x->samples);
    tokens_done(&x->running);
    tokens_done(&x->records);
    free(x->begin);
    free(x->end);
    free(x->drawable);
}

static void append(struct tokens *to, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tokens_add(to, ids[i]);
}

/* ------------------------------------------------------------------ drawing
 *
 * Records are drawn one by one: each time a length is wanted, and the unused record whose length comes nearest to it
 * is taken, until there are tokens enough. The wanted lengths follow the golden ratio's sequence through the
 * distribution, so that any number of them is spread evenly. */

struct draw {
    const struct sample *items;
    int *order;           /* [count] records, the shorter ones first */
    int *left, *right;    /* [count + 2] the next unused place on that side, for places from 1 to count */
    int count;
};

static int by_tokens(const void *a, const void *b, void *user)
{
    const struct sample *items = user;
    int x = *(const int *)a, y = *(const int *)b;
    int difference = items[x].tokens - items[y].tokens;
    return difference ? difference : x - y;
}

static void draw_init(struct draw *d, const struct encoded *x)
{
    *d = (struct draw){.items = x->samples.items, .order = x->drawable, .count = x->drawable_count};
    qsort_r(d->order, d->count, sizeof *d->order, by_tokens, x->samples.items);
    d->left = xcalloc(d->count + 2, sizeof *d->left);
    d->right = xcalloc(d->count + 2, sizeof *d->right);
    for (int i = 0; i < d->count + 2; i++)
        d->left[i] = d->right[i] = i;
}

static void draw_done(struct draw *d)
{
    free(d->left);
    free(d->right);
}

/* From a quarter of the typical length to four times of it, alike on a logarithmic scale. */
static double wanted_length(int draw, int typical)
{
    const double golden = 0.6180339887498949;
    double share = fmod((draw + 0.5) * golden, 1);
    return typical * pow(4, 2 * share - 1);
}

static double distance(const struct draw *d, int place, double length)
{
    return place < 1 || place > d->count ? INFINITY : fabs(log(d->items[d->order[place - 1]].tokens / length));
}

static int first_at_least(const struct draw *d, double length)
{
    int low = 1, high = d->count + 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (d->items[d->order[middle - 1]].tokens < length)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Follows the links to an unused place, and shortens the way for the next time. */
static int unused(int *next, int place)
{
    while (next[place] != place)
        place = next[place] = next[next[place]];
    return place;
}

/* The record taken; it counts as used from now on. */
static int take_nearest(struct draw *d, double length)
{
    int at = first_at_least(d, length), right = unused(d->right, at), left = unused(d->left, at - 1);
    int place = distance(d, left, length) <= distance(d, right, length) ? left : right;
    d->left[place] = place - 1;
    d->right[place] = place + 1;
    return d->order[place - 1];
}

/* Marks records that have `tokens` together, or all. */
static void draw(bool *drawn, const struct encoded *x, int typical, int64_t tokens)
{
    struct draw d;
    draw_init(&d, x);
    for (int i = 0; i < d.count && tokens > 0; i++) {
        int taken = take_nearest(&d, wanted_length(i, typical));
        drawn[taken] = true;
        tokens -= x->samples.items[taken].tokens;
    }
    draw_done(&d);
}

/* The tokens of the records that are drawn, in the order of the files. */
static void keep_drawn(struct encoded *x, struct chunks *c, const bool *drawn)
{
    struct tokens kept = {0};
    for (int i = 0; i < x->samples.count; i++)
        if (drawn[i]) {
            append(&kept, x->records.ids + x->begin[i], x->end[i] - x->begin[i]);
            c->drawn++;
        }
    tokens_done(&x->records);
    x->records = kept;
}

/* ------------------------------------------------------------------- chunks */

/* Chunks of running text, and of records. */
struct shares { int running, records; };

static struct shares divide(const struct encoded *x, int length, int at_most)
{
    int64_t running = (int64_t)x->running.count / length, records = (int64_t)x->records.count / length;
    int64_t whole = running + records;
    if (at_most && whole > at_most) {
        records = (at_most * records + whole / 2) / whole;
        running = at_most - records;
    }
    return (struct shares){(int)running, (int)records};
}

/* Appends `count` chunks that go evenly through the first `whole` ones of a stream. */
static void cut(struct chunks *c, const struct tokens *stream, int64_t whole, int count, const struct tokenizer *t)
{
    for (int i = 0; i < count; i++) {
        int32_t *to = c->tokens + (size_t)c->count++ * c->length;
        memcpy(to, stream->ids + i * whole / count * c->length, c->length * sizeof *to);
        if (tokenizer_adds_bos(t))
            *to = tokenizer_bos(t);
    }
}

static void make(struct chunks *c, struct encoded *x, struct shares n, const struct tokenizer *t)
{
    bool *drawn = xcalloc(x->samples.count + 1, sizeof *drawn);
    bool all = n.records && n.records == (int64_t)x->records.count / c->length;
    draw(drawn, x, c->length, all ? INT64_MAX : (int64_t)n.records * c->length);
    keep_drawn(x, c, drawn);
    c->tokens = xmalloc((size_t)(n.running + n.records) * c->length * sizeof *c->tokens);
    cut(c, &x->running, (int64_t)x->running.count / c->length, n.running, t);
    cut(c, &x->records, (int64_t)x->records.count / c->length, n.records, t);
    free(drawn);
}

static int check_any(const struct chunks *c, int count, const char *path, struct error *e)
{
    if (count > 0)
        return 0;
    return error_set(e, ERROR_USAGE, "%s has %lld tokens, and a chunk takes %d: use a longer text, or shorter"
                     " chunks", path, (long long)c->found, c->length);
}

int chunks_read(struct chunks *c, const char *path, const struct tokenizer *t, int length, int at_most,
                struct error *e)
{
    struct encoded x;
    int rc = encode(&x, path, t, e);
    int64_t found = (int64_t)(x.running.count + x.records.count);
    struct shares n = divide(&x, length, at_most);
    const struct chat_template *chat = tokenizer_chat(t);
    *c = (struct chunks){.length = length, .found = found, .files = x.samples.file_count, .records = x.drawable_count,
                         .chats = x.kinds[RECORD_CHAT], .lines = x.kinds[RECORD_LINES],
                         .form = chat ? chat_template_name(chat) : NULL,
                         .duplicates = x.samples.duplicates, .too_short = x.samples.too_short};
    rc = rc ? rc : check_any(c, n.running + n.records, path, e);
    if (!rc)
        make(c, &x, n, t);
    encoded_done(&x);
    return rc;
}

int chunks_read_first(struct chunks *c, const char *path, const struct tokenizer *t, int length, int at_most,
                      struct error *e)
{
    struct encoded x;
    int rc = encode(&x, path, t, e);
    append(&x.running, x.records.ids, x.records.count);
    *c = (struct chunks){.length = length, .found = (int64_t)x.running.count};
    int64_t whole = c->found / length;
    int count = (int)(at_most && at_most < whole ? at_most : whole);
    rc = rc ? rc : check_any(c, count, path, e);
    if (!rc) {
        c->tokens = xmalloc((size_t)count * length * sizeof *c->tokens);
        cut(c, &x.running, count, count, t);
    }
    encoded_done(&x);
    return rc;
}

static void add_count(struct str *s, int count, const char *one, const char *many)
{
    if (count)
        str_addf(s, "; %d %s", count, count == 1 ? one : many);
}

char *chunks_describe(const struct chunks *c)
{
    struct str s = {0};
    str_addf(&s, "%d samples of %d tokens, out of %lld", c->count - c->random, c->length, (long long)c->found);
    if (c->files > 1)
        str_addf(&s, " in %d files", c->files);
    if (c->records)
        str_addf(&s, "; %d of %d records", c->drawn, c->records);
    if (c->chats)
        str_addf(&s, ", as chats in the form of %s", c->form);
    add_count(&s, c->lines, "chat without its form, since the model has no template that is known",
              "chats without their form, since the model has no template that is known");
    add_count(&s, c->duplicates, "duplicate left out", "duplicates left out");
    add_count(&s, c->too_short, "record is too short and left out", "records are too short and left out");
    add_count(&s, c->random, "sample of random tokens beside them", "samples of random tokens beside them");
    return str_take(&s);
}

void chunks_done(struct chunks *c)
{
    free(c->tokens);
    *c = (struct chunks){0};
}
