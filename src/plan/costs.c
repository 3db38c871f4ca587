#include "plan/costs.h"

#include <string.h>

#include "plan/graph.h"

/* ---------------------------------------------------------- cache and buffers */

static void add_cache(struct costs *c, const struct model *m, const struct kv_cache *kv)
{
    for (int i = 0; i < m->hp.layers; i++) {
        const struct layer_shape *l = &m->hp.layer[i];
        int64_t half = kv->context / 2, cells = kv_cells(kv, l);
        c->layer[i].kv = kv_layer_bytes(kv, &m->hp, l);
        c->layer[i].kv_half = (uint64_t)(half < cells ? half : cells) * kv_token_bytes(kv, &m->hp, l) +
                              (uint64_t)l->state_bytes;
    }
}

static void add_buffers(struct costs *c, const struct model *m, const struct kv_cache *kv,
                        const struct runtime *r)
{
    int tokens = kv_step_tokens(kv);
    struct graph_part part = {&m->hp, kv, tokens, r->all_logits ? tokens : kv->sequences, true};
    c->compute_whole = graph_bytes(&part);
    c->inputs = graph_input_bytes(&part);
    part.output = false;
    c->compute_part = graph_bytes(&part);
    c->pipeline = (uint64_t)(r->pipeline_copies - 1) * c->inputs;
    c->logits = (uint64_t)kv->sequences * (uint64_t)m->hp.vocab * sizeof(float);
}

void costs_shared(struct costs *c, const struct model *m, const struct kv_cache *kv, const struct runtime *r,
                  struct arena *a)
{
    *c = (struct costs){.count = m->hp.layers + 1};
    c->layer = arena_alloc(a, (size_t)c->count * sizeof *c->layer);
    add_cache(c, m, kv);
    add_buffers(c, m, kv, r);
}

/* ------------------------------------------------------------------- weights */

static bool has_features(const struct machine *m, const char *const *wanted)
{
    for (; *wanted; wanted++) {
        const char *const *f = m ? m->cpu.features : NULL;
        while (f && *f && strcmp(*f, *wanted) != 0)
            f++;
        if (!f || !*f)
            return false;
    }
    return true;
}

static bool repacks(const struct runtime_repack *p, const struct machine *m, const struct tensor_plan *t)
{
    const struct tensor *s = t->tensor;
    if (!t->type)
        return false;
    int row = p->row_multiple ? p->row_multiple : t->type->block;
    if ((s->shape[2] > 1 && !p->experts) || s->shape[1] < 2 || s->shape[1] % p->rows_multiple ||
        s->shape[0] % row)
        return false;
    for (const struct quant_type **type = p->types; *type; type++)
        if (*type == t->type)
            return has_features(m, p->features);
    return false;
}

/* Bytes of the runtime's own copy of this matrix, 0 where it multiplies the file's. */
static uint64_t repacked_bytes(const struct runtime *r, const struct machine *m, const struct tensor_plan *t)
{
    for (int i = 0; i < r->repack_count; i++)
        if (repacks(&r->repacks[i], m, t)) {
            uint64_t blocks = (uint64_t)tensor_elements(t->tensor) / (uint64_t)t->type->block;
            return t->bytes + blocks * (uint64_t)r->repacks[i].extra_bytes;
        }
    return 0;
}

static bool is_matrix(const struct tensor *t)
{
    return t->shape[1] > 1;
}

/* Who holds the weights, and as what. */
struct holder {
    const struct model *model;
    const struct runtime *runtime;
    const struct machine *machine;
    bool dequantizes;            /* 16 bits a weight, whatever the file has */
};

static uint64_t held_bytes(const struct holder *h, const struct tensor_plan *t)
{
    return h->dequantizes && is_matrix(t->tensor) ? 2 * (uint64_t)tensor_elements(t->tensor) : t->bytes;
}

static void add_weights(struct layer_cost *l, const struct tensor_plan *t, const struct holder *h)
{
    const struct hparams *hp = &h->model->hp;
    uint64_t bytes = held_bytes(h, t);
    double share = tensor_role_of_experts(t->tensor->role) && hp->experts > 0 ? (double)hp->experts_used / hp->experts : 1;
    uint64_t copy = is_matrix(t->tensor) ? repacked_bytes(h->runtime, h->machine, t) : 0;
    l->weights += bytes;
    l->gpu_weights += bytes;
    l->repacked += copy;
    l->original += copy ? bytes : 0;
    l->read += (uint64_t)(share * (double)bytes);
    l->operations += is_matrix(t->tensor) ? 2 * share * (double)tensor_elements(t->tensor) : 0;
}

/* Tied embeddings: the output layer multiplies by the table of the embeddings. Where that stays in RAM, a GPU has a
 * copy of its own. */
static void tie_output(struct costs *c, const struct tensor_plan *t, const struct holder *h)
{
    struct layer_cost tied = {0}, *out = &c->layer[c->count - 1];
    add_weights(&tied, t, h);
    out->gpu_weights += h->runtime->gpu_embeddings ? 0 : tied.gpu_weights;
    out->repacked += tied.repacked;
    out->read += tied.read;
    out->operations += tied.operations;
}

/* What belongs to no layer. */
static void add_outside(struct costs *c, const struct tensor_plan *t, const struct holder *h)
{
    if (h->runtime->gpu_embeddings && c->count) {
        c->layer[0].weights += held_bytes(h, t);
        c->layer[0].gpu_weights += held_bytes(h, t);
    } else {
        c->host_weights += held_bytes(h, t);
    }
}

static bool has_output(const struct recipe *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->tensors[i].tensor->role == ROLE_OUTPUT)
            return true;
    return false;
}

struct costs costs_of(const struct costs *shared, const struct recipe *recipe, const struct model *m,
                      const struct runtime *r, const struct runtime_format *format, const struct machine *machine,
                      struct arena *a)
{
    const struct holder h = {m, r, machine, format && format->dequantizes};
    struct costs c = *shared;
    bool tied = !has_output(recipe);
    c.layer = arena_alloc(a, (size_t)c.count * sizeof *c.layer);
    memcpy(c.layer, shared->layer, (size_t)c.count * sizeof *c.layer);
    for (int i = 0; i < recipe->count; i++) {
        const struct tensor_plan *t = &recipe->tensors[i];
        enum tensor_role role = t->tensor->role;
        int layer = t->tensor->layer;
        if (layer >= 0 && layer < c.count - 1)
            add_weights(&c.layer[layer], t, &h);
        else if (role == ROLE_OUTPUT || role == ROLE_OUTPUT_NORM)
            add_weights(&c.layer[c.count - 1], t, &h);
        else
            add_outside(&c, t, &h);
        if (tied && role == ROLE_TOKEN_EMBD)
            tie_output(&c, t, &h);
    }
    return c;
}
