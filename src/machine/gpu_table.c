#include "machine/gpu_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/rulefile.h"
#include "machine/machine_priv.h"

enum fact_id { VRAM, BANDWIDTH, FLOPS, CAPABILITY, FACTS };

struct gpu_row {
    const char *vendor;           /* static */
    const char *const *match;     /* words of a name, in any case and with any punctuation between them */
    double value[FACTS];          /* NaN: the maker does not say */
};

struct gpu_table {
    struct gpu_row *rows;
    int count, capacity;
    struct arena arena;
};

/* --------------------------------------------------------------------- reading */

static int positive(const struct yaml *row, const char *key, double scale, double *value, struct error *e)
{
    double v = NAN;
    int rc = yaml_number(row, key, false, &v, e);
    if (!rc && v <= 0)
        rc = yaml_expected(yaml_get(row, key), e, "a number above 0 for '%s'", key);
    *value = v * scale;
    return rc;
}

static int read_row(struct gpu_row *r, const struct yaml *y, struct arena *a, struct error *e)
{
    static const char *const keys[] = {"name", "match", "vram", "bandwidth", "tflops", "compute", "arch", "source",
                                       "note", NULL};
    const char *name, *source, **match = arena_alloc(a, 2 * sizeof *match);
    uint64_t vram = 0;
    int rc = yaml_only(y, keys, e);
    if (rc || (rc = yaml_text(y, "name", true, &name, e)) || (rc = yaml_text(y, "source", true, &source, e)))
        return rc;
    match[0] = name;
    if ((rc = yaml_texts(y, "match", false, &match, a, e)) || (rc = yaml_bytes(y, "vram", false, &vram, e)) ||
        (rc = positive(y, "bandwidth", 1e9, &r->value[BANDWIDTH], e)) ||
        (rc = positive(y, "tflops", 1e12, &r->value[FLOPS], e)))
        return rc;
    r->match = match;
    r->value[VRAM] = vram ? (double)vram : NAN;
    return positive(y, "compute", 1, &r->value[CAPABILITY], e);
}

/* The rows stand under their maker's name. */
static int read_vendor(struct gpu_table *t, const struct yaml *key, const struct yaml *list, struct error *e)
{
    static const char *const vendors[] = {"NVIDIA", "AMD", "Intel"};
    const char *vendor = NULL;
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(vendors); i++)
        if (strcmp(vendors[i], key->text) == 0)
            vendor = vendors[i];
    if (!vendor)
        return yaml_expected(key, e, "NVIDIA, AMD or Intel");
    if (list->kind != YAML_LIST)
        return yaml_expected(list, e, "a list of GPUs");
    for (size_t i = 0; i < list->count && !rc; i++) {
        struct gpu_row row = {.vendor = vendor};
        rc = read_row(&row, list->items[i], &t->arena, e);
        array_push(t->rows, t->count, t->capacity) = row;
    }
    return rc;
}

static int read_rows(struct gpu_table *t, const struct yaml *top, struct error *e)
{
    static const char *const keys[] = {"schema", "gpus", NULL};
    struct yaml *vendors;
    int64_t schema;
    int rc = yaml_only(top, keys, e);
    if (rc || (rc = yaml_integer(top, "schema", true, &schema, e)))
        return rc;
    if (schema != 1)
        return yaml_expected(yaml_get(top, "schema"), e, "the schema 1");
    rc = yaml_child(top, "gpus", true, YAML_MAP, &vendors, e);
    for (size_t i = 0; !rc && i < vendors->count; i++)
        rc = read_vendor(t, vendors->keys[i], vendors->items[i], e);
    return rc;
}

int gpu_table_load(struct gpu_table **out, struct error *e)
{
    struct gpu_table *t = xcalloc(1, sizeof *t);
    struct yaml *top;
    int rc = rulefile_load(&top, "gpus", &t->arena, e);
    if (!rc)
        rc = read_rows(t, top, e);
    *out = rc ? NULL : t;
    if (rc)
        gpu_table_free(t);
    return rc;
}

