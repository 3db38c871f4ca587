/* What a model must offer before it is evaluated: every weight that its architecture's row speaks of
 * (weights.c sees to each), and hyperparameters that fit. That heads divide evenly among key-value heads, and
 * that no more than a head is rotated, has been seen to when the model was opened (model/roles.c). */
#include <math.h>
#include <string.h>

#include "infer/decoder_priv.h"

/* --------------------------------------------------------------------- norms */

/* Leaves the norm without a weight where the model has none of this role and none is required. */
static int bind_norm(struct decoder *d, struct norm *n, enum tensor_role role, int layer, int64_t length,
                     bool required, struct error *e)
{
    *n = (struct norm){.length = length};
    if (bind_vector(d, &n->weight, role, layer, length, e))
        return e->code;
    return required && !n->weight ? missing_tensor(d, role, layer, ".weight", e) : 0;
}

static int bind_norms(struct decoder *d, struct layer *l, int i, struct error *e)
{
    const struct architecture *a = d->model->arch;
    bool before = a->norms != NORMS_AFTER, after = a->norms != NORMS_BEFORE;
    bool heads = a->head_norms != HEAD_NORMS_NONE, whole = a->head_norms == HEAD_NORMS_ALL;
    int64_t embd = d->model->hp.embd, head = l->shape->key_length;
    enum tensor_role ffn = a->ffn_norm_after_attention ? ROLE_ATTN_POST_NORM : ROLE_FFN_NORM;
    if (bind_norm(d, &l->attn_norm, ROLE_ATTN_NORM, i, embd, before, e) ||
        bind_norm(d, &l->ffn_norm, ffn, i, embd, before, e) ||
        bind_norm(d, &l->ffn_post_norm, ROLE_FFN_POST_NORM, i, embd, after, e) ||
        bind_norm(d, &l->q_norm, ROLE_ATTN_Q_NORM, i, head * (whole ? l->shape->heads : 1), heads, e) ||
        bind_norm(d, &l->k_norm, ROLE_ATTN_K_NORM, i, head * (whole ? l->shape->kv_heads : 1), heads, e))
        return e->code;
    if (ffn == ROLE_ATTN_POST_NORM)
        return 0;
    return bind_norm(d, &l->attn_post_norm, ROLE_ATTN_POST_NORM, i, embd, after, e);
}

/* ----------------------------------------------------------------- attention */

/* The next `rows` rows of a tensor that holds several weights, one below the other. */
static struct weight next_part(const struct weight *whole, const struct weight *before, int64_t rows)
{
    struct weight w = *whole;
    w.rows = rows;
    if (before) {
        w.first = before->first + before->rows;
        w.bias = whole->bias ? whole->bias + w.first : NULL;
        w.follows = true;
    }
    return w;
}

static int bind_fused(struct decoder *d, struct layer *l, int i, int64_t q, int64_t k, int64_t v,
                      struct error *e)
{
    struct weight whole;
    if (bind_weight(d, &whole, ROLE_ATTN_QKV, i, d->model->hp.embd, q + k + v, e))
        return e->code;
    l->q = next_part(&whole, NULL, q);
    l->k = next_part(&whole, &l->q, k);
    l->v = next_part(&whole, &l->k, v);
    return 0;
}

static int bind_sinks(struct decoder *d, struct layer *l, int i, struct error *e)
{
    if (bind_vector(d, &l->sinks, ROLE_ATTN_SINKS, i, l->shape->heads, e))
        return e->code;
    return d->model->arch->sinks && !l->sinks ? missing_tensor(d, ROLE_ATTN_SINKS, i, ".weight", e) : 0;
}

