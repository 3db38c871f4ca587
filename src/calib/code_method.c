#include "calib/code_method.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/awq.h"
#include "calib/code_grid.h"
#include "calib/fold.h"
#include "calib/smooth.h"
#include "calib/walk.h"
#include "pack/codes.h"
#include "pack/pack.h"

static bool is_wanted(const struct code_method *c, const struct tensor *t)
{
    return c->wanted[t - c->model->tensors];
}

static bool folds(const struct scheme *s)
{
    return s->format == &pack_awq || s->smooth;
}

/* -------------------------------------------------------------------- the store */

/* Of a weight (of an expert): scales, the columns' groups where these are out of order, zero points, codes. */
static uint64_t codes_bytes(const struct scheme *s, int64_t rows, int64_t columns)
{
    uint64_t groups = scheme_groups(s, columns);
    return rows * groups * (sizeof(float) + 1) + (s->act_order ? columns * sizeof(int32_t) : 0) + rows * columns;
}

/* The walk shares a tensor's room out by rows. */
static uint64_t row_bytes(const struct scheme *s, int64_t rows, int64_t columns)
{
    uint64_t bytes = (codes_bytes(s, rows, columns) + rows - 1) / rows;
    return (bytes + sizeof(float) - 1) / sizeof(float) * sizeof(float);
}

static struct codes codes_at(const struct scheme *s, unsigned char *to, int64_t rows, int64_t columns)
{
    int64_t groups = scheme_groups(s, columns);
    struct codes c = {.rows = rows, .columns = columns, .group = (int)scheme_group(s, columns)};
    c.scales = (float *)to;
    to += rows * groups * sizeof *c.scales;
    if (s->act_order) {
        c.group_of = (const int32_t *)to;
        to += columns * sizeof *c.group_of;
    }
    c.zeros = to;
    c.codes = to + rows * groups;
    return c;
}

struct codes code_method_codes(const struct code_method *c, const struct tensor *t, const unsigned char *to, int expert)
{
    int64_t rows = t->shape[1], columns = t->shape[0];
    return codes_at(c->scheme, (unsigned char *)to + expert * rows * row_bytes(c->scheme, rows, columns), rows, columns);
}

static bool may_be_folded_into(const struct code_method *c, const struct tensor *t)
{
    return folds(c->scheme) && t->layer >= 0 && t->dims == 1 && (t->bias || t->role == ROLE_ATTN_NORM ||
           t->role == ROLE_FFN_NORM || t->role == ROLE_ATTN_POST_NORM);
}

static uint64_t bytes(void *user, const struct tensor *t)
{
    const struct code_method *c = user;
    if (is_wanted(c, t))
        return tensor_elements(t) / t->shape[0] * row_bytes(c->scheme, t->shape[1], t->shape[0]);
    return may_be_folded_into(c, t) ? tensor_elements(t) * sizeof(float) : 0;
}

static void decode(void *user, const struct layerwise_weight *w)
{
    const struct code_method *c = user;
    if (is_wanted(c, w->source)) {
        struct codes codes = codes_at(c->scheme, w->to, w->rows, w->columns);
        codes_floats(&codes, w->w);
    } else
        memcpy(w->w, w->to, w->rows * w->columns * sizeof *w->w);
}

/* ------------------------------------------------------------------------ codes */

static void encode_weight(const struct code_feedback *f, struct layerwise_weight *w)
{
    struct codes c = codes_at(f->scheme, w->to, w->rows, w->columns);
    int32_t *group_of = (int32_t *)c.group_of;
    code_feedback_encode(f, w->w, w->rows, &c, &w->result);
    for (int64_t j = 0; group_of && j < w->columns; j++)
        group_of[j] = c.group_of ? c.group_of[j] : (int32_t)(j / c.group);
}

static void encode(void *user, struct layerwise_group *g)
{
    const struct code_method *c = user;
    struct code_feedback f;
    if (g->h->rows > 0 && !c->nearest)
        code_feedback_init(&f, c->scheme, g->h, FEEDBACK_DAMP);
    else
        code_feedback_nearest(&f, c->scheme, g->h);
    for (int i = 0; i < g->count; i++)
        encode_weight(&f, &g->weights[i]);
    code_feedback_done(&f);
}

/* ---------------------------------------------------------------------- makers */

/* What makes the inputs of a group: `rows` rows of a tensor of the fork, from `first` on, and of its bias. A row makes
 * `heads` inputs, one in each of neighbouring runs of `head` columns (values that several heads of queries share). */
struct maker {
    struct tensor *tensor;
    int64_t first, rows;
    int heads;
    int64_t head;
};

static struct tensor *weight_of(const struct layerwise_layer *l, enum tensor_role role)
{
    return (struct tensor *)model_role(l->fork, role, l->layer);
}

