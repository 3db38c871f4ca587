/* The tensors of the GGUF model that a folder stands for: each name of the table is looked up among the
 * stored tensors, and what is found is described by a source. What is stored and found by no name is an
 * error: a tensor left out without a word would make another model. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf.h"
#include "model/hf_names.h"
#include "model/hf_source.h"
#include "model/model_priv.h"

struct finder {
    struct hf *h;
    struct error *e;
    const char *prefix;
    int layers, experts;
    int *found;                /* [names of the table] in so many layers */
};

static void add_tensor(struct hf *h, const struct hf_tensor *t)
{
    array_push(h->tensors, h->tensor_count, h->tensor_capacity) = *t;
}

void hf_tensor_computed(struct hf *h, const char *name, const float *x, int64_t n)
{
    struct tensor_source *s = arena_alloc(&h->arena, sizeof *s);
    struct source_part *p = arena_alloc(&h->arena, sizeof *p);
    const struct quant_type *f32 = quant_type(QUANT_F32);
    *p = (struct source_part){.data = (const unsigned char *)x, .name = name};
    *s = (struct tensor_source){.type = f32,
                                .dtype = dtype_named("F32"),
                                .columns = n,
                                .rows = 1,
                                .row_stride = n,
                                .column_stride = 1,
                                .parts = p,
                                .part_count = 1};
    add_tensor(h,
               &(struct hf_tensor){.name = name, .type = f32, .dims = 1, .shape = {n, 1, 1, 1}, .source = s});
}

/* ----------------------------------------------------------------------- finding */

static bool is_alike(const struct stored_tensor *a, const struct stored_tensor *b)
{
    return a->dtype == b->dtype && !a->packed == !b->packed && a->dims == b->dims &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

/* All experts of a layer, or none. */
static int find_experts(struct finder *f, const struct hf_name *n, int layer, const struct stored_tensor **t)
{
    for (int i = 0; i < f->experts; i++) {
        const char *name = hf_name_fill(&f->h->arena, f->prefix, n->stored, layer, i);
        t[i] = hf_stored(f->h, name);
        if (!t[i] && i == 0)
            return 0;
        if (!t[i])
            return error_set(f->e, ERROR_FAILED,
                             "cannot read %s: the tensor %s is missing, the config says %d experts; get"
                             " the checkpoint again",
                             f->h->folder, name, f->experts);
        if (!is_alike(t[0], t[i]))
            return hf_stored_error(t[i], f->e, "differs from expert 0's in shape or number format: start from the original"
                                   " checkpoint");
        hf_use(f->h, t[i]);
    }
    return f->experts;
}

static int find_one(struct finder *f, const struct hf_name *n, int layer, const struct stored_tensor **t)
{
    *t = hf_stored(f->h, hf_name_fill(&f->h->arena, f->prefix, n->stored, layer, 0));
    if (*t)
        hf_use(f->h, *t);
    return *t != NULL;
}

/* An output that is the embedding itself may be stored all the same. */
static bool is_tied(const struct finder *f, const struct hf_name *n)
{
    return strcmp(n->gguf, "output.weight") == 0 && json_is_true(hf_value(f->h, "tie_word_embeddings"));
}

/* 0 also where the table's name is not among the stored ones. */
static int find_name(struct finder *f, int i, int layer)
{
    const struct hf_name *n = hf_name_at(i);
    bool experts = hf_name_of_experts(n);
    const struct stored_tensor **t = xcalloc(experts ? f->experts + 1 : 1, sizeof *t);
    int count = experts ? find_experts(f, n, layer, t) : find_one(f, n, layer, t), rc = count < 0 ? count : 0;
    if (count > 0 && !is_tied(f, n)) {
        struct hf_tensor made = {.name = hf_name_fill(&f->h->arena, NULL, n->gguf, layer, 0)};
        rc = hf_source_make(f->h, n, t, count, &made, f->e);
        if (!rc)
            add_tensor(f->h, &made);
        f->found[i]++;
    }
    free(t);
    return rc;
}

static int find_blocks(struct finder *f)
{
    const struct hf_name *n;
    for (int layer = 0; layer < f->layers; layer++)
        for (int i = 0; (n = hf_name_at(i)); i++)
            if (hf_name_in_block(n) && hf_listed(n->only, f->h->class->gguf) && find_name(f, i, layer))
                return f->e->code;
    return 0;
}

/* What stands in no block comes before or after all blocks, as in the table. */
static int find_all(struct finder *f)
{
    const struct hf_name *n;
    bool in_blocks = false;
    for (int i = 0; (n = hf_name_at(i)); i++) {
        int rc = 0;
        if (!hf_name_in_block(n))
            rc = find_name(f, i, -1);
        else if (!in_blocks)
            rc = find_blocks(f);
        in_blocks = in_blocks || hf_name_in_block(n);
        if (rc)
            return rc;
    }
    return 0;
}

/* ------------------------------------------------------------------- completeness */

static bool has_tensor(const struct hf *h, const char *name)
{
    for (int i = 0; i < h->tensor_count; i++)
        if (strcmp(h->tensors[i].name, name) == 0)
            return true;
    return false;
}

static int missing(const struct finder *f, const char *stored)
{
    return error_set(f->e, ERROR_FAILED, "cannot read %s: the tensor %s is missing; get the checkpoint again",
                     f->h->folder, stored);
}

/* A name that some layers have, all must have. Where there are experts, not every layer has them. */
static int check_layers(const struct finder *f)
{
    const struct hf_name *n;
    for (int i = 0; (n = hf_name_at(i)); i++) {
        bool some = f->experts && strstr(n->stored, ".mlp.");
        for (int layer = 0; f->found[i] && f->found[i] < f->layers && hf_name_in_block(n) && !some; layer++)
            if (!has_tensor(f->h, hf_name_fill(&f->h->arena, NULL, n->gguf, layer, 0)))
                return missing(f, hf_name_fill(&f->h->arena, f->prefix, n->stored, layer, 0));
    }
    return 0;
}

/* Each layer has one of these, under whichever name. */
static const struct { const char *gguf, *or_gguf, *stored; } needed[] = {
    {"blk.*.attn_output.weight", NULL, "model.layers.*.self_attn.o_proj.weight"},
    {"blk.*.ffn_up.weight", "blk.*.ffn_up_exps.weight", "model.layers.*.mlp.up_proj.weight"},
    {"blk.*.ffn_down.weight", "blk.*.ffn_down_exps.weight", "model.layers.*.mlp.down_proj.weight"},
};

static int check_needed(const struct finder *f)
{
    struct hf *h = f->h;
    for (int layer = 0; layer < f->layers; layer++)
        for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
            const char *other = needed[i].or_gguf;
            if (!has_tensor(h, hf_name_fill(&h->arena, NULL, needed[i].gguf, layer, 0)) &&
                (!other || !has_tensor(h, hf_name_fill(&h->arena, NULL, other, layer, 0))))
                return missing(f, hf_name_fill(&h->arena, f->prefix, needed[i].stored, layer, 0));
        }
    if (!has_tensor(h, "token_embd.weight"))
        return missing(f, hf_name_fill(&h->arena, f->prefix, "model.embed_tokens.weight", 0, 0));
    if (!has_tensor(h, "output_norm.weight"))
        return missing(f, hf_name_fill(&h->arena, f->prefix, "model.norm.weight", 0, 0));
    if (json_is_false(hf_value(h, "tie_word_embeddings")) && !has_tensor(h, "output.weight"))
        return missing(f, "lm_head.weight");
    return 0;
}

