/* A model quantized layer by layer, in the order in which data flows, each weight by the inputs that the already
 * quantized ones before it produce, beside those of the original. What quantizing is, a method says; the walk knows which
 * inputs a weight meets.
 *
 *     embedding → in each layer: queries, keys, values → attention's output → gate and up → down → output
 *
 * Two streams run side by side: the original, and a fork of it whose weights turn into what was made of them. Every
 * product is taken once in each, of inputs rounded to bfloat16 where that is faster (engine.h): that moves the demo model's
 * mean divergence by 1 to 2 % to either side at 2 to 6 bits, and by 3 % at 8.
 *
 * In memory are one stage's weights as floats (all of a layer's, for methods that look at them first), the second moments
 * of its inputs, and both residual streams with what a stage leaves for the next one, as 16-bit floats (stash.h); these go
 * to a file without a name where they do not fit (layer_memory.h).
 *
 * What is made goes to a file, and a layer that is finished stays finished whatever ends the program (layer_store.h). */
#ifndef CALIB_LAYERWISE_H
#define CALIB_LAYERWISE_H

#include "base/watch.h"
#include "calib/feedback.h"
#include "calib/layer_store.h"
#include "model/model.h"
#include "text/chunks.h"

enum { LAYERWISE_GROUP = 4 }; /* weights that share their inputs, at most */

/* A weight; of a tensor that holds several experts, one of them. */
struct layerwise_weight {
    struct tensor *tensor;         /* the fork's */
    const struct tensor *source;   /* the original's */
    float *w;                      /* [rows][columns]: what is to be quantized. May be overwritten. */
    int64_t rows, columns;
    unsigned char *to;             /* room for what is made of it, in the store */
    struct feedback_result result; /* for `encode` to fill in */
};

/* Weights that share their inputs: queries, keys and values; gate and up; of one expert where there are some. */
struct layerwise_group {
    int layer;                     /* -1: outside of layers */
    int expert;                    /* 0 where there are none */
    int count;
    struct layerwise_weight weights[LAYERWISE_GROUP];
    struct hessian *h;             /* rows 0: no input ever reached them; NaN: nothing is known of their inputs */
};

/* A layer before its first weight is encoded. */
struct layerwise_layer {
    int layer;
    const struct model *source;
    struct model *fork;
    struct layerwise_group *groups; /* [count]: with the original's inputs */
    int count;
    struct walk *walk;
};

enum layerwise_inputs {
    LAYERWISE_BOTH,      /* those that the quantized weights before produce, and how far they have drifted (hessian.h) */
    LAYERWISE_QUANTIZED, /* without the drift */
    LAYERWISE_ORIGINAL,  /* the original's; the fork is not run at all */
};

struct layerwise_method {
    const char *name;
    enum layerwise_inputs inputs;
    /* Room in the store for a tensor; 0: it stays as it is. */
    uint64_t (*bytes)(void *user, const struct tensor *t);
    /* The type of what the room holds, or NULL where only `decode` knows; this may be NULL, too. */
    const struct quant_type *(*type)(void *user, const struct tensor *t);
    /* What `to` stands for, as w->w[rows][columns]. */
    void (*decode)(void *user, const struct layerwise_weight *w);
    /* NULL, or called once a layer before its first weight is encoded: AWQ and SmoothQuant fold scales into weights and
     * norms here. The original runs ahead by this layer then, and no drift is known. */
    int (*prepare)(void *user, struct layerwise_layer *l, struct error *e);
    /* Called for every group once; of a weight outside of layers some rows at a time. */
    void (*encode)(void *user, struct layerwise_group *g);
    void *user;
};

/* A layer is done. */
struct layerwise_report {
    int layer, layers;   /* layer `layers`: the output */
    int tensors, plain;  /* how many; of these rounded to nearest, because their inputs allowed no more */
    double loss;         /* mean over the tensors, see feedback_result; NaN: none is known */
    double damp;         /* most */
    double inputs;       /* positions of the text that were gone by; of experts, those that the least had */
    double seconds;
    bool reused;         /* an earlier attempt made it */
};
struct layerwise_listener {
    void (*layer)(void *user, const struct layerwise_report *r);
    void (*note)(void *user, const char *text); /* a line for people */
    void *user;
};

struct layerwise_job {
    const struct model *model;
    const struct layerwise_method *method;
    const struct chunks *text;
    const char *store;          /* the file to keep finished layers in */
    const char *fingerprint;    /* of all that decides what is made: an earlier store with another one is of no use */
    bool resume;                /* go on with what the store holds */
    double memory_bytes;        /* that it may use; 0: what is available */
    double disk_bytes;          /* that others will take where the store is, while it is there */
    const struct layerwise_listener *listener; /* functions and itself may be NULL */
    struct watch *watch;
};

struct layerwise_tensor {
    unsigned char *to;             /* what was made, in the store; NULL: it stays as it is */
    struct feedback_result result; /* of experts, the worst, and how many are plain */
    int damaged;                   /* of these, so many hold what is no number */
};

struct layerwise {
    struct layerwise_tensor *tensors; /* [model->tensor_count] */
    int count;
    struct layer_store store;
};

/* Fails before the work where memory or disk do not suffice, saying what would. Free with layerwise_done whatever is
 * returned. */
int layerwise_run(struct layerwise *l, const struct layerwise_job *j, struct error *e);
/* `keep`: the store stays for a later attempt, if it holds a finished layer. */
void layerwise_done(struct layerwise *l, bool keep);

#endif
