#include "calib/layerwise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "calib/layer_memory.h"
#include "calib/walk.h"

enum { SEQUENCES = 4 }; /* go through a layer together */

/* What share of a layer's time has passed when a stage begins. */
static const double stage_begins[STAGE_COUNT + 1] = {0, 0.15, 0.35, 0.5, 0.9, 1};

/* -------------------------------------------------------------------- the streams */

static int batches(const struct walk *w)
{
    return (w->job->text->count + SEQUENCES - 1) / SEQUENCES;
}

static int sequences_of(const struct walk *w, int batch)
{
    int left = w->job->text->count - batch * SEQUENCES;
    return left < SEQUENCES ? left : SEQUENCES;
}

/* What a stream can be taken through beside a stage. */
enum { EMBEDDING = STAGE_COUNT, WHOLE_LAYER, OUTPUT };

static void advance(struct walk_stream *s, int layer, int what, int batch)
{
    const struct chunks *t = s->walk->job->text;
    int n = sequences_of(s->walk, batch);
    if (!s->decoder)
        return;
    float *x = stash_batch(&s->x, batch);
    if (what == EMBEDDING)
        decoder_embed(s->decoder, t->tokens + (int64_t)batch * SEQUENCES * t->length, n, t->length, x);
    else if (what == WHOLE_LAYER)
        decoder_layer(s->decoder, layer, n, t->length, x);
    else if (what == OUTPUT)
        decoder_meet_output(s->decoder, n, t->length, x);
    else
        decoder_layer_stage(s->decoder, layer, what, n, t->length, x, stash_batch(&s->kept, batch));
}

static void leave(struct walk_stream *s, int batch)
{
    if (!s->decoder)
        return;
    stash_leave(&s->x, batch);
    stash_leave(&s->kept, batch);
}

/* From here to there of a layer's time. */
struct span {
    int layer;
    double from, to;
};

static bool tick(const struct walk *w, const struct span *span, int batch)
{
    double done = span->layer + span->from + (span->to - span->from) * batch / batches(w);
    return watch_tick(w->job->watch, done, w->fork->hp.layers + 1, "layers");
}

/* Both streams, or NULLs. */
static int pass(struct walk *w, struct walk_stream *a, struct walk_stream *b, int what, const struct span *span,
                struct error *e)
{
    for (int i = 0; i < batches(w); i++) {
        if (!tick(w, span, i))
            return interrupt_error(e);
        for (int k = 0; k < 2; k++)
            if (k ? b : a)
                advance(k ? b : a, span->layer, what, i);
        walk_forget_seen(w);
        leave(&w->original, i);
        leave(&w->quantized, i);
    }
    return 0;
}

/* ---------------------------------------------------------------------- a layer */

/* Does the original run ahead, so that all of a layer's inputs are known before its first weight is encoded? */
static bool runs_ahead(const struct layerwise_job *j)
{
    return j->method->prepare || j->method->inputs == LAYERWISE_ORIGINAL;
}

static int prepare(struct walk *w, int layer, struct error *e)
{
    const struct layerwise_method *m = w->job->method;
    struct layerwise_group *groups = xcalloc(w->count + 1, sizeof *groups);
    for (int i = 0; i < w->count; i++) {
        groups[i] = w->groups[i].group;
        groups[i].h = &w->groups[i].hessian;
        for (int k = 0; k < groups[i].count; k++)
            groups[i].weights[k].w = walk_hold(w, groups[i].weights[k].tensor) +
                                     groups[i].expert * groups[i].weights[k].rows * groups[i].weights[k].columns;
    }
    struct layerwise_layer l = {.layer = layer, .source = w->job->model, .fork = w->fork, .groups = groups,
                                .count = w->count, .walk = w};
    int rc = m->prepare(m->user, &l, e);
    free(groups);
    return rc || !w->quantized.decoder ? rc : decoder_reload(w->quantized.decoder, layer, e);
}

