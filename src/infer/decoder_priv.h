/* Shared by decoder_open.c (what the model must offer) and decoder.c (the forward pass). */
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

struct layer {
    const struct layer_shape *shape;
    struct norm attn_norm, attn_post_norm, q_norm, k_norm, ffn_norm, ffn_post_norm;
    struct weight q, k, v;        /* [heads or kv_heads · length][embd] */
    struct weight attn_output;    /* [embd][heads · value_length] */
    struct weight gate, up;       /* [ffn][embd]; no gate: tensor NULL */
    struct weight down;           /* [embd][ffn] */
    const struct rope *rope;
    int64_t cache_k, cache_v;     /* where its part of the cache starts, in floats */
};

struct decoder {
    const struct model *model;
    const struct kernels *kernels;
    struct product product;
    struct arena arena;           /* norms, biases, layers */
    int threads;
    int context, sequences;
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
    uint64_t buffer_bytes;

    float *hidden;                /* [hidden_rows][embd]: the last call's, after the final norm */
    int64_t hidden_rows, hidden_count;

    float *cache;                 /* [layers][context][kv_heads · (key_length + value_length)] */
    uint64_t cache_bytes;
    int position;                 /* tokens in the cache */
};

/* decoder_open.c: finds and checks every weight; fills all but the buffers. */
int decoder_bind(struct decoder *d, struct error *e);

#endif
