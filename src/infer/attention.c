#include "infer/attention.h"

#include <omp.h>
#include <string.h>

#include "infer/blas.h"

enum {
    SINK = 1,              /* scores of a query that belong to no position, where there are sinks */
    QUERIES = 64,          /* positions of a block, at most */
    SCORES = 128 * 1024,   /* scores of a block, at most (unless one position has more): half a megabyte */
};

static int group(const struct layer_shape *s)
{
    return s->heads / s->kv_heads;
}

static int64_t block_length(const struct layer_shape *s, int64_t positions)
{
    int64_t n = SCORES / (group(s) * positions);
    return n < 1 ? 1 : n > QUERIES ? QUERIES : n;
}

int64_t attention_scratch(const struct layer_shape *s, int64_t positions)
{
    int64_t most = SCORES > group(s) * positions ? SCORES : group(s) * positions;
    return (int64_t)QUERIES * group(s) * (s->key_length + s->value_length + SINK) + most;
}

/* A block: queries [first, last) of one sequence, with one key-value head. */
struct block {
    int sequence, kv_head;
    int64_t first, last;
};

/* The group's queries one below the other, scaled: q[(last - first) · group][key_length]. */
static void gather(const struct attention *a, const struct block *b, float *q)
{
    const struct layer_shape *s = a->shape;
    int64_t width = (int64_t)group(s) * s->key_length, step = (int64_t)s->heads * s->key_length;
    const float *from = a->q + (b->sequence * (int64_t)a->length + b->first) * step + b->kv_head * width;
    for (int64_t i = 0; i < b->last - b->first; i++)
        for (int64_t j = 0; j < width; j++)
            q[i * width + j] = from[i * step + j] * (float)a->scale;
}

static void scatter(const struct attention *a, const struct block *b, const float *mixed)
{
    const struct layer_shape *s = a->shape;
    int64_t width = (int64_t)group(s) * s->value_length, step = (int64_t)s->heads * s->value_length;
    float *to = a->out + (b->sequence * (int64_t)a->length + b->first) * step + b->kv_head * width;
    for (int64_t i = 0; i < b->last - b->first; i++)
        memcpy(to + i * step, mixed + i * width, width * sizeof *to);
}

/* The first position that a query at `position` sees. */
static int64_t window_start(const struct attention *a, int64_t position)
{
    int64_t start = position + 1 - a->shape->window;
    return a->shape->window && start > 0 ? start : 0;
}

/* Scores to weights: row r is query r / group; columns are positions from `start` on, and the sink. */
static void weigh(const struct attention *a, const struct block *b, float *scores, int64_t start,
                  int64_t columns)
{
    int64_t heads = group(a->shape), rows = (b->last - b->first) * heads;
    for (int64_t r = 0; r < rows; r++, scores += columns) {
        int64_t position = a->past + b->first + r / heads;
        int64_t low = window_start(a, position) - start, high = position + 1 - start, end = high;
        if (a->softcap > 0)
            a->kernels->soft_cap(scores + low, (float)a->softcap, high - low);
        if (a->sinks)
            scores[end++] = a->sinks[b->kv_head * heads + r % heads];
        a->kernels->softmax(scores + low, end - low);
        memset(scores, 0, low * sizeof *scores);
        memset(scores + high, 0, (columns - high) * sizeof *scores);
    }
}

static void attend(const struct attention *a, const struct block *b, float *scratch)
{
    const struct layer_shape *s = a->shape;
    int64_t rows = (b->last - b->first) * group(s), end = a->past + b->last;
    int64_t start = window_start(a, a->past + b->first), columns = end - start;
    int64_t k_step = (int64_t)s->kv_heads * s->key_length, v_step = (int64_t)s->kv_heads * s->value_length;
    int64_t origin = b->sequence * ((int64_t)a->past + a->length) + start;
    const float *k = a->k + origin * k_step + (int64_t)b->kv_head * s->key_length;
    const float *v = a->v + origin * v_step + (int64_t)b->kv_head * s->value_length;
    int64_t step = columns + (a->sinks ? SINK : 0);
    float *q = scratch, *mixed = q + rows * s->key_length, *scores = mixed + rows * s->value_length;
    gather(a, b, q);
    blas_times_rows(rows, columns, s->key_length, q, s->key_length, k, k_step, scores, step);
    weigh(a, b, scores, start, step);
    blas_times(rows, s->value_length, columns, scores, step, v, v_step, mixed, s->value_length);
    scatter(a, b, mixed);
}

void attention(const struct attention *a)
{
    int64_t length = block_length(a->shape, (int64_t)a->past + a->length);
    int64_t blocks = (a->length + length - 1) / length, heads = a->shape->kv_heads;
    int64_t floats = attention_scratch(a->shape, (int64_t)a->past + a->length);
#pragma omp parallel for schedule(dynamic) num_threads(a->threads)
    for (int64_t i = 0; i < blocks * heads * a->sequences; i++) {
        /* Late positions have most keys and come first, so that no thread ends with a long piece. */
        int64_t n = blocks - 1 - i / (heads * a->sequences);
        struct block b = {.sequence = (int)(i / heads % a->sequences), .kv_head = (int)(i % heads),
                          .first = n * length, .last = n * length + length};
        b.last = b.last < a->length ? b.last : a->length;
        attend(a, &b, a->scratch + omp_get_thread_num() * floats);
    }
}
