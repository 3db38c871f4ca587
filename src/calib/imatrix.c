#include "calib/imatrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/str.h"
#include "infer/decoder.h"

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";

/* --------------------------------------------------------------------- entries */

static struct imatrix_entry *find(const struct imatrix *m, const char *name)
{
    for (int i = 0; i < m->count; i++)
        if (strcmp(m->entries[i].name, name) == 0)
            return &m->entries[i];
    return NULL;
}

const struct imatrix_entry *imatrix_find(const struct imatrix *m, const char *name)
{
    return find(m, name);
}

/* The entry of that name, made where there is none; NULL where there is one of another shape. */
static struct imatrix_entry *entry_for(struct imatrix *m, const char *name, int64_t columns, int matrices)
{
    struct imatrix_entry *x = find(m, name);
    if (x)
        return x->columns == columns && x->matrices == matrices ? x : NULL;
    x = &array_push(m->entries, m->count, m->capacity);
    *x = (struct imatrix_entry){.name = xstrdup(name), .columns = columns, .matrices = matrices};
    x->sums = xcalloc((size_t)columns * matrices, sizeof *x->sums);
    x->counts = xcalloc(matrices, sizeof *x->counts);
    return x;
}

static void add_text(struct imatrix *m, const char *name)
{
    for (int i = 0; i < m->text_count; i++)
        if (strcmp(m->texts[i], name) == 0)
            return;
    array_push(m->texts, m->text_count, m->text_capacity) = xstrdup(name);
}

void imatrix_done(struct imatrix *m)
{
    for (int i = 0; i < m->count; i++) {
        free(m->entries[i].name);
        free(m->entries[i].sums);
        free(m->entries[i].counts);
    }
    for (int i = 0; i < m->text_count; i++)
        free(m->texts[i]);
    free(m->entries);
    free(m->texts);
    *m = (struct imatrix){0};
}

double imatrix_coverage(const struct imatrix_entry *x)
{
    int reached = 0;
    for (int i = 0; i < x->matrices; i++)
        reached += x->counts[i] > 0;
    return (double)reached / x->matrices;
}

bool imatrix_means(const struct imatrix_entry *x, int matrix, float *out)
{
    float count = x->counts[matrix];
    for (int64_t c = 0; c < x->columns; c++)
        out[c] = count > 0 ? x->sums[matrix * x->columns + c] / count : 0;
    return count > 0;
}

int imatrix_merge(struct imatrix *m, const struct imatrix *other, struct error *e)
{
    for (int i = 0; i < other->count; i++) {
        const struct imatrix_entry *from = &other->entries[i];
        struct imatrix_entry *to = entry_for(m, from->name, from->columns, from->matrices);
        if (!to)
            return error_set(e, ERROR_USAGE, "importance of %s: one file has another shape for it than the other;"
                             " they are of different models", from->name);
        for (int64_t k = 0; k < from->columns * from->matrices; k++)
            to->sums[k] += from->sums[k];
        for (int k = 0; k < from->matrices; k++)
            to->counts[k] += from->counts[k];
    }
    for (int i = 0; i < other->text_count; i++)
        add_text(m, other->texts[i]);
    m->chunks += other->chunks;
    m->chunk_length = m->chunk_length ? m->chunk_length : other->chunk_length;
    return 0;
}

/* ------------------------------------------------------------------ collecting */

struct collector {
    struct imatrix *m;
    int threads;
};

/* Sums of a chunk are added in float, whole chunks in the entry. */
static void add_inputs(void *user, const struct tensor *t, int expert, const float *x, int64_t rows,
                       int64_t columns)
{
    struct collector *c = user;
    int matrices = t->dims > 2 ? (int)t->shape[2] : 1;
    struct imatrix_entry *entry = entry_for(c->m, t->name, columns, matrices);
    enum { PIECE = 64 };
    if (!entry)
        return;
#pragma omp parallel for num_threads(c->threads)
    for (int64_t first = 0; first < columns; first += PIECE) {
        int64_t n = columns - first < PIECE ? columns - first : PIECE;
        double sum[PIECE] = {0};
        for (int64_t r = 0; r < rows; r++)
            for (int64_t k = 0; k < n; k++)
                sum[k] += (double)x[r * columns + first + k] * x[r * columns + first + k];
        for (int64_t k = 0; k < n; k++)
            entry->sums[expert * columns + first + k] += (float)sum[k];
    }
    entry->counts[expert] += (float)rows;
}

int imatrix_collect(struct imatrix *m, const struct model *model, const struct chunks *c, const char *text,
                    struct watch *w, struct error *e)
{
    enum { SEQUENCES = 4 };
    struct collector collector = {m, threads_count()};
    struct decoder_options o = {.context = c->length, .sequences = SEQUENCES, .tap = add_inputs,
                                .tap_user = &collector};
    struct decoder *d;
    int rc = decoder_open(&d, model, &o, e);
    for (int i = 0; i < c->count && !rc; i += SEQUENCES) {
        int n = c->count - i < SEQUENCES ? c->count - i : SEQUENCES;
        rc = watch_tick(w, i, c->count, "chunks") ? 0 : interrupt_error(e);
        if (!rc)
            rc = decoder_chunks(d, c->tokens + (size_t)i * c->length, n, c->length, NULL, e);
    }
    decoder_free(d);
    m->chunks += rc ? 0 : c->count;
    m->chunk_length = c->length;
    add_text(m, text);
    return rc;
}

