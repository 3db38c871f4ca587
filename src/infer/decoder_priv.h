/* Shared by the files of the decoder: decoder_open.c (what the model must offer) with weights.c (tensor by
 * tensor), decoder.c (the forward pass) and feed_forward.c (its second half of a layer). */
#ifndef INFER_DECODER_PRIV_H
#define INFER_DECODER_PRIV_H

#include "base/mem.h"
#include "infer/attention.h"
#include "infer/decoder.h"
#include "infer/product.h"
#include "infer/rope.h"

/* A norm's weight; rows longer than it are normalized piece by piece (heads). NULL weight: no norm here. */
struct norm {
    const float *weight;          /* [length] */
    int64_t length;
};

struct feed_forward {
    struct weight gate, up;       /* [ffn][embd] */
    struct weight down;           /* [embd][ffn] */
};

/* A mixture of experts: each row goes to those that the router scores highest. */
struct experts {
    struct weight router;         /* [experts][embd]; tensor NULL: the layer has none */
    struct feed_forward first;    /* expert 0; the rows of the others follow it in the same tensors */
    struct weight shared_gate;    /* [1][embd]: how much the shared expert adds; tensor NULL: all of it */
};

struct layer {
    const struct layer_shape *shape;
    struct norm attn_norm, attn_post_norm, q_norm, k_norm, ffn_norm, ffn_post_norm;
    struct weight q, k, v;        /* [heads or kv_heads · length][embd] */
    struct weight attn_output;    /* [embd][heads · value_length] */
    const float *sinks;           /* [heads], or NULL */
    struct feed_forward ffn;      /* of every row; beside experts the shared one, where there is one */
    struct experts experts;
    const struct rope *rope;      /* NULL: nothing is rotated */
    int64_t cache_k, cache_v;     /* where its part of the cache starts, in floats */
};

/* Which rows a layer's experts get, and what they work on. NULLs without experts. */
struct routing {
    float *scores;                /* [rows][experts] */
    int *chosen;                  /* [rows][used]: experts, best first */
    float *share;                 /* [rows][used]: what each counts */
    int64_t *start;               /* [experts + 1]: an expert's part of `order` */
    int64_t *order;               /* [rows · used]: indices into `chosen`, by expert and row */
    float *gathered;              /* [rows][embd]: one expert's inputs, then its outputs */
    float *sum;                   /* [rows][embd] */
};

struct decoder {
    const struct model *model;
    const struct kernels *kernels;
    struct product product;
    struct arena arena;           /* norms, biases, layers */
    int threads;
    int context, sequences;
    bool as_gguf;
    void (*act)(float *gate, const float *up, int64_t n);
    struct rope rope, rope_local; /* local: of windowed layers */

    struct layer *layers;         /* [hp.layers] */
    const struct tensor *embd;    /* [vocab][embd] */
    struct norm output_norm;
    struct weight output;         /* [vocab][embd] */

    /* Activations of one pass, of `rows` positions. */
    int64_t rows;
    float *x;                     /* [rows][embd], the residual stream */
    float *branch;                /* [rows][embd], what a block reads of it and adds to it */
    float *q;                     /* [rows][heads][key_length], at their widest, as all below */
    float *k;                     /* [rows][kv_heads][key_length]; NULL without sequences */
    float *v;                     /* [rows][kv_heads][value_length]; likewise */
    float *mixed;                 /* [rows][heads][value_length] */
    float *gate, *up;             /* [rows][ffn] */
    float *scratch;               /* [threads][attention_scratch] */
    struct routing routing;
    bool borrows;                 /* these are another's */
    uint64_t buffer_bytes;

    float *hidden;                /* [hidden_rows][embd]: the last call's, after the final norm */
    int64_t hidden_rows, hidden_count;

    float *cache;                 /* [layers][context][kv_heads · (key_length + value_length)] */
    uint64_t cache_bytes;
    int position;                 /* tokens in the cache */
};

/* decoder_open.c: finds and checks every weight; fills all but the buffers. */
int decoder_bind(struct decoder *d, struct error *e);
/* decoder_open.c: those of one layer. */
int decoder_bind_layer(struct decoder *d, int layer, struct error *e);

/* decoder_buffers.c: those of a pass, or another decoder's. */
void decoder_allocate(struct decoder *d, const struct decoder *beside);
/* decoder_buffers.c. Pages of the cache are touched, and so cost memory, as the sequence grows. */
void decoder_allocate_cache(struct decoder *d);
void decoder_free_buffers(struct decoder *d);

/* weights.c: the tensor with this role in this layer (-1: outside of blocks) as `rows` of `columns`, with its
 * bias where it has one; an error where it is missing, unreadable or of another shape. */
int bind_weight(struct decoder *d, struct weight *w, enum tensor_role role, int layer, int64_t columns,
                int64_t rows, struct error *e);
/* weights.c: `length` numbers, in the decoder's arena; *x is NULL where the model has none of this role. */
int bind_vector(struct decoder *d, const float **x, enum tensor_role role, int layer, int64_t length,
                struct error *e);
/* weights.c: an error that names the tensor. */
int missing_tensor(const struct decoder *d, enum tensor_role role, int layer, const char *suffix,
                   struct error *e);
/* weights.c: "cannot evaluate FILE: …" */
int decoder_refuse(const struct decoder *d, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* feed_forward.c: from the rows in d->branch to what they add to the residual stream, also there. */
void feed_forward_block(struct decoder *d, const struct layer *l, int64_t rows);
/* feed_forward.c: STAGE_GATE_UP, STAGE_DOWN or STAGE_END alone. kept[rows][feed_forward_kept()]: what goes into the
 * last product; of experts ordered by expert. */
void feed_forward_stage(struct decoder *d, const struct layer *l, enum decoder_stage stage, int64_t rows, float *kept);
int64_t feed_forward_kept(const struct decoder *d, const struct layer *l);
/* feed_forward.c: below this, rows are sooner done than given to threads. */
int threads_for(const struct decoder *d, int64_t rows);

#endif