/* All stages of one batch before the next. */
static int look_ahead(struct walk *w, int layer, struct error *e)
{
    bool alone = !w->quantized.decoder;
    struct span span = {layer, 0, alone ? 1 : 0.4};
    for (int i = 0; i < batches(w); i++) {
        if (!tick(w, &span, i))
            return interrupt_error(e);
        for (int s = 0; s < STAGE_COUNT; s++)
            advance(&w->original, layer, s, i);
        leave(&w->original, i);
    }
    int rc = w->job->method->prepare ? prepare(w, layer, e) : 0;
    if (!rc && alone)
        walk_encode(w);
    walk_forget_groups(w);
    return rc;
}

static int walk_layer(struct walk *w, int layer, struct error *e)
{
    bool ahead = runs_ahead(w->job);
    double begin = ahead ? 0.4 : 0;
    int rc = ahead ? look_ahead(w, layer, e) : 0;
    for (int s = 0; s < STAGE_COUNT && !rc && w->quantized.decoder; s++) {
        struct span span = {layer, begin + (1 - begin) * stage_begins[s], begin + (1 - begin) * stage_begins[s + 1]};
        rc = pass(w, ahead ? NULL : &w->original, &w->quantized, s, &span, e);
        if (!rc)
            walk_encode(w);
        walk_forget_groups(w);
    }
    return rc;
}

/* As it was made before: there is nothing to meet. */
static int repeat_layer(struct walk *w, int layer, struct error *e)
{
    struct span span = {layer, 0, 1};
    int rc = 0;
    if (w->job->method->prepare && w->quantized.decoder)
        rc = decoder_reload(w->quantized.decoder, layer, e);
    return rc ? rc : pass(w, &w->original, &w->quantized, WHOLE_LAYER, &span, e);
}

/* --------------------------------------------------------------------- the story */

static int walk_output(struct walk *w, struct error *e)
{
    bool quantized = w->quantized.decoder;
    struct span span = {w->fork->hp.layers, 0, 1};
    int rc = pass(w, runs_ahead(w->job) && quantized ? NULL : &w->original, &w->quantized, OUTPUT, &span, e);
    if (!rc)
        walk_encode(w);
    walk_forget_groups(w);
    return rc;
}

static void note_plain(const struct walk *w, int step)
{
    const struct layerwise_listener *l = w->job->listener;
    char *plain = walk_plain(w, step);
    char *text = plain ? xasprintf("layer %d: rounded to nearest, because the text says too little of their inputs: %s",
                                   step, plain) : NULL;
    if (text && l && l->note)
        l->note(l->user, text);
    free(text);
    free(plain);
}

static void tell(const struct walk *w, int step, double started, bool reused)
{
    const struct layerwise_listener *l = w->job->listener;
    struct layerwise_report r = walk_report(w, step);
    r.seconds = clock_monotonic() - started;
    r.reused = reused;
    if (l && l->layer && r.layer >= 0 && r.tensors)
        l->layer(l->user, &r);
    note_plain(w, step);
}

static int make_step(struct walk *w, int step, struct error *e)
{
    int layers = w->fork->hp.layers;
    int rc = 0;
    if (step == 0)
        walk_encode_embedding(w);
    else
        rc = step <= layers ? walk_layer(w, step - 1, e) : walk_output(w, e);
    if (rc)
        return rc;
    walk_keep_results(w, step);
    return layer_store_finish(&w->made->store, step, e);
}

/* A step that is finished is repeated for the sake of those that follow it. */
static int walk_step(struct walk *w, int step, bool reused, bool needed, struct error *e)
{
    bool layer = step > 0 && step <= w->fork->hp.layers;
    double started = clock_monotonic();
    if (reused)
        walk_take_over(w, step);
    int rc = !reused ? make_step(w, step, e) : layer && needed ? repeat_layer(w, step - 1, e) : 0;
    if (!rc && step == 0 && needed) {
        struct span span = {0};
        rc = pass(w, &w->original, &w->quantized, EMBEDDING, &span, e);
    }
    if (!rc)
        tell(w, step, started, reused);
    walk_release(w);
    return rc;
}

