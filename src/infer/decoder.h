/* The forward pass: one decoder, driven by architecture traits, from weights of any decodable type.
 *
 * Weights stay mapped, are decoded a slab at a time, and multiplied with the accuracy of float32 (engine.h
 * says by what); activations stay float32 unless asked. Results do not depend on the number of threads. */
#ifndef INFER_DECODER_H
#define INFER_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/watch.h"
#include "infer/product.h"
#include "model/model.h"

struct decoder;

struct decoder_options {
    int context;             /* tokens of the longest sequence */
    /* Evaluated side by side in one pass by decoder_chunks: more make better use of each decoded weight, up
     * to some 4096 tokens in all. 0: decoder_append only. With 2 or more the cache is made by the first
     * decoder_append. */
    int sequences;
    bool as_gguf;            /* a folder is computed as runtimes compute the GGUF file made of it */
    bool activations_q8;     /* round the inputs of products as llama.cpp's CPU kernels do (round.h) */
    product_tap *tap;        /* sees the inputs of every product, for calibration */
    void *tap_user;
};

/* Fails, saying why, where the architecture cannot be evaluated. The model must outlive it. */
int decoder_open(struct decoder **out, const struct model *m, const struct decoder_options *o,
                 struct error *e);
/* Whether decoder_open would take the model, without its buffers. */
int decoder_check(const struct model *m, struct error *e);
void decoder_free(struct decoder *d);
/* Bytes of buffers that it holds, weights aside; known once it is open. The cache is touched as it fills. */
uint64_t decoder_bytes(const struct decoder *d);

/* Independent sequences of `length` tokens each, from an empty cache: tokens[sequences][length].
 * Afterwards decoder_logits gives the logits of any position of them. Leaves appended tokens alone. */
int decoder_chunks(struct decoder *d, const int32_t *tokens, int sequences, int length, struct watch *w,
                   struct error *e);
/* Appends tokens to the one sequence (the prompt, then a token at a time); position 0 after decoder_clear. */
int decoder_append(struct decoder *d, const int32_t *tokens, int count, struct error *e);
void decoder_clear(struct decoder *d);
/* Logits of rows [first, first+count) of the last call's tokens (sequence-major): out[count][vocab]. They are
 * computed here: ask only for those that are needed, and for many at once. A damaged model may give NaN. */
void decoder_logits(struct decoder *d, int first, int count, float *out);

/* One layer at a time, for calibration, which changes the weights of the model in between. */
enum decoder_stage { /* in the order in which a layer's weights meet their inputs */
    STAGE_QKV, STAGE_ATTN_OUTPUT, STAGE_GATE_UP, STAGE_DOWN, STAGE_WHOLE,
};
/* x[sequences][length][embd], the residual stream before the first layer. Tokens must be below the vocabulary. */
void decoder_embed(struct decoder *d, const int32_t *tokens, int sequences, int length, float *x);
/* Takes x through a layer, in place. Before STAGE_WHOLE it ends where the inputs of that stage's weights are known:
 * they go to the tap, and x stays as it was. */
void decoder_layer(struct decoder *d, int layer, enum decoder_stage until, int sequences, int length, float *x);

#endif
