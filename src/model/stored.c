#include "model/stored.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf.h"
#include "model/hf_names.h"
#include "model/hf_source.h"
#include "pack/pack.h"

/* -------------------------------------------------------------------- pieces */

static int by_name(const void *a, const void *b)
{
    const struct stored_weight *x = a, *y = b;
    return strcmp(x->stored->name, y->stored->name);
}

static struct stored_weight *find(const struct stored_weights *s, const char *name)
{
    const struct stored_tensor wanted = {.name = name};
    const struct stored_weight key = {.stored = &wanted};
    return name ? bsearch(&key, s->items, s->count, sizeof *s->items, by_name) : NULL;
}

/* Rows lie next to each other in all that is quantized. */
static int64_t first_row(const struct tensor_source *source, const struct source_part *part,
                         const struct stored_tensor *t)
{
    if (part->packed)
        return part->first_row;
    return (part->data - t->data) / (source->row_stride * t->dtype->bytes);
}

static void add_pieces(const struct stored_weights *s, const struct tensor *t)
{
    const struct tensor_source *source = t->source;
    for (int i = 0; i < source->part_count; i++) {
        struct stored_weight *w = find(s, source->parts[i].name);
        if (w && source->dtype)
            array_push(w->pieces, w->count, w->capacity) =
                (struct stored_piece){t, i, first_row(source, &source->parts[i], w->stored)};
        else if (w)
            array_push(w->pieces, w->count, w->capacity) = (struct stored_piece){t, i, 0};
    }
}

int64_t stored_row(const struct stored_piece *p, int64_t row)
{
    int64_t n = p->tensor->source->head_rows, k = n ? row % n : 0;
    return n ? row - k + k % (n / 2) * 2 + k / (n / 2) : row;
}

/* ------------------------------------------------------------ experts in one tensor */

bool stored_comes_apart(const struct tensor_source *s)
{
    return s && s->apart && !s->scale_dtype;
}

/* Of "model.layers.3." in a name that begins so. */
static int layer_length(const char *name)
{
    static const char layers[] = "layers.";
    const char *number = strstr(name, layers) + strlen(layers);
    return (int)(number + strspn(number, "0123456789") + 1 - name);
}

/* A piece's rows as a stored tensor. */
static const struct stored_tensor *alone(struct arena *a, const struct stored_tensor *whole, const struct stored_piece *p)
{
    const struct tensor_source *source = p->tensor->source;
    struct stored_tensor *t = arena_alloc(a, sizeof *t);
    *t = *whole;
    t->name = arena_printf(a, "%.*s%s", layer_length(whole->name), whole->name,
                           hf_name_fill(a, NULL, source->apart, 0, p->part));
    t->dims = 2;
    for (int i = 0; i < STORED_DIMS_MAX; i++)
        t->shape[i] = i == 0 ? source->rows : i == 1 ? source->columns : 1;
    t->elements = source->rows * source->columns;
    t->bytes = (uint64_t)t->elements * t->dtype->bytes;
    t->data = source->parts[p->part].data;
    return t;
}

static bool comes_apart(const struct stored_weight *w)
{
    return w->count && stored_comes_apart(w->pieces[0].tensor->source);
}

/* Else what stands beside experts keeps its name, too. */
static bool has_joined(const struct stored_weights *s)
{
    for (int i = 0; i < s->count; i++)
        if (comes_apart(&s->items[i]) && s->items[i].pieces[0].tensor->source->part_count > 1)
            return true;
    return false;
}

/* What is stored in one is listed by pieces, and itself has none any more. */
static void take_apart(struct stored_weights *s)
{
    for (int i = 0, whole = has_joined(s) ? s->count : 0; i < whole; i++) {
        struct stored_weight w = s->items[i];
        if (!comes_apart(&w))
            continue;
        s->items = xrealloc(s->items, (s->count + w.count) * sizeof *s->items);
        s->items[i] = (struct stored_weight){.stored = w.stored};
        for (int k = 0; k < w.count; k++) {
            struct stored_weight *one = &s->items[s->count++];
            *one = (struct stored_weight){.stored = alone(&s->arena, w.stored, &w.pieces[k])};
            array_push(one->pieces, one->count, one->capacity) =
                (struct stored_piece){w.pieces[k].tensor, w.pieces[k].part, 0};
        }
        free(w.pieces);
    }
}

