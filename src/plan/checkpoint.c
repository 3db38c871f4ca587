#include "plan/checkpoint.h"

#include <stdlib.h>
#include <string.h>

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

const struct tensor *checkpoint_misfit(const struct model *m, const struct scheme *s, const char **why)
{
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        if (checkpoint_takes(t) && !scheme_fits(s, t->shape[1], t->shape[0], why))
            return t;
    }
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

static uint64_t stored_bytes(const struct tensor *t)
{
    uint64_t item = t->source && t->source->dtype ? (uint64_t)t->source->dtype->bytes : 2;
    return item * (uint64_t)tensor_elements(t);
}

void checkpoint_sketch(struct recipe *r, const struct model *m, const struct level *level)
{
    uint64_t elements = 0;
    *r = (struct recipe){.file_type = -1, .count = m->tensor_count};
    r->tensors = xcalloc(r->count, sizeof *r->tensors);
    for (int i = 0; i < r->count; i++) {
        const struct tensor *t = &m->tensors[i];
        bool quantized = level->scheme && checkpoint_takes(t);
        struct tensor_plan *p = &r->tensors[i];
        *p = (struct tensor_plan){.tensor = t, .wanted = quantized ? NULL : t->type, .bytes = stored_bytes(t)};
        p->type = p->wanted;
        if (quantized)
            p->bytes = (uint64_t)t->shape[2] * scheme_bytes(level->scheme, t->shape[1], t->shape[0]);
        r->data_bytes += p->bytes;
        elements += (uint64_t)tensor_elements(t);
    }
    r->bytes = r->data_bytes;
    r->bits_per_weight = elements ? 8.0 * (double)r->data_bytes / (double)elements : 0;
}

/* ---------------------------------------------------------------------- files */

uint64_t checkpoint_file_bytes(const struct recipe *r, const struct model *m, const struct scheme *s)
{
    uint64_t bytes = 0;
    for (int i = m->file_count - m->weight_files; !s && i < m->file_count; i++) /* weights come last */
        bytes += m->files[i].bytes;
    return bytes ? bytes : r->bytes;
}
