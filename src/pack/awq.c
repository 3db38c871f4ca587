/* AWQ in its GEMM layout, as AutoAWQ wrote it and vLLM, TGI, SGLang and transformers read it:
 *
 *     qweight [columns][rows / 8]     I32: eight outputs of one input a word
 *     qzeros  [groups][rows / 8]      I32, zero points as they are, in the same order
 *     scales  [groups][rows]          F16
 *
 * Nibble i of a word (bits 4i to 4i + 3) belongs to output order[i] of its eight. Readers know no symmetric kind: zero
 * points of 8 say the same. Sources: AutoAWQ, awq/utils/packing_utils.py; vLLM, quantization/awq.py. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pack/codes.h"

enum { QWEIGHT, QZEROS, SCALES };
enum { EIGHT = 8 };

static const int order[EIGHT] = {0, 2, 4, 6, 1, 3, 5, 7};

static void parts(struct packed *p)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    packed_add(p, ".qweight", "I32", 4, 2, p->columns, p->rows / EIGHT);
    packed_add(p, ".qzeros", "I32", 4, 2, groups, p->rows / EIGHT);
    packed_add(p, ".scales", "F16", 2, 2, groups, p->rows);
}

static int row_multiple(const struct scheme *s)
{
    (void)s;
    return EIGHT;
}

/* Eight outputs from `row` on, whose numbers stand `step` apart. */
static void put_word(struct packed *p, int part, int64_t line, int64_t row, const uint8_t *from, int64_t step)
{
    uint32_t word = 0;
    for (int i = 0; i < EIGHT; i++)
        word |= (uint32_t)from[order[i] * step] << 4 * i;
    memcpy(p->data[part] + (line * (p->rows / EIGHT) + row / EIGHT) * 4, &word, sizeof word);
}

/* Outputs `first` to `first + n`, which lie in the eight from `row` on. */
static void get_word(const struct packed *p, int part, int64_t line, int64_t row, int64_t first, int64_t n, uint8_t *to,
                     int64_t step)
{
    uint32_t word;
    memcpy(&word, p->data[part] + (line * (p->rows / EIGHT) + row / EIGHT) * 4, sizeof word);
    for (int i = 0; i < EIGHT; i++) {
        int64_t at = row + order[i] - first;
        if (at >= 0 && at < n)
            to[at * step] = word >> 4 * i & 15;
    }
}

static void pack(struct packed *p, int64_t first, const struct codes *c)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    for (int64_t r = 0; r < c->rows; r += EIGHT) {
        for (int64_t i = 0; i < c->columns; i++)
            put_word(p, QWEIGHT, i, first + r, c->codes + r * c->columns + i, c->columns);
        for (int64_t g = 0; g < groups; g++)
            put_word(p, QZEROS, g, first + r, c->zeros + r * groups + g, groups);
    }
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t g = 0; g < groups; g++)
            pack_put_float(p, SCALES, g * p->rows + first + r, c->scales[r * groups + g]);
}

static void unpack(const struct packed *p, int64_t first, struct codes *c)
{
    int64_t groups = scheme_groups(p->scheme, p->columns);
    for (int64_t row = first / EIGHT * EIGHT; row < first + c->rows; row += EIGHT) {
        for (int64_t i = 0; i < c->columns; i++)
            get_word(p, QWEIGHT, i, row, first, c->rows, c->codes + i, c->columns);
        for (int64_t g = 0; g < groups; g++)
            get_word(p, QZEROS, g, row, first, c->rows, c->zeros + g, groups);
    }
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t g = 0; g < groups; g++)
            c->scales[r * groups + g] = pack_get_float(p, SCALES, g * p->rows + first + r);
}

static json_t *config(const struct scheme *s, const struct pack_kept *kept)
{
    return json_pack("{s:s, s:i, s:i, s:b, s:s, s:s, s:s, s:o}", "quant_method", "awq", "bits", s->bits, "group_size",
                     s->group ? s->group : -1, "zero_point", 1, "version", "gemm", "format", "gemm", "checkpoint_format",
                     "gemm", "modules_to_not_convert", pack_names(kept->names, kept->count));
}

const struct pack_format pack_awq = {
    .name = "awq",
    .method = "awq",
    .title = "AWQ",
    .parts = parts,
    .row_multiple = row_multiple,
    .encode = codes_encode,
    .pack = pack,
    .unpack = unpack,
    .decode = codes_decode,
    .config = config,
};
