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

/* out[rows][embd] of x[rows][embd]; the two may be one. */
static void feed_forward(struct decoder *d, const struct feed_forward *w, const float *x, int64_t rows,
                         float *out)
{
    int64_t width = w->gate.rows;
    if (!stage_product(d, STAGE_GATE_UP, x, rows, (struct output[]){{&w->gate, d->gate}, {&w->up, d->up}}, 2))
        return;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++)
        d->act(d->gate + r * width, d->up + r * width, width);
    stage_product(d, STAGE_DOWN, d->gate, rows, &(struct output){&w->down, out}, 1);
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

/* Adds what one expert makes of its rows to the sum. */
static void run_expert(struct decoder *d, const struct experts *x, int expert)
{
    const struct routing *g = &d->routing;
    const struct feed_forward w = {.gate = rows_of_expert(&x->first.gate, expert),
                                   .up = rows_of_expert(&x->first.up, expert),
                                   .down = rows_of_expert(&x->first.down, expert)};
    const int64_t *order = g->order + g->start[expert], rows = g->start[expert + 1] - g->start[expert];
    int64_t width = d->model->hp.embd, used = d->model->hp.experts_used;
    if (rows == 0)
        return;
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t i = 0; i < rows; i++)
        memcpy(g->gathered + i * width, d->branch + order[i] / used * width, width * sizeof(float));
    feed_forward(d, &w, g->gathered, rows, g->gathered);
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t i = 0; i < rows; i++)
        d->kernels->add(g->sum + order[i] / used * width, g->gathered + i * width, g->share[order[i]], width);
}

/* What every row goes through, maybe weakened by a gate of its own: sigmoid(shared_gate(x)). */
static void run_shared(struct decoder *d, const struct layer *l, int64_t rows)
{
    const struct routing *g = &d->routing;
    int64_t width = d->model->hp.embd;
    bool gated = l->experts.shared_gate.tensor;
    if (gated)
        product(&d->product, d->branch, rows, &(struct output){&l->experts.shared_gate, g->scores}, 1);
    feed_forward(d, &l->ffn, d->branch, rows, g->gathered);
#pragma omp parallel for num_threads(threads_for(d, rows))
    for (int64_t r = 0; r < rows; r++) {
        float share = gated ? 1 / (1 + expf(-g->scores[r])) : 1;
        d->kernels->add(g->sum + r * width, g->gathered + r * width, share, width);
    }
}

static void mixture(struct decoder *d, const struct layer *l, int64_t rows)
{
    int64_t floats = rows * d->model->hp.embd;
    float *sum = d->routing.sum;
    route(d, &l->experts, rows);
    memset(sum, 0, floats * sizeof *sum);
    for (int e = 0; e < d->model->hp.experts; e++)
        run_expert(d, &l->experts, e);
    if (l->ffn.down.tensor)
        run_shared(d, l, rows);
    d->routing.sum = d->branch;
    d->branch = sum;
}

void feed_forward_block(struct decoder *d, const struct layer *l, int64_t rows)
{
    if (l->experts.router.tensor)
        mixture(d, l, rows);
    else
        feed_forward(d, &l->ffn, d->branch, rows, d->branch);
}
