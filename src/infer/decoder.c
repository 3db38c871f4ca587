/* The forward pass of a transformer decoder, as its traits in model/architecture.h and its weights say:
 *
 *     x = embedding[token]
 *     in each layer:
 *         x += output( attention( rope(q(n)), rope(k(n)), v(n) ) )        with n = norm(x)
 *         x += down( act(gate(n)) · up(n) )                               with n = norm(x)
 *     logits = output( norm(x) )
 *
 * Some architectures normalize what is added to x instead of n, or also. The second half of a layer may be a
 * mixture of experts (feed_forward.c).
 *
 * Positions are rows: all positions of all sequences of a pass go through a layer together. Chunks need their
 * keys and values within a layer only, so no cache outlives it; appended tokens go to the cache. */
#include "infer/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "infer/decoder_priv.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const char *const activations_names[] = {
    [ACTIVATIONS_SERVED] = "served", [ACTIVATIONS_F32] = "f32", [ACTIVATIONS_Q8] = "q8",
};

bool activations_parse(enum activations *a, const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(activations_names); i++)
        if (strcmp(activations_names[i], name) == 0) {
            *a = i;
            return true;
        }
    return false;
}

const char *activations_name(enum activations a)
{
    return activations_names[a];
}

int decoder_open(struct decoder **out, const struct model *m, const struct decoder_options *o,
                 struct error *e)
{
    *out = NULL;
    if (o->context < 1 || o->sequences < 0)
        return error_set(e, ERROR_USAGE,
                         "cannot evaluate %s: a context of %d tokens in %d sequences was asked for", m->path,
                         o->context, o->sequences);
    struct decoder *d = xcalloc(1, sizeof *d);
    *d = (struct decoder){.model = m, .kernels = kernels(), .threads = threads_count(), .context = o->context,
                          .sequences = o->sequences, .as_gguf = o->as_gguf};
    d->product = (struct product){.engine = o->rough && engine()->rough ? engine()->rough : engine(),
                                  .kernels = d->kernels, .threads = d->threads,
                                  .imitate = o->activations == ACTIVATIONS_Q8,
                                  .serve = o->activations == ACTIVATIONS_SERVED && !o->as_gguf &&
                                           model_inputs(m) != INPUTS_EXACT,
                                  .tap = o->tap, .tap_user = o->tap_user};
    if (decoder_bind(d, e)) {
        decoder_free(d);
        return e->code;
    }
    decoder_allocate(d, o->beside);
    if (d->sequences < 1)
        decoder_allocate_cache(d);
    *out = d;
    return 0;
}

int decoder_check(const struct model *m, struct error *e)
{
    struct decoder *d = xcalloc(1, sizeof *d);
    *d = (struct decoder){.model = m, .kernels = kernels(), .context = 1};
    int rc = decoder_bind(d, e);
    decoder_free(d);
    return rc;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    decoder_free_buffers(d);
    rope_done(&d->rope);
    rope_done(&d->rope_local);
    arena_done(&d->arena);
    free(d);
}

uint64_t decoder_bytes(const struct decoder *d)
{
    return d->buffer_bytes + d->cache_bytes;
}

/* ---------------------------------------------------------------- the forward pass */

/* What one pass covers: positions [past, past + length) of each sequence. */
struct pass {
    int sequences, length, past;
    int64_t rows; /* sequences × length */
};

/* Pieces of n->length of a row; to = from is allowed. Without a norm `to` is as `from`. */
static void normalize(const struct decoder *d, const struct norm *n, const float *from, float *to,
                      int64_t width)
{
    if (!n->weight && to != from)
        memcpy(to, from, width * sizeof *to);
    for (int64_t at = 0; n->weight && at < width; at += n->length)
        d->kernels->rms_norm(from + at, n->weight, to + at, n->length, d->model->hp.norm_eps);
}

/* The residual stream's start. */
static void embed(const struct decoder *d, const int32_t *tokens, int64_t rows)
{
    int64_t width = d->model->hp.embd;
    double scale = d->model->hp.embedding_scale;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++) {
        float *x = d->x + r * width;
        tensor_read(d->embd, tokens[r] * width, width, x);
        for (int64_t i = 0; scale != 0 && i < width; i++)
            x[i] *= (float)scale;
    }
}

/* branch = norm(x) */
static void read_stream(const struct decoder *d, const struct norm *n, int64_t rows)
{
    int64_t width = d->model->hp.embd;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++)
        normalize(d, n, d->x + r * width, d->branch + r * width, width);
}

