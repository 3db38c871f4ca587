/* Products of activations with weights of any decodable type, on all cores.
 *
 * The weights stay mapped as the file has them. A product of many rows decodes them a slab at a time, packs
 * the slab for the engine, and multiplies it with all rows while it is near; a product of few rows
 * (generation) decodes a few rows of weights into the first-level cache and takes the dot products there, so
 * that memory is read once. How the work is cut does not depend on the number of threads, and neither does
 * any sum. */
#ifndef INFER_PRODUCT_H
#define INFER_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "infer/engine.h"
#include "infer/kernels.h"
#include "infer/round.h"
#include "model/model.h"

/* Rows [first, first + rows) of a tensor, as a matrix [rows][columns]. */
struct weight {
    const struct tensor *tensor;
    int64_t first, rows, columns;
    const float *bias;              /* [rows], or NULL */
    int64_t step;                   /* rows from one expert to the next, in tensors that hold several */
    int expert;                     /* which of the tensor's experts these rows are; 0 where it has none */
    bool follows;                   /* other rows of the tensor have met the same inputs (fused weights) */
};

/* Called with the inputs of each product with a weight: x[rows][columns]. Experts meet the inputs that were
 * routed to them, one expert at a time. */
typedef void product_tap(void *user, const struct tensor *t, int expert, const float *x, int64_t rows,
                         int64_t columns);

/* One product of a group that shares its inputs. */
struct output {
    const struct weight *weight;
    float *y;                       /* [inputs' rows][weight's rows] */
};

struct product {
    const struct engine *engine;
    const struct kernels *kernels;
    int threads;
    bool imitate;                   /* round inputs as llama.cpp does */
    bool serve;                     /* ... and those of formats that ask for it as the libraries that serve them do */
    product_tap *tap;
    void *tap_user;
    bool silent;                    /* products tell the tap nothing; product_tap_inputs does */
    /* the inputs at present */
    const float *x;                 /* [rows][columns] */
    int64_t rows, columns;
    const float *ready;             /* x, or `rounded` */
    enum rounding rounding;         /* what `ready` went through */
    bool packed;                    /* whether `blocks` holds `ready` */
    /* buffers, for inputs of at most so many rows and columns */
    int64_t max_columns;
    float *rounded;                 /* [rows][columns]; NULL where none are */
    unsigned char *blocks;          /* packed inputs; NULL where the engine takes them as they are */
    unsigned char *slabs[2];        /* packed weights: one is multiplied while the other is filled */
    int64_t slab_bytes;
    float *decoded;                 /* [threads][ENGINE_STRIP][max_columns] */
};

/* Sets the buffers up; returns their size in bytes. The other fields must be set before. */
uint64_t product_init(struct product *p, int64_t max_rows, int64_t max_columns);
/* Uses another's, which must outlive it; they take turns. */
void product_borrow(struct product *p, const struct product *from);
void product_done(struct product *p);
/* For each output y[rows][weight's rows] = x[rows][columns] · weightᵀ + bias; all weights have these columns. */
void product(struct product *p, const float *x, int64_t rows, const struct output *outputs, int count);

/* The tap alone: nothing is multiplied. */
void product_tap_inputs(const struct product *p, const float *x, int64_t rows, const struct output *outputs, int count);

#endif