/* --------------------------------------------------------------------- writing */

static char *suffixed(const char *name, const char *suffix)
{
    return xasprintf("%s%s", name, suffix);
}

static void describe(struct gguf_writer *w, const struct imatrix *m)
{
    const struct quant_type *f32 = quant_type(QUANT_F32);
    gguf_writer_text(w, "general.type", "imatrix");
    gguf_writer_texts(w, "imatrix.datasets", (const char *const *)m->texts, m->text_count);
    gguf_writer_u32(w, "imatrix.chunk_count", (uint32_t)m->chunks);
    gguf_writer_u32(w, "imatrix.chunk_size", m->chunk_length);
    for (int i = 0; i < m->count; i++) {
        const struct imatrix_entry *x = &m->entries[i];
        char *sums = suffixed(x->name, sums_suffix), *counts = suffixed(x->name, counts_suffix);
        gguf_writer_tensor(w, sums, f32, 2, (int64_t[]){x->columns, x->matrices});
        gguf_writer_tensor(w, counts, f32, 2, (int64_t[]){1, x->matrices});
        free(sums);
        free(counts);
    }
}

static int write_data(struct file_out *f, const struct gguf_writer *w, const struct imatrix *m, struct error *e)
{
    int rc = 0;
    for (int i = 0; i < m->count && !rc; i++) {
        const struct imatrix_entry *x = &m->entries[i];
        size_t floats = (size_t)x->columns * x->matrices;
        rc = file_out_pwrite(f, x->sums, floats * sizeof *x->sums, gguf_writer_offset(w, 2 * i), e);
        if (!rc)
            rc = file_out_pwrite(f, x->counts, x->matrices * sizeof *x->counts,
                                 gguf_writer_offset(w, 2 * i + 1), e);
    }
    return rc;
}

int imatrix_write(const struct imatrix *m, const char *path, struct error *e)
{
    struct gguf_writer *w = gguf_writer_new();
    struct file_out f;
    uint64_t bytes;
    describe(w, m);
    const void *header = gguf_writer_header(w, &bytes);
    int rc = file_out_open(&f, path, false, e);
    if (!rc) {
        rc = file_out_reserve(&f, gguf_writer_size(w), e);
        rc = rc ? rc : file_out_pwrite(&f, header, bytes, 0, e);
        rc = rc ? rc : write_data(&f, w, m, e);
        if (rc)
            file_out_abandon(&f, false);
        else
            rc = file_out_commit(&f, e);
    }
    gguf_writer_free(w);
    return rc;
}

/* --------------------------------------------------------------------- reading */

static const struct gguf_tensor *tensor_named(const struct gguf *g, const char *name)
{
    for (uint64_t i = 0; i < g->tensor_count; i++)
        if (strcmp(g->tensors[i].name, name) == 0)
            return &g->tensors[i];
    return NULL;
}

static bool is_float_matrix(const struct gguf_tensor *t)
{
    return t->type->id == QUANT_F32 && t->dims <= 3;
}

/* A number that is no count or no sum of squares would spoil every block that it weighs. */
static int check_floats(const struct gguf *g, const struct gguf_tensor *t, struct error *e)
{
    const unsigned char *at = g->map.data + t->offset;
    for (uint64_t i = 0; i < t->bytes / sizeof(float); i++) {
        float value;
        memcpy(&value, at + i * sizeof value, sizeof value);
        if (!(value >= 0 && isfinite(value)))
            return error_set(e, ERROR_FAILED, "%s: %s holds %g at %llu, which is no sum of squares; make the file"
                             " again", g->map.path, t->name, value, (unsigned long long)i);
    }
    return 0;
}

static int read_entry(struct imatrix *m, const struct gguf *g, const struct gguf_tensor *sums, struct error *e)
{
    char *name = xstrndup(sums->name, strlen(sums->name) - strlen(sums_suffix));
    char *other = suffixed(name, counts_suffix);
    const struct gguf_tensor *counts = tensor_named(g, other);
    int64_t matrices = sums->shape[1] * sums->shape[2];
    int rc = 0;
    if (!counts || !is_float_matrix(sums) || !is_float_matrix(counts) || counts->shape[0] != 1 ||
        counts->shape[1] * counts->shape[2] != matrices || matrices > INT32_MAX)
        rc = error_set(e, ERROR_FAILED, "%s: %s and %s do not belong together; make the file again", g->map.path,
                       sums->name, other);
    rc = rc ? rc : check_floats(g, sums, e);
    rc = rc ? rc : check_floats(g, counts, e);
    struct imatrix_entry *x = rc ? NULL : entry_for(m, name, sums->shape[0], (int)matrices);
    if (x) {
        memcpy(x->sums, g->map.data + sums->offset, sums->bytes);
        memcpy(x->counts, g->map.data + counts->offset, counts->bytes);
    }
    free(name);
    free(other);
    return rc;
}

