#include "plan/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/safetensors_write.h"
#include "pack/pack.h"

bool checkpoint_takes(const struct tensor *t)
{
    static const bool linear[ROLE_COUNT] = {
        [ROLE_ATTN_Q] = true,        [ROLE_ATTN_K] = true,         [ROLE_ATTN_V] = true,
        [ROLE_ATTN_QKV] = true,      [ROLE_ATTN_OUTPUT] = true,    [ROLE_FFN_GATE] = true,
        [ROLE_FFN_UP] = true,        [ROLE_FFN_DOWN] = true,       [ROLE_FFN_GATE_EXPS] = true,
        [ROLE_FFN_UP_EXPS] = true,   [ROLE_FFN_DOWN_EXPS] = true,  [ROLE_FFN_GATE_UP_EXPS] = true,
        [ROLE_FFN_UP_SHEXP] = true,  [ROLE_FFN_GATE_SHEXP] = true, [ROLE_FFN_DOWN_SHEXP] = true,
    };
    return linear[t->role] && !t->bias && t->shape[1] > 1;
}

/* Some checkpoints have all experts of a layer in one tensor, which no format of folders knows. */
static bool is_joined(const struct tensor *t)
{
    const struct tensor_source *s = t->source;
    return s && s->part_count > 1 && !stored_comes_apart(s) && strcmp(s->parts[0].name, s->parts[1].name) == 0;
}

static bool fits(const struct tensor *t, const struct scheme *s, const char **why)
{
    if (!is_joined(t))
        return scheme_fits(s, t->shape[1], t->shape[0], why);
    if (why)
        *why = "the checkpoint has all experts of a layer in one tensor";
    return false;
}

const struct tensor *checkpoint_misfit(const struct model *m, const struct scheme *s, const char **why)
{
    for (int i = 0; i < m->tensor_count; i++)
        if (checkpoint_takes(&m->tensors[i]) && !fits(&m->tensors[i], s, why))
            return &m->tensors[i];
    return NULL;
}

/* Do they differ by nothing but the group? */
static bool same_family(const struct scheme *a, const struct scheme *b)
{
    return a->format == b->format && a->bits == b->bits && a->symmetric == b->symmetric &&
           a->act_order == b->act_order && a->double_quant == b->double_quant && a->smooth == b->smooth;
}

bool checkpoint_offers(const struct rules *r, const struct level *level, const struct model *m)
{
    if (!level->offered || (level->scheme && checkpoint_misfit(m, level->scheme, NULL)))
        return false;
    for (int i = 0; level->scheme && i < r->level_count; i++) {
        const struct level *other = &r->levels[i];
        if (other->offered && other->scheme && same_family(other->scheme, level->scheme) &&
            other->scheme->group > level->scheme->group && !checkpoint_misfit(m, other->scheme, NULL))
            return false;
    }
    return true;
}

/* The embeddings' format is the checkpoint's; NULL: unknown. */
static const struct dtype *main_dtype(const struct model *m)
{
    const struct tensor *embeddings = model_role(m, ROLE_TOKEN_EMBD, -1);
    return embeddings && embeddings->source ? embeddings->source->dtype : NULL;
}

static int stored_item(const struct tensor *t)
{
    return t->source && t->source->dtype ? t->source->dtype->bytes : 2;
}

/* As it is stored, but of 8 bits, or of more than 16 where all the checkpoint has more (`wide`), in 16. */
static uint64_t kept_bytes(const struct tensor *t, bool wide)
{
    int item = stored_item(t);
    return (uint64_t)(item == 1 || (wide && item > 2) ? 2 : item) * (uint64_t)tensor_elements(t);
}

static uint64_t weight_files_bytes(const struct model *m)
{
    uint64_t bytes = 0;
    for (int i = m->file_count - m->weight_files; i < m->file_count; i++) /* weights come last */
        bytes += m->files[i].bytes;
    return bytes;
}

/* A folder that is packed already: what its files have less than 16 bits is shared out over the linear layers. */
static void fit_to_files(struct recipe *r, const struct model *m)
{
    uint64_t files = weight_files_bytes(m), linear = 0;
    for (int i = 0; i < r->count; i++)
        linear += checkpoint_takes(r->tensors[i].tensor) ? r->tensors[i].bytes : 0;
    uint64_t others = r->data_bytes - linear;
    double share = linear && files > others ? (double)(files - others) / (double)linear : 1;
    for (int i = 0; i < r->count && share < 0.95; i++)
        if (checkpoint_takes(r->tensors[i].tensor)) {
            uint64_t less = (uint64_t)((1 - share) * (double)r->tensors[i].bytes);
            r->tensors[i].bytes -= less;
            r->data_bytes -= less;
        }
}

