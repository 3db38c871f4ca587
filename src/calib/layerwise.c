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

/* What share of a layer's time has passed when a stage begins. */
static const double stage_begins[STAGE_COUNT + 1] = {0, 0.15, 0.35, 0.5, 0.9, 1};

/* ------------------------------------------------------------------------ passes */

/* From here to there of a layer's time. */
struct span {
    int layer;
    double from, to;
};

/* Both streams, or NULLs. */
static int pass(struct walk *w, struct walk_stream *a, struct walk_stream *b, int what, const struct span *span,
                struct error *e)
{
    int batches = walk_batches(w), layers = w->fork->hp.layers;
    for (int i = 0; i < batches; i++) {
        double done = span->layer + span->from + (span->to - span->from) * i / batches;
        if (!watch_tick(w->job->watch, done, layers + 1, "layers"))
            return interrupt_error(e);
        if (a)
            walk_advance(a, span->layer, what, i);
        if (b)
            walk_advance(b, span->layer, what, i);
        walk_forget_seen(w);
    }
    return 0;
}

/* ---------------------------------------------------------------------- a layer */

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
    return rc;
}

static int encode_some(struct walk *w, int layer, struct error *e)
{
    (void)layer, (void)e;
    walk_encode_some(w);
    return 0;
}

/* Experts of a layer that meet their inputs in what a pass goes through; 1: none do. */
static int experts_met(const struct walk *w, int layer, int what)
{
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct tensor *t = &w->fork->tensors[i];
        bool meets = what == WALK_LAYER || decoder_meets(t->role) == (enum decoder_stage)what;
        if (t->layer == layer && meets && walk_experts(t) > 1 && walk_wants(w, t))
            return walk_experts(t);
    }
    return 1;
}

/* Where the moments of all experts do not fit in memory at once, what is to follow is gone through several times: those of
 * some are taken, and `then` used, each time but the last, which is the caller's pass in what is left of the span. */
static int rehearse(struct walk *w, struct walk_stream *s, int what, struct span *span,
                    int (*then)(struct walk *w, int layer, struct error *e), struct error *e)
{
    int experts = experts_met(w, span->layer, what), rc = 0;
    double share = (span->to - span->from) * w->experts_at_once / experts;
    w->rehearses = true;
    for (w->first_expert = 0; !rc && w->first_expert + w->experts_at_once < experts;
         w->first_expert += w->experts_at_once) {
        const struct span part = {span->layer, span->from, span->from + share};
        rc = pass(w, NULL, s, what, &part, e);
        rc = rc ? rc : then(w, span->layer, e);
        walk_forget_groups(w);
        span->from = part.to;
    }
    w->rehearses = false;
    return rc;
}

/* `again`: it was made before, and there is nothing to meet. */
static int look_ahead(struct walk *w, int layer, bool again, struct error *e)
{
    bool alone = !w->quantized.decoder, prepares = w->job->method->prepare;
    struct span span = {layer, 0, alone ? 1 : 0.4};
    int rc = rehearse(w, &w->original, WALK_LAYER, &span, prepares ? prepare : encode_some, e);
    rc = rc ? rc : pass(w, &w->original, NULL, WALK_LAYER, &span, e);
    if (!rc && prepares && !again)
        rc = prepare(w, layer, e);
    if (!rc && prepares && !alone)
        rc = decoder_reload(w->quantized.decoder, layer, e);
    if (!rc && alone)
        walk_encode(w);
    walk_forget_groups(w);
    return rc;
}

static int walk_layer(struct walk *w, int layer, bool again, struct error *e)
{
    bool ahead = walk_runs_ahead(w->job);
    double begin = ahead ? 0.4 : 0;
    int rc = ahead ? look_ahead(w, layer, again, e) : 0;
    for (int s = 0; s < STAGE_COUNT && !rc && w->quantized.decoder; s++) {
        struct span span = {layer, begin + (1 - begin) * stage_begins[s], begin + (1 - begin) * stage_begins[s + 1]};
        rc = rehearse(w, &w->quantized, s, &span, encode_some, e);
        rc = rc ? rc : pass(w, ahead ? NULL : &w->original, &w->quantized, s, &span, e);
        walk_use_up(w, layer, s);
        if (!rc)
            walk_encode(w);
        walk_forget_groups(w);
    }
    return rc;
}

/* --------------------------------------------------------------------- the story */

static int walk_output(struct walk *w, struct error *e)
{
    bool quantized = w->quantized.decoder;
    struct span span = {w->fork->hp.layers, 0, 1};
    int rc = pass(w, walk_runs_ahead(w->job) && quantized ? NULL : &w->original, &w->quantized, WALK_OUTPUT, &span, e);
    if (!rc)
        walk_encode(w);
    walk_forget_groups(w);
    return rc;
}