/* Norms of queries and keys, where the architecture has them, and their rotation. */
static void turn_heads(const struct decoder *d, const struct layer *l, const struct pass *p,
                       const struct norm *n, float *x, int heads)
{
    int length = l->shape->key_length, width = heads * length;
#pragma omp parallel for num_threads(threads_for(d, p->rows))
    for (int64_t r = 0; r < p->rows; r++) {
        normalize(d, n, x + r * width, x + r * width, width);
        if (l->rope)
            rope_apply(l->rope, x + r * width, heads, length, p->past + (int)(r % p->length));
    }
}

/* x += branch, after the norm that some architectures put between; to[rows][embd] = norm(x) */
static void add_branch(const struct decoder *d, const struct norm *post, const struct norm *next, float *to,
                       int64_t rows)
{
    int64_t width = d->model->hp.embd;
    float scale = d->model->hp.residual_scale != 0 ? (float)d->model->hp.residual_scale : 1;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++) {
        float *x = d->x + r * width, *branch = d->branch + r * width;
        normalize(d, post, branch, branch, width);
        d->kernels->add(x, branch, scale, width);
        normalize(d, next, x, to + r * width, width);
    }
}

/* llama.cpp's attention meets its inputs as halves: the cache keeps them so. */
static void round_heads(const struct decoder *d, float *x, int64_t rows, int64_t width)
{
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++)
        round_row(d->product.imitate ? ROUND_F16 : ROUND_NOT, x + r * width, width);
}

/* From the layer's input in d->branch to mixed[rows][heads · value_length]. `k` and `v` are those of all positions of
 * all sequences; this pass fills in its own. */
static void mix_heads(struct decoder *d, const struct layer *l, const struct pass *p, float *k, float *v, float *mixed)
{
    const struct layer_shape *s = l->shape;
    const struct hparams *hp = &d->model->hp;
    float *new_k = k + (int64_t)p->past * l->k.rows, *new_v = v + (int64_t)p->past * l->v.rows;
    product(&d->product, d->branch, p->rows, (struct output[]){{&l->q, d->q}, {&l->k, new_k}, {&l->v, new_v}}, 3);
    turn_heads(d, l, p, &l->q_norm, d->q, s->heads);
    turn_heads(d, l, p, &l->k_norm, new_k, s->kv_heads);
    round_heads(d, d->q, p->rows, l->q.rows);
    round_heads(d, new_k, p->rows, l->k.rows);
    round_heads(d, new_v, p->rows, l->v.rows);
    attention(&(struct attention){.kernels = d->kernels, .shape = s, .softcap = hp->attn_softcap,
              .scale = hp->attention_scale != 0 ? hp->attention_scale : 1 / sqrt(s->key_length),
              .sinks = l->sinks,
              .sequences = p->sequences, .length = p->length, .past = p->past, .q = d->q, .k = k, .v = v,
              .out = mixed, .scratch = d->scratch, .threads = d->threads});
}

/* From mixed heads to what they add to the residual stream, in d->branch; and that, normalized, in its place. */
static void leave_attention(struct decoder *d, const struct layer *l, const struct pass *p, const float *mixed)
{
    product(&d->product, mixed, p->rows, &(struct output){&l->attn_output, d->branch}, 1);
    add_branch(d, &l->attn_post_norm, &l->ffn_norm, d->branch, p->rows);
}

static int check_tokens(const struct decoder *d, const int32_t *tokens, int64_t count, struct error *e)
{
    for (int64_t i = 0; i < count; i++)
        if (tokens[i] < 0 || tokens[i] >= d->model->hp.vocab)
            return error_set(e, ERROR_FAILED, "cannot evaluate %s: token %lld is %d, the vocabulary has %d",
                             d->model->path, (long long)i, (int)tokens[i], d->model->hp.vocab);
    return 0;
}

/* One pass over all layers; with `cached`, keys and values go to the cache. */
static int forward(struct decoder *d, const int32_t *tokens, const struct pass *p, bool cached,
                   struct watch *w, struct error *e)
{
    int layers = d->model->hp.layers;
    float *hidden = d->hidden + d->hidden_count * d->model->hp.embd;
    embed(d, tokens, p->rows);
    read_stream(d, &d->layers[0].attn_norm, p->rows);
    for (int i = 0; i < layers; i++) {
        const struct layer *l = &d->layers[i];
        bool last = i == layers - 1;
        if (!watch_tick(w, i, layers, "layers"))
            return interrupt_error(e);
        mix_heads(d, l, p, cached ? d->cache + l->cache_k : d->k, cached ? d->cache + l->cache_v : d->v, d->mixed);
        leave_attention(d, l, p, d->mixed);
        feed_forward_block(d, l, p->rows);
        add_branch(d, &l->ffn_post_norm, last ? &d->output_norm : &l[1].attn_norm, last ? hidden : d->branch,
                   p->rows);
    }
    d->hidden_count += p->rows;
    return 0;
}

