#include "calib/block_method.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "calib/grid.h"

static const struct quant_type *type(void *user, const struct tensor *t)
{
    const struct block_method *b = user;
    return b->types[t - b->model->tensors];
}

static uint64_t bytes(void *user, const struct tensor *t)
{
    const struct quant_type *to = type(user, t);
    bool made = to && to != t->type && to->encode && to->block > 1 && t->dims > 1 && !t->bias;
    return made ? quant_bytes(to, tensor_elements(t)) : 0;
}

/* Mean squares of the inputs, or NULL where there is nothing to go by. free() it. */
static float *importance_of(const struct hessian *h)
{
    float *x = xmalloc(h->columns * sizeof *x), most = 0;
    for (int64_t j = 0; j < h->columns; j++) {
        x[j] = h->rows > 0 ? h->sum[j * h->columns + j] / (float)h->rows : 0;
        most = x[j] > most || isnan(x[j]) ? x[j] : most;
    }
    if (most > 0 && isfinite(most))
        return x;
    free(x);
    return NULL;
}

/* Types without a grid (quant_type.h): the columns count by their inputs' mean squares. */
static void encode_without_grid(const struct feedback *f, const struct quant_type *to, struct layerwise_weight *w)
{
    float *importance = importance_of(f->hessian);
    feedback_undrift(f, w->w, w->rows);
#pragma omp parallel for schedule(dynamic, 8)
    for (int64_t r = 0; r < w->rows; r++)
        to->encode(w->w + r * w->columns, importance, w->to + quant_bytes(to, r * w->columns), w->columns);
    w->result = (struct feedback_result){.damp = f->damp, .plain = !importance, .loss = NAN};
    free(importance);
}

static void encode(void *user, struct layerwise_group *g)
{
    struct feedback f;
    feedback_init(&f, g->h, FEEDBACK_DAMP);
    for (int i = 0; i < g->count; i++) {
        struct layerwise_weight *w = &g->weights[i];
        const struct quant_type *to = type(user, w->source);
        struct block_grid grid = block_grid(to, w->columns, w->to);
        if (to->sub)
            feedback_encode(&f, &grid.grid, w->w, w->rows, &w->result);
        else
            encode_without_grid(&f, to, w);
    }
    feedback_done(&f);
}

void block_method_init(struct block_method *b, const struct model *model, const struct quant_type *const *types)
{
    *b = (struct block_method){
        .method = {.name = "feedback", .inputs = LAYERWISE_BOTH, .bytes = bytes, .type = type, .encode = encode},
        .model = model,
        .types = types,
    };
    b->method.user = b;
}