static int check_unused(const struct finder *f)
{
    const struct hf *h = f->h;
    for (int i = 0; i < h->stored_count; i++)
        if (!h->used[i] && !hf_name_left_out(h->stored[i]->name))
            return hf_stored_error(
                h->stored[i], f->e,
                "has no place in a %s model of GGUF: the checkpoint is of a variant that this"
                " version does not know",
                h->arch->title);
    return 0;
}

/* ------------------------------------------------------------------- all of them */

static const char *find_prefix(struct hf *h)
{
    for (int i = 0; hf_prefixes[i]; i++)
        if (hf_stored(h, hf_name_fill(&h->arena, hf_prefixes[i], "model.embed_tokens.weight", 0, 0)))
            return hf_prefixes[i];
    return hf_prefixes[0];
}

static int read_counts(struct finder *f)
{
    int64_t layers = 0, experts = 0;
    struct hf *h = f->h;
    if (hf_integer(h, "num_hidden_layers", &layers, f->e) ||
        hf_integer(h, "num_attention_heads", &h->heads, f->e) ||
        hf_integer(h, "num_key_value_heads num_attention_heads", &h->kv_heads, f->e) ||
        hf_integer(h, "num_local_experts num_experts", &experts, f->e))
        return f->e->code;
    if (layers < 1 || layers > LAYERS_MAX || experts > EXPERTS_MAX || h->heads < 1 || h->kv_heads < 1)
        return hf_config_error(
            h, f->e, "%lld layers of %lld heads, %lld for keys and values, and %lld experts cannot be",
            (long long)layers, (long long)h->heads, (long long)h->kv_heads, (long long)experts);
    f->layers = (int)layers;
    f->experts = (int)experts;
    return 0;
}

int hf_tensors_find(struct hf *h, struct error *e)
{
    int count = 0;
    while (hf_name_at(count))
        count++;
    struct finder f = {
        .h = h, .e = e, .prefix = find_prefix(h), .found = arena_alloc(&h->arena, count * sizeof *f.found)};
    if (read_counts(&f) || find_all(&f) || check_layers(&f) || check_needed(&f) || check_unused(&f))
        return e->code;
    return 0;
}
