#include "eval/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "eval/divergence.h"
#include "infer/decoder.h"

enum {
    SEQUENCES = 4,               /* go through a layer together */
    LOGIT_BYTES = 32 << 20,      /* of logits held at a time, for each model */
};

struct probe {
    const struct model *model;
    struct model *fork;          /* some of its weights are quantized for a while */
    struct decoder *original, *changed;
    const struct chunks *text;
    int64_t floats;              /* of a residual stream: tokens · embd */
    float *x, *y, *last;         /* [count][length][embd]: the original's before layer `at`, the fork's, the original's end */
    int at;
    int first, block;            /* the first position of a chunk that is scored; how many logits are held */
    float *logits[2];            /* [block][vocab]: the fork's, the original's */
};

/* ---------------------------------------------------------------------- streams */

static int sequences_from(const struct probe *p, int chunk)
{
    return p->text->count - chunk < SEQUENCES ? p->text->count - chunk : SEQUENCES;
}

static float *stream_at(const struct probe *p, float *x, int chunk)
{
    return x + (int64_t)chunk * p->text->length * p->model->hp.embd;
}

static void embed(const struct probe *p, struct decoder *d, float *x)
{
    for (int c = 0; c < p->text->count; c += SEQUENCES)
        decoder_embed(d, p->text->tokens + (int64_t)c * p->text->length, sequences_from(p, c), p->text->length,
                      stream_at(p, x, c));
}

/* Through the layers from..to - 1. */
static int advance(const struct probe *p, struct decoder *d, float *x, int from, int to, struct watch *w,
                   struct error *e)
{
    for (int layer = from; layer < to; layer++) {
        if (!watch_tick(w, layer - from, to - from, "layers"))
            return interrupt_error(e);
        for (int c = 0; c < p->text->count; c += SEQUENCES)
            decoder_layer(d, layer, sequences_from(p, c), p->text->length, stream_at(p, x, c));
    }
    return 0;
}

/* ---------------------------------------------------------------------- opening */

static int check_tokens(const struct probe *p, struct error *e)
{
    for (int64_t i = 0; i < (int64_t)p->text->count * p->text->length; i++)
        if (p->text->tokens[i] >= p->model->hp.vocab)
            return error_set(e, ERROR_FAILED, "%s: the metadata list a token %d, but the embedding has %d rows",
                             p->model->path, (int)p->text->tokens[i], p->model->hp.vocab);
    return 0;
}

static int open_decoders(struct probe *p, struct error *e)
{
    struct decoder_options o = {.context = p->text->length, .sequences = SEQUENCES, .as_gguf = true};
    int rc = decoder_open(&p->original, p->model, &o, e);
    return rc ? rc : decoder_open(&p->changed, p->fork, &o, e);
}

static void allocate(struct probe *p)
{
    int64_t vocab = p->model->hp.vocab, most = LOGIT_BYTES / (vocab * (int64_t)sizeof(float));
    int scored = p->text->length - 1 - p->first;
    p->block = (int)(most < 1 ? 1 : most < scored ? most : scored);
    for (int i = 0; i < 2; i++)
        p->logits[i] = xaligned((size_t)p->block * vocab * sizeof(float));
    p->floats = (int64_t)p->text->count * p->text->length * p->model->hp.embd;
    p->x = xaligned(p->floats * sizeof *p->x);
    p->y = xaligned(p->floats * sizeof *p->y);
    p->last = xaligned(p->floats * sizeof *p->last);
}

int probe_open(struct probe **out, const struct model *m, const struct chunks *text, struct watch *w, struct error *e)
{
    struct probe *p = *out = xcalloc(1, sizeof *p);
    *p = (struct probe){.model = m, .fork = model_fork(m), .text = text, .first = text->length / 4};
    int rc = check_tokens(p, e);
    rc = rc ? rc : open_decoders(p, e);
    if (rc)
        return rc;
    allocate(p);
    embed(p, p->original, p->x);
    memcpy(p->last, p->x, p->floats * sizeof *p->last);
    return advance(p, p->original, p->last, 0, m->hp.layers, w, e);
}

void probe_close(struct probe *p)
{
    if (!p)
        return;
    decoder_free(p->original);
    decoder_free(p->changed);
    model_fork_free(p->fork);
    free(p->logits[0]);
    free(p->logits[1]);
    free(p->x);
    free(p->y);
    free(p->last);
    free(p);
}

