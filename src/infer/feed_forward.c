/* The second half of a layer:
 *
 *     dense     down( act(gate(x)) · up(x) )
 *     mixture   Σ share(e) · dense of expert e, over the experts that the router chooses for x, and maybe a
 *               shared expert that every x goes to (https://arxiv.org/abs/1701.06538, 2401.06066)
 *
 * Rows are grouped by expert, so that each expert's weights are decoded once for all rows that chose it, and
 * multiplied on all cores. Experts take turns in order, so a row's sum does not depend on the threads. */
#include <math.h>
#include <string.h>

#include "infer/decoder_priv.h"

enum { SERIAL_ROWS = 8 };

int threads_for(const struct decoder *d, int64_t rows)
{
    return rows < SERIAL_ROWS ? 1 : d->threads;
}

/* What is to be done with some rows: all of it, or one stage. */
enum part { MEET_GATE_UP = STAGE_GATE_UP, MEET_DOWN = STAGE_DOWN, LAST_PRODUCT = STAGE_END, ALL };

/* hidden[rows][ffn] = act(gate(x)) · up(x) */
static void enter(struct decoder *d, const struct feed_forward *w, const float *x, int64_t rows, float *hidden)
{
    int64_t width = w->gate.rows;
    product(&d->product, x, rows, (struct output[]){{&w->gate, hidden}, {&w->up, d->up}}, 2);
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++)
        d->act(hidden + r * width, d->up + r * width, width);
}

/* From x[rows][embd] by hidden[rows][ffn] to out[rows][embd]; x and out may be one. */
static void feed_forward(struct decoder *d, const struct feed_forward *w, enum part part, const float *x, int64_t rows,
                         float *hidden, float *out)
{
    const struct output leave = {&w->down, out};
    if (part == MEET_GATE_UP)
        product_tap_inputs(&d->product, x, rows, (struct output[]){{&w->gate, NULL}, {&w->up, NULL}}, 2);
    if (part == MEET_DOWN || part == ALL)
        enter(d, w, x, rows, hidden);
    if (part == MEET_DOWN)
        product_tap_inputs(&d->product, hidden, rows, &leave, 1);
    if (part == LAST_PRODUCT || part == ALL)
        product(&d->product, hidden, rows, &leave, 1);
}

/* ------------------------------------------------------------------- routing */

/* The `used` highest of scores[experts], best first, the earlier of equals; each once, even among NaNs. */
static void choose(const float *scores, int experts, int used, int *chosen)
{
    for (int e = 0, n = 0; e < experts; e++) {
        if (n == used && !(scores[e] > scores[chosen[n - 1]]))
            continue;
        int at = n < used ? n++ : used - 1;
        for (; at > 0 && scores[e] > scores[chosen[at - 1]]; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = e;
    }
}

static void route_row(const struct decoder *d, int64_t row)
{
    const struct hparams *hp = &d->model->hp;
    float *scores = d->routing.scores + row * hp->experts, *share = d->routing.share + row * hp->experts_used;
    int *chosen = d->routing.chosen + row * hp->experts_used;
    choose(scores, hp->experts, hp->experts_used, chosen);
    if (hp->experts_share_all)
        d->kernels->softmax(scores, hp->experts);
    for (int i = 0; i < hp->experts_used; i++)
        share[i] = scores[chosen[i]];
    if (!hp->experts_share_all)
        d->kernels->softmax(share, hp->experts_used);
    for (int i = 0; hp->expert_scale != 0 && i < hp->experts_used; i++)
        share[i] *= (float)hp->expert_scale;
}

/* Counts, then places: each expert's rows in ascending order. */
static void group_by_expert(const struct decoder *d, int64_t rows)
{
    const struct routing *r = &d->routing;
    int experts = d->model->hp.experts;
    int64_t count = rows * d->model->hp.experts_used;
    memset(r->start, 0, (experts + 1) * sizeof *r->start);
    for (int64_t i = 0; i < count; i++)
        r->start[r->chosen[i] + 1]++;
    for (int e = 0; e < experts; e++)
        r->start[e + 1] += r->start[e];
    for (int64_t i = 0; i < count; i++)
        r->order[r->start[r->chosen[i]]++] = i;
    memmove(r->start + 1, r->start, experts * sizeof *r->start);
    r->start[0] = 0;
}

static void route(struct decoder *d, const struct experts *x, int64_t rows)
{
    product(&d->product, d->branch, rows, &(struct output){&x->router, d->routing.scores}, 1);
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++)
        route_row(d, r);
    group_by_expert(d, rows);
}

/* ------------------------------------------------------------------- experts */

