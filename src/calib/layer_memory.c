#include "calib/layer_memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "calib/stash.h"
#include "calib/walk.h"
#include "infer/decoder.h"
#include "machine/memory.h"

/* What is left to everybody else, and to what is too small to be counted. */
static const double margin = 0.1;

/* One stage of one layer. */
struct need {
    double weights, moments, factors;
};

static void add_tensor(struct need *n, const struct layerwise_job *j, const struct tensor *t, int experts)
{
    double square = sizeof(float) * pow((double)t->shape[0], 2), all = walk_experts(t);
    bool drift = j->method->inputs == LAYERWISE_BOTH && all == 1;
    double floats = (double)tensor_elements(t) * sizeof(float);
    n->weights += floats;
    n->moments = fmax(n->moments, square * (fmin(all, experts) + drift));
    n->factors = fmax(n->factors, square + floats / all); /* and the copy that sweeps take */
}

static bool stays_as_floats(const struct layerwise_job *j, const struct tensor *t)
{
    return j->method->prepare || !j->method->type || !j->method->type(j->method->user, t);
}

/* Stages of a layer follow one another, but for methods that look at all of a layer first. */
static void add_layer(struct layer_memory *m, const struct layerwise_job *j, int layer, int experts)
{
    bool at_once = walk_runs_ahead(j);
    struct need needs[STAGE_COUNT] = {0};
    double weights = 0, one = 0, two = 0, moments = 0, factors = 0, widest = 0;
    bool floats = false;
    for (int i = 0; i < j->model->tensor_count; i++) {
        const struct tensor *t = &j->model->tensors[i];
        if (t->layer != layer || t->dims < 2 || !j->method->bytes(j->method->user, t))
            continue;
        enum decoder_stage stage = decoder_meets(t->role);
        add_tensor(&needs[stage < STAGE_COUNT ? stage : 0], j, t, experts);
        floats |= stays_as_floats(j, t);
    }
    for (int s = 0; s < STAGE_COUNT; s++) {
        weights += needs[s].weights;
        one = fmax(one, needs[s].weights);
        two = fmax(two, needs[s].weights + (s ? needs[s - 1].weights : 0)); /* a product is taken a stage later */
        moments += needs[s].moments;
        factors = fmax(factors, needs[s].factors);
        widest = fmax(widest, needs[s].moments + needs[s].factors);
    }
    m->weights = fmax(m->weights, at_once ? weights : floats ? two : one);
    m->moments = fmax(m->moments, at_once ? moments + factors : widest);
}

void layer_memory_forecast(struct layer_memory *m, const struct layerwise_job *j, int experts, int64_t kept,
                           double buffers, double results)
{
    double tokens = (double)j->text->count * j->text->length;
    *m = (struct layer_memory){.buffers = buffers, .results = results};
    m->activations = stash_bytes(tokens * (double)kept);
    for (int i = 0; i < j->model->hp.layers; i++)
        add_layer(m, j, i, experts);
}

/* What is left for the activations. */
static double rest_of(const struct layer_memory *m, double memory)
{
    return memory * (1 - margin) - m->weights - m->moments - m->buffers;
}

bool layer_memory_fits(const struct layer_memory *m, double memory)
{
    return rest_of(m, memory) >= 0;
}

int layer_memory_refuse(const struct layer_memory *m, const struct layerwise_job *j, double memory, int length,
                        struct error *e)
{
    char all[FORMAT_SIZE], have[FORMAT_SIZE], weights[FORMAT_SIZE], moments[FORMAT_SIZE], buffers[FORMAT_SIZE];
    char advice[128] = "close other programs, or quantize without feedback (--method nearest)";
    if (length)
        snprintf(advice, sizeof advice, "with samples of %d tokens (--sample-length %d) it would fit", length, length);
    return error_set(e, ERROR_NOFIT, "going through the layers of %s needs %s of memory (weights %s, their inputs' moments"
                     " %s, passes of %d tokens %s), and %s are available: %s", j->model->name,
                     format_bytes(all, (m->weights + m->moments + m->buffers) / (1 - margin)),
                     format_bytes(weights, m->weights), format_bytes(moments, m->moments), j->text->length,
                     format_bytes(buffers, m->buffers), format_bytes(have, memory), advice);
}

static int no_disk_error(const struct layer_memory *m, const struct layerwise_job *j, double memory, double disk,
                         struct error *e)
{
    char need[FORMAT_SIZE], have[FORMAT_SIZE], left[FORMAT_SIZE], advice[64] = "free some disk space";
    int samples = (int)(j->text->count * fmax(memory, disk) / m->activations);
    if (samples >= 1)
        snprintf(advice, sizeof advice, "%d samples (--samples %d) would fit", samples, samples);
    return error_set(e, ERROR_NOFIT, "%d samples of %d tokens need %s for their activations, and %s of memory and %s of"
                     " disk are left for them: %s", j->text->count, j->text->length, format_bytes(need, m->activations),
                     format_bytes(left, memory), format_bytes(have, disk), advice);
}

int layer_memory_place(const struct layer_memory *m, const struct layerwise_job *j, double memory, double disk,
                       bool *on_disk, struct error *e)
{
    double rest = rest_of(m, memory), disk_rest = fmax(disk - m->results, 0);
    *on_disk = rest < m->activations;
    return *on_disk && disk_rest < m->activations ? no_disk_error(m, j, rest, disk_rest, e) : 0;
}

double layer_memory_available(void)
{
    struct machine_memory memory = {0};
    const char *root = getenv("QUANTWIZ_FSROOT"); /* as machine_detect */
    memory_read(&memory, root ? root : "");
    return fact_or(memory.available_bytes, INFINITY);
}
