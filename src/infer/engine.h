/* The seam where another unit of arithmetic can stand: how rows of inputs meet rows of weights,
 *
 *     y[rows][n] = x[rows][k] · w[n][k]ᵀ
 *
 * Both sides are first brought into the form that the engine likes ("packed"). Weights come in strips of
 * ENGINE_STRIP rows and inputs in blocks of ENGINE_BLOCK rows; each lies in memory of its own, one after the
 * other, so threads pack them side by side. multiply() runs on the calling thread, touches its part of y
 * only, and sums in an order that depends on k alone: the result is the same however the work is cut. */
#ifndef INFER_ENGINE_H
#define INFER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

enum { ENGINE_STRIP = 32, ENGINE_BLOCK = 32 };

struct engine {
    const char *name;
    const struct engine *rough;         /* of inputs rounded to bfloat16, and faster for it; NULL: there is none */
    bool (*usable)(void);               /* on this processor */
    int input_parts, weight_parts;      /* that it cuts numbers in, if it does */
    int64_t (*strip_bytes)(const struct engine *e, int64_t k);  /* a packed strip; of float32 where pack_weights is NULL */
    int64_t (*block_bytes)(const struct engine *e, int64_t k);  /* a packed block */
    /* rows <= ENGINE_STRIP; NULL: float32 rows are taken as they are */
    void (*pack_weights)(const struct engine *e, const float *w, int64_t rows, int64_t k, void *strip);
    /* rows <= ENGINE_BLOCK; NULL likewise */
    void (*pack_inputs)(const struct engine *e, const float *x, int64_t rows, int64_t k, void *block);
    /* `inputs` and `strips` point to the first block and strip, y[rows][..n..] has `y_step` floats a row. */
    void (*multiply)(const struct engine *e, const void *inputs, int64_t rows, const void *strips, int64_t n, int64_t k,
                     float *y, int64_t y_step);
};

/* The best one here; QUANTWIZ_ENGINE (amx, blas) asks for another, for tests and comparisons. */
const struct engine *engine(void);
/* All of this build, best first; NULL at the end. */
const struct engine *engine_at(int i);

#endif
