/* Which layers lie where: on the GPUs from the last layer back, as llama.cpp counts its n_gpu_layers; the
 * rest in RAM. */
#ifndef PLAN_PLACEMENT_H
#define PLAN_PLACEMENT_H

#include "machine/machine.h"
#include "plan/costs.h"
#include "plan/wishes.h"

/* What may be used. With several GPUs a budget that the person set is shared out like their free memory. */
struct budget {
    uint64_t *gpu;          /* [gpu_count]; where what is free is unknown, all that there is */
    int gpu_count;
    uint64_t gpu_total, cpu;
    bool gpu_known, cpu_known;     /* what is free is known */
    bool gpu_bounded, cpu_bounded; /* that, or at least how much there is */
};
/* How many of the machine's GPUs the runtime uses, the first ones: one that cuts weights as many as it is told to. */
int gpus_used(const struct machine *m, const struct wishes *w, const struct runtime *r);
struct budget budget_of(const struct machine *m, const struct wishes *w, const struct runtime *r,
                        struct arena *a);

struct placement {
    int gpu_layers;         /* of costs.count; where it does not fit, how many the GPUs could take */
    int *layers_on_gpu;     /* [gpu_count], of the budget's */
    int gpu_count;
    uint64_t gpu_bytes, cpu_bytes, compute_bytes;
    uint64_t copies;        /* of weights: repacked ones, and a tied output on a GPU */
    uint64_t reclaimable;   /* of cpu_bytes: mapped pages that can be dropped since a copy is used */
    bool fits;              /* within what is known of the budget */
    bool known;             /* the budget that matters is known */
};
struct placement place(const struct costs *c, const struct budget *b, enum fit fit, struct arena *a);

/* GPU of layer i when the last `gpu_layers` of c->count lie on GPUs; -1: in RAM. */
int placement_device(const struct placement *p, int count, int gpu_count, int layer);

#endif