static void read_texts(struct imatrix *m, const struct gguf *g)
{
    const struct gguf_value *v = gguf_find(g, "imatrix.datasets");
    if (!v || v->kind != GGUF_ARRAY || v->item_kind != GGUF_STRING)
        return;
    const unsigned char *at = v->data;
    for (uint64_t i = 0; i < v->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        char *name = xstrndup(text, length);
        add_text(m, name);
        free(name);
    }
}

/* More weights than any model has; finding one of them by its name takes a look at all. */
enum { WEIGHTS_MOST = 1 << 16 };

/* Files may say anything. */
static int within(int64_t count)
{
    return count < 0 ? 0 : count > INT32_MAX ? INT32_MAX : (int)count;
}

static int parse_gguf(struct imatrix *m, const void *bytes, uint64_t size, const char *name, struct error *e)
{
    struct gguf g;
    int64_t chunks = 0, length = 0;
    int rc = gguf_parse(&g, bytes, size, name, 0, e);
    if (!rc && g.tensor_count > 2 * WEIGHTS_MOST)
        rc = error_set(e, ERROR_FAILED, "%s: %llu tensors are more than a file of importance has", name,
                       (unsigned long long)g.tensor_count);
    for (uint64_t i = 0; i < g.tensor_count && !rc; i++)
        if (str_ends(g.tensors[i].name, sums_suffix))
            rc = read_entry(m, &g, &g.tensors[i], e);
    if (!rc) {
        gguf_integer(&g, "imatrix.chunk_count", &chunks);
        gguf_integer(&g, "imatrix.chunk_size", &length);
        m->chunks = within(chunks);
        m->chunk_length = within(length);
        read_texts(m, &g);
        if (!m->count)
            rc = error_set(e, ERROR_USAGE, "%s is a GGUF file, but not of importance: quantwiz imatrix makes one",
                           name);
    }
    gguf_close(&g);
    return rc;
}

/* What is left of the old form. */
struct old {
    const unsigned char *bytes;
    uint64_t size, at;
};

static bool old_bytes(struct old *o, void *to, uint64_t bytes)
{
    if (bytes > o->size - o->at)
        return false;
    memcpy(to, o->bytes + o->at, bytes);
    o->at += bytes;
    return true;
}

static bool old_number(struct old *o, int32_t *value)
{
    return old_bytes(o, value, sizeof *value) && *value >= 0;
}

/* Length and text; NULL where the file ends before. */
static char *old_text(struct old *o)
{
    int32_t length;
    if (!old_number(o, &length) || (uint64_t)length > o->size - o->at)
        return NULL;
    char *text = xstrndup((const char *)o->bytes + o->at, length);
    o->at += length;
    return text;
}

/* Each value is a mean times the number of calls: the number of inputs was not kept. */
static bool old_entry(struct imatrix *m, struct old *o)
{
    int32_t calls, values;
    char *name = old_text(o);
    bool ok = name && old_number(o, &calls) && old_number(o, &values) && values > 0 &&
              (uint64_t)values <= (o->size - o->at) / sizeof(float);
    struct imatrix_entry *x = ok ? entry_for(m, name, values, 1) : NULL;
    ok = x && old_bytes(o, x->sums, values * sizeof *x->sums);
    if (ok)
        x->counts[0] = (float)(calls > 0 ? calls : 1);
    for (int32_t i = 0; ok && i < values; i++)
        ok = x->sums[i] >= 0 && isfinite(x->sums[i]);
    free(name);
    return ok;
}

static int parse_old(struct imatrix *m, const void *bytes, uint64_t size, const char *name, struct error *e)
{
    struct old o = {.bytes = bytes, .size = size};
    int32_t entries, chunks;
    bool ok = old_number(&o, &entries) && entries > 0 && entries <= WEIGHTS_MOST;
    for (int32_t i = 0; ok && i < entries; i++)
        ok = old_entry(m, &o);
    if (!ok)
        return error_set(e, ERROR_FAILED, "%s: not a file of importance, or damaged at offset %llu; quantwiz imatrix"
                         " makes one", name, (unsigned long long)o.at);
    if (old_number(&o, &chunks)) {
        char *text = old_text(&o);
        m->chunks = chunks;
        if (text)
            add_text(m, text);
        free(text);
    }
    return 0;
}

int imatrix_parse(struct imatrix *m, const void *bytes, uint64_t size, const char *name, struct error *e)
{
    bool gguf = size >= 4 && memcmp(bytes, "GGUF", 4) == 0;
    *m = (struct imatrix){0};
    return gguf ? parse_gguf(m, bytes, size, name, e) : parse_old(m, bytes, size, name, e);
}

int imatrix_read(struct imatrix *m, const char *path, struct error *e)
{
    struct file_map map;
    *m = (struct imatrix){0};
    int rc = file_map_open(&map, path, e);
    if (rc)
        return rc;
    rc = imatrix_parse(m, map.data, map.size, path, e);
    file_map_close(&map);
    return rc;
}
