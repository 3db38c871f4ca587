/* GPTQ as GPTQModel, AutoGPTQ, vLLM and TGI read it (checkpoint_format "gptq", the first version):
 *
 *     qweight [columns * bits / 32][rows]     I32, a stream of bits down each column of words: one output's inputs
 *     qzeros  [groups][rows * bits / 32]      I32, zero points less 1, a stream along the outputs
 *     scales  [groups][rows]                  F16
 *     g_idx   [columns]                       I32, the group of each input
 *
 * Version 2 ("gptq_v2") has the zero points as they are. It is written where there are any: GPTQModel refuses the first
 * version with zero points, because tools have got the 1 wrong. Sources: GPTQModel, nn_modules/qlinear (pack); vLLM,
 * quantization/gptq.py. */
#include <config.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pack/bits.h"
#include "pack/codes.h"

enum { QWEIGHT, QZEROS, SCALES, G_IDX };

static void parts(struct packed *p)
{
    int bits = p->scheme->bits;
    int64_t groups = scheme_groups(p->scheme, p->columns);
    packed_add(p, ".qweight", "I32", 4, 2, bits_words(p->columns, bits), p->rows);
    packed_add(p, ".qzeros", "I32", 4, 2, groups, bits_words(p->rows, bits));
    packed_add(p, ".scales", "F16", 2, 2, groups, p->rows);
    packed_add(p, ".g_idx", "I32", 4, 1, p->columns, 0);
}

/* Numbers that fill words exactly: 3 bits need 32 of them. */
static int multiple(const struct scheme *s)
{
    return s->bits == 3 ? 32 : 32 / s->bits;
}

static struct bit_stream weights(const struct packed *p, int64_t row)
{
    return (struct bit_stream){.words = p->data[QWEIGHT] + row * 4, .stride = p->rows * 4, .bits = p->scheme->bits};
}

static struct bit_stream zeros(const struct packed *p, int64_t group)
{
    return (struct bit_stream){.words = p->data[QZEROS] + group * p->parts[QZEROS].shape[1] * 4, .stride = 4,
                               .bits = p->scheme->bits};
}

static void put_zeros(struct packed *p, int64_t first, const struct codes *c, int64_t groups)
{
    uint8_t *stored = xmalloc(c->rows * groups);
    for (int64_t i = 0; i < c->rows * groups; i++)
        stored[i] = (c->zeros[i] - p->zero_add) & ((1 << p->scheme->bits) - 1);
    for (int64_t g = 0; g < groups; g++) {
        struct bit_stream s = zeros(p, g);
        bits_put(&s, first, c->rows, stored + g, groups);
    }
    free(stored);
}

static void put_g_idx(struct packed *p, const struct codes *c)
{
    for (int64_t i = 0; i < c->columns; i++) {
        int32_t group = (int32_t)codes_group(c, i);
        memcpy(p->data[G_IDX] + i * 4, &group, sizeof group);
    }
}

static void pack(struct packed *p, int64_t first, const struct codes *c)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    for (int64_t r = 0; r < c->rows; r++) {
        struct bit_stream s = weights(p, first + r);
        bits_put(&s, 0, c->columns, c->codes + r * c->columns, 1);
        for (int64_t g = 0; g < groups; g++)
            pack_put_float(p, SCALES, g * p->rows + first + r, c->scales[r * groups + g]);
    }
    put_zeros(p, first, c, groups);
    if (first == 0)
        put_g_idx(p, c);
}

static void unpack(const struct packed *p, int64_t first, struct codes *c)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    for (int64_t r = 0; r < c->rows; r++) {
        struct bit_stream s = weights(p, first + r);
        bits_get(&s, 0, c->columns, c->codes + r * c->columns, 1);
        for (int64_t g = 0; g < groups; g++)
            c->scales[r * groups + g] = pack_get_float(p, SCALES, g * p->rows + first + r);
    }
    for (int64_t g = 0; g < groups; g++) {
        struct bit_stream s = zeros(p, g);
        codes_get_zeros(c, &s, first, g, p->zero_add);
    }
    c->group_of = p->group_of;
}

/* "-:PATTERN" leaves out what matches: GPTQModel's and vLLM's "dynamic". */
static json_t *skipped_modules(const struct pack_kept *kept)
{
    json_t *dynamic = json_object();
    for (int i = 0; i < kept->skipped_count; i++) {
        struct str pattern = {0};
        str_add(&pattern, "-:^");
        for (const char *c = kept->skipped[i]; *c; c++)
            str_addf(&pattern, *c == '.' ? "\\." : "%c", *c);
        str_add_char(&pattern, '$');
        json_object_set_new(dynamic, pattern.data, json_object());
        str_done(&pattern);
    }
    return dynamic;
}

static json_t *config(const struct scheme *s, const struct pack_kept *kept)
{
    const char *version = s->symmetric ? "gptq" : "gptq_v2";
    json_t *c = json_pack("{s:s, s:i, s:i, s:b, s:b, s:s, s:s, s:b, s:s, s:{s:[s]}}", "quant_method", "gptq", "bits", s->bits,
                          "group_size", s->group ? s->group : -1, "sym", s->symmetric, "desc_act", s->act_order,
                          "checkpoint_format", version, "format", version, "lm_head", 0, "pack_dtype", "int32", "meta",
                          "quantizer", "quantwiz:" PACKAGE_VERSION);
    if (kept->skipped_count)
        json_object_set_new(c, "dynamic", skipped_modules(kept));
    return c;
}

const struct pack_format pack_gptq = {
    .name = "gptq",
    .method = "gptq",
    .title = "GPTQ",
    .parts = parts,
    .row_multiple = multiple,
    .column_multiple = multiple,
    .encode = codes_encode,
    .pack = pack,
    .unpack = unpack,
    .decode = codes_decode,
    .config = config,
};