static struct tensor *bias_of(const struct layerwise_layer *l, const struct tensor *weight)
{
    for (int i = 0; i < l->fork->tensor_count; i++) {
        struct tensor *t = &l->fork->tensors[i];
        if (t->bias && t->role == weight->role && t->layer == weight->layer)
            return t;
    }
    return NULL;
}

/* All weights of these roles that the layer has are in the group. */
static bool has_all(const struct layerwise_layer *l, const struct layerwise_group *g, const enum tensor_role *roles, int n)
{
    for (int i = 0; i < n; i++) {
        bool found = !weight_of(l, roles[i]);
        for (int k = 0; k < g->count; k++)
            found |= g->weights[k].tensor == weight_of(l, roles[i]);
        if (!found)
            return false;
    }
    return true;
}

static bool norm_makes(const struct layerwise_layer *l, enum tensor_role norm, struct maker *m)
{
    *m = (struct maker){.tensor = weight_of(l, norm), .heads = 1};
    m->rows = m->tensor ? tensor_elements(m->tensor) : 0;
    return m->tensor;
}

static bool attention_norm(const struct layerwise_layer *l, const struct layerwise_group *g, struct maker *m)
{
    static const enum tensor_role readers[] = {ROLE_ATTN_QKV, ROLE_ATTN_Q, ROLE_ATTN_K, ROLE_ATTN_V};
    return l->fork->arch->norms != NORMS_AFTER && has_all(l, g, readers, ARRAY_LENGTH(readers)) &&
           norm_makes(l, ROLE_ATTN_NORM, m);
}

static bool feed_forward_norm(const struct layerwise_layer *l, const struct layerwise_group *g, struct maker *m)
{
    static const enum tensor_role readers[] = {ROLE_FFN_GATE, ROLE_FFN_UP};
    enum tensor_role norm = l->fork->arch->ffn_norm_after_attention ? ROLE_ATTN_POST_NORM : ROLE_FFN_NORM;
    return l->fork->arch->norms != NORMS_AFTER && !weight_of(l, ROLE_FFN_GATE_INP) &&
           has_all(l, g, readers, ARRAY_LENGTH(readers)) && norm_makes(l, norm, m);
}

static bool values(const struct layerwise_layer *l, const struct layerwise_group *g, struct maker *m)
{
    const struct layer_shape *s = &l->fork->hp.layer[l->layer];
    int64_t rows = (int64_t)s->kv_heads * s->value_length;
    struct tensor *v = weight_of(l, ROLE_ATTN_V), *fused = weight_of(l, ROLE_ATTN_QKV);
    *m = (struct maker){.tensor = v ? v : fused, .rows = rows, .head = s->value_length};
    m->heads = s->kv_heads > 0 && s->heads % s->kv_heads == 0 ? s->heads / s->kv_heads : 0;
    if (!m->tensor || !m->heads || rows * m->heads != g->weights[0].columns || m->tensor->shape[1] < rows)
        return false;
    m->first = m->tensor->shape[1] - rows;
    return v ? m->first == 0 : true;
}

/* Linear in up, whatever the gate's curve; but gpt-oss adds to up and cuts it off. */
static bool up(const struct layerwise_layer *l, const struct layerwise_group *g, struct maker *m)
{
    enum tensor_role role = g->weights[0].tensor->role, fused = ROLE_FFN_GATE_UP_EXPS;
    enum tensor_role of = role == ROLE_FFN_DOWN ? ROLE_FFN_UP
                        : role == ROLE_FFN_DOWN_SHEXP ? ROLE_FFN_UP_SHEXP
                        : weight_of(l, ROLE_FFN_UP_EXPS) ? ROLE_FFN_UP_EXPS : fused;
    *m = (struct maker){.tensor = weight_of(l, of), .rows = g->weights[0].columns, .heads = 1};
    if (!m->tensor || l->fork->arch->gate == GATE_CLAMPED)
        return false;
    bool gate_first = m->tensor->shape[1] == 2 * m->rows;
    m->first = g->expert * m->tensor->shape[1] + (gate_first ? m->rows : 0);
    return gate_first || m->tensor->shape[1] == m->rows;
}

static const struct {
    enum tensor_role role;     /* of a group's first weight */
    bool smooth;               /* SmoothQuant folds here, too */
    bool (*find)(const struct layerwise_layer *l, const struct layerwise_group *g, struct maker *m);
} makers[] = {
    {ROLE_ATTN_Q, true, attention_norm}, {ROLE_ATTN_QKV, true, attention_norm},
    {ROLE_ATTN_OUTPUT, false, values},
    {ROLE_FFN_GATE, true, feed_forward_norm}, {ROLE_FFN_UP, true, feed_forward_norm},
    {ROLE_FFN_DOWN, false, up}, {ROLE_FFN_DOWN_SHEXP, false, up}, {ROLE_FFN_DOWN_EXPS, false, up},
};