/* ------------------------------------------------------------------- numbers */

/* The stored tensor as if the table of names called it by this very name: rows in their order, scales applied. */
static int describe(struct hf *h, struct stored_weight *w, struct error *e)
{
    const struct hf_name plain = {.stored = w->stored->name, .gguf = "x.weight"};
    struct hf_tensor made = {.name = "x.weight"};
    if (w->stored->dims < 1 || w->stored->dims > 3 || !w->stored->elements || str_ends(w->stored->name, "_blocks"))
        return 0;
    if (hf_source_make(h, &plain, &w->stored, 1, &made, e))
        return e->code;
    w->source = made.source;
    return 0;
}

/* ---------------------------------------------------------------------- lists */

/* Stored even where it is the embedding: no GGUF tensor has it then, but it belongs to the checkpoint. */
static bool is_output(const struct stored_tensor *t)
{
    return str_ends(t->name, "lm_head.weight");
}

bool stored_is_own(const struct stored_weight *w)
{
    return w->count || is_output(w->stored);
}

static bool is_carried(const struct stored_tensor *t)
{
    static const char *const dropped[] = {".input_scale", ".input_scale_ub", ".activation_scale", ".k_scale",
                                          ".v_scale", ".q_scale", ".rotary_emb.inv_freq", ".masked_bias"};
    for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++)
        if (str_ends(t->name, dropped[i]))
            return false;
    return hf_name_left_out(t->name) || is_output(t);
}

static int by_file(const void *a, const void *b)
{
    const struct stored_tensor *x = ((const struct stored_weight *)a)->stored,
                               *y = ((const struct stored_weight *)b)->stored;
    int files = strcmp(x->path, y->path);
    if (files)
        return files;
    return x->data != y->data ? (x->data < y->data ? -1 : 1) : strcmp(x->name, y->name);
}

static void keep_needed(struct stored_weights *s)
{
    int kept = 0;
    for (int i = 0; i < s->count; i++)
        if (s->items[i].count || is_carried(s->items[i].stored))
            s->items[kept++] = s->items[i];
        else
            free(s->items[i].pieces);
    s->count = kept;
    if (kept)
        qsort(s->items, kept, sizeof *s->items, by_file);
}

void stored_weights_list(const struct model *m, struct stored_weights *s)
{
    const struct hf *h = m->folder;
    *s = (struct stored_weights){.items = xcalloc(h->stored_count + 1, sizeof *s->items)};
    for (int i = 0; i < h->stored_count; i++)
        s->items[s->count++].stored = h->stored[i];
    for (int i = 0; i < m->tensor_count; i++)
        add_pieces(s, &m->tensors[i]);
    take_apart(s);
    keep_needed(s);
}

int stored_weights_of(const struct model *m, struct stored_weights *s, struct error *e)
{
    struct hf *h = m->folder;
    int rc = 0;
    *s = (struct stored_weights){0};
    if (!h)
        return error_set(e, ERROR_USAGE, "%s is a GGUF file; this format is made of a checkpoint folder: config.json and"
                         " *.safetensors of the original model", m->path);
    stored_weights_list(m, s);
    for (int i = 0; !rc && i < s->count; i++)
        if (stored_is_own(&s->items[i]))
            rc = describe(h, &s->items[i], e);
    return rc;
}

void stored_weights_done(struct stored_weights *s)
{
    for (int i = 0; i < s->count; i++)
        free(s->items[i].pieces);
    free(s->items);
    arena_done(&s->arena);
    *s = (struct stored_weights){0};
}

int stored_config(const struct model *m, json_t **config, struct error *e)
{
    return hf_config_load(m->folder, config, e);
}
