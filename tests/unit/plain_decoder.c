#include "tests/unit/unit.h"

#include <math.h>

#include "tests/unit/plain_decoder.h"

enum { WIDE = 1024, LONG = 80, LAYERS = 4 };

/* ------------------------------------------------------------------- tensors */

/* All of a tensor in double precision; free() it. NULL where the model has none of this name. */
static double *values(const struct model *m, int layer, const char *name)
{
    char whole[64];
    snprintf(whole, sizeof whole, "blk.%d.%s", layer, name);
    const struct tensor *t = model_tensor(m, layer < 0 ? name : whole);
    if (!t)
        return NULL;
    int64_t n = tensor_elements(t);
    float *x = xaligned(n * sizeof *x);
    double *y = xmalloc(n * sizeof *y);
    t->type->decode(t->data, x, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i];
    free(x);
    return y;
}

static bool has(const struct model *m, int layer, const char *name)
{
    char whole[64];
    snprintf(whole, sizeof whole, "blk.%d.%s", layer, name);
    return model_tensor(m, whole) != NULL;
}

/* y[n] = w[first ..][k] · x[k] + bias[first ..], of the tensor NAME.weight and maybe NAME.bias */
static void rows_times(const struct model *m, int layer, const char *name, int first, const double *x, int k,
                       double *y, int n)
{
    char weight[48], bias[48];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    double *w = values(m, layer, weight), *b = values(m, layer, bias);
    if (!w)
        fail_msg("the plain forward pass lacks %s of layer %d", weight, layer);
    for (int i = 0; i < n; i++) {
        y[i] = b ? b[first + i] : 0;
        for (int j = 0; j < k; j++)
            y[i] += w[(int64_t)(first + i) * k + j] * x[j];
    }
    free(w);
    free(b);
}

static void times(const struct model *m, int layer, const char *name, const double *x, int k, double *y, int n)
{
    rows_times(m, layer, name, 0, x, k, y, n);
}

/* Each `length` of x[n] divided by its root mean square, times the weight; a copy without a weight. */
static void norm(const struct model *m, int layer, const char *name, const double *x, double *y, int n,
                 int length)
{
    double *w = values(m, layer, name);
    for (int at = 0; at < n; at += length) {
        double squares = 0;
        for (int i = 0; i < length; i++)
            squares += x[at + i] * x[at + i];
        double scale = w ? 1 / sqrt(squares / length + m->hp.norm_eps) : 1;
        for (int i = 0; i < length; i++)
            y[at + i] = x[at + i] * scale * (w ? w[i] : 1);
    }
    free(w);
}

/* ----------------------------------------------------------------- attention */

static bool windowed(const struct plain_block *b, int layer)
{
    return b->window && (layer + 1) % b->window_period != 0;
}

static void turn(const struct model *m, const struct plain_block *b, int layer, double *x, int heads, int length,
                 int position)
{
    const struct hparams *hp = &m->hp;
    bool local = b->local_base > 0 && windowed(b, layer);
    int pairs = hp->rope_dims / 2;
    if (b->skip_period && (layer + 1) % b->skip_period == 0)
        return;
    double *factors = values(m, -1, b->factors ? b->factors : "rope_freqs.weight"), magnitude = hp->rope_attn_factor;
    double base = local ? b->local_base : hp->rope_base;
    double divide = !local && strcmp(hp->rope_scaling, "linear") == 0 ? hp->rope_factor : 1;
    for (int h = 0; h < heads; h++)
        for (int i = 0; i < pairs; i++) {
            double angle = position * pow(base, -2.0 * i / hp->rope_dims) / divide / (factors ? factors[i] : 1);
            double *p = x + h * length + (b->halves ? i : 2 * i), *q = p + (b->halves ? pairs : 1);
            double first = *p * magnitude, second = *q * magnitude;
            *p = first * cos(angle) - second * sin(angle);
            *q = first * sin(angle) + second * cos(angle);
        }
    free(factors);
}

/* Keys and values of every position so far, per layer. */
struct past {
    double k[LAYERS][LONG][WIDE], v[LAYERS][LONG][WIDE];
};

static double capped(double x, double cap)
{
    return cap > 0 ? cap * tanh(x / cap) : x;
}