static int bind_attention(struct decoder *d, struct layer *l, int i, struct error *e)
{
    const struct layer_shape *s = l->shape;
    int64_t embd = d->model->hp.embd;
    int64_t q = (int64_t)s->heads * s->key_length, k = (int64_t)s->kv_heads * s->key_length;
    int64_t v = (int64_t)s->kv_heads * s->value_length, mixed = (int64_t)s->heads * s->value_length;
    if (model_role(d->model, ROLE_ATTN_QKV, i)) {
        if (bind_fused(d, l, i, q, k, v, e))
            return e->code;
    } else if (bind_weight(d, &l->q, ROLE_ATTN_Q, i, embd, q, e) ||
               bind_weight(d, &l->k, ROLE_ATTN_K, i, embd, k, e) ||
               bind_weight(d, &l->v, ROLE_ATTN_V, i, embd, v, e))
        return e->code;
    return bind_weight(d, &l->attn_output, ROLE_ATTN_OUTPUT, i, mixed, embd, e) || bind_sinks(d, l, i, e);
}

/* -------------------------------------------------------------- feed-forward */

static int bind_gate_up(struct decoder *d, struct feed_forward *f, int i, int64_t ffn, struct error *e)
{
    struct weight whole;
    int64_t embd = d->model->hp.embd;
    if (!d->model->arch->gate_up_fused)
        return bind_weight(d, &f->gate, ROLE_FFN_GATE, i, embd, ffn, e) ||
               bind_weight(d, &f->up, ROLE_FFN_UP, i, embd, ffn, e);
    if (bind_weight(d, &whole, ROLE_FFN_UP, i, embd, 2 * ffn, e))
        return e->code;
    f->gate = next_part(&whole, NULL, ffn);
    f->up = next_part(&whole, &f->gate, ffn);
    return 0;
}

/* A tensor of all experts: `w` becomes the first one's part. */
static int bind_expert(struct decoder *d, struct weight *w, enum tensor_role role, int i, int64_t columns,
                       int64_t rows, struct error *e)
{
    if (bind_weight(d, w, role, i, columns, rows * d->model->hp.experts, e))
        return e->code;
    w->rows = w->step = rows;
    return 0;
}

/* Each expert's gate above its up, in one tensor or in two. */
static int bind_expert_gate_up(struct decoder *d, struct feed_forward *f, int i, int64_t embd, int64_t ffn,
                               struct error *e)
{
    struct weight whole;
    if (!model_role(d->model, ROLE_FFN_GATE_UP_EXPS, i))
        return bind_expert(d, &f->gate, ROLE_FFN_GATE_EXPS, i, embd, ffn, e) ||
               bind_expert(d, &f->up, ROLE_FFN_UP_EXPS, i, embd, ffn, e);
    if (bind_expert(d, &whole, ROLE_FFN_GATE_UP_EXPS, i, embd, 2 * ffn, e))
        return e->code;
    f->gate = next_part(&whole, NULL, ffn);
    f->up = next_part(&whole, &f->gate, ffn);
    return 0;
}

static int bind_shared_expert(struct decoder *d, struct layer *l, int i, struct error *e)
{
    int64_t embd = d->model->hp.embd, ffn = d->model->hp.shared_ffn;
    if (bind_weight(d, &l->ffn.gate, ROLE_FFN_GATE_SHEXP, i, embd, ffn, e) ||
        bind_weight(d, &l->ffn.up, ROLE_FFN_UP_SHEXP, i, embd, ffn, e) ||
        bind_weight(d, &l->ffn.down, ROLE_FFN_DOWN_SHEXP, i, ffn, embd, e))
        return e->code;
    if (!model_role(d->model, ROLE_FFN_GATE_INP_SHEXP, i))
        return 0;
    return bind_weight(d, &l->experts.shared_gate, ROLE_FFN_GATE_INP_SHEXP, i, embd, 1, e);
}

static int bind_experts(struct decoder *d, struct layer *l, int i, struct error *e)
{
    const struct hparams *hp = &d->model->hp;
    struct feed_forward *f = &l->experts.first;
    int64_t embd = hp->embd, ffn = l->shape->ffn;
    if (hp->experts_used < 1 || hp->experts_used > hp->experts)
        return decoder_refuse(d, e, "by the metadata each token uses %d of %d experts, which cannot be; the"
                              " file is damaged", hp->experts_used, hp->experts);
    if (bind_weight(d, &l->experts.router, ROLE_FFN_GATE_INP, i, embd, hp->experts, e) ||
        bind_expert_gate_up(d, f, i, embd, ffn, e) ||
        bind_expert(d, &f->down, ROLE_FFN_DOWN_EXPS, i, ffn, embd, e))
        return e->code;
    return hp->shared_ffn ? bind_shared_expert(d, l, i, e) : 0;
}

