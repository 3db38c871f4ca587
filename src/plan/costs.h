/* What a level costs, layer by layer: everything that does not depend on where the layers will lie. */
#ifndef PLAN_COSTS_H
#define PLAN_COSTS_H

#include "machine/machine.h"
#include "plan/kv.h"
#include "plan/recipe.h"
#include "plan/runtime.h"

/* Layers are counted as llama.cpp does: the blocks, then the output layer, so `count` is blocks + 1. */
struct layer_cost {
    uint64_t weights;     /* in the file */
    uint64_t gpu_weights; /* on a GPU: the same, but that tied embeddings need a second copy there */
    uint64_t repacked;    /* of a copy in the CPU's own layout */
    uint64_t original;    /* of the weights that were copied: their pages can be dropped */
    uint64_t kv;          /* all sequences */
    uint64_t kv_half;     /* of one sequence when its context is half full: what a token reads */
    uint64_t read;        /* weights that a token reads: of experts only the chosen ones */
    double operations;    /* of a token, without attention's */
};

struct costs {
    struct layer_cost *layer;   /* [count], in the arena that costs_shared was given */
    int count;
    uint64_t host_weights;      /* token embeddings and what belongs to no layer: always in RAM */
    uint64_t compute_whole;     /* compute buffer of one device that has all */
    uint64_t compute_part;      /* of one that has layers without the output */
    uint64_t inputs;            /* of the host, where no layer is: what is handed in */
    uint64_t pipeline;          /* further copies of the inputs on each of several GPUs */
    uint64_t logits;            /* results, in RAM */
};

/* The part that all levels share: cache and buffers. */
void costs_shared(struct costs *c, const struct model *m, const struct kv_cache *kv, const struct runtime *r,
                  struct arena *a);
/* The weights of a level, into a copy of the shared part. `format`: of the file, as the runtime reads it; NULL: it
 * does not. */
struct costs costs_of(const struct costs *shared, const struct recipe *recipe, const struct model *m,
                      const struct runtime *r, const struct runtime_format *format, const struct machine *machine,
                      struct arena *a);

#endif
