/* Perplexity as llama.cpp defines it (tools/perplexity): the text's tokens in chunks of `context`, each from an empty
 * cache and with BOS as its first token where the vocabulary wants one; scored are the tokens of the second half, which
 * have at least half a context before them: position context/2 predicts the first, context - 2 the last. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "eval/eval_priv.h"
#include "eval/scores.h"
#include "text/calibration.h"

enum {
    LOGIT_BYTES = 32 << 20,      /* of logits held at a time, for each model */
    ACTIVATION_FLOATS = 16 << 20,/* of a pass, about: several chunks go together while they fit */
    SEQUENCES = 4,               /* and no more than that, so that figures come often */
};

struct run {
    struct session *s;
    struct decoder *decoders[2];
    struct chunks text;
    int context, first, scored; /* tokens of a chunk; the first position whose prediction is scored; how many are */
    int sequences;              /* chunks in a pass */
    int block;                  /* positions whose logits are held at a time */
    float *logits[2];           /* [block][vocab] */
    float *kept;                /* [scored][embd]: of the base, to and from the store */
    struct divergence *rows;    /* [scored] */
    struct scores scores;
    double start;
};

/* ------------------------------------------------------------------- setup */

char *eval_text_named(const char *text)
{
    return text ? xstrdup(text) : file_data("demo/eval.txt");
}

int eval_text(const struct eval_options *o, char **path, struct error *e)
{
    *path = NULL;
    if (o->text)
        return calibration_path(path, o->text, e);
    if ((*path = eval_text_named(NULL)))
        return 0;
    return error_set(e, ERROR_FAILED, "the text that comes with the program (demo/eval.txt) is not installed; "
                     "name a text with -f");
}

static int read_text(struct run *r, struct error *e)
{
    const struct eval_options *o = r->s->o;
    char *path;
    int rc = eval_text(o, &path, e);
    rc = rc ? rc : chunks_read_first(&r->text, path, r->s->subjects[0].tokenizer, r->context, o->chunks, e);
    free(path);
    return rc;
}

static int at_most(int64_t wish, int most)
{
    return wish < 1 ? 1 : wish > most ? most : (int)wish;
}

static int64_t activation_floats(const struct model *m)
{
    int64_t ffn = 0;
    for (int i = 0; i < m->hp.layers; i++)
        ffn = m->hp.layer[i].ffn > ffn ? m->hp.layer[i].ffn : ffn;
    return 6 * (int64_t)m->hp.embd + 2 * ffn;
}

static void allocate(struct run *r)
{
    int vocab = r->s->subjects[0].model->hp.vocab;
    int blocks = (r->scored - 1) / at_most(LOGIT_BYTES / ((int64_t)vocab * (int)sizeof(float)), r->scored) + 1;
    r->block = (r->scored - 1) / blocks + 1;
    for (int i = 0; i < r->s->count; i++)
        r->logits[i] = xaligned((size_t)r->block * vocab * sizeof(float));
    r->rows = xmalloc(r->scored * sizeof *r->rows);
    if (r->s->store)
        r->kept = xaligned((size_t)r->scored * r->s->subjects[1].model->hp.embd * sizeof *r->kept);
}

static int prepare(struct run *r, struct error *e)
{
    const struct model *m = r->s->subjects[0].model;
    int rc;
    r->context = r->s->o->context;
    r->first = r->context / 2;
    r->scored = r->context - 1 - r->first;
    if (r->scored < 1)
        return error_set(e, ERROR_USAGE, "a context of %d tokens is too short to score any: use 4 or more (-c)",
                         r->context);
    if ((rc = read_text(r, e)))
        return rc;
    r->sequences = at_most(ACTIVATION_FLOATS / activation_floats(m) / r->context, SEQUENCES);
    r->sequences = r->sequences < r->text.count ? r->sequences : r->text.count;
    if ((rc = decoders_open(r->decoders, r->s, r->sequences, r->context, e)))
        return rc;
    allocate(r);
    base_store_begin(r->s->store, r->text.tokens, (size_t)r->text.count * r->context, r->context,
                     r->kept ? (int64_t)r->scored * r->s->subjects[1].model->hp.embd : 0);
    r->scores.has_base = r->s->count > 1;
    return 0;
}

static void finish(struct run *r)
{
    decoders_close(r->decoders);
    chunks_done(&r->text);
    scores_done(&r->scores);
    free(r->logits[0]);
    free(r->logits[1]);
    free(r->rows);
    free(r->kept);
}

