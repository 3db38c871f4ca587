/* The formats of compressed-tensors, which vLLM reads: FP8 ("float-quantized") and INT8 ("int-quantized") with a scale
 * for each row, and the inputs quantized token by token as they come; and packed whole numbers ("pack-quantized").
 *
 *     weight              [rows][columns]            F8_E4M3 or I8
 *     weight_scale        [rows][1]                  BF16 in BF16 checkpoints, else F32
 *
 *     weight_packed       [rows][columns * bits / 32]  I32, a stream of bits along the row, codes from 0 on
 *     weight_scale        [rows][groups]             BF16 or F16, as the checkpoint
 *     weight_zero_point   [rows * bits / 32][groups] I32, a stream down each column; not in symmetric schemes
 *     weight_shape        [2]                        I64, rows and columns
 *
 * Sources: compressed-tensors, compressors/pack_quantized and naive_quantized; OCP 8-bit Floating Point. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pack/bits.h"
#include "pack/codes.h"
#include "quant/half.h"

/* ---------------------------------------------------------------- a scale a row */

enum { WEIGHT, WEIGHT_SCALE };

/* The largest number of a code: scales bring the row's largest there. */
static float top_of(const struct scheme *s)
{
    return s->format == &pack_fp8 ? E4M3_MAX : 127;
}

static void parts_of_rows(struct packed *p)
{
    packed_add(p, ".weight", p->scheme->format == &pack_fp8 ? "F8_E4M3" : "I8", 1, 2, p->rows, p->columns);
    packed_add(p, ".weight_scale", p->scheme->bf16 ? "BF16" : "F32", p->scheme->bf16 ? 2 : 4, 2, p->rows, 1);
}

static uint8_t code_of(const struct scheme *s, float x)
{
    return s->format == &pack_fp8 ? e4m3_from_float(x) : (uint8_t)(int8_t)nearbyintf(x);
}

static float value_of(const struct scheme *s, uint8_t code)
{
    return s->format == &pack_fp8 ? e4m3_to_float(code) : (float)(int8_t)code;
}

static void encode_row(struct packed *p, int64_t row, const float *w)
{
    float largest = pack_largest(w, p->columns), top = top_of(p->scheme);
    unsigned char *to = p->data[WEIGHT] + row * p->columns;
    float scale = largest > 0 ? scheme_round_scale(p->scheme, largest / top) : 1;
    for (int64_t i = 0; i < p->columns; i++)
        to[i] = code_of(p->scheme, fmaxf(-top, fminf(top, w[i] / scale)));
    pack_put_float(p, WEIGHT_SCALE, row, scale);
}

static void encode_rows(struct packed *p, int64_t first, int64_t n, const float *w)
{
    for (int64_t r = 0; r < n; r++)
        encode_row(p, first + r, w + r * p->columns);
}

static void decode_rows(const struct packed *p, int64_t first, int64_t n, float *w)
{
    for (int64_t r = first; r < first + n; r++) {
        float scale = pack_get_float(p, WEIGHT_SCALE, r);
        for (int64_t i = 0; i < p->columns; i++)
            *w++ = value_of(p->scheme, p->data[WEIGHT][r * p->columns + i]) * scale;
    }
}

/* Codes of whole numbers are signed where they are stored. */
static void pack_rows(struct packed *p, int64_t first, const struct codes *c)
{
    unsigned char *to = p->data[WEIGHT] + first * p->columns;
    for (int64_t i = 0; i < c->rows * c->columns; i++)
        to[i] = (uint8_t)(c->codes[i] - c->zeros[i / c->columns]);
    for (int64_t r = 0; r < c->rows; r++)
        pack_put_float(p, WEIGHT_SCALE, first + r, c->scales[r]);
}

static void unpack_rows(const struct packed *p, int64_t first, struct codes *c)
{
    for (int64_t i = 0; i < c->rows * c->columns; i++)
        c->codes[i] = p->data[WEIGHT][first * p->columns + i] + 128;
    for (int64_t r = 0; r < c->rows; r++) {
        c->zeros[r] = 128;
        c->scales[r] = pack_get_float(p, WEIGHT_SCALE, first + r);
    }
}

/* ----------------------------------------------------------------------- packed */

enum { PACKED, SCALE, SHAPE, ZERO_POINT };

static void parts(struct packed *p)
{
    const struct scheme *s = p->scheme;
    int64_t groups = scheme_groups(s, p->columns);
    packed_add(p, ".weight_packed", "I32", 4, 2, p->rows, bits_words(p->columns, s->bits));
    packed_add(p, ".weight_scale", s->bf16 ? "BF16" : "F16", 2, 2, p->rows, groups);
    packed_add(p, ".weight_shape", "I64", 8, 1, 2, 0);
    if (!s->symmetric)
        packed_add(p, ".weight_zero_point", "I32", 4, 2, bits_words(p->rows, s->bits), groups);
}

