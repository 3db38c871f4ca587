#include "calib/walk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    ALIGNMENT = 64,
    ROWS_AT_ONCE = 4096, /* of a weight outside of layers */
};

int walk_experts(const struct tensor *t)
{
    return t->dims > 2 ? (int)t->shape[2] : 1;
}

static int index_of(const struct walk *w, const struct tensor *t)
{
    return (int)(t - w->fork->tensors);
}

static struct layerwise_tensor *made_of(const struct walk *w, const struct tensor *t)
{
    return &w->made->tensors[index_of(w, t)];
}

static const struct tensor *source_of(const struct walk *w, const struct tensor *t)
{
    return &w->job->model->tensors[index_of(w, t)];
}

bool walk_wants(const struct walk *w, const struct tensor *t)
{
    return w->rooms[index_of(w, t)] && !made_of(w, t)->to;
}

/* NULL: only the method can decode what it makes of the tensor. */
static const struct quant_type *type_of(const struct walk *w, const struct tensor *t)
{
    const struct layerwise_method *m = w->job->method;
    return m->type ? m->type(m->user, source_of(w, t)) : NULL;
}

/* ----------------------------------------------------------------------- places */

int walk_step_of(const struct walk *w, const struct tensor *t)
{
    if (t->layer >= 0)
        return t->layer + 1;
    return t->role == ROLE_OUTPUT ? w->fork->hp.layers + 1 : 0;
}

/* Outside of layers there are inputs for the output alone; and rows of an embedding are read one by one, so that it
 * must have a type. */
static uint64_t room_of(const struct walk *w, const struct tensor *t)
{
    bool embedding = t->role == ROLE_TOKEN_EMBD && !t->bias && type_of(w, t);
    if (t->layer < 0 && !embedding && (t->role != ROLE_OUTPUT || t->bias))
        return 0;
    return w->job->method->bytes(w->job->method->user, source_of(w, t));
}

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* In a step's room each tensor has this, then its bytes. */
struct record {
    struct feedback_result result;
    int damaged;
    bool made;
};
enum { RESULT_BYTES = (sizeof(struct record) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };

void walk_lay_out(const struct walk *w, uint64_t *bytes)
{
    memset(bytes, 0, (w->fork->hp.layers + 2) * sizeof *bytes);
    for (int i = 0; i < w->fork->tensor_count; i++) {
        uint64_t room = room_of(w, &w->fork->tensors[i]);
        if (room)
            bytes[walk_step_of(w, &w->fork->tensors[i])] += RESULT_BYTES + aligned(room);
    }
}

void walk_place(struct walk *w)
{
    uint64_t *used = xcalloc(w->fork->hp.layers + 2, sizeof *used);
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct tensor *t = &w->fork->tensors[i];
        uint64_t room = room_of(w, t), *at = &used[walk_step_of(w, t)];
        if (!room)
            continue;
        w->rooms[i] = layer_store_room(&w->made->store, walk_step_of(w, t)) + *at + RESULT_BYTES;
        *at += RESULT_BYTES + aligned(room);
    }
    free(used);
}

/* ------------------------------------------------------------------------ floats */

/* Without the numbers of the original. */
static float *hold_empty(struct walk *w, struct tensor *t)
{
    float **x = &w->held[index_of(w, t)];
    if (!*x)
        *x = xaligned(tensor_elements(t) * sizeof **x);
    t->type = quant_type(QUANT_F32);
    t->bytes = tensor_elements(t) * sizeof **x;
    t->data = (const unsigned char *)*x;
    t->source = NULL;
    return *x;
}

void walk_note(const struct walk *w, const char *fmt, ...)
{
    const struct layerwise_listener *l = w->job->listener;
    va_list ap;
    if (!l || !l->note)
        return;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    l->note(l->user, text);
    free(text);
}

float *walk_hold(struct walk *w, struct tensor *t)
{
    if (w->held[index_of(w, t)])
        return w->held[index_of(w, t)];
    float *x = hold_empty(w, t);
    walk_read_sound(w, t, 0, tensor_elements(t) / t->shape[0], x);
    return x;
}

static void let_go(struct walk *w, int i)
{
    free(w->held[i]);
    w->held[i] = NULL;
}

/* The fork's tensor is the original's again. */
static void restore(struct walk *w, int i)
{
    let_go(w, i);
    w->fork->tensors[i] = w->sound->tensors[i];
}

void walk_use_up(struct walk *w, int layer, enum decoder_stage stage)
{
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct tensor *t = &w->fork->tensors[i];
        if (w->held[i] && t->layer == layer && !t->bias && decoder_meets(t->role) < stage)
            restore(w, i);
    }
}

void walk_release(struct walk *w, int step)
{
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct tensor *t = &w->job->model->tensors[i];
        if (w->held[i])
            restore(w, i);
        if (walk_step_of(w, t) == step)
            tensor_forget(t, 0, tensor_elements(t));
    }
}