static int bind_feed_forward(struct decoder *d, struct layer *l, int i, struct error *e)
{
    int64_t embd = d->model->hp.embd, ffn = l->shape->ffn;
    if (model_role(d->model, ROLE_FFN_GATE_INP, i) || model_role(d->model, ROLE_FFN_DOWN_EXPS, i))
        return bind_experts(d, l, i, e);
    return bind_gate_up(d, &l->ffn, i, ffn, e) ||
           bind_weight(d, &l->ffn.down, ROLE_FFN_DOWN, i, ffn, embd, e);
}

/* -------------------------------------------------------------------- layers */

/* Biases that the architecture cannot do without: a converter that dropped them made another model. */
static int require_biases(const struct decoder *d, const struct layer *l, struct error *e)
{
    const struct architecture *a = d->model->arch;
    const struct feed_forward *f = &l->experts.first;
    const struct { const struct weight *weight; bool required; } wanted[] = {
        {&l->q, a->qkv_biases},           {&l->k, a->qkv_biases},
        {&l->v, a->qkv_biases},           {&l->attn_output, a->all_biases},
        {&l->experts.router, a->all_biases},
        {&f->gate, a->all_biases},        {&f->up, a->all_biases},
        {&f->down, a->all_biases},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        const struct weight *w = wanted[i].weight;
        if (wanted[i].required && w->tensor && !w->bias)
            return missing_tensor(d, w->tensor->role, w->tensor->layer, ".bias", e);
    }
    return 0;
}

static bool rotates(const struct architecture *a, int layer)
{
    return a->rope != ROPE_NONE && !(a->rope_skip_period && (layer + 1) % a->rope_skip_period == 0);
}

/* Windowed layers have their own base, or leave the scaling to the others. */
static bool rotates_locally(const struct decoder *d, const struct layer *l)
{
    const struct hparams *hp = &d->model->hp;
    bool plain = d->model->arch->rope_local_plain && *hp->rope_scaling;
    return l->shape->window && (plain || hp->rope_base_local != hp->rope_base);
}

int decoder_bind_layer(struct decoder *d, int i, struct error *e)
{
    struct layer *l = &d->layers[i];
    l->shape = &d->model->hp.layer[i];
    if (rotates(d->model->arch, i))
        l->rope = rotates_locally(d, l) ? &d->rope_local : &d->rope;
    return bind_norms(d, l, i, e) || bind_attention(d, l, i, e) || bind_feed_forward(d, l, i, e) ||
           require_biases(d, l, e);
}

/* ---------------------------------------------------------------------- rope */

static int check_rope(const struct decoder *d, struct error *e)
{
    const struct hparams *hp = &d->model->hp;
    if (!rope_knows(hp->rope_scaling))
        return decoder_refuse(d, e, "rotary scaling of the kind %s is not evaluated yet", hp->rope_scaling);
    if (!(hp->rope_base > 1) || !(hp->rope_base_local > 1) || !(hp->rope_factor > 0))
        return decoder_refuse(d, e, "the rotary base is %g (%g in windowed layers), scaled by %g; expected a"
                              " base over 1 and a factor over 0", hp->rope_base, hp->rope_base_local,
                              hp->rope_factor);
    if (!(hp->rope_slow > 0) || !(hp->rope_fast >= hp->rope_slow))
        return decoder_refuse(d, e, "rotary pairs are scaled between %g and %g turns; expected a range above"
                              " 0", hp->rope_slow, hp->rope_fast);
    return 0;
}

/* Some files repeat the factors in every layer. */
static int factors_layer(const struct decoder *d, enum tensor_role role)
{
    return model_role(d->model, role, -1) ? -1 : 0;
}

/* Many files have longrope's factors and do not name it. */
static enum tensor_role factors_role(const struct decoder *d)
{
    const struct hparams *hp = &d->model->hp;
    bool found = model_role(d->model, ROLE_ROPE_LONG, factors_layer(d, ROLE_ROPE_LONG));
    if (!found && strcmp(hp->rope_scaling, "longrope") != 0)
        return ROLE_ROPE_FREQS;
    return d->context > hp->rope_original_context ? ROLE_ROPE_LONG : ROLE_ROPE_SHORT;
}

