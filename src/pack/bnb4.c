/* NF4 and FP4 as bitsandbytes stores them: 4 bits a weight, which choose one of 16 values from -1 to 1, times the
 * largest magnitude of its block of 64. Blocks run through the whole weight, over the ends of rows.
 *
 *     weight                  [elements / 2][1]   U8, the first of two in the upper half
 *     weight.absmax           [blocks]            F32; in double quantization U8, see below
 *     weight.quant_map        [16]                F32, the values
 *     weight.nested_absmax    [blocks / 256]      F32
 *     weight.nested_quant_map [256]               F32, 8-bit numbers that are dense near 0
 *     weight.quant_state.bitsandbytes__nf4        U8, JSON
 *
 * Double quantization: the blocks' magnitudes less their mean (nested_offset, in the JSON), in blocks of 256, by the
 * nearest of nested_quant_map. Here the JSON is filled up with blanks, so that its length is known beforehand.
 * Sources: bitsandbytes, functional.py (QuantState, create_dynamic_map), backends/default/ops.py; QLoRA,
 * https://arxiv.org/abs/2305.14314; 8-bit numbers: https://arxiv.org/abs/1511.04561. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pack/codes.h"

enum { WEIGHT, ABSMAX, QUANT_MAP, STATE, NESTED_ABSMAX, NESTED_MAP };
enum { NESTED_BLOCK = 256, STATE_BYTES = 192 };

/* Values by code, and the codes in order of their values. */
struct map4 {
    float values[16];
    uint8_t order[16];
};