/* What scales go into must be written again: weights that become codes, and what has room in the store. */
static bool is_written(const struct code_method *c, const struct layerwise_layer *l, const struct tensor *t)
{
    return bytes((void *)c, &c->model->tensors[t - l->fork->tensors]);
}

static bool find_maker(const struct code_method *c, const struct layerwise_layer *l, const struct layerwise_group *g,
                       struct maker *m)
{
    for (size_t i = 0; i < ARRAY_LENGTH(makers); i++) {
        if (makers[i].role != g->weights[0].tensor->role || (c->scheme->smooth && !makers[i].smooth))
            continue;
        if (!makers[i].find(l, g, m) || !is_written(c, l, m->tensor))
            return false;
        const struct tensor *bias = bias_of(l, m->tensor);
        return !bias || is_written(c, l, bias);
    }
    return false;
}

/* --------------------------------------------------------------------- folding */

static int64_t row_of(const struct maker *m, int64_t column)
{
    return m->heads == 1 ? column : column / (m->head * m->heads) * m->head + column % m->head;
}

/* Numbers of inputs that share a row are made alike: their mean. */
static void share(const struct maker *m, float *x, int64_t columns)
{
    float *mean = xcalloc(m->rows, sizeof *mean);
    for (int64_t j = 0; j < columns; j++)
        mean[row_of(m, j)] += x[j] / (float)m->heads;
    for (int64_t j = 0; j < columns; j++)
        x[j] = mean[row_of(m, j)];
    free(mean);
}

static void find_scales_of_awq(const struct scheme *s, const struct layerwise_group *g, const struct maker *m,
                               float *scales)
{
    const struct hessian *h = g->h;
    struct awq_weight weights[LAYERWISE_GROUP];
    float *size = xmalloc(h->columns * sizeof *size);
    for (int64_t j = 0; j < h->columns; j++)
        size[j] = (float)(h->size[j] / h->rows);
    share(m, size, h->columns);
    for (int k = 0; k < g->count; k++)
        weights[k] = (struct awq_weight){g->weights[k].w, g->weights[k].rows};
    awq_search(s, h, size, weights, g->count, scales);
    free(size);
}

static void find_scales_of_smooth(const struct layerwise_group *g, float *scales)
{
    float *most = xcalloc(g->h->columns, sizeof *most);
    for (int k = 0; k < g->count; k++)
        smooth_meet(most, g->weights[k].w, g->weights[k].rows, g->weights[k].columns);
    smooth_scales(g->h->most, most, g->h->columns, scales);
    free(most);
}

static void fold_into(const struct layerwise_layer *l, const struct maker *m, struct tensor *t, int64_t columns,
                      const float *scales)
{
    float *x = walk_hold(l->walk, t);
    fold_rows(x + m->first * columns, m->rows, columns, scales);
    if (t->dims == 1)
        memcpy(walk_room(l->walk, t), x, tensor_elements(t) * sizeof *x);
}

static void fold(const struct layerwise_layer *l, const struct layerwise_group *g, const struct maker *m,
                 const float *scales)
{
    struct tensor *bias = bias_of(l, m->tensor);
    float *of_rows = xmalloc(m->rows * sizeof *of_rows);
    for (int64_t j = 0; j < g->h->columns; j++)
        of_rows[row_of(m, j)] = scales[j];
    for (int k = 0; k < g->count; k++)
        fold_columns(g->weights[k].w, g->weights[k].rows, g->weights[k].columns, scales);
    fold_into(l, m, m->tensor, m->tensor->dims > 1 ? m->tensor->shape[0] : 1, of_rows);
    if (bias)
        fold_into(l, m, bias, 1, of_rows);
    free(of_rows);
}

static int prepare(void *user, struct layerwise_layer *l, struct error *e)
{
    const struct code_method *c = user;
    (void)e;
    for (int i = 0; i < l->count; i++) {
        const struct layerwise_group *g = &l->groups[i];
        struct maker m;
        if (g->h->rows <= 0 || !find_maker(c, l, g, &m))
            continue;
        float *scales = xmalloc(g->h->columns * sizeof *scales);
        if (c->scheme->smooth)
            find_scales_of_smooth(g, scales);
        else
            find_scales_of_awq(c->scheme, g, &m, scales);
        fold(l, g, &m, scales);
        free(scales);
    }
    return 0;
}

void code_method_init(struct code_method *c, const struct model *model, const struct scheme *s, const bool *wanted,
                      bool nearest)
{
    *c = (struct code_method){
        .method = {.name = s->format->name, .inputs = LAYERWISE_BOTH, .bytes = bytes, .decode = decode,
                   .prepare = folds(s) ? prepare : NULL, .encode = encode},
        .model = model,
        .scheme = s,
        .wanted = wanted,
        .nearest = nearest,
    };
    c->method.user = c;
}
