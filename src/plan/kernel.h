/* Which kernel of a runtime will multiply the weights of a checkpoint folder, or what forbids each: rules/kernels.yaml,
 * compiled. A kernel asks something of the scheme (bits, groups), of the GPU (compute capability) and of every weight
 * (dimensions of one GPU's share). */
#ifndef PLAN_KERNEL_H
#define PLAN_KERNEL_H

#include "model/model.h"
#include "plan/rules.h"
#include "plan/runtime.h"

enum { KERNEL_LIST = 8 };

struct kernel_tile { int rows, columns; };
enum act_order { ACT_ORDER_NEVER, ACT_ORDER_ALONE /* on one GPU */, ACT_ORDER_ANY };

struct kernel {
    const char *title, *where, *pads;
    const char *const *runtimes, *const *formats;
    int bits[KERNEL_LIST], groups[KERNEL_LIST];  /* lists; a group of 0 is a row */
    int bits_count, group_count;                 /* 0: all */
    struct kernel_tile tiles[KERNEL_LIST];       /* one of them must divide */
    int tile_count;
    int rows, columns;                           /* multiples */
    double capability, capability_min, capability_below; /* exactly; at least; less than. 0: no matter */
    enum act_order act_order;
    bool symmetric;                              /* takes no zero points */
    bool half;                                   /* computes in F16 alone, which BF16 checkpoints are cast to */
    bool linear, experts;                        /* for single weights, for those of experts */
    bool cpu;                                    /* needs no GPU */
};

int kernels_compile(struct rules *r, struct error *e);

struct kernel_question {
    const struct model *model;
    const struct level *level;
    const struct runtime *runtime;
    double capability;           /* NaN: unknown */
    bool cpu;                    /* there is to be no GPU */
    int tensor_parallel;
};
enum kernel_verdict {
    KERNEL_SERVES,
    KERNEL_UNSURE,               /* which one is unknown, since the rules or the machine do not say */
    KERNEL_REFUSED,              /* none that is known takes it */
};
/* What is to be said about it: lines with their rule, in the arena. */
struct kernel_answer {
    enum kernel_verdict verdict;
    const struct kernel *kernel, *experts; /* what serves; experts: NULL without any */
    struct kernel_remark { const char *text, *where; bool gpu /* about the machine alone */; } remarks[KERNEL_LIST];
    int count;
};
struct kernel_answer kernel_ask(const struct rules *r, const struct kernel_question *q, struct arena *a);

#endif