/* ------------------------------------------------------------------ chunks */

static const int32_t *chunk(const struct run *r, int index)
{
    return r->text.tokens + (size_t)index * r->context;
}

static int pass(struct run *r, int subject, int from, int sequences, struct error *e)
{
    struct session *s = r->s;
    struct watch_part part;
    double start = clock_monotonic(), share = (double)sequences / s->count;
    struct watch *w = watch_part(&part, s->w, from + subject * share, from + (subject + 1) * share, r->text.count, "perplexity");
    int rc = decoder_chunks(r->decoders[subject], chunk(r, from), sequences, r->context, w, e);
    s->subjects[subject].prefill_seconds += clock_monotonic() - start;
    s->subjects[subject].prefill_tokens += (double)sequences * r->context;
    return rc;
}

/* What the base made of these chunks before stands for a pass; false where it is not known of all of them. */
static bool recall(struct run *r, int from, int sequences)
{
    for (int i = 0; i < sequences; i++) {
        if (!base_store_recall(r->s->store, from + i, r->kept))
            return false;
        decoder_restore(r->decoders[1], i * r->context + r->first, r->scored, r->kept);
    }
    return true;
}

static void keep(struct run *r, int from, int sequences)
{
    for (int i = 0; i < sequences && r->kept; i++) {
        decoder_keep(r->decoders[1], i * r->context + r->first, r->scored, r->kept);
        base_store_keep(r->s->store, from + i, r->kept);
    }
}

/* All models over the next chunks. */
static int forward(struct run *r, int from, int sequences, struct error *e)
{
    int rc = pass(r, 0, from, sequences, e);
    if (!rc && r->s->count > 1 && !recall(r, from, sequences)) {
        rc = pass(r, 1, from, sequences, e);
        if (!rc)
            keep(r, from, sequences);
    }
    return rc;
}

/* Scores `count` positions of a pass's sequence, whose tokens these are, from the scored position `at` on. */
static void score_block(struct run *r, int sequence, const int32_t *tokens, int at, int count)
{
    struct session *s = r->s;
    int vocab = s->subjects[0].model->hp.vocab, row = sequence * r->context + r->first + at;
    for (int i = 0; i < s->count; i++) {
        double start = clock_monotonic();
        decoder_logits(r->decoders[i], row, count, r->logits[i]);
        s->subjects[i].prefill_seconds += s->subjects[i].prefill_tokens > 0 ? clock_monotonic() - start : 0;
    }
#pragma omp parallel for num_threads(threads_count())
    for (int k = 0; k < count; k++) {
        const float *base = s->count > 1 ? r->logits[1] + (size_t)k * vocab : NULL;
        r->rows[at + k] = divergence_at(r->logits[0] + (size_t)k * vocab, base, vocab, tokens[r->first + at + k + 1]);
    }
}

static void publish(struct run *r)
{
    struct session *s = r->s;
    struct eval_figures *f = &s->r->figures;
    scores_figures(&r->scores, s->o->max_loss, f);
    f->chunks_planned = r->text.count;
    f->seconds = clock_monotonic() - r->start;
    f->prefill_tokens_per_s = s->subjects[0].prefill_tokens / s->subjects[0].prefill_seconds;
    if (s->l->chunk)
        s->l->chunk(s->l->user, f);
}

static int score_chunks(struct run *r, int from, int sequences, struct error *e)
{
    for (int i = 0; i < sequences; i++) {
        for (int at = 0; at < r->scored; at += r->block) {
            if (interrupt_pending())
                return interrupt_error(e);
            score_block(r, i, chunk(r, from + i), at, at + r->block < r->scored ? r->block : r->scored - at);
        }
        scores_add(&r->scores, r->rows, r->scored);
        publish(r);
    }
    return 0;
}

static int run_chunks(struct run *r, struct error *e)
{
    int rc = 0;
    r->start = clock_monotonic();
    for (int from = 0, n; from < r->text.count && !rc; from += n) {
        n = r->text.count - from < r->sequences ? r->text.count - from : r->sequences;
        if (!(rc = forward(r, from, n, e)))
            rc = score_chunks(r, from, n, e);
        if (!rc && r->s->o->stop_early && scores_decided(&r->scores, r->s->o->max_loss))
            break;
    }
    return rc;
}

int perplexity_run(struct session *s, struct error *e)
{
    struct run r = {.s = s};
    int rc = prepare(&r, e);
    if (!rc)
        rc = run_chunks(&r, e);
    finish(&r);
    return rc;
}