static void note_plain(const struct walk *w, int step)
{
    char *plain = walk_plain(w, step);
    if (plain)
        walk_note(w, "layer %d: rounded to nearest, because the text says too little of their inputs: %s", step, plain);
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
        rc = step <= layers ? walk_layer(w, step - 1, false, e) : walk_output(w, e);
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
    if (!reused || needed)
        walk_mend(w, step);
    if (reused)
        walk_take_over(w, step);
    int rc = !reused ? make_step(w, step, e) : layer && needed ? walk_layer(w, step - 1, true, e) : 0;
    if (!rc && step == 0 && needed) {
        struct span span = {0};
        rc = pass(w, &w->original, &w->quantized, WALK_EMBEDDING, &span, e);
    }
    if (!rc)
        tell(w, step, started, reused);
    walk_release(w, step);
    walk_forget_damage(w);
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

static void note_disk(const struct walk *w, double activations)
{
    char size[FORMAT_SIZE];
    walk_note(w, "activations of %s do not fit in memory: they go through a file", format_bytes(size, activations));
}

/* Of a mixture the moments of as many experts at once as fit, in as few passes. */
static void forecast(struct walk *w, struct layer_memory *need, double memory, double results)
{
    const struct layerwise_job *j = w->job;
    int experts = j->model->hp.experts > 1 ? j->model->hp.experts : 1, passes = 0;
    do {
        passes++;
        w->experts_at_once = (experts + passes - 1) / passes;
        layer_memory_forecast(need, j, w->experts_at_once, walk_kept(w), walk_buffers(w, j->text->length), results);
    } while (!layer_memory_fits(need, memory) && w->experts_at_once > 1);
    if (passes > 1 && layer_memory_fits(need, memory))
        walk_note(w, "the moments of %d of %d experts fit in memory at once: layers are gone through %d times",
                  w->experts_at_once, experts, (experts + w->experts_at_once - 1) / w->experts_at_once);
}

/* The streams are of no use afterwards. */
static int refuse(struct walk *w, struct layer_memory *need, double memory, struct error *e)
{
    enum { SHORTEST = 64 };
    struct layer_memory as_it_is = *need;
    int length = w->job->text->length / 2;
    for (; length >= SHORTEST && !layer_memory_fits(need, memory); length /= 2) {
        walk_close_streams(w);
        int rc = walk_open_streams(w, length, e);
        if (rc)
            return rc;
        need->buffers = walk_buffers(w, length);
    }
    return layer_memory_refuse(&as_it_is, w->job, memory, layer_memory_fits(need, memory) ? 2 * length : 0, e);
}

/* Where everything goes, and whether there is room for it. */
static int make_room(struct walk *w, uint64_t store_bytes, const char *folder, struct error *e)
{
    const struct layerwise_job *j = w->job;
    struct layer_memory need;
    double disk = 0, memory = j->memory_bytes > 0 ? j->memory_bytes : layer_memory_available();
    bool on_disk;
    forecast(w, &need, memory, (double)store_bytes);
    int rc = layer_memory_fits(&need, memory) ? disk_for(j, folder, &disk, e) : refuse(w, &need, memory, e);
    rc = rc ? rc : layer_memory_place(&need, j, memory, disk, &on_disk, e);
    if (rc)
        return rc;
    if (on_disk)
        note_disk(w, need.activations);
    return walk_open_stashes(w, on_disk ? folder : NULL, e);
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
    for (int i = 0; i < w->fork->tensor_count; i++)
        free(w->encoded[i]);
    walk_forget_groups(w);
    walk_close_streams(w);
    free(w->groups);
    free(w->rooms);
    free(w->held);
    free(w->x);
    free(w->kept);
    free(w->off);
    free(w->encoded);
    free(w->damage);
    model_fork_free(w->fork);
    model_fork_free(w->sound);
}

int layerwise_run(struct layerwise *l, const struct layerwise_job *j, struct error *e)
{
    int count = j->model->tensor_count;
    *l = (struct layerwise){.tensors = xcalloc(count + 1, sizeof *l->tensors), .count = count};
    for (int i = 0; i < count; i++)
        l->tensors[i].result = (struct feedback_result){.loss = NAN, .inputs = NAN};
    struct walk w = {.job = j, .made = l, .fork = model_fork(j->model), .sound = model_fork(j->model),
                     .rooms = xcalloc(count + 1, sizeof *w.rooms), .held = xcalloc(count + 1, sizeof *w.held),
                     .encoded = xcalloc(count + 1, sizeof *w.encoded)};
    int rc = check_tokens(j, e);
    rc = rc ? rc : walk_open_streams(&w, j->text->length, e);
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
