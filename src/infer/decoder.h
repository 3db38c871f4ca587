/* The forward pass: one decoder, driven by architecture traits, from weights of any decodable type.
 *
 * Weights stay mapped, are decoded a slab at a time, and multiplied with the accuracy of float32 (engine.h
 * says by what), unless rough products are asked for; activations stay float32 unless asked. Results do not
 * depend on the number of threads. */
#ifndef INFER_DECODER_H
#define INFER_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/watch.h"
#include "infer/product.h"
#include "model/model.h"

struct decoder;

/* How the inputs of products are rounded, see round.h. */
enum activations {
    ACTIVATIONS_SERVED,      /* as the libraries do that serve a folder's format: not, unless that has 8-bit inputs */
    ACTIVATIONS_F32,         /* not at all */
    ACTIVATIONS_Q8,          /* as llama.cpp's CPU kernels do */
};
/* "served", "f32", "q8"; false: none of them. */
bool activations_parse(enum activations *a, const char *name);
const char *activations_name(enum activations a);

struct decoder_options {
    int context;             /* tokens of the longest sequence */
    /* Evaluated side by side in one pass by decoder_chunks: more make better use of each decoded weight, up
     * to some 4096 tokens in all. 0: decoder_append only. With 1 or more the cache is made by the first
     * decoder_append. */
    int sequences;
    bool as_gguf;            /* a folder is computed as runtimes compute the GGUF file made of it */
    enum activations activations;
    bool rough;              /* products may be of inputs rounded to bfloat16, where the processor gains by it */
    /* NULL, or one with these options of a model of this shape, which takes turns with this one: its buffers are used,
     * whatever is in them. It must be freed later. */
    const struct decoder *beside;
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

/* What decoder_logits multiplies by the output weight, of rows of the last call's tokens: hidden[count][embd]. Put back
 * into the same rows it stands for a pass over those tokens, and gives the same logits to the last bit. */
void decoder_keep(const struct decoder *d, int first, int count, float *hidden);
void decoder_restore(struct decoder *d, int first, int count, const float *hidden);

/* One layer at a time, for calibration, which changes the weights of the model in between. Each stage takes the
 * products of the weights of the stage before, and ends where the inputs of its own weights are known: they go to the
 * tap, to which no product tells anything here. So every product is taken once. */
enum decoder_stage { /* in the order in which a layer's weights meet their inputs */
    STAGE_QKV, STAGE_ATTN_OUTPUT, STAGE_GATE_UP, STAGE_DOWN,
    STAGE_END,   /* meets nothing: x is what the layer makes of it */
    STAGE_COUNT,
};
/* The stage that a layer's weight of this role meets its inputs in; the next one takes its products. STAGE_COUNT: it is no
 * such weight, or several stages take them, as they do the router's. */
enum decoder_stage decoder_meets(enum tensor_role role);
/* x[sequences][length][embd], the residual stream before the first layer. Tokens must be below the vocabulary. */
void decoder_embed(struct decoder *d, const int32_t *tokens, int sequences, int length, float *x);
/* All stages of a layer at once, in place; the products' inputs go to the tap. */
void decoder_layer(struct decoder *d, int layer, int sequences, int length, float *x);
/* One stage, in place. kept[sequences · length · decoder_kept()]: what the stage, or the one before, leaves beside x for
 * the next one. */
void decoder_layer_stage(struct decoder *d, int layer, enum decoder_stage stage, int sequences, int length, float *x,
                         float *kept);
/* Floats that a stage leaves for each token, in any layer at most; 0: all that it leaves is in x. */
int64_t decoder_kept(const struct decoder *d, enum decoder_stage stage);
/* The inputs of the output weight, of x after the last layer: they go to the tap. */
void decoder_meet_output(struct decoder *d, int sequences, int length, float *x);
/* Logits of x[rows][embd] after the last layer: out[rows][vocab]. No more rows at once than the sequences hold that it
 * was opened for. */
void decoder_output(struct decoder *d, float *x, int rows, float *out);
/* Takes the norms and biases of a layer from the model again. */
int decoder_reload(struct decoder *d, int layer, struct error *e);

#endif