/* Quantiles of a normal distribution, with 0 and both ends. */
static const struct map4 nf4_map = {
    {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
     -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
     0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
};

/* Sign, two bits of exponent, one of mantissa; over 12. Of its two zeros the positive one comes first. */
static const struct map4 fp4_map = {
    {0 / 12.0f, 0.0625f / 12, 8 / 12.0f, 12 / 12.0f, 4 / 12.0f, 6 / 12.0f, 2 / 12.0f, 3 / 12.0f,
     0 / 12.0f, -0.0625f / 12, -8 / 12.0f, -12 / 12.0f, -4 / 12.0f, -6 / 12.0f, -2 / 12.0f, -3 / 12.0f},
    {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3},
};

static const struct map4 *map_of(const struct scheme *s)
{
    return s->format == &pack_fp4 ? &fp4_map : &nf4_map;
}

static int64_t blocks_of(const struct packed *p)
{
    return (p->rows * p->columns + p->scheme->group - 1) / p->scheme->group;
}

/* ----------------------------------------------------------------------- shapes */

static void parts(struct packed *p)
{
    const struct scheme *s = p->scheme;
    bool fp4 = s->format == &pack_fp4;
    int64_t blocks = blocks_of(p);
    packed_add(p, ".weight", "U8", 1, 2, (p->rows * p->columns + 1) / 2, 1);
    packed_add(p, ".weight.absmax", s->double_quant ? "U8" : "F32", s->double_quant ? 1 : 4, 1, blocks, 0);
    packed_add(p, ".weight.quant_map", "F32", 4, 1, 16, 0);
    packed_add(p, fp4 ? ".weight.quant_state.bitsandbytes__fp4" : ".weight.quant_state.bitsandbytes__nf4", "U8", 1, 1,
               STATE_BYTES, 0);
    if (!s->double_quant)
        return;
    packed_add(p, ".weight.nested_absmax", "F32", 4, 1, (blocks + NESTED_BLOCK - 1) / NESTED_BLOCK, 0);
    packed_add(p, ".weight.nested_quant_map", "F32", 4, 1, 256, 0);
}

static int even(const struct scheme *s)
{
    (void)s;
    return 2;
}

/* --------------------------------------------------------------------- encoding */

/* The number of midpoints between neighbouring values that lie below x: as many as there are values below the
 * nearest. */
static uint8_t nearest4(const struct map4 *m, float x)
{
    int low = 0, high = 15;
    while (low < high) {
        int middle = (low + high) / 2;
        float bound = (m->values[m->order[middle]] + m->values[m->order[middle + 1]]) / 2;
        if (bound < x)
            low = middle + 1;
        else
            high = middle;
    }
    return m->order[low];
}

/* Below this a block counts as zeros. */
static const float least = 1e-38f;

/* The block from element `at` of the weight on; an uncut block begins at an even element. */
static void encode_block(struct packed *p, int64_t at, int64_t n, const float *w)
{
    const struct map4 *m = map_of(p->scheme);
    float largest = pack_largest(w, n), over = 1 / fmaxf(largest, least);
    unsigned char *to = p->data[WEIGHT] + at / 2;
    for (int64_t i = 0; i < n; i += 2) {
        uint8_t second = i + 1 < n ? nearest4(m, fmaxf(-1, fminf(1, w[i + 1] * over))) : 0;
        to[i / 2] = nearest4(m, fmaxf(-1, fminf(1, w[i] * over))) << 4 | second;
    }
    p->scratch[at / p->scheme->group] = largest;
}

static void encode(struct packed *p, int64_t first, int64_t n, const float *w)
{
    int64_t from = first * p->columns, count = n * p->columns, block = p->scheme->group;
    for (int64_t i = 0; i < count; i += block)
        encode_block(p, from + i, count - i < block ? count - i : block, w + i);
}

/* ------------------------------------------------------- magnitudes in 8 bits */

/* The magnitudes of map8 between two powers of ten: the middles of 2^i equal stretches from 0.1 to 1, computed in
 * floats from both ends, as torch.linspace does. */
static float boundary(int i, int count)
{
    float step = (1.0f - 0.1f) / (float)count;
    return i < (count + 1) / 2 ? 0.1f + step * (float)i : 1.0f - step * (float)(count - i);
}

static void make_map8(float map[static 256])
{
    int at = 128;
    map[127] = 0;
    for (int exponent = 0; exponent < 7; exponent++)
        for (int i = 0; i < 1 << exponent; i++, at++) {
            float middle = (boundary(i, 1 << exponent) + boundary(i + 1, 1 << exponent)) / 2;
            map[at] = (float)pow(10, exponent - 6) * middle;
            map[254 - at] = -map[at];
        }
    map[255] = 1;
}

static uint8_t nearest8(const float map[static 256], float x)
{
    int low = 0, high = 255;
    while (low < high) {
        int middle = (low + high) / 2;
        if ((map[middle] + map[middle + 1]) / 2 < x)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)low;
}

static float mean_of(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return n ? (float)(sum / (double)n) : 0;
}

/* Returns the mean. */
static float quantize_scales(struct packed *p, const float *absmax, int64_t blocks)
{
    float map[256], mean = mean_of(absmax, blocks);
    make_map8(map);
    memcpy(p->data[NESTED_MAP], map, sizeof map);
    for (int64_t from = 0; from < blocks; from += NESTED_BLOCK) {
        int64_t n = blocks - from < NESTED_BLOCK ? blocks - from : NESTED_BLOCK;
        float largest = 0;
        for (int64_t i = from; i < from + n; i++)
            largest = fmaxf(largest, fabsf(absmax[i] - mean));
        float over = 1 / fmaxf(largest, least);
        for (int64_t i = from; i < from + n; i++)
            p->data[ABSMAX][i] = nearest8(map, fmaxf(-1, fminf(1, (absmax[i] - mean) * over)));
        memcpy(p->data[NESTED_ABSMAX] + from / NESTED_BLOCK * 4, &largest, sizeof largest);
    }
    return mean;
}

static void put_state(struct packed *p, float mean)
{
    const struct scheme *s = p->scheme;
    char text[STATE_BYTES + 1], nested[96] = "";
    if (s->double_quant)
        snprintf(nested, sizeof nested, ", \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %.17g",
                 NESTED_BLOCK, (double)mean);
    snprintf(text, sizeof text, "{\"quant_type\": \"%s\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": [%" PRId64
             ", %" PRId64 "]%s}", s->format->name, s->group, s->bf16 ? "bfloat16" : "float16", p->rows, p->columns, nested);
    memset(p->data[STATE], ' ', STATE_BYTES);
    memcpy(p->data[STATE], text, strlen(text));
}

static void finish(struct packed *p)
{
    int64_t blocks = blocks_of(p);
    float mean = 0;
    memcpy(p->data[QUANT_MAP], map_of(p->scheme)->values, 16 * sizeof(float));
    if (p->scheme->double_quant)
        mean = p->nested_offset = quantize_scales(p, p->scratch, blocks);
    else
        memcpy(p->data[ABSMAX], p->scratch, blocks * sizeof(float));
    put_state(p, mean);
}

/* --------------------------------------------------------------------- decoding */

static float stored_float(const struct packed *p, int part, int64_t i)
{
    float x;
    memcpy(&x, p->data[part] + i * 4, sizeof x);
    return x;
}

static float scale_of(const struct packed *p, int64_t block)
{
    if (!p->scheme->double_quant)
        return stored_float(p, ABSMAX, block);
    return stored_float(p, NESTED_MAP, p->data[ABSMAX][block]) * stored_float(p, NESTED_ABSMAX, block / NESTED_BLOCK) +
           p->nested_offset;
}

/* Elements `from` to `to` of one block: two of a byte at a time, but for ends that share theirs with others. */
static float *decode_block(const struct packed *p, const float map[static 16], int64_t from, int64_t to, float *w)
{
    const unsigned char *bytes = p->data[WEIGHT];
    float values[16], scale = scale_of(p, from / p->scheme->group);
    for (int i = 0; i < 16; i++)
        values[i] = map[i] * scale;
    if (from % 2)
        *w++ = values[bytes[from++ / 2] & 15];
    for (; from + 1 < to; from += 2) {
        *w++ = values[bytes[from / 2] >> 4];
        *w++ = values[bytes[from / 2] & 15];
    }
    if (from < to)
        *w++ = values[bytes[from / 2] >> 4];
    return w;
}

static void decode(const struct packed *p, int64_t first, int64_t n, float *w)
{
    int64_t from = first * p->columns, end = from + n * p->columns, block = p->scheme->group;
    float map[16];
    memcpy(map, p->data[QUANT_MAP], sizeof map);
    for (int64_t to; from < end; from = to) {
        to = (from / block + 1) * block;
        to = to < end ? to : end;
        w = decode_block(p, map, from, to, w);
    }
}

static int64_t scratch(const struct packed *p)
{
    return blocks_of(p);
}

json_t *bitsandbytes_config(const struct scheme *s, const struct pack_kept *kept)
{
    bool four = s->bits == 4;
    json_t *c = json_pack("{s:s, s:b, s:b, s:b, s:b, s:f, s:o, s:b, s:b}", "quant_method", "bitsandbytes",
                          "load_in_4bit", four, "load_in_8bit", !four, "_load_in_4bit", four, "_load_in_8bit", !four,
                          "llm_int8_threshold", 6.0, "llm_int8_skip_modules", pack_names(kept->names, kept->count),
                          "llm_int8_has_fp16_weight", 0, "llm_int8_enable_fp32_cpu_offload", 0);
    json_object_set_new(c, "bnb_4bit_quant_type", json_string(four ? s->format->name : "fp4"));
    json_object_set_new(c, "bnb_4bit_use_double_quant", json_boolean(s->double_quant));
    json_object_set_new(c, "bnb_4bit_compute_dtype", json_string(s->bf16 ? "bfloat16" : "float16"));
    json_object_set_new(c, "bnb_4bit_quant_storage", json_string("uint8"));
    return c;
}

#define FORMAT(NAME, TITLE)                                                                                            \
    {.name = NAME, .method = "bitsandbytes", .title = TITLE, .parts = parts, .column_multiple = even,               \
     .encode = encode, .finish = finish, .decode = decode, .scratch = scratch,              \
     .config = bitsandbytes_config}
const struct pack_format pack_nf4 = FORMAT("nf4", "bitsandbytes NF4");
const struct pack_format pack_fp4 = FORMAT("fp4", "bitsandbytes FP4");
