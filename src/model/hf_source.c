#include "model/hf_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_scales.h"
#include "model/model_priv.h"
#include "pack/pack.h"

/* A stored tensor as parts (experts) of rows of columns. */
struct shape {
    int64_t parts, rows, columns;
    int64_t stored_rows;       /* of which `rows` are used */
};

/* MXFP4: [experts][rows][blocks][16], two numbers a byte. */
enum { MX_DIMS = 4, MX_BYTES = 16, MX_NUMBERS = 32 };

static bool is_mxfp4(const struct hf_name *n)
{
    return str_ends(n->stored, "_blocks");
}

/* Of a list that is turned, or of which every second number is wanted, each number is a row. */
static struct shape shape_of(const struct hf_name *n, const struct stored_tensor *t)
{
    int dims = is_mxfp4(n) ? t->dims - 1 : t->dims;
    bool narrow = (dims == 1 && n->turn) || (dims == 2 && n->rows && !str_ends(n->gguf, ".weight"));
    struct shape s = {.parts = dims > 2 ? t->shape[dims - 3] : 1, .rows = dims > 1 ? t->shape[dims - 2] : 1,
                      .columns = is_mxfp4(n) ? t->shape[dims - 1] * MX_NUMBERS : t->shape[dims - 1]};
    if (narrow)
        s = (struct shape){.parts = s.rows, .rows = s.columns, .columns = 1};
    if (n->transposed)
        s = (struct shape){.parts = s.parts, .rows = s.columns, .columns = s.rows};
    s.stored_rows = s.rows;
    if (n->rows)
        s.rows /= 2;
    return s;
}

static int64_t heads_of(const struct hf *h, const struct hf_name *n)
{
    return n->turn == QUERIES ? h->heads : h->kv_heads;
}

/* Rows of a head that are to be turned, 0: none. */
static int64_t turned_rows(const struct hf *h, const struct hf_name *n, int64_t rows)
{
    return n->turn == NOT_TURNED || h->arch->rope != ROPE_ADJACENT ? 0 : rows / heads_of(h, n);
}

/* ------------------------------------------------------------------- checking */

static int check_dims(const struct hf_name *n, const struct stored_tensor *t, struct error *e)
{
    if (is_mxfp4(n) &&
        (t->dims != MX_DIMS || t->shape[MX_DIMS - 1] != MX_BYTES || strcmp(t->dtype->name, "U8") != 0))
        return hf_stored_error(t, e, "does not hold blocks of %d bytes", MX_BYTES);
    if (t->packed && (n->transposed || n->rows == EVEN_ROWS || n->rows == ODD_ROWS))
        return hf_stored_error(t, e, "is packed, and its rows lie in an order that packed weights are not read in");
    if (!is_mxfp4(n) && (t->dims < 1 || t->dims > 3))
        return hf_stored_error(t, e, "has %d dimensions, which no weight has", t->dims);
    return t->elements ? 0 : hf_stored_error(t, e, "is empty");
}

/* `count` tensors like this one become one of GGUF's. */
static int check_rows(const struct hf *h, const struct hf_name *n, const struct stored_tensor *t, int count,
                      struct error *e)
{
    struct shape s = shape_of(n, t);
    int64_t heads = heads_of(h, n), head = turned_rows(h, n, s.rows);
    if (s.parts > EXPERTS_MAX / count)
        return hf_stored_error(t, e, "holds %lld experts, at most %d can be", (long long)s.parts, EXPERTS_MAX / count);
    if (n->turn && h->arch->rope == ROPE_ADJACENT && (s.rows % heads || head % 2))
        return hf_stored_error(t, e, "has %lld rows, which do not divide into %lld heads of pairs",
                               (long long)s.rows, (long long)heads);
    if (n->rows && s.stored_rows % 2)
        return hf_stored_error(t, e, "has %lld rows, which do not divide into two kinds",
                               (long long)s.stored_rows);
    return 0;
}

/* --------------------------------------------------------------------- shaping */

/* GGUF's dimensions, row length first; a matrix of one row is a list. */
static int gguf_shape(const struct shape *s, int64_t parts, int64_t shape[4])
{
    int dims = 0;
    for (int d = 0; d < 4; d++)
        shape[d] = 1;
    if (s->columns > 1)
        shape[dims++] = s->columns;
    if (s->rows > 1 || dims == 0)
        shape[dims++] = s->rows;
    if (parts > 1)
        shape[dims++] = parts;
    return dims;
}

/* Norms and what the quantizer must not touch are kept in full: prepare_tensors of llama.cpp's converter. */
static const struct quant_type *type_of(const char *gguf, int dims, const struct dtype *d)
{
    const struct quant_type *same = dtype_type(d);
    bool full = dims <= 1 || !str_ends(gguf, ".weight") || str_ends(gguf, "_norm.weight") ||
                strstr(gguf, ".ffn_gate_inp");
    return full || !same ? quant_type(QUANT_F32) : same;
}

