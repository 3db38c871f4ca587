#include "machine/gpu_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/rulefile.h"
#include "machine/machine_priv.h"

enum fact_id { VRAM, BANDWIDTH, FLOPS, CAPABILITY, FACTS };

struct gpu_row {
    const char *vendor;           /* static */
    const char **match;           /* its names, NULL-terminated */
    const char *arch;             /* or NULL */
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

/* Every row names the document that it was taken from. */
static int check_source(const struct yaml *row, const struct yaml *sources, struct error *e)
{
    const char *source;
    int rc = yaml_text(row, "source", true, &source, e);
    if (!rc && !yaml_get(sources, source))
        return yaml_expected(yaml_get(row, "source"), e, "one of the keys of 'sources'");
    return rc;
}

/* The name and then the other names of a row. */
static int read_names(struct gpu_row *r, const struct yaml *y, struct arena *a, struct error *e)
{
    const char *name, *none = NULL, **others = &none;
    int n = 0, rc = yaml_text(y, "name", true, &name, e);
    if (rc || (rc = yaml_texts(y, "match", false, &others, a, e)))
        return rc;
    while (others[n])
        n++;
    r->match = arena_alloc(a, (n + 2) * sizeof *r->match);
    r->match[0] = name;
    memcpy(r->match + 1, others, n * sizeof *others);
    return 0;
}

static int read_row(struct gpu_row *r, const struct yaml *y, const struct yaml *sources, struct arena *a,
                    struct error *e)
{
    static const char *const keys[] = {"name", "match", "vram", "bandwidth", "tflops", "compute", "arch",
                                       "source", "note", NULL};
    uint64_t vram = 0;
    int rc = yaml_only(y, keys, e);
    if (rc || (rc = read_names(r, y, a, e)) || (rc = check_source(y, sources, e)) ||
        (rc = yaml_text(y, "arch", false, &r->arch, e)) || (rc = yaml_bytes(y, "vram", false, &vram, e)) ||
        (rc = positive(y, "bandwidth", 1e9, &r->value[BANDWIDTH], e)) ||
        (rc = positive(y, "tflops", 1e12, &r->value[FLOPS], e)))
        return rc;
    r->value[VRAM] = vram ? (double)vram : NAN;
    return positive(y, "compute", 1, &r->value[CAPABILITY], e);
}

/* The rows stand under their maker's name. */
static int read_vendor(struct gpu_table *t, const struct yaml *key, const struct yaml *list,
                       const struct yaml *sources, struct error *e)
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
        rc = read_row(&row, list->items[i], sources, &t->arena, e);
        array_push(t->rows, t->count, t->capacity) = row;
    }
    return rc;
}

static int read_rows(struct gpu_table *t, const struct yaml *top, struct error *e)
{
    static const char *const keys[] = {"schema", "sources", "gpus", NULL};
    struct yaml *vendors, *sources;
    int64_t schema;
    int rc = yaml_only(top, keys, e);
    if (rc || (rc = yaml_integer(top, "schema", true, &schema, e)))
        return rc;
    if (schema != 1)
        return yaml_expected(yaml_get(top, "schema"), e, "the schema 1");
    if (!(rc = yaml_child(top, "sources", true, YAML_MAP, &sources, e)))
        rc = yaml_child(top, "gpus", true, YAML_MAP, &vendors, e);
    for (size_t i = 0; !rc && i < vendors->count; i++)
        rc = read_vendor(t, vendors->keys[i], vendors->items[i], sources, e);
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

/* All words of `match` in a row at `name`? Their number, or 0. A slash behind them ("RX 6800/6800 XT") means
 * that the name stands for several models, of which this may not be the one. */
static int words_at(const char *name, const char *match)
{
    for (int words = 0;; words++) {
        const char *rest = name + strspn(name, " ");
        int m = next_word(&match), n = next_word(&name);
        if (!m)
            return *rest == '/' ? 0 : words;
        if (!same_word(name, n, match, m))
            return 0;
        name += n;
        match += m;
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
    static const char *const words[] = {"laptop", "mobile", "max-q"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (words_in(name, words[i]))
            return true;
    return false;
}

/* How many words of its name this row takes; 0: none. */
static int row_score(const struct gpu_row *r, const struct machine_gpu *g)
{
    const char *name = g->name;
    int best = 0;
    if (g->vendor && strcmp(g->vendor, r->vendor) != 0)
        return 0; /* NVIDIA's A10 is no AMD A10 */
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

static void choose(const struct gpu_table *t, bool *chosen, const struct machine_gpu *g, double vram)
{
    int best = 0;
    for (int i = 0; i < t->count; i++) {
        int score = row_score(&t->rows[i], g);
        best = score > best ? score : best;
    }
    for (int i = 0; i < t->count; i++)
        chosen[i] = best && row_score(&t->rows[i], g) == best && same_size(t->rows[i].value[VRAM], vram);
}

void gpu_table_complete(const struct gpu_table *t, struct machine_gpu *g, double whole_bytes,
                        struct arena *a)
{
    struct fact *facts[FACTS] = {&g->vram_total_bytes, &g->bandwidth, &g->flops, &g->compute_capability};
    if (!t || !g->name)
        return;
    bool *chosen = xcalloc(t->count, sizeof *chosen);
    /* The host's memory, which a unified chip reports, says nothing about the model. */
    choose(t, chosen, g, g->unified ? 0 : whole_bytes > 0 ? whole_bytes : fact_or(g->vram_total_bytes, 0));
    for (int i = 0; i < t->count; i++) {
        const struct gpu_row *r = &t->rows[i];
        if (chosen[i] && !g->vendor)
            g->vendor = r->vendor;
        if (chosen[i] && !g->arch && r->arch)
            g->arch = arena_strdup(a, r->arch);
    }
    for (int f = 0; f < FACTS; f++)
        if (!fact_known(*facts[f]) && !(f == VRAM && g->unified))
            *facts[f] = fact_of(agreed(t, chosen, f), FACT_TABLED);
    free(chosen);
}