static int bind_factors(struct decoder *d, const float **factors, struct error *e)
{
    enum tensor_role role = factors_role(d);
    int64_t pairs = d->model->hp.rope_dims / 2;
    if (bind_vector(d, factors, role, factors_layer(d, role), pairs, e))
        return e->code;
    if (!*factors)
        return role == ROLE_ROPE_FREQS ? 0 : missing_tensor(d, role, -1, ".weight", e);
    for (int64_t i = 0; i < pairs; i++)
        if (!((*factors)[i] > 0) || !isfinite((*factors)[i]))
            return decoder_refuse(d, e, "number %lld of %s.weight is %g; expected one over 0", (long long)i,
                                  tensor_role_name(role), (*factors)[i]);
    return 0;
}

static void init_local_rope(struct decoder *d, const float *factors)
{
    struct hparams hp = d->model->hp;
    if (d->model->arch->rope_local_plain) {
        hp.rope_scaling[0] = 0;
        hp.rope_factor = hp.rope_attn_factor = 1;
        factors = NULL;
    }
    d->buffer_bytes += rope_init(&d->rope_local, d->model->arch, &hp, hp.rope_base_local, factors,
                                 d->context);
}

static int bind_rope(struct decoder *d, struct error *e)
{
    struct hparams hp = d->model->hp;
    const float *factors;
    if (check_rope(d, e) || bind_factors(d, &factors, e))
        return e->code;
    hp.rope_ramp_exact = hp.rope_ramp_exact && !d->as_gguf;
    d->buffer_bytes += rope_init(&d->rope, d->model->arch, &hp, hp.rope_base, factors, d->context);
    for (int i = 0; i < hp.layers; i++)
        if (d->layers[i].rope == &d->rope_local) {
            init_local_rope(d, factors);
            break;
        }
    return 0;
}

/* --------------------------------------------------------------- whole model */

static int check_architecture(const struct decoder *d, struct error *e)
{
    const struct model *m = d->model;
    const struct hparams *hp = &m->hp;
    if (!m->arch || !m->arch->evaluated)
        return decoder_refuse(d, e, "the architecture %s is not evaluated yet (it can be quantized)",
                              m->arch_name);
    if (!m->complete)
        return decoder_refuse(d, e, "the file ends before its tensors do; get it again");
    if (hp->layers < 1 || hp->embd < 1 || hp->vocab < 1)
        return decoder_refuse(d, e, "it has %d layers of width %d and a vocabulary of %d", hp->layers,
                              hp->embd, hp->vocab);
    if (hp->mla_rank)
        return decoder_refuse(d, e, "latent attention is not evaluated yet");
    if (!(hp->norm_eps > 0) || hp->norm_eps > 1)
        return decoder_refuse(d, e, "the norms' epsilon is %g; expected a small positive number",
                              hp->norm_eps);
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
    if (bind_norm(d, &d->output_norm, ROLE_OUTPUT_NORM, -1, hp->embd, true, e))
        return e->code;
    return bind_weight(d, &d->output, output, -1, hp->embd, hp->vocab, e);
}

static void choose_gate(struct decoder *d)
{
    void (*const gates[])(float *gate, const float *up, int64_t n) = {
        [GATE_SILU] = d->kernels->gate_silu,
        [GATE_GELU_TANH] = d->kernels->gate_gelu,
        [GATE_CLAMPED] = d->kernels->gate_clamped,
    };
    d->act = gates[d->model->arch->gate];
}

int decoder_bind(struct decoder *d, struct error *e)
{
    if (check_architecture(d, e) || bind_ends(d, e))
        return e->code;
    choose_gate(d);
    d->layers = arena_alloc(&d->arena, d->model->hp.layers * sizeof *d->layers);
    for (int i = 0; i < d->model->hp.layers; i++)
        if (decoder_bind_layer(d, i, e))
            return e->code;
    return bind_rope(d, e);
}