/* ---------------------------------------------------------------------- changes */

int probe_begins(const struct model *m, int tensor)
{
    const struct tensor *t = &m->tensors[tensor];
    return t->layer >= 0 ? t->layer : t->role == ROLE_OUTPUT ? m->hp.layers : 0;
}

static void encode_row(const struct probe_change *c, const struct tensor *t, int64_t row, float *x,
                       unsigned char *blocks)
{
    int64_t columns = t->shape[0];
    tensor_read(t, row * columns, columns, x);
    c->type->encode(x, c->importance ? c->importance + row / t->shape[1] * columns : NULL,
                    blocks + quant_bytes(c->type, row * columns), columns);
}

/* The fork's weight in its new type. */
static void change(const struct probe *p, const struct probe_change *c)
{
    const struct tensor *from = &p->model->tensors[c->tensor];
    struct tensor *to = &p->fork->tensors[c->tensor];
    int64_t columns = from->shape[0], rows = tensor_elements(from) / columns;
    unsigned char *blocks = xaligned(quant_bytes(c->type, tensor_elements(from)));
#pragma omp parallel num_threads(threads_count())
    {
        float *x = xaligned(columns * sizeof *x);
#pragma omp for schedule(dynamic, 16)
        for (int64_t r = 0; r < rows; r++)
            encode_row(c, from, r, x, blocks);
        free(x);
    }
    *to = *from;
    to->type = c->type;
    to->bytes = quant_bytes(c->type, tensor_elements(from));
    to->data = blocks;
    to->source = NULL;
}

static void restore(const struct probe *p, const struct probe_change *c)
{
    free((void *)p->fork->tensors[c->tensor].data);
    p->fork->tensors[c->tensor] = p->model->tensors[c->tensor];
}

/* --------------------------------------------------------------------- measuring */

/* The sum over `count` positions of a chunk from `from` on. */
static double block_divergence(struct probe *p, int chunk, int from, int count)
{
    int64_t at = ((int64_t)chunk * p->text->length + from) * p->model->hp.embd, vocab = p->model->hp.vocab;
    const int32_t *tokens = p->text->tokens + (int64_t)chunk * p->text->length;
    double sum = 0, *each = xcalloc(count, sizeof *each);
    decoder_output(p->changed, p->y + at, count, p->logits[0]);
    decoder_output(p->original, p->last + at, count, p->logits[1]);
#pragma omp parallel for num_threads(threads_count())
    for (int i = 0; i < count; i++)
        each[i] = divergence_at(p->logits[0] + i * vocab, p->logits[1] + i * vocab, (int)vocab, tokens[from + i + 1]).kld;
    for (int i = 0; i < count; i++)
        sum += each[i];
    free(each);
    return sum;
}

static int mean_divergence(struct probe *p, double *kld, struct error *e)
{
    int end = p->text->length - 1;
    double sum = 0;
    for (int c = 0; c < p->text->count; c++)
        for (int at = p->first; at < end; at += p->block) {
            if (interrupt_pending())
                return interrupt_error(e);
            sum += block_divergence(p, c, at, end - at < p->block ? end - at : p->block);
        }
    *kld = sum / ((double)p->text->count * (end - p->first));
    return 0;
}

/* The earliest layer of the changes; the original goes there. */
static int begin(struct probe *p, const struct probe_change *changes, int count, struct error *e)
{
    int first = p->model->hp.layers;
    for (int i = 0; i < count; i++) {
        int begins = probe_begins(p->model, changes[i].tensor);
        first = begins < first ? begins : first;
    }
    if (first < p->at)
        die("a change from layer %d is probed after one from layer %d", first, p->at);
    int rc = advance(p, p->original, p->x, p->at, first, NULL, e);
    p->at = first;
    return rc;
}

int probe_divergence(struct probe *p, const struct probe_change *changes, int count, double *kld, struct watch *w,
                     struct error *e)
{
    int rc = begin(p, changes, count, e);
    for (int i = 0; i < count; i++)
        change(p, &changes[i]);
    memcpy(p->y, p->x, p->floats * sizeof *p->y);
    if (!rc && p->at == 0)
        embed(p, p->changed, p->y);
    rc = rc ? rc : advance(p, p->changed, p->y, p->at, p->model->hp.layers, w, e);
    rc = rc ? rc : mean_divergence(p, kld, e);
    for (int i = 0; i < count; i++)
        restore(p, &changes[i]);
    return rc;
}