static struct bit_stream row_of(const struct packed *p, int64_t row)
{
    return (struct bit_stream){.words = p->data[PACKED] + row * p->parts[PACKED].shape[1] * 4, .stride = 4,
                               .bits = p->scheme->bits};
}

static struct bit_stream zeros(const struct packed *p, int64_t group)
{
    return (struct bit_stream){.words = p->data[ZERO_POINT] + group * 4, .stride = p->parts[ZERO_POINT].shape[1] * 4,
                               .bits = p->scheme->bits};
}

static void pack(struct packed *p, int64_t first, const struct codes *c)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    for (int64_t r = 0; r < c->rows; r++) {
        struct bit_stream s = row_of(p, first + r);
        bits_put(&s, 0, c->columns, c->codes + r * c->columns, 1);
        for (int64_t g = 0; g < groups; g++)
            pack_put_float(p, SCALE, (first + r) * groups + g, c->scales[r * groups + g]);
    }
    for (int64_t g = 0; g < groups && !p->scheme->symmetric; g++) {
        struct bit_stream s = zeros(p, g);
        bits_put(&s, first, c->rows, c->zeros + g, groups);
    }
}

static void unpack(const struct packed *p, int64_t first, struct codes *c)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    for (int64_t r = 0; r < c->rows; r++) {
        struct bit_stream s = row_of(p, first + r);
        bits_get(&s, 0, c->columns, c->codes + r * c->columns, 1);
        for (int64_t g = 0; g < groups; g++)
            c->scales[r * groups + g] = pack_get_float(p, SCALE, (first + r) * groups + g);
    }
    memset(c->zeros, 1 << (p->scheme->bits - 1), c->rows * groups);
    for (int64_t g = 0; g < groups && !p->scheme->symmetric; g++) {
        struct bit_stream s = zeros(p, g);
        codes_get_zeros(c, &s, first, g, 0);
    }
    c->group_of = p->group_of;
}

static void finish(struct packed *p)
{
    const int64_t shape[2] = {p->rows, p->columns};
    memcpy(p->data[SHAPE], shape, sizeof shape);
}

/* --------------------------------------------------------------- quantization_config */

/* Unset values stand there as null: readers check the form. */
static json_t *arguments(const struct scheme *s, const char *strategy, bool dynamic)
{
    bool grouped = strcmp(strategy, "group") == 0;
    json_t *a = json_pack("{s:i, s:s, s:b, s:s, s:b}", "num_bits", s->bits, "type",
                          s->format == &pack_fp8 ? "float" : "int", "symmetric", s->symmetric || dynamic, "strategy",
                          strategy, "dynamic", dynamic);
    json_object_set_new(a, "group_size", grouped ? json_integer(s->group) : json_null());
    json_object_set_new(a, "actorder", json_null());
    json_object_set_new(a, "block_structure", json_null());
    json_object_set_new(a, "observer", dynamic ? json_null() : json_string("minmax"));
    json_object_set_new(a, "observer_kwargs", json_object());
    return a;
}

static json_t *config(const struct scheme *s, const struct pack_kept *kept)
{
    bool packed = s->format == &pack_w4a16;
    const char *layout = packed ? "pack-quantized" : s->format == &pack_fp8 ? "float-quantized" : "int-quantized";
    json_t *weights = arguments(s, s->group ? "group" : "channel", false);
    json_t *inputs = packed ? json_null() : arguments(s, "token", true);
    json_t *group = json_pack("{s:[s], s:o, s:o, s:n}", "targets", "Linear", "weights", weights, "input_activations", inputs,
                              "output_activations");
    return json_pack("{s:s, s:s, s:s, s:{s:o}, s:o, s:n, s:n}", "quant_method", "compressed-tensors", "format", layout,
                     "quantization_status", "compressed", "config_groups", "group_0", group, "ignore",
                     pack_names(kept->names, kept->count), "kv_cache_scheme", "global_compression_ratio");
}

#define METHOD .config = config, .method = "compressed-tensors"
const struct pack_format pack_fp8 = {
    METHOD, .name = "fp8", .title = "FP8", .parts = parts_of_rows, .encode = encode_rows, .decode = decode_rows,
};
const struct pack_format pack_w8a8 = {
    METHOD, .name = "w8a8", .title = "INT8 W8A8", .parts = parts_of_rows, .encode = encode_rows,
    .pack = pack_rows, .unpack = unpack_rows, .decode = decode_rows,
};
const struct pack_format pack_w4a16 = {
    METHOD, .name = "w4a16", .title = "packed INT4", .parts = parts, .encode = codes_encode, .pack = pack,
    .unpack = unpack, .finish = finish, .decode = codes_decode,
};
