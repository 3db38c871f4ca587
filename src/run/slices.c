#include "run/slices.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* A tensor that is being worked on. */
struct progress_of_tensor {
    struct slice_result *results; /* one per slice, NULL before and after */
    int slices, left;
    double started;
};

struct queue {
    const struct slice_work *work;
    struct progress_of_tensor *tensors;
    int tensor, slice;            /* the next to hand out */
    double done, total;           /* elements */
    struct error *e;
    int rc;
    pthread_mutex_t mutex;        /* guards all of the above, and the serial callbacks */
};

static int64_t slice_length(const struct slice_tensor *t)
{
    return t->row > SLICE_ELEMENTS ? SLICE_ELEMENTS : SLICE_ELEMENTS / t->row * t->row;
}

static int slice_count(const struct slice_tensor *t)
{
    int64_t length = slice_length(t);
    return (int)((t->elements + length - 1) / length);
}

static void begin_tensor(struct queue *q, int tensor)
{
    struct progress_of_tensor *p = &q->tensors[tensor];
    p->slices = p->left = slice_count(&q->work->tensors[tensor]);
    p->results = xcalloc(p->slices, sizeof *p->results);
    p->started = clock_monotonic();
    if (q->work->begin)
        q->work->begin(q->work->user, tensor);
}

static bool stop(struct queue *q, int rc)
{
    if (rc && !q->rc)
        q->rc = rc;
    return q->rc != 0;
}

static bool at_tensor(const struct queue *q)
{
    const struct slice_tensor *t = &q->work->tensors[q->tensor];
    return !t->skip && t->elements > 0 && q->slice < slice_count(t);
}

/* The next slice, or false at the end, after an error, or when the watch says stop. */
static bool take_slice(struct queue *q, struct slice *s)
{
    const struct slice_work *w = q->work;
    while (q->tensor < w->count && !at_tensor(q)) {
        q->tensor++;
        q->slice = 0;
    }
    if (q->rc || q->tensor == w->count)
        return false;
    if (!watch_tick(w->watch, q->done, q->total, w->tensors[q->tensor].name))
        return !stop(q, interrupt_error(q->e));
    if (q->slice == 0)
        begin_tensor(q, q->tensor);
    int64_t length = slice_length(&w->tensors[q->tensor]);
    *s = (struct slice){.tensor = q->tensor, .first = q->slice++ * length};
    int64_t rest = w->tensors[s->tensor].elements - s->first;
    s->count = rest < length ? rest : length;
    return true;
}

static struct slice_result put_together(const struct progress_of_tensor *p)
{
    struct slice_result sum = {0};
    char *hashes = xmalloc((size_t)p->slices * (HASH_TEXT - 1));
    for (int i = 0; i < p->slices; i++) {
        sum.error += p->results[i].error;
        sum.power += p->results[i].power;
        memcpy(hashes + (size_t)i * (HASH_TEXT - 1), p->results[i].hash, HASH_TEXT - 1);
    }
    hash_bytes(sum.hash, hashes, (size_t)p->slices * (HASH_TEXT - 1));
    free(hashes);
    return sum;
}

static void end_slice(struct queue *q, const struct slice *s, const struct slice_result *r)
{
    struct progress_of_tensor *p = &q->tensors[s->tensor];
    p->results[s->first / slice_length(&q->work->tensors[s->tensor])] = *r;
    q->done += (double)s->count;
    if (--p->left)
        return;
    struct slice_result sum = put_together(p);
    free(p->results);
    p->results = NULL;
    if (q->work->end)
        stop(q, q->work->end(q->work->user, s->tensor, &sum, clock_monotonic() - p->started, q->e));
}

static void work_thread(struct queue *q, struct slice_buffers *b)
{
    struct slice s;
    struct slice_result r;
    struct error e = {0};
    int rc = 0;
    for (;;) {
        pthread_mutex_lock(&q->mutex);
        bool more = take_slice(q, &s);
        pthread_mutex_unlock(&q->mutex);
        if (!more)
            return;
        r = (struct slice_result){0};
        rc = q->work->process(q->work->user, &s, b, &r, &e);
        pthread_mutex_lock(&q->mutex);
        if (rc && !q->rc)
            *q->e = e;
        if (!stop(q, rc))
            end_slice(q, &s, &r);
        pthread_mutex_unlock(&q->mutex);
        if (rc)
            return;
    }
}

static void run_queue(struct queue *q)
{
#pragma omp parallel
    {
        struct slice_buffers b = {
            .x = xaligned(SLICE_ELEMENTS * sizeof *b.x),
            .y = xaligned(SLICE_ELEMENTS * sizeof *b.y),
            .weight = xaligned(SLICE_ELEMENTS * sizeof *b.weight),
            .blocks = xaligned(SLICE_ELEMENTS * sizeof(float)),
        };
        work_thread(q, &b);
        free(b.x);
        free(b.y);
        free(b.weight);
        free(b.blocks);
    }
}

int slices_run(const struct slice_work *w, struct error *e)
{
    struct queue q = {.work = w, .e = e, .mutex = PTHREAD_MUTEX_INITIALIZER};
    q.tensors = xcalloc(w->count, sizeof *q.tensors);
    for (int i = 0; i < w->count; i++)
        q.total += w->tensors[i].skip ? 0 : (double)w->tensors[i].elements;
    run_queue(&q);
    for (int i = 0; i < w->count; i++)
        free(q.tensors[i].results);
    free(q.tensors);
    return q.rc;
}