void decoder_embed(struct decoder *d, const int32_t *tokens, int sequences, int length, float *x)
{
    int64_t rows = (int64_t)sequences * length;
    embed(d, tokens, rows);
    memcpy(x, d->x, rows * d->model->hp.embd * sizeof *x);
}

/* ------------------------------------------------------------------ stage by stage */

static void meet_qkv(struct decoder *d, const struct layer *l, const struct pass *p, float *kept)
{
    (void)kept;
    read_stream(d, &l->attn_norm, p->rows);
    product_tap_inputs(&d->product, d->branch, p->rows,
                       (struct output[]){{&l->q, NULL}, {&l->k, NULL}, {&l->v, NULL}}, 3);
}

static void meet_attn_output(struct decoder *d, const struct layer *l, const struct pass *p, float *kept)
{
    read_stream(d, &l->attn_norm, p->rows);
    mix_heads(d, l, p, d->k, d->v, kept);
    product_tap_inputs(&d->product, kept, p->rows, &(struct output){&l->attn_output, NULL}, 1);
}

static void meet_gate_up(struct decoder *d, const struct layer *l, const struct pass *p, float *kept)
{
    leave_attention(d, l, p, kept);
    feed_forward_stage(d, l, STAGE_GATE_UP, p->rows, kept);
}

static void meet_down(struct decoder *d, const struct layer *l, const struct pass *p, float *kept)
{
    read_stream(d, &l->ffn_norm, p->rows);
    feed_forward_stage(d, l, STAGE_DOWN, p->rows, kept);
}

static const struct norm no_norm;

static void end_layer(struct decoder *d, const struct layer *l, const struct pass *p, float *kept)
{
    read_stream(d, &l->ffn_norm, p->rows);
    feed_forward_stage(d, l, STAGE_END, p->rows, kept);
    add_branch(d, &l->ffn_post_norm, &no_norm, d->branch, p->rows);
}

static void (*const stages[STAGE_COUNT])(struct decoder *, const struct layer *, const struct pass *, float *kept) = {
    [STAGE_QKV] = meet_qkv,
    [STAGE_ATTN_OUTPUT] = meet_attn_output,
    [STAGE_GATE_UP] = meet_gate_up,
    [STAGE_DOWN] = meet_down,
    [STAGE_END] = end_layer,
};

enum decoder_stage decoder_meets(enum tensor_role role)
{
    static const enum tensor_role met[STAGE_COUNT][8] = {
        [STAGE_QKV] = {ROLE_ATTN_Q, ROLE_ATTN_K, ROLE_ATTN_V, ROLE_ATTN_QKV},
        [STAGE_ATTN_OUTPUT] = {ROLE_ATTN_OUTPUT},
        [STAGE_GATE_UP] = {ROLE_FFN_GATE, ROLE_FFN_UP, ROLE_FFN_GATE_EXPS, ROLE_FFN_UP_EXPS, ROLE_FFN_GATE_UP_EXPS,
                           ROLE_FFN_GATE_SHEXP, ROLE_FFN_UP_SHEXP},
        [STAGE_DOWN] = {ROLE_FFN_DOWN, ROLE_FFN_DOWN_EXPS, ROLE_FFN_DOWN_SHEXP},
    };
    for (int s = 0; s < STAGE_COUNT; s++)
        for (int i = 0; met[s][i]; i++) /* ROLE_OTHER ends a list */
            if (met[s][i] == role)
                return s;
    return STAGE_COUNT;
}

static struct pass pass_of(int sequences, int length)
{
    return (struct pass){.sequences = sequences, .length = length, .rows = (int64_t)sequences * length};
}

void decoder_layer_stage(struct decoder *d, int layer, enum decoder_stage stage, int sequences, int length, float *x,
                         float *kept)
{
    struct pass p = pass_of(sequences, length);
    float *own = d->x;
    d->x = x;
    d->product.silent = true;
    stages[stage](d, &d->layers[layer], &p, kept);
    d->product.silent = false;
    d->x = own;
}

void decoder_layer(struct decoder *d, int layer, int sequences, int length, float *x)
{
    const struct layer *l = &d->layers[layer];
    struct pass p = pass_of(sequences, length);
    float *own = d->x;
    d->x = x;
    read_stream(d, &l->attn_norm, p.rows);
    mix_heads(d, l, &p, d->k, d->v, d->mixed);
    leave_attention(d, l, &p, d->mixed);
    feed_forward_block(d, l, p.rows);
    add_branch(d, &l->ffn_post_norm, &no_norm, d->branch, p.rows);
    d->x = own;
}

