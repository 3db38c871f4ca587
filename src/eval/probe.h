/* How far a model's predictions move when some of its weights are quantized and nothing else: the mean KL divergence on
 * a text, as in an evaluation, but from the layer on where the change begins; what comes before it is the same.
 *
 * Changes are probed in the order of their layers, so the original's residual stream is kept only where it stands. */
#ifndef EVAL_PROBE_H
#define EVAL_PROBE_H

#include "base/error.h"
#include "base/watch.h"
#include "model/model.h"
#include "text/chunks.h"

struct probe;

/* A weight and the type that it gets. */
struct probe_change {
    int tensor;                     /* in the model */
    const struct quant_type *type;
    const float *importance;        /* [matrices][columns] for the encoder; NULL: it is not told */
};

/* Model and text are borrowed; with them the original goes through all layers once. Call probe_close whatever is
 * returned. */
int probe_open(struct probe **out, const struct model *m, const struct chunks *text, struct watch *w, struct error *e);
void probe_close(struct probe *p);
/* The layer from which on a weight matters: 0 for the embedding, the number of layers for the output. */
int probe_begins(const struct model *m, int tensor);
/* The divergence with these weights quantized. None may begin before those of an earlier call. */
int probe_divergence(struct probe *p, const struct probe_change *changes, int count, double *kld, struct watch *w,
                     struct error *e);

#endif