static struct weight rows_of_expert(const struct weight *first, int expert)
{
    struct weight w = *first;
    w.first += expert * w.step;
    w.bias = w.bias ? w.bias + expert * w.step : NULL;
    w.expert = expert;
    return w;
}

static void gather(const struct decoder *d, const int64_t *order, int64_t rows)
{
    int64_t width = d->model->hp.embd, used = d->model->hp.experts_used;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t i = 0; i < rows; i++)
        memcpy(d->routing.gathered + i * width, d->branch + order[i] / used * width, width * sizeof(float));
}

static bool ends(enum part part)
{
    return part == LAST_PRODUCT || part == ALL;
}

/* One expert's rows; what it makes of them is added to the sum. kept: [ordered rows][ffn], or NULL */
static void run_expert(struct decoder *d, const struct experts *x, int expert, enum part part, float *kept)
{
    const struct routing *g = &d->routing;
    const struct feed_forward w = {.gate = rows_of_expert(&x->first.gate, expert),
                                   .up = rows_of_expert(&x->first.up, expert),
                                   .down = rows_of_expert(&x->first.down, expert)};
    const int64_t *order = g->order + g->start[expert], rows = g->start[expert + 1] - g->start[expert];
    int64_t width = d->model->hp.embd, used = d->model->hp.experts_used;
    float *hidden = kept ? kept + g->start[expert] * w.gate.rows : d->gate;
    if (rows == 0)
        return;
    if (part != LAST_PRODUCT)
        gather(d, order, rows);
    feed_forward(d, &w, part, g->gathered, rows, hidden, g->gathered);
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t i = 0; i < (ends(part) ? rows : 0); i++)
        d->kernels->add(g->sum + order[i] / used * width, g->gathered + i * width, g->share[order[i]], width);
}

static void add_shared(struct decoder *d, bool gated, int64_t rows)
{
    const struct routing *g = &d->routing;
    int64_t width = d->model->hp.embd;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++) {
        float share = gated ? 1 / (1 + expf(-g->scores[r])) : 1;
        d->kernels->add(g->sum + r * width, g->gathered + r * width, share, width);
    }
}

/* What every row goes through, maybe weakened by a gate of its own: sigmoid(shared_gate(x)). */
static void run_shared(struct decoder *d, const struct layer *l, int64_t rows, enum part part, float *kept)
{
    const struct output gate = {&l->experts.shared_gate, d->routing.scores};
    bool gated = l->experts.shared_gate.tensor;
    if (gated && part == MEET_GATE_UP)
        product_tap_inputs(&d->product, d->branch, rows, &gate, 1);
    if (gated && ends(part))
        product(&d->product, d->branch, rows, &gate, 1);
    feed_forward(d, &l->ffn, part, d->branch, rows, kept ? kept : d->gate, d->routing.gathered);
    if (ends(part))
        add_shared(d, gated, rows);
}

/* The routing is found anew in every stage: it costs little. */
static void mixture(struct decoder *d, const struct layer *l, int64_t rows, enum part part, float *kept)
{
    int64_t floats = rows * d->model->hp.embd;
    float *sum = d->routing.sum, *shared = kept;
    if (kept)
        shared += rows * d->model->hp.experts_used * l->shape->ffn;
    if (part == MEET_GATE_UP)
        product_tap_inputs(&d->product, d->branch, rows, &(struct output){&l->experts.router, NULL}, 1);
    route(d, &l->experts, rows);
    memset(sum, 0, floats * sizeof *sum);
    for (int e = 0; e < d->model->hp.experts; e++)
        run_expert(d, &l->experts, e, part, kept);
    if (l->ffn.down.tensor)
        run_shared(d, l, rows, part, shared);
    d->routing.sum = d->branch;
    d->branch = sum;
}

int64_t feed_forward_kept(const struct decoder *d, const struct layer *l)
{
    const struct hparams *hp = &d->model->hp;
    return l->experts.router.tensor ? (int64_t)hp->experts_used * l->shape->ffn + hp->shared_ffn : l->shape->ffn;
}

static void feed_forward_part(struct decoder *d, const struct layer *l, int64_t rows, enum part part, float *kept)
{
    if (l->experts.router.tensor)
        mixture(d, l, rows, part, kept);
    else
        feed_forward(d, &l->ffn, part, d->branch, rows, kept ? kept : d->gate, d->branch);
}

void feed_forward_block(struct decoder *d, const struct layer *l, int64_t rows)
{
    feed_forward_part(d, l, rows, ALL, NULL);
}

void feed_forward_stage(struct decoder *d, const struct layer *l, enum decoder_stage stage, int64_t rows, float *kept)
{
    feed_forward_part(d, l, rows, (enum part)stage, kept);
}