/* ---------------------------------------------------------------------- encoding */

static void keep_worst(struct feedback_result *kept, const struct feedback_result *r, bool first)
{
    kept->inputs = first ? r->inputs : fmin(kept->inputs, r->inputs);
    kept->loss = first ? r->loss : fmax(kept->loss, r->loss);
    kept->damp = fmax(kept->damp, r->damp);
    kept->plain += r->plain;
}

/* The rows of a weight from `first` on, as a part of its tensor. */
static struct layerwise_weight part_of(const struct walk *w, struct tensor *t, float *x, int64_t first, int64_t rows)
{
    int64_t all = tensor_elements(t) / t->shape[0];
    uint64_t bytes = room_of(w, t) / all;
    return (struct layerwise_weight){.tensor = t, .source = source_of(w, t), .w = x, .rows = rows, .columns = t->shape[0],
                                     .to = w->rooms[index_of(w, t)] + first * bytes};
}

/* A weight counts as encoded from here on. */
static void mark(struct walk *w, const struct tensor *t, int expert)
{
    bool **encoded = &w->encoded[index_of(w, t)];
    if (!*encoded)
        *encoded = xcalloc(walk_experts(t), sizeof **encoded);
    (*encoded)[expert] = true;
}

static void encode_group(struct walk *w, struct walk_group *g)
{
    const struct layerwise_method *m = w->job->method;
    g->group.h = &g->hessian;
    m->encode(m->user, &g->group);
    for (int k = 0; k < g->group.count; k++) {
        struct layerwise_weight *weight = &g->group.weights[k];
        struct feedback_result *kept = &made_of(w, weight->tensor)->result;
        weight->result.inputs = g->hessian.rows;
        keep_worst(kept, &weight->result, isnan(kept->inputs));
        mark(w, weight->tensor, g->group.expert);
        if (weight->tensor->layer >= 0 && !type_of(w, weight->tensor))
            m->decode(m->user, weight);
    }
}

/* As if nothing was known of its inputs. */
static void encode_plain(struct walk *w, const struct layerwise_weight *weight, int layer, int expert)
{
    struct walk_group g = {.hessian = {.columns = weight->columns, .rows = NAN},
                           .group = {.layer = layer, .expert = expert, .count = 1, .weights = {*weight}}};
    encode_group(w, &g);
}

/* Damaged ones by themselves: what their zeros change in the outputs is not for others to make good. */
static void encode_sound(struct walk *w, struct walk_group *g)
{
    int sound = 0;
    for (int k = 0; k < g->group.count; k++) {
        const struct layerwise_weight *weight = &g->group.weights[k];
        if (walk_is_damaged(w, weight->tensor, g->group.expert)) {
            encode_plain(w, weight, g->group.layer, g->group.expert);
            made_of(w, weight->tensor)->damaged++;
        } else
            g->group.weights[sound++] = *weight;
    }
    g->group.count = sound;
    if (sound)
        encode_group(w, g);
}

static void encode_in_layer(struct walk *w, struct walk_group *g)
{
    for (int k = 0; k < g->group.count; k++) {
        struct layerwise_weight *weight = &g->group.weights[k];
        int64_t first = g->group.expert * weight->rows;
        float *x = walk_hold(w, weight->tensor) + first * weight->columns;
        *weight = part_of(w, weight->tensor, x, first, weight->rows);
    }
    encode_sound(w, g);
}

/* These are wide: some rows at a time. */
static void encode_outside(struct walk *w, struct walk_group *g)
{
    struct tensor *t = g->group.weights[0].tensor;
    int64_t columns = t->shape[0];
    float *x = xaligned(ROWS_AT_ONCE * columns * sizeof *x);
    for (int64_t r = 0; r < t->shape[1]; r += ROWS_AT_ONCE) {
        int64_t rows = t->shape[1] - r < ROWS_AT_ONCE ? t->shape[1] - r : ROWS_AT_ONCE;
        bool damaged = walk_read_sound(w, t, r, rows, x) > 0;
        g->group.weights[0] = part_of(w, t, x, r, rows);
        if (damaged)
            encode_plain(w, &g->group.weights[0], g->group.layer, 0);
        else
            encode_group(w, g);
        made_of(w, t)->damaged += damaged;
    }
    free(x);
}

/* From here on the tensor is what was made of it. */
static void replace(struct walk *w, struct tensor *t)
{
    int i = index_of(w, t);
    made_of(w, t)->to = w->rooms[i];
    if (!type_of(w, t))
        return;
    let_go(w, i);
    t->type = type_of(w, t);
    t->bytes = quant_bytes(t->type, tensor_elements(t));
    t->data = w->rooms[i];
    t->source = NULL;
}

