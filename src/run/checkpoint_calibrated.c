#include "run/checkpoint_calibrated.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "pack/codes.h"
#include "run/calibrated.h"

/* ------------------------------------------------------------------- what is wanted */

/* A tensor's experts are stored apart: some may be skipped, and then all stay out. */
static void find_wanted(struct checkpoint_calibrated *c, const struct checkpoint_layout *l)
{
    const struct model *m = l->model;
    c->wanted = xcalloc(m->tensor_count + 1, sizeof *c->wanted);
    for (int i = 0; i < l->count; i++)
        for (int k = 0; k < l->items[i].weight->count && l->items[i].quantized; k++)
            c->wanted[l->items[i].weight->pieces[k].tensor - m->tensors] = true;
    for (int i = 0; i < l->count; i++)
        for (int k = 0; k < l->items[i].weight->count && !l->items[i].quantized; k++)
            c->wanted[l->items[i].weight->pieces[k].tensor - m->tensors] = false;
}

/* ----------------------------------------------------------------- what was made */

static const unsigned char *made_of(const struct checkpoint_calibrated *c, const struct tensor *t, bool wanted)
{
    int64_t i = t - c->method.model->tensors;
    return c->wanted[i] == wanted ? c->layers.tensors[i].to : NULL;
}

static bool get_codes(void *user, const struct tensor *t, int part, struct codes *out)
{
    const struct checkpoint_calibrated *c = user;
    const unsigned char *to = made_of(c, t, true);
    if (!to)
        return false;
    const struct codes made = code_method_codes(&c->method, t, to, part);
    int64_t groups = scheme_groups(c->method.scheme, made.columns);
    memcpy(out->codes, made.codes, made.rows * made.columns);
    memcpy(out->scales, made.scales, made.rows * groups * sizeof *made.scales);
    memcpy(out->zeros, made.zeros, made.rows * groups);
    out->group_of = made.group_of;
    file_map_forget(to, made.codes + made.rows * made.columns - to);
    return true;
}

/* Of norms and biases what the walk made of them, as a checkpoint stores them (Gemma's norms less 1). Where scales were
 * folded in, a weight's codes stand for other numbers than the source's, and what they decode to takes their place. */
static bool get_floats(void *user, const struct tensor *t, int part, float *x)
{
    const struct checkpoint_calibrated *c = user;
    const unsigned char *floats = made_of(c, t, false), *to = made_of(c, t, true);
    for (int64_t i = 0; floats && i < tensor_elements(t); i++)
        x[i] = code_method_floats(floats)[i] - t->source->add;
    if (to && c->method.method.prepare) {
        const struct codes made = code_method_codes(&c->method, t, to, part);
        codes_floats(&made, x);
        return true;
    }
    return floats;
}

/* -------------------------------------------------------------------------- whole */

int checkpoint_calibrated_read(struct checkpoint_calibrated *c, const struct checkpoint_job *j,
                               struct checkpoint_layout *l, struct error *e)
{
    *c = (struct checkpoint_calibrated){0};
    if (!j->calibration || !l->scheme.format->pack)
        return 0;
    int rc = calibrated_text(&c->text, j->model, j->calibration, true, e);
    if (!rc)
        calibrated_mix_text(&c->text, j->nearest, l->fingerprint);
    return rc;
}

int checkpoint_calibrated_make(struct checkpoint_calibrated *c, const struct checkpoint_job *j,
                               const struct checkpoint_layout *l, struct watch *w, struct error *e)
{
    const struct quantize_listener *q = j->listener;
    const struct layerwise_listener listener = {.layer = q ? q->layer : NULL, .note = q ? q->note : NULL,
                                                .user = q ? q->user : NULL};
    if (!c->text.count)
        return 0;
    find_wanted(c, l);
    code_method_init(&c->method, j->model, &l->scheme, c->wanted, j->nearest);
    char *store = calibrated_store(j->out);
    const struct layerwise_job job = {
        .model = j->model,
        .method = &c->method.method,
        .text = &c->text,
        .store = store,
        .fingerprint = l->fingerprint,
        .resume = j->resume,
        .memory_bytes = j->memory_bytes,
        .disk_bytes = (double)l->bytes,
        .listener = &listener,
        .watch = w,
    };
    int rc = layerwise_run(&c->layers, &job, e);
    c->made = (struct checkpoint_made){.codes = get_codes, .floats = get_floats, .user = c};
    free(store);
    return rc;
}

void checkpoint_calibrated_done(struct checkpoint_calibrated *c, bool keep)
{
    if (c->wanted)
        layerwise_done(&c->layers, keep);
    chunks_done(&c->text);
    free(c->wanted);
    *c = (struct checkpoint_calibrated){0};
}