int64_t decoder_kept(const struct decoder *d, enum decoder_stage stage)
{
    int64_t most = 0;
    for (int i = 0; i < d->model->hp.layers; i++) {
        const struct layer_shape *s = d->layers[i].shape;
        int64_t kept = stage == STAGE_ATTN_OUTPUT ? (int64_t)s->heads * s->value_length
                       : stage == STAGE_DOWN      ? feed_forward_kept(d, &d->layers[i])
                                                  : 0;
        most = larger(most, kept);
    }
    return most;
}

void decoder_meet_output(struct decoder *d, int sequences, int length, float *x)
{
    struct pass p = pass_of(sequences, length);
    float *own = d->x;
    d->x = x;
    read_stream(d, &d->output_norm, p.rows);
    product_tap_inputs(&d->product, d->branch, p.rows, &(struct output){&d->output, NULL}, 1);
    d->x = own;
}

int decoder_reload(struct decoder *d, int layer, struct error *e)
{
    return decoder_bind_layer(d, layer, e);
}

int decoder_chunks(struct decoder *d, const int32_t *tokens, int sequences, int length, struct watch *w,
                   struct error *e)
{
    struct pass p = pass_of(sequences, length);
    d->hidden_count = 0;
    if (sequences < 1 || sequences > d->sequences || length < 1 || length > d->context)
        return error_set(e, ERROR_FAILED,
                         "cannot evaluate %s: %d sequences of %d tokens, opened for %d of %d", d->model->path,
                         sequences, length, d->sequences, d->context);
    if (check_tokens(d, tokens, p.rows, e))
        return e->code;
    return forward(d, tokens, &p, false, w, e);
}

int decoder_append(struct decoder *d, const int32_t *tokens, int count, struct error *e)
{
    d->hidden_count = 0;
    if (count < 1 || count > d->context - d->position)
        return error_set(e, ERROR_FAILED, "cannot evaluate %s: %d tokens after %d, in a context of %d",
                         d->model->path, count, d->position, d->context);
    if (check_tokens(d, tokens, count, e))
        return e->code;
    if (!d->cache)
        decoder_allocate_cache(d);
    for (int done = 0, n; done < count; done += n) {
        n = count - done < d->rows ? count - done : (int)d->rows;
        struct pass p = {.sequences = 1, .length = n, .past = d->position, .rows = n};
        if (forward(d, tokens + done, &p, true, NULL, e))
            return e->code;
        d->position += n;
    }
    return 0;
}

void decoder_clear(struct decoder *d)
{
    d->position = 0;
}

void decoder_keep(const struct decoder *d, int first, int count, float *hidden)
{
    int64_t embd = d->model->hp.embd;
    if (first < 0 || count < 1 || first + (int64_t)count > d->hidden_count)
        die("hidden rows %d to %d of %lld", first, first + count, (long long)d->hidden_count);
    memcpy(hidden, d->hidden + first * embd, count * embd * sizeof *hidden);
}

void decoder_restore(struct decoder *d, int first, int count, const float *hidden)
{
    int64_t embd = d->model->hp.embd, end = first + (int64_t)count;
    if (first < 0 || count < 1 || end > d->hidden_rows)
        die("hidden rows %d to %lld in %lld", first, (long long)end, (long long)d->hidden_rows);
    memcpy(d->hidden + first * embd, hidden, count * embd * sizeof *hidden);
    d->hidden_count = larger(d->hidden_count, end);
}

/* out[rows][vocab] of what the output's norm made of the residual stream. */
static void logits_of(struct decoder *d, const float *hidden, int rows, float *out)
{
    const struct hparams *hp = &d->model->hp;
    product(&d->product, hidden, rows, &(struct output){&d->output, out}, 1);
    float scale = hp->logit_scale == 0               ? 1
                  : d->model->arch->logits_divided ? (float)(1 / hp->logit_scale)
                                                   : (float)hp->logit_scale;
    if (scale == 1 && hp->final_softcap == 0)
        return;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int r = 0; r < rows; r++) {
        float *row = out + (int64_t)r * hp->vocab;
        for (int64_t i = 0; scale != 1 && i < hp->vocab; i++)
            row[i] *= scale;
        if (hp->final_softcap > 0)
            d->kernels->soft_cap(row, (float)hp->final_softcap, hp->vocab);
    }
}

void decoder_logits(struct decoder *d, int first, int count, float *out)
{
    if (first < 0 || count < 1 || first + (int64_t)count > d->hidden_count)
        die("logits of rows %d to %d of %lld", first, first + count, (long long)d->hidden_count);
    logits_of(d, d->hidden + (int64_t)first * d->model->hp.embd, count, out);
}

void decoder_output(struct decoder *d, float *x, int rows, float *out)
{
    float *own = d->x;
    d->x = x;
    read_stream(d, &d->output_norm, rows);
    d->x = own;
    logits_of(d, d->branch, rows, out);
}
