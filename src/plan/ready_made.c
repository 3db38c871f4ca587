#include "plan/ready_made.h"

#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

/* Makers' recipes differ by some tensors' types: a file this much larger than a level is still that level. */
static const double tolerance = 1.03;

static bool holds(const struct estimate *row, uint64_t bytes)
{
    return (double)row->file_bytes * tolerance >= (double)bytes;
}

/* The row of the offer's level; where there is none, or the file is larger than that, the smallest row that
 * is not smaller. Rows are sorted, the largest first. NULL: it is larger than all. */
static const struct estimate *find_row(const struct estimates *s, const struct offer *o)
{
    const struct estimate *row = NULL;
    for (int i = 0; i < s->count; i++) {
        if (holds(&s->rows[i], o->bytes) && strcasecmp(s->rows[i].level->name, o->level) == 0)
            return &s->rows[i];
        row = holds(&s->rows[i], o->bytes) ? &s->rows[i] : row;
    }
    return row;
}

static void judge(struct ready_made *m, const struct estimates *s)
{
    const struct estimate *row = m->offer->bytes && s ? find_row(s, m->offer) : NULL;
    m->verdict = VERDICT_UNKNOWN;
    if (row) {
        m->verdict = row->verdict;
        m->total_bytes = row->total_bytes + m->offer->bytes - row->file_bytes;
    } else if (s && s->count && m->offer->bytes && s->rows[0].verdict == VERDICT_TOO_BIG) {
        m->verdict = VERDICT_TOO_BIG; /* the largest level already is */
    }
}

static bool runs(const struct ready_made *m)
{
    return m->verdict == VERDICT_FITS || m->verdict == VERDICT_SPLIT;
}

struct ready_made *ready_made_judge(const struct offers *o, const struct estimates *s)
{
    struct ready_made *list = xcalloc(o->count + 1, sizeof *list), *best = NULL;
    double most = s && s->recommended >= 0 ? (double)s->rows[s->recommended].file_bytes * tolerance : 0;
    for (int i = 0; i < o->count; i++) {
        list[i].offer = &o->items[i];
        judge(&list[i], s);
        if (runs(&list[i]) && (double)o->items[i].bytes <= most &&
            (!best || o->items[i].bytes > best->offer->bytes))
            best = &list[i];
    }
    if (best)
        best->recommended = true;
    return list;
}

/* The source that we would start from: the checkpoint, or the offer that is not quantized. */
static uint64_t source_bytes(const struct offers *o)
{
    static const char *const plain[] = {"BF16", "F16", "FP16", "F32", "FP32"};
    if (o->checkpoint)
        return o->checkpoint_bytes;
    for (int i = 0; i < o->count; i++)
        for (size_t p = 0; p < ARRAY_LENGTH(plain); p++)
            if (strcasecmp(o->items[i].level, plain[p]) == 0)
                return o->items[i].bytes;
    return 0;
}

static const struct offer *recommended(const struct offers *o, const struct ready_made *list)
{
    for (int i = 0; i < o->count; i++)
        if (list[i].recommended)
            return list[i].offer;
    return NULL;
}

static const char *title(const struct offer *o)
{
    return *o->level ? o->level : o->name;
}

static char *advice_without_best(uint64_t source, const struct estimates *s)
{
    char text[FORMAT_SIZE];
    if (s->recommended < 0)
        return xstrdup("Nothing of this model fits here: neither these nor what could be made.");
    if (!source)
        return xstrdup(
            "None of these fits here, and there is no unquantized model to make a smaller one from.");
    return xasprintf("None of these fits here; %s does, made from the %s that are not quantized.",
                     s->rows[s->recommended].level->name, format_bytes(text, (double)source));
}

char *ready_made_advice(const struct offers *o, const struct ready_made *list, const struct estimates *s)
{
    char size[FORMAT_SIZE], from[FORMAT_SIZE];
    const struct offer *best = recommended(o, list);
    uint64_t source = source_bytes(o);
    if (!s)
        return xstrdup("What fits here is not known, since the model's header could not be read.");
    if (!best)
        return advice_without_best(source, s);
    format_bytes(size, (double)best->bytes);
    if (source == best->bytes)
        return xasprintf("%s (%s) fits as it is: nothing has to be quantized.", title(best), size);
    if (!source)
        return xasprintf(
            "%s (%s) is the best of these that fits; there is no unquantized model here to make another"
            " one from.",
            title(best), size);
    return xasprintf(
        "Fetching %s (%s) may be the better answer: making it would begin with fetching %s. Make it yourself"
        " for other types, your own calibration text, or a measured loss.",
        title(best), size, format_bytes(from, (double)source));
}