static void project(const struct model *m, int layer, const double *n, double *q, double *k, double *v)
{
    const struct layer_shape *s = &m->hp.layer[layer];
    int embd = m->hp.embd, qs = s->heads * s->key_length, ks = s->kv_heads * s->key_length;
    int vs = s->kv_heads * s->value_length;
    bool fused = has(m, layer, "attn_qkv.weight");
    rows_times(m, layer, fused ? "attn_qkv" : "attn_q", 0, n, embd, q, qs);
    rows_times(m, layer, fused ? "attn_qkv" : "attn_k", fused ? qs : 0, n, embd, k, ks);
    rows_times(m, layer, fused ? "attn_qkv" : "attn_v", fused ? qs + ks : 0, n, embd, v, vs);
}

/* One head's sum of values, by the softmax of its scores and maybe a sink. */
static void attend(const struct model *m, const struct plain_block *b, int layer, const struct past *past,
                   int position, int head, const double *q, double *mixed)
{
    const struct layer_shape *s = &m->hp.layer[layer];
    double scale = m->hp.attention_scale ? m->hp.attention_scale : 1 / sqrt(s->key_length);
    double *sinks = values(m, layer, "attn_sinks.weight"), weight[LONG], whole = sinks ? exp(sinks[head]) : 0;
    int kv = head / (s->heads / s->kv_heads), first = windowed(b, layer) ? position - b->window + 1 : 0;
    for (int p = first > 0 ? first : 0; p <= position; p++) {
        double score = 0;
        for (int i = 0; i < s->key_length; i++)
            score += q[i] * past->k[layer][p][kv * s->key_length + i];
        whole += weight[p] = exp(capped(score * scale, m->hp.attn_softcap));
    }
    for (int i = 0; i < s->value_length; i++) {
        mixed[i] = 0;
        for (int p = first > 0 ? first : 0; p <= position; p++)
            mixed[i] += weight[p] / whole * past->v[layer][p][kv * s->value_length + i];
    }
    free(sinks);
}

static void add_to(const struct model *m, double *x, const double *branch)
{
    for (int i = 0; i < m->hp.embd; i++)
        x[i] += branch[i] * (m->hp.residual_scale ? m->hp.residual_scale : 1);
}

static void plain_attention(const struct model *m, const struct plain_block *b, int layer, struct past *past,
                            int position, double *x)
{
    const struct layer_shape *s = &m->hp.layer[layer];
    int embd = m->hp.embd, d = s->key_length;
    double n[WIDE], q[WIDE], mixed[WIDE], out[WIDE], *k = past->k[layer][position], *v = past->v[layer][position];
    norm(m, layer, "attn_norm.weight", x, n, embd, embd);
    project(m, layer, n, q, k, v);
    norm(m, layer, "attn_q_norm.weight", q, q, s->heads * d, b->whole_norms ? s->heads * d : d);
    norm(m, layer, "attn_k_norm.weight", k, k, s->kv_heads * d, b->whole_norms ? s->kv_heads * d : d);
    turn(m, b, layer, q, s->heads, d, position);
    turn(m, b, layer, k, s->kv_heads, d, position);
    for (int h = 0; h < s->heads; h++)
        attend(m, b, layer, past, position, h, q + h * d, mixed + h * s->value_length);
    times(m, layer, "attn_output", mixed, s->heads * s->value_length, out, embd);
    if (!b->ffn_norm)
        norm(m, layer, "post_attention_norm.weight", out, out, embd, embd);
    add_to(m, x, out);
}