/* Experts that no input reached have nothing to go by. */
static void encode_unreached(struct walk *w, struct tensor *t)
{
    for (int e = 0; e < walk_experts(t); e++) {
        struct walk_group g = {.hessian = {.columns = t->shape[0]}, .group = {.layer = t->layer, .expert = e, .count = 1}};
        g.group.weights[0] = (struct layerwise_weight){.tensor = t, .rows = t->shape[1], .columns = t->shape[0]};
        if (!w->encoded[index_of(w, t)][e])
            encode_in_layer(w, &g);
    }
}

static void finish(struct walk *w, int i)
{
    encode_unreached(w, &w->fork->tensors[i]);
    replace(w, &w->fork->tensors[i]);
    free(w->encoded[i]);
    w->encoded[i] = NULL;
}

void walk_encode_some(struct walk *w)
{
    for (int i = 0; i < w->count; i++)
        (w->groups[i].group.layer < 0 ? encode_outside : encode_in_layer)(w, &w->groups[i]);
}

void walk_encode(struct walk *w)
{
    walk_encode_some(w);
    for (int i = 0; i < w->fork->tensor_count; i++)
        if (w->encoded[i])
            finish(w, i);
}

void walk_encode_embedding(struct walk *w)
{
    struct tensor *t = (struct tensor *)model_role(w->fork, ROLE_TOKEN_EMBD, -1);
    if (!t || !walk_wants(w, t))
        return;
    struct walk_group g = {.hessian = {.columns = t->shape[0]}, .group = {.layer = -1, .count = 1}};
    g.group.weights[0].tensor = t;
    encode_outside(w, &g);
    finish(w, index_of(w, t));
}

/* ------------------------------------------------------------------ what was made */

static bool is_of_step(const struct walk *w, int i, int step)
{
    return w->rooms[i] && walk_step_of(w, &w->fork->tensors[i]) == step;
}

static struct record *record_of(const struct walk *w, int i)
{
    return (struct record *)(w->rooms[i] - RESULT_BYTES);
}

void walk_keep_results(const struct walk *w, int step)
{
    for (int i = 0; i < w->fork->tensor_count; i++)
        if (is_of_step(w, i, step))
            *record_of(w, i) = (struct record){w->made->tensors[i].result, w->made->tensors[i].damaged,
                                               w->made->tensors[i].to};
}

unsigned char *walk_room(struct walk *w, struct tensor *t)
{
    return made_of(w, t)->to = w->rooms[index_of(w, t)];
}

/* All experts of a tensor at once. */
static void decode_all(struct walk *w, struct tensor *t)
{
    const struct layerwise_method *m = w->job->method;
    float *x = hold_empty(w, t);
    int64_t rows = t->dims > 1 ? t->shape[1] : 1;
    for (int e = 0; e < walk_experts(t); e++) {
        struct layerwise_weight weight = part_of(w, t, x + e * rows * t->shape[0], e * rows, rows);
        m->decode(m->user, &weight);
    }
}

void walk_take_over(struct walk *w, int step)
{
    for (int i = 0; i < w->fork->tensor_count; i++) {
        struct tensor *t = &w->fork->tensors[i];
        if (!is_of_step(w, i, step) || !record_of(w, i)->made)
            continue;
        w->made->tensors[i].result = record_of(w, i)->result;
        w->made->tensors[i].damaged = record_of(w, i)->damaged;
        if (t->layer >= 0 && !type_of(w, t))
            decode_all(w, t);
        replace(w, t);
    }
}

char *walk_plain(const struct walk *w, int step)
{
    struct str s = {0};
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct tensor *t = &w->fork->tensors[i];
        int plain = w->made->tensors[i].result.plain - w->made->tensors[i].damaged;
        if (t->layer < 0 || !plain || !is_of_step(w, i, step))
            continue;
        str_add(&s, s.length ? ", " : "");
        if (walk_experts(t) > 1)
            str_addf(&s, "%d of %d experts of ", plain, walk_experts(t));
        str_add(&s, t->name);
    }
    return s.length ? str_take(&s) : NULL;
}

struct layerwise_report walk_report(const struct walk *w, int step)
{
    struct layerwise_report r = {.layer = step - 1, .layers = w->fork->hp.layers, .loss = NAN, .inputs = NAN};
    int known = 0;
    double loss = 0;
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct feedback_result *x = &w->made->tensors[i].result;
        if (!is_of_step(w, i, step) || !w->made->tensors[i].to)
            continue;
        r.tensors++;
        r.plain += x->plain > 0;
        r.damp = fmax(r.damp, x->damp);
        r.inputs = fmin(r.inputs, x->inputs); /* fmin leaves out what is not a number */
        loss += isnan(x->loss) ? 0 : x->loss;
        known += !isnan(x->loss);
    }
    r.loss = known ? loss / known : NAN;
    return r;
}
