#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "calib/walk.h"

/* Go through a layer together: more make little better use of its weights, and need more room. */
enum { TOKENS = 1024 };

bool walk_runs_ahead(const struct layerwise_job *j)
{
    return j->method->prepare || j->method->inputs == LAYERWISE_ORIGINAL;
}

/* ----------------------------------------------------------------------- opening */

/* The two take turns. */
static int open_stream(struct walk *w, struct walk_stream *s, const struct model *m, int length, product_tap *tap,
                       struct error *e)
{
    *s = (struct walk_stream){.walk = w, .tensors = m->tensors};
    const struct decoder_options o = {.context = length, .sequences = w->sequences, .rough = true, .tap = tap,
                                      .tap_user = s, .beside = w->original.decoder};
    return decoder_open(&s->decoder, m, &o, e);
}

int walk_open_streams(struct walk *w, int length, struct error *e)
{
    const struct layerwise_job *j = w->job;
    bool ahead = walk_runs_ahead(j);
    int rc = 0, many = TOKENS / length, all = j->text->count;
    w->sequences = many < 1 ? 1 : many < all ? many : all;
    if (ahead || j->method->inputs == LAYERWISE_BOTH)
        rc = open_stream(w, &w->original, w->sound, length, ahead ? walk_meet : walk_see, e);
    if (!rc && j->method->inputs != LAYERWISE_ORIGINAL)
        rc = open_stream(w, &w->quantized, w->fork, length, walk_meet, e);
    w->original.leaps = true;
    return rc;
}

static void close_stream(struct walk_stream *s)
{
    decoder_free(s->decoder);
    stash_done(&s->x);
    stash_done(&s->kept);
    *s = (struct walk_stream){0};
}

void walk_close_streams(struct walk *w)
{
    close_stream(&w->quantized);
    close_stream(&w->original);
    columns_done(&w->inputs);
    columns_done(&w->differences);
}

/* ------------------------------------------------------------------------- rooms */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What a stage leaves for a token. The original, which is not changed, need not wait before its last product, and not at
 * all where it runs ahead. */
static int64_t kept_after(const struct walk_stream *s, enum decoder_stage stage)
{
    bool waits = s->decoder && !(s->leaps && (stage == STAGE_DOWN || walk_runs_ahead(s->walk->job)));
    return waits ? decoder_kept(s->decoder, stage) : 0;
}

/* Beside its residual stream, for a token. */
static int64_t width_of(const struct walk_stream *s)
{
    return s->decoder ? larger(decoder_kept(s->decoder, STAGE_ATTN_OUTPUT), decoder_kept(s->decoder, STAGE_DOWN)) : 0;
}

int64_t walk_kept(const struct walk *w)
{
    int64_t most = 0, streams = (w->original.decoder != NULL) + (w->quantized.decoder != NULL);
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        most = larger(most, kept_after(&w->original, stage) + kept_after(&w->quantized, stage));
    return most + streams * w->fork->hp.embd;
}

int64_t walk_width(const struct walk *w)
{
    return larger(w->fork->hp.embd, larger(width_of(&w->original), width_of(&w->quantized)));
}

double walk_buffers(const struct walk *w, int64_t length)
{
    const struct walk_stream *const streams[] = {&w->original, &w->quantized};
    int64_t rows = w->sequences * length, floats = w->fork->hp.embd + 2 * walk_width(w); /* x, kept, off */
    double bytes = 2.0 * (double)columns_bytes(rows, walk_width(w)) + sizeof(float) * (double)(rows * floats);
    for (int i = 0; i < 2; i++)
        bytes += streams[i]->decoder ? (double)decoder_bytes(streams[i]->decoder) : 0;
    return bytes;
}

static int open_stashes(struct walk_stream *s, int64_t rows, const char *folder, struct error *e)
{
    int batches = walk_batches(s->walk);
    int64_t kept = larger(kept_after(s, STAGE_ATTN_OUTPUT), kept_after(s, STAGE_DOWN));
    int rc = stash_init(&s->x, batches, rows * s->walk->fork->hp.embd, folder, e);
    return rc ? rc : stash_init(&s->kept, batches, rows * kept, folder, e);
}

int walk_open_stashes(struct walk *w, const char *folder, struct error *e)
{
    struct walk_stream *const streams[] = {&w->original, &w->quantized};
    int64_t rows = (int64_t)w->sequences * w->job->text->length;
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++)
        rc = streams[i]->decoder ? open_stashes(streams[i], rows, folder, e) : 0;
    w->x = xaligned(rows * w->fork->hp.embd * sizeof *w->x);
    w->kept = xaligned(rows * walk_width(w) * sizeof *w->kept);
    w->off = xaligned(rows * walk_width(w) * sizeof *w->off);
    return rc;
}

/* ---------------------------------------------------------------------- advancing */

int walk_batches(const struct walk *w)
{
    return (w->job->text->count + w->sequences - 1) / w->sequences;
}

static int sequences_of(const struct walk *w, int batch)
{
    int left = w->job->text->count - batch * w->sequences;
    return left < w->sequences ? left : w->sequences;
}

/* A stage, with what the one before it left; and what it leaves. */
static void advance_stage(struct walk_stream *s, int layer, enum decoder_stage stage, int n, int batch)
{
    const struct walk *w = s->walk;
    int length = w->job->text->length;
    int64_t rows = (int64_t)n * length;
    int64_t before = stage ? kept_after(s, stage - 1) : 0, after = w->rehearses ? 0 : kept_after(s, stage);
    if (before)
        stash_take(&s->kept, batch, w->kept, rows * before);
    if (before && !w->rehearses)
        stash_drop(&s->kept, batch);
    decoder_layer_stage(s->decoder, layer, stage, n, length, w->x, w->kept);
    if (s->leaps && stage == STAGE_DOWN)
        decoder_layer_stage(s->decoder, layer, STAGE_END, n, length, w->x, w->kept);
    if (after) {
        stash_put(&s->kept, batch, w->kept, rows * after);
        stash_leave(&s->kept, batch);
    }
}

static void advance_batch(struct walk_stream *s, int layer, int what, int n, int batch)
{
    const struct walk *w = s->walk;
    const struct chunks *t = w->job->text;
    if (what == WALK_EMBEDDING)
        decoder_embed(s->decoder, t->tokens + (int64_t)batch * w->sequences * t->length, n, t->length, w->x);
    else if (what == WALK_LAYER)
        decoder_layer(s->decoder, layer, n, t->length, w->x);
    else if (what == WALK_OUTPUT)
        decoder_meet_output(s->decoder, n, t->length, w->x);
    else
        advance_stage(s, layer, what, n, batch);
}

/* The other stages take products, and add nothing to the residual stream yet. */
static bool changes_x(const struct walk_stream *s, int what)
{
    return what == WALK_EMBEDDING || what == WALK_LAYER || what == STAGE_GATE_UP || what == STAGE_END ||
           (what == STAGE_DOWN && s->leaps);
}

void walk_advance(struct walk_stream *s, int layer, int what, int batch)
{
    if (!s->decoder || (what == STAGE_END && s->leaps))
        return;
    const struct walk *w = s->walk;
    int n = sequences_of(w, batch);
    int64_t floats = (int64_t)n * w->job->text->length * w->fork->hp.embd;
    if (what != WALK_EMBEDDING)
        stash_take(&s->x, batch, w->x, floats);
    advance_batch(s, layer, what, n, batch);
    if (changes_x(s, what) && !w->rehearses)
        stash_put(&s->x, batch, w->x, floats);
    stash_leave(&s->x, batch);
}