/* -------------------------------------------------------------- feed-forward */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double gated(enum plain_gate gate, double g, double u)
{
    if (gate == PLAIN_SILU)
        return g * sigmoid(g) * u;
    if (gate == PLAIN_GELU)
        return 0.5 * g * (1 + tanh(sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * u;
    g = fmin(g, 7);
    return g * sigmoid(1.702 * g) * (fmax(fmin(u, 7), -7) + 1);
}

/* down(act(gate(n)) · up(n)) of the tensors ffn_*SUFFIX, of which `expert` is the n-th part. */
static void dense(const struct model *m, const struct plain_block *b, int layer, const char *suffix, int expert,
                  int ffn, const double *n, double *out)
{
    char gate[32], up[32], down[32];
    double g[WIDE], u[WIDE];
    int embd = m->hp.embd;
    snprintf(gate, sizeof gate, "ffn_gate%s", suffix);
    snprintf(up, sizeof up, "ffn_up%s", suffix);
    snprintf(down, sizeof down, "ffn_down%s", suffix);
    bool below = strcmp(suffix, "_exps") == 0 && has(m, layer, "ffn_gate_up_exps.weight");
    bool fused = below || (!*suffix && !has(m, layer, "ffn_gate.weight"));
    const char *one = below ? "ffn_gate_up_exps" : up;
    int first = expert * (fused ? 2 * ffn : ffn);
    rows_times(m, layer, fused ? one : gate, first, n, embd, g, ffn);
    rows_times(m, layer, one, fused ? first + ffn : first, n, embd, u, ffn);
    for (int i = 0; i < ffn; i++)
        g[i] = gated(b->gate, g[i], u[i]);
    rows_times(m, layer, down, expert * embd, g, ffn, out, embd);
}

/* The highest that is not taken yet, the first of equals. */
static int best(const double *score, const bool *taken, int n)
{
    int at = -1;
    for (int i = 0; i < n; i++)
        if (!taken[i] && (at < 0 || score[i] > score[at]))
            at = i;
    return at;
}

static void mixture(const struct model *m, const struct plain_block *b, int layer, const double *n, double *out)
{
    double score[WIDE], one[WIDE], all = 0, chosen_share = 0, gate = 1;
    bool taken[WIDE] = {false};
    int chosen[WIDE], embd = m->hp.embd, used = m->hp.experts_used;
    times(m, layer, "ffn_gate_inp", n, embd, score, m->hp.experts);
    for (int i = 0; i < m->hp.experts; i++)
        all += exp(score[i]);
    for (int i = 0; i < used; i++) {
        chosen[i] = best(score, taken, m->hp.experts);
        taken[chosen[i]] = true;
        chosen_share += exp(score[chosen[i]]);
    }
    memset(out, 0, embd * sizeof *out);
    for (int i = 0; i < used; i++) {
        double share = exp(score[chosen[i]]) / (b->share_all ? all : chosen_share);
        dense(m, b, layer, "_exps", chosen[i], m->hp.layer[layer].ffn, n, one);
        for (int k = 0; k < embd; k++)
            out[k] += share * (m->hp.expert_scale ? m->hp.expert_scale : 1) * one[k];
    }
    if (!has(m, layer, "ffn_up_shexp.weight"))
        return;
    if (has(m, layer, "ffn_gate_inp_shexp.weight")) {
        times(m, layer, "ffn_gate_inp_shexp", n, embd, &gate, 1);
        gate = sigmoid(gate);
    }
    dense(m, b, layer, "_shexp", 0, m->hp.shared_ffn, n, one);
    for (int k = 0; k < embd; k++)
        out[k] += gate * one[k];
}

static void plain_feed_forward(const struct model *m, const struct plain_block *b, int layer, double *x)
{
    int embd = m->hp.embd;
    double n[WIDE], out[WIDE];
    norm(m, layer, b->ffn_norm ? b->ffn_norm : "ffn_norm.weight", x, n, embd, embd);
    if (has(m, layer, "ffn_gate_inp.weight"))
        mixture(m, b, layer, n, out);
    else
        dense(m, b, layer, "", 0, m->hp.layer[layer].ffn, n, out);
    norm(m, layer, "post_ffw_norm.weight", out, out, embd, embd);
    add_to(m, x, out);
}

/* --------------------------------------------------------------- whole model */

static double or_one(double scale)
{
    return scale ? scale : 1;
}

static void plain_logits(const struct model *m, const struct plain_block *b, const double *x, double *out)
{
    const struct hparams *hp = &m->hp;
    double n[WIDE], scale = or_one(hp->logit_scale);
    norm(m, -1, "output_norm.weight", x, n, hp->embd, hp->embd);
    times(m, -1, model_tensor(m, "output.weight") ? "output" : "token_embd", n, hp->embd, out, hp->vocab);
    for (int i = 0; i < hp->vocab; i++)
        out[i] = capped(b->divide_logits ? out[i] / scale : out[i] * scale, hp->final_softcap);
}

double *plain_forward(const struct model *m, const struct plain_block *b, const int32_t *tokens, int count)
{
    const struct hparams *hp = &m->hp;
    struct past *past = xcalloc(1, sizeof *past);
    double *embd = values(m, -1, "token_embd.weight");
    double *logits = xmalloc((int64_t)count * hp->vocab * sizeof *logits);
    assert_true(count <= LONG && hp->layers <= LAYERS);
    for (int t = 0; t < count; t++) {
        double x[WIDE], scale = b->embedding_scale ? b->embedding_scale : or_one(hp->embedding_scale);
        for (int i = 0; i < hp->embd; i++)
            x[i] = embd[(int64_t)tokens[t] * hp->embd + i] * scale;
        for (int layer = 0; layer < hp->layers; layer++) {
            plain_attention(m, b, layer, past, t, x);
            plain_feed_forward(m, b, layer, x);
        }
        plain_logits(m, b, x, logits + (int64_t)t * hp->vocab);
    }
    free(past);
    free(embd);
    return logits;
}