void checkpoint_sketch(struct recipe *r, const struct model *m, const struct level *level)
{
    const struct dtype *d = main_dtype(m);
    bool wide = level->scheme && d && d->bytes > 2;
    uint64_t elements = 0;
    *r = (struct recipe){.file_type = -1, .count = m->tensor_count};
    r->tensors = xcalloc(r->count, sizeof *r->tensors);
    for (int i = 0; i < r->count; i++) {
        const struct tensor *t = &m->tensors[i];
        bool quantized = level->scheme && checkpoint_takes(t);
        struct tensor_plan *p = &r->tensors[i];
        *p = (struct tensor_plan){.tensor = t, .wanted = quantized ? NULL : t->type, .bytes = kept_bytes(t, wide)};
        if (!level->scheme)
            p->bytes = (uint64_t)stored_item(t) * (uint64_t)tensor_elements(t);
        p->type = p->wanted;
        if (quantized)
            p->bytes = (uint64_t)t->shape[2] * scheme_bytes(level->scheme, t->shape[1], t->shape[0]);
        r->data_bytes += p->bytes;
        elements += (uint64_t)tensor_elements(t);
    }
    if (!level->scheme)
        fit_to_files(r, m);
    r->bytes = r->data_bytes;
    r->bits_per_weight = elements ? 8.0 * (double)r->data_bytes / (double)elements : 0;
}

/* ---------------------------------------------------------------------- files */

struct checkpoint_walk {
    const struct model *model;
    struct stored_weights stored;
    bool wide, bf16;
};

const struct dtype *checkpoint_kept(const struct stored_weight *w, bool wide, bool bf16)
{
    const struct stored_tensor *t = w->stored;
    bool number = stored_is_own(w) && !t->dtype->integer;
    bool odd = t->packed || (number && t->dtype->bytes == 1);
    if (odd || (wide && number && t->dtype->bytes > 2))
        return dtype_named(bf16 ? "BF16" : "F16");
    return t->dtype;
}

struct checkpoint_walk *checkpoint_walk_new(const struct model *m)
{
    struct checkpoint_walk *w = xcalloc(1, sizeof *w);
    const struct dtype *d = main_dtype(m);
    *w = (struct checkpoint_walk){.model = m, .wide = d && d->bytes > 2, .bf16 = d && strcmp(d->name, "BF16") == 0};
    if (m->file_count)
        stored_weights_list(m, &w->stored);
    return w;
}

void checkpoint_walk_free(struct checkpoint_walk *w)
{
    if (!w)
        return;
    stored_weights_done(&w->stored);
    free(w);
}

static void add_packed(struct safetensors_writer *f, const struct stored_tensor *t, const struct scheme *s)
{
    struct packed p;
    size_t module = strlen(t->name) - (str_ends(t->name, ".weight") ? strlen(".weight") : 0);
    packed_init(&p, s, t->shape[0], t->shape[1]);
    for (int i = 0; i < p.count; i++) {
        char *name = xasprintf("%.*s%s", (int)module, t->name, p.parts[i].suffix);
        safetensors_writer_add(f, name, dtype_named(p.parts[i].dtype), p.parts[i].dims, p.parts[i].shape);
        free(name);
    }
}

/* Weights go into files in the order in which they are stored, until the next would not fit. */
static uint64_t quantized_bytes(const struct checkpoint_walk *w, struct scheme s)
{
    struct safetensors_writer *f = safetensors_writer_new();
    s.bf16 = w->bf16;
    uint64_t total = 0, filled = 0;
    for (int i = 0; i < w->stored.count; i++) {
        const struct stored_weight *sw = &w->stored.items[i];
        const struct stored_tensor *t = sw->stored;
        bool quantized = sw->count && checkpoint_takes(sw->pieces[0].tensor);
        const struct dtype *d = checkpoint_kept(sw, w->wide, w->bf16);
        uint64_t bytes = quantized ? scheme_bytes(&s, t->shape[0], t->shape[1])
                                   : (uint64_t)t->elements * (uint64_t)d->bytes;
        if (filled && filled + bytes > CHECKPOINT_FILE_BYTES) {
            total += safetensors_writer_size(f);
            safetensors_writer_free(f);
            f = safetensors_writer_new();
            filled = 0;
        }
        filled += bytes;
        if (quantized)
            add_packed(f, t, &s);
        else
            safetensors_writer_add(f, t->name, d, t->dims, t->shape);
    }
    total += safetensors_writer_size(f);
    safetensors_writer_free(f);
    return total;
}

uint64_t checkpoint_file_bytes(const struct checkpoint_walk *w, const struct scheme *s)
{
    return s ? quantized_bytes(w, *s) : weight_files_bytes(w->model);
}