static int walk_steps(struct walk *w, struct error *e)
{
    int steps = w->fork->hp.layers + 2, last = -1, rc = 0;
    bool *reused = xcalloc(steps, sizeof *reused);
    for (int i = 0; i < steps; i++) {
        reused[i] = layer_store_has(&w->made->store, i);
        last = reused[i] ? last : i;
    }
    for (int i = 0; i < steps && !rc; i++)
        rc = walk_step(w, i, reused[i], last >= i, e);
    free(reused);
    return rc;
}

/* ----------------------------------------------------------------------- opening */

static int check_tokens(const struct layerwise_job *j, struct error *e)
{
    const struct chunks *t = j->text;
    for (int64_t i = 0; i < (int64_t)t->count * t->length; i++)
        if (t->tokens[i] < 0 || t->tokens[i] >= j->model->hp.vocab)
            return error_set(e, ERROR_FAILED, "cannot go through the layers of %s: token %lld of the text is %d, the"
                             " vocabulary has %d", j->model->path, (long long)i, (int)t->tokens[i], j->model->hp.vocab);
    return 0;
}

static int open_stream(struct walk *w, struct walk_stream *s, const struct model *m, int length, product_tap *tap,
                       struct error *e)
{
    int sequences = w->job->text->count < SEQUENCES ? w->job->text->count : SEQUENCES;
    const struct decoder_options o = {.context = length, .sequences = sequences, .tap = tap,
                                      .tap_user = s};
    *s = (struct walk_stream){.walk = w, .tensors = m->tensors};
    return decoder_open(&s->decoder, m, &o, e);
}

static void close_stream(struct walk_stream *s)
{
    decoder_free(s->decoder);
    stash_done(&s->x);
    stash_done(&s->kept);
}

static int open_streams(struct walk *w, int length, struct error *e)
{
    const struct layerwise_job *j = w->job;
    bool original = j->method->inputs == LAYERWISE_BOTH || runs_ahead(j);
    int rc = 0;
    if (original)
        rc = open_stream(w, &w->original, j->model, length, runs_ahead(j) ? walk_meet : walk_see, e);
    if (!rc && j->method->inputs != LAYERWISE_ORIGINAL)
        rc = open_stream(w, &w->quantized, w->fork, length, walk_meet, e);
    return rc;
}

static void close_streams(struct walk *w)
{
    close_stream(&w->original);
    close_stream(&w->quantized);
}

/* What the disk has for the store and the activations; an earlier store's place is used again. */
static int disk_for(const struct layerwise_job *j, const char *folder, double *bytes, struct error *e)
{
    struct stat st;
    uint64_t free_bytes;
    int rc = file_free_bytes(folder, &free_bytes, e);
    double earlier = stat(j->store, &st) == 0 ? (double)st.st_blocks * 512 : 0;
    *bytes = (double)free_bytes + earlier - j->disk_bytes;
    return rc;
}

/* Of passes of so many tokens a sample. */
static double buffer_bytes(const struct walk *w, int length, int64_t width)
{
    double bytes = 0;
    for (int i = 0; i < 2; i++) {
        const struct decoder *d = i ? w->original.decoder : w->quantized.decoder;
        bytes += d ? (double)decoder_bytes(d) : 0;
    }
    return bytes + (double)sizeof(float) * SEQUENCES * length * (double)width; /* `off` */
}

static void note_disk(const struct walk *w, double activations)
{
    const struct layerwise_listener *l = w->job->listener;
    char text[128], size[FORMAT_SIZE];
    snprintf(text, sizeof text, "activations of %s do not fit in memory: they go through a file",
             format_bytes(size, activations));
    if (l && l->note)
        l->note(l->user, text);
}

static int open_stashes(struct walk *w, int64_t kept, const char *folder, struct error *e)
{
    int64_t rows = (int64_t)SEQUENCES * w->job->text->length;
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) {
        struct walk_stream *s = i ? &w->original : &w->quantized;
        if (s->decoder)
            rc = stash_init(&s->x, batches(w), rows * w->fork->hp.embd, folder, e);
        if (s->decoder && !rc)
            rc = stash_init(&s->kept, batches(w), rows * kept, folder, e);
    }
    return rc;
}

