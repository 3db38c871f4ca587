/* The table of tensor types: one row per type of today's ggml. Estimator, reader, writer and --help all
 * use the same row. Numbers and block layouts: ggml (ggml.h enum ggml_type, ggml-common.h). */
#ifndef QUANT_QUANT_TYPE_H
#define QUANT_QUANT_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quant_id { /* as stored in GGUF files */
    QUANT_F32 = 0, QUANT_F16 = 1, QUANT_Q4_0 = 2, QUANT_Q4_1 = 3, QUANT_Q5_0 = 6, QUANT_Q5_1 = 7,
    QUANT_Q8_0 = 8, QUANT_Q8_1 = 9, QUANT_Q2_K = 10, QUANT_Q3_K = 11, QUANT_Q4_K = 12, QUANT_Q5_K = 13,
    QUANT_Q6_K = 14, QUANT_Q8_K = 15, QUANT_IQ2_XXS = 16, QUANT_IQ2_XS = 17, QUANT_IQ3_XXS = 18,
    QUANT_IQ1_S = 19, QUANT_IQ4_NL = 20, QUANT_IQ3_S = 21, QUANT_IQ2_S = 22, QUANT_IQ4_XS = 23,
    QUANT_I8 = 24, QUANT_I16 = 25, QUANT_I32 = 26, QUANT_I64 = 27, QUANT_F64 = 28, QUANT_IQ1_M = 29,
    QUANT_BF16 = 30, QUANT_TQ1_0 = 34, QUANT_TQ2_0 = 35, QUANT_MXFP4 = 39, QUANT_NVFP4 = 40, QUANT_Q1_0 = 41,
    QUANT_Q2_0 = 42,
};

struct quant_type {
    enum quant_id id;
    const char *name;    /* "Q4_K" */
    int block;           /* elements per block */
    int block_bytes;     /* sizeof the block's struct */
    bool quantized;      /* false for plain numbers */
    /* n elements, a multiple of `block`. NULL where the type is known but cannot be decoded or made. */
    void (*decode)(const void *blocks, float *x, int64_t n);
    /* `weight`: importance of each of the n elements, or NULL for the type's own default. */
    void (*encode)(const float *x, const float *weight, void *blocks, int64_t n);

    /* What choosing codes one at a time asks for (calib/feedback.h). Each run of `sub` elements has a scale of
     * its own, and an element takes a value unit × code + minimum, with a whole code within low..high, or,
     * where `uneven`, one of the levels of iq4.h. `sub` 0: not known for this type. */
    int sub;
    float low, high;
    bool uneven;
    /* Of one block, its scales as they stand: unit[block / sub], minimum[block / sub]. */
    void (*grid)(const void *block, float *unit, float *minimum);
    /* Stores the scale nearest to `unit` for a run; its minimum, the codes and the other runs' scales stay. */
    void (*rescale)(void *block, int run, float unit);
    /* Stores the codes nearest to x[block]; the scales stay. */
    void (*recode)(const float *x, void *block);
};

/* NULL for an unknown id or name (names compare without case). */
const struct quant_type *quant_type(enum quant_id id);
const struct quant_type *quant_type_named(const char *name);
/* All rows in order of id, NULL at the end: for (i = 0; (t = quant_type_at(i)); i++) */
const struct quant_type *quant_type_at(int i);

/* Bytes of n elements (a multiple of the block). */
static inline uint64_t quant_bytes(const struct quant_type *t, uint64_t n)
{
    return n / t->block * t->block_bytes;
}
static inline double quant_bits(const struct quant_type *t)
{
    return 8.0 * t->block_bytes / t->block;
}

/* What an encoding lost: adds Σ x² to *power and Σ (x - y)² to *error. */
void quant_loss(const float *x, const float *y, int64_t n, double *power, double *error);

#endif
