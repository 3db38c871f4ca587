#include "run/importance.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/calibrated.h"

int importance_read(struct importance *m, const char *path, struct error *e)
{
    *m = (struct importance){.path = path};
    int rc = imatrix_read(&m->file, path, e);
    return rc ? error_context(e, "importance") : 0;
}

int importance_collect(struct importance *m, const struct model *model, const struct calibration *text, struct watch *w,
                       struct error *e)
{
    struct chunks c = {0};
    *m = (struct importance){.path = text->text};
    int rc = calibrated_text(&c, model, text, false, e);
    rc = rc ? rc : imatrix_collect(&m->file, model, &c, text->text, w, e);
    chunks_done(&c);
    return rc;
}

void importance_done(struct importance *m)
{
    for (int i = 0; i < m->count; i++)
        free(m->weights[i]);
    for (int i = 0; i < m->gap_count; i++)
        free(m->gaps[i]);
    free(m->weights);
    free(m->gaps);
    imatrix_done(&m->file);
    *m = (struct importance){0};
}

/* ---------------------------------------------------------------------- matching */

static int matrices_of(const struct tensor *t)
{
    return (int)(t->shape[2] * t->shape[3]);
}

static bool is_encoded(const struct tensor_plan *p)
{
    return p->type != p->tensor->type && p->type->quantized;
}

#define gap(m, ...) (array_push((m)->gaps, (m)->gap_count, (m)->gap_capacity) = xasprintf(__VA_ARGS__))

/* Means of one matrix, scaled to a mean of 1; where there are none, or all are zero, every column counts 1. The older
 * form of the file has the experts of a tensor one behind the other, as one matrix. */
static bool take_matrix(const struct imatrix_entry *x, int64_t columns, int matrix, float *out)
{
    double sum = 0;
    struct imatrix_entry one = *x;
    one.columns = columns;
    one.sums += matrix * columns;
    one.counts += x->matrices > 1 ? matrix : 0;
    imatrix_means(&one, 0, out);
    for (int64_t c = 0; c < columns; c++)
        sum += out[c];
    for (int64_t c = 0; c < columns; c++)
        out[c] = sum > 0 ? (float)(out[c] * columns / sum) : 1;
    return sum > 0;
}

static float *take_tensor(struct importance *m, const struct tensor *t, const struct imatrix_entry *x)
{
    int64_t columns = t->shape[0];
    int matrices = matrices_of(t), missed = 0;
    if (x->columns * x->matrices != columns * matrices || (x->matrices != matrices && x->matrices != 1)) {
        gap(m, "%s: %lld columns in the file, %lld in the model", t->name,
            (long long)(x->columns * x->matrices / matrices), (long long)columns);
        return NULL;
    }
    float *out = xcalloc((size_t)columns * matrices, sizeof *out);
    for (int i = 0; i < matrices; i++)
        missed += !take_matrix(x, columns, i, out + i * columns);
    if (missed && matrices > 1)
        gap(m, "%s: %d of %d experts met no input", t->name, missed, matrices);
    else if (missed)
        gap(m, "%s: met no input", t->name);
    return out;
}

static void match_tensor(struct importance *m, const struct tensor_plan *p, int i)
{
    const struct imatrix_entry *x = is_encoded(p) ? imatrix_find(&m->file, p->tensor->name) : NULL;
    if (x)
        m->weights[i] = take_tensor(m, p->tensor, x);
    else if (is_encoded(p))
        gap(m, "%s: not in the file", p->tensor->name);
    m->wanted += is_encoded(p);
    m->found += m->weights[i] != NULL;
}

int importance_match(struct importance *m, struct recipe *r, struct error *e)
{
    m->count = r->count;
    m->weights = xcalloc(r->count, sizeof *m->weights);
    for (int i = 0; i < r->count; i++)
        match_tensor(m, &r->tensors[i], i);
    if (m->wanted && !m->found)
        return error_set(e, ERROR_USAGE, "%s holds importance of %d weights, such as %s, and of none in this"
                         " model: make one for it (quantwiz imatrix)", m->path, m->file.count, m->file.entries[0].name);
    r->imatrix = (struct recipe_imatrix){.file = m->path, .dataset = m->file.text_count ? m->file.texts[0] : NULL,
                                         .entries = m->file.count, .chunks = m->file.chunks};
    return 0;
}

/* -------------------------------------------------------------------------- use */

const float *importance_of(const struct importance *m, const struct tensor_plan *p, int i, int64_t first, int64_t count,
                           float *out)
{
    const struct tensor *t = p->tensor;
    int64_t columns = t->shape[0], rows = t->shape[1];
    if (!m || !m->weights[i])
        return NULL;
    for (int64_t done = 0, run; done < count; done += run) {
        int64_t row = (first + done) / columns, column = (first + done) % columns;
        run = columns - column < count - done ? columns - column : count - done;
        memcpy(out + done, m->weights[i] + row / rows * columns + column, run * sizeof *out);
    }
    return out;
}

void importance_mix(const struct importance *m, const struct recipe *r, char fingerprint[static HASH_TEXT])
{
    char hash[HASH_TEXT];
    struct hash_stream *h = hash_stream_new(HASH_SHA256);
    hash_stream_add(h, fingerprint, strlen(fingerprint));
    for (int i = 0; i < m->count; i++)
        if (m->weights[i])
            hash_stream_add(h, m->weights[i], r->tensors[i].tensor->shape[0] * matrices_of(r->tensors[i].tensor) *
                                                  sizeof **m->weights);
    memcpy(fingerprint, hash_stream_finish(h, hash), HASH_TEXT);
}