void gpu_table_free(struct gpu_table *t)
{
    if (!t)
        return;
    arena_done(&t->arena);
    free(t->rows);
    free(t);
}

int gpu_table_count(const struct gpu_table *t)
{
    return t ? t->count : 0;
}

/* -------------------------------------------------------------------- matching */

/* The next run of letters and digits; its length, 0 at the end. */
static int next_word(const char **text)
{
    int n = 0;
    while (**text && !isalnum((unsigned char)**text))
        ++*text;
    while (isalnum((unsigned char)(*text)[n]))
        n++;
    return n;
}

static bool same_word(const char *a, int n, const char *b, int m)
{
    return n == m && strncasecmp(a, b, n) == 0;
}

/* All words of `match` in a row at `name`? Their number, or 0. */
static int words_at(const char *name, const char *match)
{
    int words = 0;
    for (;;) {
        int m = next_word(&match), n = next_word(&name);
        if (!m)
            return words;
        if (!same_word(name, n, match, m))
            return 0;
        name += n;
        match += m;
        words++;
    }
}

static int words_in(const char *name, const char *match)
{
    for (int n; (n = next_word(&name)); name += n) {
        int words = words_at(name, match);
        if (words)
            return words;
    }
    return 0;
}

/* A laptop's chip shares its name with a faster card, so the two never stand for each other. */
static bool is_mobile(const char *name)
{
    static const char *const words[] = {"laptop", "mobile", "max q", "max-q"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (words_in(name, words[i]))
            return true;
    return false;
}

/* How many words of the name this row takes; 0: none. */
static int row_score(const struct gpu_row *r, const char *name)
{
    int best = 0;
    for (const char *const *m = r->match; *m; m++) {
        int words = is_mobile(*m) == is_mobile(name) ? words_in(name, *m) : 0;
        best = words > best ? words : best;
    }
    return best;
}

/* Drivers keep up to a tenth for themselves (error correction, firmware). */
static bool same_size(double tabled, double told)
{
    return isnan(tabled) || !(told > 0) || fabs(tabled - told) < 0.1 * tabled;
}

static double agreed(const struct gpu_table *t, const bool *chosen, enum fact_id f)
{
    double value = NAN;
    for (int i = 0; i < t->count; i++) {
        if (!chosen[i])
            continue;
        if (isnan(t->rows[i].value[f]) || (!isnan(value) && value != t->rows[i].value[f]))
            return NAN;
        value = t->rows[i].value[f];
    }
    return value;
}

static void choose(const struct gpu_table *t, bool *chosen, const char *name, double vram)
{
    int best = 0;
    for (int i = 0; i < t->count; i++) {
        int score = row_score(&t->rows[i], name);
        best = score > best ? score : best;
    }
    for (int i = 0; i < t->count; i++)
        chosen[i] = best && row_score(&t->rows[i], name) == best && same_size(t->rows[i].value[VRAM], vram);
}

void gpu_table_complete(const struct gpu_table *t, struct machine_gpu *g, double whole_bytes)
{
    struct fact *facts[FACTS] = {&g->vram_total_bytes, &g->bandwidth, &g->flops, &g->compute_capability};
    if (!t || !g->name)
        return;
    bool *chosen = xcalloc(t->count, sizeof *chosen);
    /* The host's memory, which a unified chip reports, says nothing about the model. */
    choose(t, chosen, g->name, g->unified ? 0 : whole_bytes > 0 ? whole_bytes : fact_or(g->vram_total_bytes, 0));
    for (int i = 0; i < t->count && !g->vendor; i++)
        if (chosen[i])
            g->vendor = t->rows[i].vendor;
    for (int f = 0; f < FACTS; f++)
        if (!fact_known(*facts[f]) && !(f == VRAM && g->unified))
            *facts[f] = fact_of(agreed(t, chosen, f), FACT_TABLED);
    free(chosen);
}
