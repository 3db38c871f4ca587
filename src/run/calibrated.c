#include "run/calibrated.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "calib/block_method.h"
#include "calib/broaden.h"

int calibrated_text(struct chunks *c, const struct model *m, const struct calibration *from, bool broadened,
                    struct error *e)
{
    struct tokenizer *t = NULL;
    int rc = tokenizer_open(&t, m, NULL, e);
    rc = rc ? rc : chunks_read(c, from->text, t, from->sample_length, from->samples, e);
    if (!rc && broadened)
        broaden(c, t);
    tokenizer_free(t);
    return rc;
}

int calibrated_read(struct calibrated *c, const struct quantize_job *j, struct error *e)
{
    const struct quantize_listener *l = j->listener;
    *c = (struct calibrated){0};
    int rc = j->calibration ? calibrated_text(&c->text, j->model, j->calibration, true, e) : 0;
    if (!rc && c->text.count && l && l->note) {
        char *what = chunks_describe(&c->text);
        l->note(l->user, what);
        free(what);
    }
    return rc;
}

void calibrated_mix_text(const struct chunks *text, bool nearest, char fingerprint[static HASH_TEXT])
{
    const char *method = nearest ? "nearest" : "feedback, swept";
    struct str s = {0};
    char hash[HASH_TEXT];
    hash_bytes(hash, text->tokens, (size_t)text->count * text->length * sizeof *text->tokens);
    str_addf(&s, "%s %s %d x %d %s", fingerprint, method, text->count, text->length, hash);
    hash_bytes(fingerprint, s.data, s.length);
    str_done(&s);
}

void calibrated_mix(const struct calibrated *c, char fingerprint[static HASH_TEXT])
{
    if (c->text.count)
        calibrated_mix_text(&c->text, false, fingerprint);
}

char *calibrated_store(const char *out)
{
    return xasprintf("%s.part.layers", out);
}

int calibrated_make(struct calibrated *c, const struct quantize_job *j, const char *fingerprint, uint64_t output_bytes,
                    struct watch *w, struct error *e)
{
    const struct model *m = j->model;
    const struct recipe *r = j->recipe;
    struct block_method method;
    if (!c->text.count)
        return 0;
    const struct quant_type **types = xcalloc(m->tensor_count + 1, sizeof *types);
    char *store = calibrated_store(j->out);
    for (int i = 0; i < r->count; i++)
        types[r->tensors[i].tensor - m->tensors] = r->tensors[i].type;
    block_method_init(&method, m, types);
    const struct quantize_listener *q = j->listener;
    const struct layerwise_listener listener = {.layer = q ? q->layer : NULL, .note = q ? q->note : NULL,
                                                .user = q ? q->user : NULL};
    const struct layerwise_job job = {
        .model = m,
        .method = &method.method,
        .text = &c->text,
        .store = store,
        .fingerprint = fingerprint,
        .resume = j->resume,
        .disk_bytes = (double)output_bytes,
        .memory_bytes = j->memory_bytes,
        .listener = &listener,
        .watch = w,
    };
    c->blocks = xcalloc(r->count + 1, sizeof *c->blocks);
    int rc = layerwise_run(&c->layers, &job, e);
    for (int i = 0; i < r->count && !rc; i++)
        c->blocks[i] = c->layers.tensors[r->tensors[i].tensor - m->tensors].to;
    free(store);
    free(types);
    return rc;
}

void calibrated_done(struct calibrated *c, bool keep)
{
    layerwise_done(&c->layers, keep);
    chunks_done(&c->text);
    free(c->blocks);
    *c = (struct calibrated){0};
}
