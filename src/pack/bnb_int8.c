/* LLM.int8 as bitsandbytes stores it: a weight is its code times SCB / 127, SCB the largest magnitude of the row.
 *
 *     weight          [rows][columns]   I8
 *     SCB             [rows]            F32
 *     weight_format   a single U8: 0, rows in their order
 *
 * Sources: bitsandbytes, backends/default/ops.py (int8_vectorwise_quant); https://arxiv.org/abs/2208.07339. */
#include <math.h>
#include <string.h>

#include "pack/codes.h"

enum { WEIGHT, SCB, WEIGHT_FORMAT };

static void parts(struct packed *p)
{
    packed_add(p, ".weight", "I8", 1, 2, p->rows, p->columns);
    packed_add(p, ".SCB", "F32", 4, 1, p->rows, 0);
    packed_add(p, ".weight_format", "U8", 1, 0, 0, 0);
}

static void encode_row(struct packed *p, int64_t row, const float *w)
{
    int8_t *to = (int8_t *)p->data[WEIGHT] + row * p->columns;
    float largest = pack_largest(w, p->columns);
    float over = largest > 0 ? 127.0f / largest : 0;
    for (int64_t i = 0; i < p->columns; i++)
        to[i] = (int8_t)nearbyintf(w[i] * over);
    memcpy(p->data[SCB] + row * 4, &largest, sizeof largest);
}

static void encode(struct packed *p, int64_t first, int64_t n, const float *w)
{
    for (int64_t r = 0; r < n; r++)
        encode_row(p, first + r, w + r * p->columns);
}

static void finish(struct packed *p)
{
    p->data[WEIGHT_FORMAT][0] = 0;
}

static void decode(const struct packed *p, int64_t first, int64_t n, float *w)
{
    for (int64_t r = first; r < first + n; r++) {
        const int8_t *from = (const int8_t *)p->data[WEIGHT] + r * p->columns;
        float scale;
        memcpy(&scale, p->data[SCB] + r * 4, sizeof scale);
        scale /= 127;
        for (int64_t i = 0; i < p->columns; i++)
            *w++ = from[i] * scale;
    }
}

const struct pack_format pack_bnb_int8 = {
    .name = "bnb-int8",
    .method = "bitsandbytes",
    .title = "bitsandbytes LLM.int8",
    .parts = parts,
    .encode = encode,
    .finish = finish,
    .decode = decode,
    .config = bitsandbytes_config,
};