/* How far apart rows and columns are; returns where the first row begins. All in elements. */
static int64_t place_rows(const struct hf_name *n, const struct shape *s, struct tensor_source *source)
{
    int64_t row = n->transposed ? 1 : s->columns;
    bool in_turn = n->rows == EVEN_ROWS || n->rows == ODD_ROWS;
    source->row_stride = in_turn ? 2 * row : row;
    source->column_stride = n->transposed ? s->stored_rows : 1;
    return n->rows == SECOND_HALF ? s->rows * row : n->rows == ODD_ROWS ? row : 0;
}

/* ----------------------------------------------------------------------- parts */

/* One layout of scales for all parts, as in `source` from the first on. */
static bool has_such_scales(const struct tensor_source *source, const struct hf_scales *s)
{
    return s->stored ? source->scale_dtype == s->stored->dtype && source->block_rows == s->block_rows &&
                           source->block_columns == s->block_columns && source->scale_columns == s->columns
                     : !source->scale_dtype;
}

static int add_scales(struct hf *h, const struct stored_tensor *t, struct tensor_source *source,
                      struct source_part *part, struct error *e)
{
    struct hf_scales s;
    if (hf_scales_find(h, t, &s, e))
        return e->code;
    if (part != source->parts && !has_such_scales(source, &s))
        return hf_stored_error(t, e, "has scales of another kind than expert 0");
    if (!s.stored)
        return 0;
    source->inputs = hf_inputs(h);
    source->scale_dtype = s.stored->dtype;
    source->block_rows = s.block_rows;
    source->block_columns = s.block_columns;
    source->scale_columns = s.columns;
    part->scales = s.stored->data;
    return 0;
}

static int add_parts(struct hf *h, const struct stored_tensor *t, const struct shape *s, int64_t first,
                     struct tensor_source *source, struct source_part *parts, struct error *e)
{
    if (t->packed) {
        source->packed = true;
        source->inputs = t->packed->scheme->format == &pack_bnb_int8 ? INPUTS_LLM_INT8 : INPUTS_EXACT;
        parts[0] = (struct source_part){.packed = t->packed, .first_row = first / s->columns, .path = t->path,
                                        .name = t->name};
        return 0;
    }
    for (int64_t i = 0; i < s->parts; i++) {
        int64_t at = i * s->stored_rows * s->columns + first;
        parts[i] =
            (struct source_part){.data = t->data + at * t->dtype->bytes, .path = t->path, .name = t->name};
    }
    return add_scales(h, t, source, parts, e);
}

/* The exponents of NAME_blocks are in NAME_scales, one for each block. */
static int add_mxfp4_parts(struct hf *h, const struct stored_tensor *t, const struct shape *s, int64_t first,
                           struct source_part *parts, struct error *e)
{
    char *name = xasprintf("%.*s_scales", (int)(strlen(t->name) - strlen("_blocks")), t->name);
    const struct stored_tensor *scales = hf_stored(h, name);
    free(name);
    if (!scales || scales->dtype->bytes != 1 || scales->elements * MX_BYTES != t->elements)
        return hf_stored_error(t, e, "has no scales beside it, one for each block");
    hf_use(h, scales);
    for (int64_t i = 0; i < s->parts; i++) {
        int64_t block = (i * s->stored_rows * s->columns + first) / MX_NUMBERS;
        parts[i] = (struct source_part){.data = t->data + block * MX_BYTES,
                                        .scales = scales->data + block,
                                        .path = t->path,
                                        .name = t->name};
    }
    return 0;
}

/* All but where the parts are. */
static struct tensor_source *describe(struct hf *h, const struct hf_name *n, const struct shape *s,
                                      int64_t parts, const struct dtype *dtype, const struct hf_tensor *out)
{
    struct tensor_source *source = arena_alloc(&h->arena, sizeof *source);
    *source = (struct tensor_source){
        .type = out->type,
        .dtype = dtype,
        .columns = s->columns,
        .rows = s->rows,
        .head_rows = turned_rows(h, n, s->rows),
        .add = str_ends(out->name, "norm.weight") ? h->class->norm_add : 0,
        .mxfp4 = is_mxfp4(n),
        .apart = n->apart,
        .parts = arena_alloc(&h->arena, parts * sizeof *source->parts),
        .part_count = (int)parts,
    };
    return source;
}

int hf_source_make(struct hf *h, const struct hf_name *n, const struct stored_tensor *const *t, int count,
                   struct hf_tensor *out, struct error *e)
{
    if (check_dims(n, t[0], e) || check_rows(h, n, t[0], count, e))
        return e->code;
    struct shape s = shape_of(n, t[0]);
    out->dims = gguf_shape(&s, s.parts * count, out->shape);
    out->type = is_mxfp4(n) ? quant_type(QUANT_MXFP4) : type_of(out->name, out->dims, t[0]->dtype);
    struct tensor_source *source = describe(h, n, &s, s.parts * count, t[0]->dtype, out);
    int64_t first = place_rows(n, &s, source);
    out->source = source;
    for (int i = 0; i < count; i++) {
        struct source_part *parts = source->parts + i * s.parts;
        if (source->mxfp4 ? add_mxfp4_parts(h, t[i], &s, first, parts, e)
                          : add_parts(h, t[i], &s, first, source, parts, e))
            return e->code;
    }
    return 0;
}
