/* What a model must offer before it is evaluated: every weight present, decodable, and of the shape that the
 * passes over it will assume. That heads divide evenly among key-value heads, and that no more than a head is
 * rotated, has been seen to when the model was opened (model/roles.c). */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/decoder_priv.h"

static int refuse(const struct decoder *d, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(const struct decoder *d, struct error *e, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_set(e, ERROR_FAILED, "cannot evaluate %s: %s", d->model->path, text);
}

/* ------------------------------------------------------------------- tensors */

static int check_readable(const struct decoder *d, const struct tensor *t, struct error *e)
{
    if (!tensor_present(t))
        return refuse(d, e, "the data of tensor %s is missing from the file; get it again", t->name);
    if (!t->type->decode)
        return refuse(d, e, "tensor %s has the type %s, which is known but not decoded yet", t->name,
                      t->type->name);
    return 0;
}

static int check_shape(const struct decoder *d, const struct tensor *t, int64_t columns, int64_t rows,
                       struct error *e)
{
    if (t->shape[0] == columns && tensor_elements(t) == columns * rows && columns % t->type->block == 0)
        return check_readable(d, t, e);
    long long rest = t->shape[0] ? tensor_elements(t) / t->shape[0] : 0;
    return refuse(d, e, "tensor %s is %lld x %lld of type %s, the hyperparameters want %lld x %lld; the file is"
                  " damaged or made by a converter that this version does not know", t->name,
                  (long long)t->shape[0], rest, t->type->name, (long long)columns, (long long)rows);
}

static const char *role_title(enum tensor_role role)
{
    static const char *const titles[ROLE_COUNT] = {
        [ROLE_TOKEN_EMBD] = "token_embd", [ROLE_OUTPUT_NORM] = "output_norm", [ROLE_ATTN_NORM] = "attn_norm",
        [ROLE_ATTN_Q] = "attn_q", [ROLE_ATTN_K] = "attn_k", [ROLE_ATTN_V] = "attn_v",
        [ROLE_ATTN_OUTPUT] = "attn_output", [ROLE_FFN_NORM] = "ffn_norm", [ROLE_FFN_GATE] = "ffn_gate",
        [ROLE_FFN_UP] = "ffn_up", [ROLE_FFN_DOWN] = "ffn_down",
    };
    return titles[role] ? titles[role] : "(unnamed)";
}

static int missing(const struct decoder *d, enum tensor_role role, int layer, struct error *e)
{
    if (layer < 0)
        return refuse(d, e, "tensor %s.weight is missing", role_title(role));
    return refuse(d, e, "tensor blk.%d.%s.weight is missing", layer, role_title(role));
}

/* `length` numbers as float32, in the decoder's arena. */
static const float *decoded(struct decoder *d, const struct tensor *t, int64_t length)
{
    float *x = arena_alloc(&d->arena, length * sizeof *x);
    tensor_read(t, 0, length, x);
    return x;
}

/* The bias that belongs to a weight: the same name with another end. */
static int bind_bias(struct decoder *d, struct weight *w, struct error *e)
{
    int stem = (int)(strlen(w->tensor->name) - strlen(".weight"));
    char *name = xasprintf("%.*s.bias", stem, w->tensor->name);
    const struct tensor *t = model_tensor(d->model, name);
    free(name);
    if (!t)
        return 0;
    if (check_shape(d, t, w->rows, 1, e))
        return e->code;
    w->bias = decoded(d, t, w->rows);
    return 0;
}

static int bind_weight(struct decoder *d, struct weight *w, enum tensor_role role, int layer, int64_t columns,
                       int64_t rows, struct error *e)
{
    const struct tensor *t = model_role(d->model, role, layer);
    if (!t)
        return missing(d, role, layer, e);
    *w = (struct weight){.tensor = t, .rows = rows, .columns = columns};
    if (check_shape(d, t, columns, rows, e))
        return e->code;
    return bind_bias(d, w, e);
}

/* Leaves the norm without a weight where the model has none of this role. */
static int bind_norm(struct decoder *d, struct norm *n, enum tensor_role role, int layer, int64_t length,
                     struct error *e)
{
    const struct tensor *t = model_role(d->model, role, layer);
    if (!t)
        return 0;
    if (check_shape(d, t, length, 1, e))
        return e->code;
    *n = (struct norm){.weight = decoded(d, t, length), .length = length};
    return 0;
}

static int require_norm(struct decoder *d, struct norm *n, enum tensor_role role, int layer, int64_t length,
                        struct error *e)
{
    if (bind_norm(d, n, role, layer, length, e))
        return e->code;
    return n->weight ? 0 : missing(d, role, layer, e);
}

/* -------------------------------------------------------------------- layers */

/* Query, key and value rows one below the other in one tensor. */
static int bind_fused(struct decoder *d, struct layer *l, int i, int64_t q, int64_t k, int64_t v,
                      struct error *e)
{
    struct weight whole;
    if (bind_weight(d, &whole, ROLE_ATTN_QKV, i, d->model->hp.embd, q + k + v, e))
        return e->code;
    l->q = l->k = l->v = whole;
    l->q.rows = q;
    l->k.rows = k;
    l->v.rows = v;
    l->k.first = q;
    l->v.first = q + k;
    if (whole.bias) {
        l->k.bias += q;
        l->v.bias += q + k;
    }
    return 0;
}

static int bind_attention(struct decoder *d, struct layer *l, int i, struct error *e)
{
    const struct layer_shape *s = l->shape;
    int64_t embd = d->model->hp.embd;
    int64_t q = (int64_t)s->heads * s->key_length, k = (int64_t)s->kv_heads * s->key_length;
    int64_t v = (int64_t)s->kv_heads * s->value_length, mixed = (int64_t)s->heads * s->value_length;
    if (require_norm(d, &l->attn_norm, ROLE_ATTN_NORM, i, embd, e))
        return e->code;
    if (model_role(d->model, ROLE_ATTN_QKV, i)) {
        if (bind_fused(d, l, i, q, k, v, e))
            return e->code;
    } else if (bind_weight(d, &l->q, ROLE_ATTN_Q, i, embd, q, e) ||
               bind_weight(d, &l->k, ROLE_ATTN_K, i, embd, k, e) ||
               bind_weight(d, &l->v, ROLE_ATTN_V, i, embd, v, e))
        return e->code;
    if (bind_norm(d, &l->q_norm, ROLE_ATTN_Q_NORM, i, s->key_length, e) ||
        bind_norm(d, &l->k_norm, ROLE_ATTN_K_NORM, i, s->key_length, e) ||
        bind_norm(d, &l->attn_post_norm, ROLE_ATTN_POST_NORM, i, embd, e))
        return e->code;
    return bind_weight(d, &l->attn_output, ROLE_ATTN_OUTPUT, i, mixed, embd, e);
}

static int bind_feed_forward(struct decoder *d, struct layer *l, int i, struct error *e)
{
    int64_t embd = d->model->hp.embd, ffn = l->shape->ffn;
    if (model_role(d->model, ROLE_FFN_GATE_INP, i) || model_role(d->model, ROLE_FFN_GATE_EXPS, i))
        return refuse(d, e, "layer %d is a mixture of experts, which is not evaluated yet", i);
    if (require_norm(d, &l->ffn_norm, ROLE_FFN_NORM, i, embd, e) ||
        bind_norm(d, &l->ffn_post_norm, ROLE_FFN_POST_NORM, i, embd, e))
        return e->code;
    if (bind_weight(d, &l->gate, ROLE_FFN_GATE, i, embd, ffn, e) ||
        bind_weight(d, &l->up, ROLE_FFN_UP, i, embd, ffn, e))
        return e->code;
    return bind_weight(d, &l->down, ROLE_FFN_DOWN, i, ffn, embd, e);
}

static int bind_layer(struct decoder *d, int i, struct error *e)
{
    const struct hparams *hp = &d->model->hp;
    struct layer *l = &d->layers[i];
    l->shape = &d->model->hp.layer[i];
    l->rope = l->shape->window && hp->rope_base_local != hp->rope_base ? &d->rope_local : &d->rope;
    if (bind_attention(d, l, i, e))
        return e->code;
    return bind_feed_forward(d, l, i, e);
}

/* --------------------------------------------------------------- whole model */

static int check_architecture(const struct decoder *d, struct error *e)
{
    const struct model *m = d->model;
    const struct hparams *hp = &m->hp;
    if (!m->arch || !m->arch->evaluated)
        return refuse(d, e, "the architecture %s is not evaluated yet (it can be quantized)", m->arch_name);
    if (!m->complete)
        return refuse(d, e, "the file ends before its tensors do; get it again");
    if (hp->layers < 1 || hp->embd < 1 || hp->vocab < 1)
        return refuse(d, e, "it has %d layers of width %d and a vocabulary of %d", hp->layers, hp->embd,
                      hp->vocab);
    if (hp->mla_rank)
        return refuse(d, e, "latent attention is not evaluated yet");
    if (!(hp->norm_eps > 0) || hp->norm_eps > 1)
        return refuse(d, e, "the norms' epsilon is %g; expected a small positive number", hp->norm_eps);
    return 0;
}

static int check_rope(const struct decoder *d, struct error *e)
{
    const struct hparams *hp = &d->model->hp;
    if (!rope_knows(hp->rope_scaling))
        return refuse(d, e, "rotary scaling of the kind %s is not evaluated yet", hp->rope_scaling);
    if (!(hp->rope_base > 1) || !(hp->rope_base_local > 1) || !(hp->rope_factor > 0))
        return refuse(d, e, "the rotary base is %g (%g in windowed layers), scaled by %g; expected a base over 1"
                      " and a factor over 0", hp->rope_base, hp->rope_base_local, hp->rope_factor);
    return 0;
}

static int bind_rope(struct decoder *d, struct error *e)
{
    const struct hparams *hp = &d->model->hp;
    struct norm factors = {0};
    if (check_rope(d, e))
        return e->code;
    enum tensor_role role = ROLE_ROPE_FREQS;
    int layer = model_role(d->model, role, -1) ? -1 : 0; /* some files repeat it in every layer */
    if (bind_norm(d, &factors, role, layer, hp->rope_dims / 2, e))
        return e->code;
    for (int64_t i = 0; factors.weight && i < factors.length; i++)
        if (!(factors.weight[i] > 0) || !isfinite(factors.weight[i]))
            return refuse(d, e, "number %lld of rope_freqs.weight is %g; expected one over 0", (long long)i,
                          factors.weight[i]);
    d->buffer_bytes += rope_init(&d->rope, d->model->arch, hp, hp->rope_base, factors.weight, d->context);
    if (hp->rope_base_local != hp->rope_base)
        d->buffer_bytes += rope_init(&d->rope_local, d->model->arch, hp, hp->rope_base_local, factors.weight,
                                     d->context);
    return 0;
}

/* Models that share the embedding with the output have no output.weight. */
static int bind_ends(struct decoder *d, struct error *e)
{
    const struct hparams *hp = &d->model->hp;
    struct weight embd;
    enum tensor_role output = model_role(d->model, ROLE_OUTPUT, -1) ? ROLE_OUTPUT : ROLE_TOKEN_EMBD;
    if (bind_weight(d, &embd, ROLE_TOKEN_EMBD, -1, hp->embd, hp->vocab, e))
        return e->code;
    d->embd = embd.tensor;
    if (require_norm(d, &d->output_norm, ROLE_OUTPUT_NORM, -1, hp->embd, e))
        return e->code;
    return bind_weight(d, &d->output, output, -1, hp->embd, hp->vocab, e);
}

int decoder_bind(struct decoder *d, struct error *e)
{
    if (check_architecture(d, e) || bind_ends(d, e))
        return e->code;
    d->layers = arena_alloc(&d->arena, d->model->hp.layers * sizeof *d->layers);
    for (int i = 0; i < d->model->hp.layers; i++)
        if (bind_layer(d, i, e))
            return e->code;
    return bind_rope(d, e);
}