/* The streams are of no use afterwards. */
static int refuse(struct walk *w, struct layer_memory *need, double memory, int64_t width, struct error *e)
{
    enum { SHORTEST = 64 };
    struct layer_memory as_it_is = *need;
    int length = w->job->text->length / 2;
    for (; length >= SHORTEST && !layer_memory_fits(need, memory); length /= 2) {
        close_streams(w);
        int rc = open_streams(w, length, e);
        if (rc)
            return rc;
        need->buffers = buffer_bytes(w, length, width);
    }
    return layer_memory_refuse(&as_it_is, w->job, memory, layer_memory_fits(need, memory) ? 2 * length : 0, e);
}

/* Where everything goes, and whether there is room for it. */
static int make_room(struct walk *w, uint64_t store_bytes, const char *folder, struct error *e)
{
    const struct layerwise_job *j = w->job;
    int64_t kept = decoder_kept(w->original.decoder ? w->original.decoder : w->quantized.decoder);
    int64_t width = kept > w->fork->hp.embd ? kept : w->fork->hp.embd;
    struct layer_memory need;
    double disk = 0, memory = j->memory_bytes > 0 ? j->memory_bytes : layer_memory_available();
    bool on_disk;
    layer_memory_forecast(&need, j, kept, buffer_bytes(w, j->text->length, width), (double)store_bytes);
    int rc = layer_memory_fits(&need, memory) ? disk_for(j, folder, &disk, e) : refuse(w, &need, memory, width, e);
    rc = rc ? rc : layer_memory_place(&need, j, memory, disk, &on_disk, e);
    if (rc)
        return rc;
    if (on_disk)
        note_disk(w, need.activations);
    w->off = xaligned((size_t)SEQUENCES * j->text->length * width * sizeof *w->off);
    return open_stashes(w, kept, on_disk ? folder : NULL, e);
}

static int open_store(struct walk *w, struct error *e)
{
    const struct layerwise_job *j = w->job;
    int steps = w->fork->hp.layers + 2;
    uint64_t *bytes = xcalloc(steps, sizeof *bytes);
    char *folder = path_folder(j->store);
    walk_lay_out(w, bytes);
    int rc = make_room(w, layer_store_bytes(bytes, steps), folder, e);
    rc = rc ? rc : layer_store_open(&w->made->store, j->store, j->fingerprint, bytes, steps, j->resume, e);
    if (!rc)
        walk_place(w);
    free(folder);
    free(bytes);
    return rc;
}

static void close_walk(struct walk *w)
{
    walk_forget_groups(w);
    walk_release(w);
    close_streams(w);
    free(w->groups);
    free(w->rooms);
    free(w->held);
    free(w->off);
    model_fork_free(w->fork);
}

int layerwise_run(struct layerwise *l, const struct layerwise_job *j, struct error *e)
{
    int count = j->model->tensor_count;
    *l = (struct layerwise){.tensors = xcalloc(count + 1, sizeof *l->tensors), .count = count};
    for (int i = 0; i < count; i++)
        l->tensors[i].result = (struct feedback_result){.loss = NAN, .inputs = NAN};
    struct walk w = {.job = j, .made = l, .fork = model_fork(j->model), .rooms = xcalloc(count + 1, sizeof *w.rooms),
                     .held = xcalloc(count + 1, sizeof *w.held)};
    int rc = check_tokens(j, e);
    rc = rc ? rc : open_streams(&w, j->text->length, e);
    rc = rc ? rc : open_store(&w, e);
    rc = rc ? rc : walk_steps(&w, e);
    close_walk(&w);
    return rc;
}

void layerwise_done(struct layerwise *l, bool keep)
{
    layer_store_close(&l->store, keep);
    free(l->tensors);
    *l = (struct layerwise){0};
}
