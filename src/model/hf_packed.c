/* Packed weights of a checkpoint folder: the tensors that a weight consists of are found by the name of one of them
 * (its anchor), and become one stored tensor NAME.weight, which sources decode row by row. Bits, groups and shapes
 * are taken from the tensors themselves: quantization_config gives one answer for all, tools let weights differ. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf.h"
#include "model/hf_packed.h"
#include "pack/pack.h"

/* What a weight's parts say, and the room for what they become. */
struct found {
    struct hf *h;
    struct error *e;
    const struct stored_tensor *anchor;
    const char *module;         /* the weight's name without ".weight" */
    struct scheme *scheme;
    struct packed *packed;
};

/* Each fills the scheme and the shape of a weight: rows and columns of f->packed. */
static int read_gptq(struct found *f);
static int read_awq(struct found *f);
static int read_bnb4(struct found *f);
static int read_bnb_int8(struct found *f);
static int read_w4a16(struct found *f);

static const struct kind {
    const char *method;         /* quant_method */
    const char *anchor;         /* what such a weight's own tensor ends in, and nothing else does */
    const struct pack_format *format;
    int (*read)(struct found *f);
} kinds[] = {
    {"gptq", ".qweight", &pack_gptq, read_gptq},
    {"awq", ".qweight", &pack_awq, read_awq},
    {"bitsandbytes", ".weight.quant_state.bitsandbytes__nf4", &pack_nf4, read_bnb4},
    {"bitsandbytes", ".weight.quant_state.bitsandbytes__fp4", &pack_fp4, read_bnb4},
    {"bitsandbytes", ".SCB", &pack_bnb_int8, read_bnb_int8},
    {"compressed-tensors", ".weight_packed", &pack_w4a16, read_w4a16},
};

static const char *config_text(const struct hf *h, const char *key)
{
    return json_string_value(json_object_get(hf_value(h, "quantization_config"), key));
}

/* Some tools name their method through another. */
static const struct kind *kind_of(const struct hf *h, const struct stored_tensor *t)
{
    const char *method = config_text(h, "quant_method");
    for (size_t i = 0; method && i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i].method, method) == 0 && str_ends(t->name, kinds[i].anchor))
            return &kinds[i];
    return NULL;
}

static bool is_packed(const struct hf *h)
{
    const char *method = config_text(h, "quant_method"), *format = config_text(h, "format");
    for (size_t i = 0; method && i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i].method, method) == 0)
            return strcmp(method, "compressed-tensors") != 0 || (format && strcmp(format, "pack-quantized") == 0);
    return false;
}

/* ---------------------------------------------------------------------- shapes */

static const struct stored_tensor *part_of(const struct found *f, const char *suffix)
{
    char *name = xasprintf("%s%s", f->module, suffix);
    const struct stored_tensor *t = hf_stored(f->h, name);
    free(name);
    return t;
}

/* Two dimensions, and elements in it: a list of no elements may claim any length. */
static bool is_matrix(const struct stored_tensor *t)
{
    return t && t->dims == 2 && t->elements > 0;
}

/* The matrix of this suffix beside the anchor, which must be one too; NULL with an error. */
static const struct stored_tensor *matrix_beside(const struct found *f, const char *suffix)
{
    const struct stored_tensor *t = part_of(f, suffix);
    if (is_matrix(f->anchor) && is_matrix(t))
        return t;
    if (is_matrix(f->anchor))
        hf_stored_error(f->anchor, f->e, "has no %s beside it, of two dimensions", suffix);
    else
        hf_stored_error(f->anchor, f->e, "is no matrix");
    return NULL;
}

static bool set_bits(struct found *f, int64_t words, int64_t numbers)
{
    int64_t bits = numbers > 0 && words <= INT64_MAX / 32 ? words * 32 / numbers : 0;
    f->scheme->bits = (int)bits;
    return bits >= 2 && bits <= 8 && bits == words * 32 / numbers;
}

/* The config's where it explains the number of groups, else what divides the row. */
static bool set_group(struct found *f, int64_t columns, int64_t groups)
{
    int64_t group = json_integer_value(json_object_get(hf_value(f->h, "quantization_config"), "group_size"));
    if (groups < 1 || groups > columns || columns > INT32_MAX)
        return false;
    if (group < 1 || (columns - 1) / group + 1 != groups)
        group = (columns - 1) / groups + 1;
    f->scheme->group = groups == 1 ? 0 : (int)group;
    return scheme_groups(f->scheme, columns) == groups;
}

static int cannot_be(const struct found *f)
{
    return hf_stored_error(f->anchor, f->e, "and the scales beside it do not fit each other");
}

static int read_gptq(struct found *f)
{
    const struct stored_tensor *scales = matrix_beside(f, ".scales");
    const struct stored_tensor *zeros = scales ? matrix_beside(f, ".qzeros") : NULL;
    if (!zeros)
        return f->e->code;
    f->packed->rows = scales->shape[1];
    if (!set_bits(f, zeros->shape[1], scales->shape[1]))
        return cannot_be(f);
    f->packed->columns = f->anchor->shape[0] * 32 / f->scheme->bits;
    return set_group(f, f->packed->columns, scales->shape[0]) ? 0 : cannot_be(f);
}

static int read_awq(struct found *f)
{
    const struct stored_tensor *scales = matrix_beside(f, ".scales");
    if (!scales)
        return f->e->code;
    f->scheme->bits = 4;
    f->packed->rows = scales->shape[1];
    f->packed->columns = f->anchor->shape[0];
    if (f->packed->rows % pack_awq.row_multiple(f->scheme))
        return cannot_be(f);
    return set_group(f, f->packed->columns, scales->shape[0]) ? 0 : cannot_be(f);
}

static int read_w4a16(struct found *f)
{
    const struct stored_tensor *scales = matrix_beside(f, ".weight_scale"), *shape = part_of(f, ".weight_shape");
    float size[2];
    if (!scales)
        return f->e->code;
    if (!shape || shape->elements != 2 || !shape->dtype->integer)
        return hf_stored_error(f->anchor, f->e, "has no .weight_shape beside it, of two numbers");
    shape->dtype->decode(shape->data, size, 2);
    f->packed->rows = f->anchor->shape[0];
    f->packed->columns = size[1] >= 1 && size[1] < 0x1p31f ? (int64_t)size[1] : 0;
    f->scheme->symmetric = !part_of(f, ".weight_zero_point");
    if (size[0] != (float)f->packed->rows || !f->packed->columns ||
        !set_bits(f, f->anchor->shape[1], f->packed->columns))
        return cannot_be(f);
    return set_group(f, f->packed->columns, scales->shape[1]) ? 0 : cannot_be(f);
}

static int read_bnb_int8(struct found *f)
{
    const struct stored_tensor *weight = part_of(f, ".weight");
    if (!is_matrix(weight) || strcmp(weight->dtype->name, "I8") != 0)
        return hf_stored_error(f->anchor, f->e, "has no .weight of whole numbers beside it");
    f->scheme->bits = 8;
    f->packed->rows = weight->shape[0];
    f->packed->columns = weight->shape[1];
    return 0;
}

/* ------------------------------------------------------------ bitsandbytes' JSON */

enum { STATE_MAX = 4096, NESTED_BLOCK = 256 };

static int64_t state_number(const json_t *state, const char *key, int64_t absent)
{
    const json_t *value = json_object_get(state, key);
    return json_is_integer(value) ? json_integer_value(value) : value ? -1 : absent;
}

/* Blocks are what torch's kernels know: powers of two; those of the scales are always 256. */
static int take_state(struct found *f, const json_t *state)
{
    const json_t *shape = json_object_get(state, "shape");
    int64_t block = state_number(state, "blocksize", 64);
    f->packed->rows = json_integer_value(json_array_get(shape, 0));
    f->packed->columns = json_integer_value(json_array_get(shape, 1));
    f->packed->nested_offset = (float)json_number_value(json_object_get(state, "nested_offset"));
    f->scheme->bits = 4;
    f->scheme->group = (int)block;
    f->scheme->double_quant = json_object_get(state, "nested_offset") != NULL;
    if (json_array_size(shape) != 2 || f->packed->rows < 1 || f->packed->columns < 1)
        return hf_stored_error(f->anchor, f->e, "gives no shape of two dimensions");
    if (block < 32 || block > 4096 || (block & (block - 1)) ||
        state_number(state, "nested_blocksize", NESTED_BLOCK) != NESTED_BLOCK)
        return hf_stored_error(f->anchor, f->e, "gives sizes of blocks that are none of bitsandbytes'");
    return 0;
}

static int read_bnb4(struct found *f)
{
    const struct stored_tensor *t = f->anchor;
    json_error_t je;
    if (t->bytes > STATE_MAX || strcmp(t->dtype->name, "U8") != 0)
        return hf_stored_error(t, f->e, "is no short text");
    json_t *state = json_loadb((const char *)t->data, t->bytes, 0, &je);
    int rc = state ? take_state(f, state) : hf_stored_error(t, f->e, "is no JSON: %.100s", je.text);
    json_decref(state);
    return rc;
}

/* ----------------------------------------------------------------------- parts */

/* Scales may have any of the float formats, other parts the one that belongs there. */
static bool is_dtype(const struct pack_part *part, const struct stored_tensor *t)
{
    static const char *const floats[] = {"F32", "F16", "BF16"};
    bool both = false, given = false;
    for (size_t i = 0; i < ARRAY_LENGTH(floats); i++) {
        both = both || strcmp(floats[i], part->dtype) == 0;
        given = given || strcmp(floats[i], t->dtype->name) == 0;
    }
    bool scales = str_ends(part->suffix, "scales") || str_ends(part->suffix, "_scale");
    return strcmp(part->dtype, t->dtype->name) == 0 || (scales && both && given) ||
           (part->dtype[0] == 'I' && t->dtype->integer &&
            (t->dtype->bytes == part->item || strcmp(part->suffix, ".weight_shape") == 0));
}

/* A state's length is free, a list may be a column. */
static bool is_shape(const struct pack_part *part, const struct stored_tensor *t)
{
    int64_t elements = 1;
    if (strstr(part->suffix, ".quant_state."))
        return t->dims == 1;
    for (int i = 0; i < part->dims; i++)
        elements *= part->shape[i];
    if (part->dims < 2)
        return t->elements == elements;
    return t->dims == 2 && t->shape[0] == part->shape[0] && t->shape[1] == part->shape[1];
}

/* Tools may leave these out: columns are in order then, and rows too. */
static bool is_optional(const struct pack_part *part)
{
    return strcmp(part->suffix, ".g_idx") == 0 || strcmp(part->suffix, ".weight_format") == 0;
}

static int take_part(struct found *f, int i)
{
    struct pack_part *part = &f->packed->parts[i];
    const struct stored_tensor *t = part_of(f, part->suffix);
    if (!t)
        return is_optional(part) ? 0 : hf_stored_error(f->anchor, f->e, "has no %s beside it", part->suffix);
    if (!is_dtype(part, t) || !is_shape(part, t))
        return hf_stored_error(t, f->e, "is not as the tensors beside it want it, %s [%" PRId64 "][%" PRId64 "]",
                               part->dtype, part->shape[0], part->shape[1]);
    hf_use(f->h, t);
    part->dtype = t->dtype->name;
    part->item = t->dtype->bytes;
    f->packed->data[i] = (unsigned char *)t->data;
    return 0;
}

/* The group of each column, where they are not in order: GPTQ's g_idx, compressed-tensors' weight_g_idx. */
static int take_order(struct found *f, const struct stored_tensor *t)
{
    int64_t columns = f->packed->columns, groups = scheme_groups(f->scheme, columns);
    int64_t group = scheme_group(f->scheme, columns);
    bool in_order = true;
    if (t->elements != columns || strcmp(t->dtype->name, "I32") != 0)
        return hf_stored_error(t, f->e, "is no list of a group for each column");
    int32_t *order = arena_alloc(&f->h->arena, columns * sizeof *order);
    memcpy(order, t->data, columns * sizeof *order);
    for (int64_t i = 0; i < columns; i++) {
        if (order[i] < 0 || order[i] >= groups)
            return hf_stored_error(t, f->e, "puts column %" PRId64 " into group %d of %" PRId64, i, order[i], groups);
        in_order = in_order && order[i] == i / group;
    }
    hf_use(f->h, t);
    f->packed->group_of = in_order ? NULL : order;
    f->scheme->act_order = !in_order;
    return 0;
}

static int take_parts(struct found *f)
{
    const struct stored_tensor *order = part_of(f, f->scheme->format == &pack_gptq ? ".g_idx" : ".weight_g_idx");
    for (int i = 0; i < f->packed->count; i++)
        if (take_part(f, i))
            return f->e->code;
    return order ? take_order(f, order) : 0;
}

/* ----------------------------------------------------------------- whole weights */

/* Numbers that a weight can have, so that no product of them overflows. */
static bool can_be(const struct found *f)
{
    return f->packed->rows >= 1 && f->packed->columns >= 1 && f->packed->rows <= INT32_MAX &&
           f->packed->columns <= INT32_MAX;
}

static int take_weight(struct found *f, const struct kind *kind, struct stored_tensor *made)
{
    f->scheme->format = kind->format;
    f->scheme->symmetric = true;
    if (kind->read(f))
        return f->e->code;
    if (!can_be(f))
        return cannot_be(f);
    int64_t rows = f->packed->rows, columns = f->packed->columns;
    float offset = f->packed->nested_offset;
    packed_init(f->packed, f->scheme, rows, columns);
    f->packed->nested_offset = offset;
    const char *version = config_text(f->h, "checkpoint_format");
    f->packed->zero_add = version && strcmp(version, "gptq_v2") == 0 ? 0 : 1;
    *made = (struct stored_tensor){
        .name = arena_printf(&f->h->arena, "%s.weight", f->module), .dtype = dtype_named("F32"), .dims = 2,
        .elements = rows * columns, .path = f->anchor->path, .packed = f->packed,
    };
    for (int i = 0; i < STORED_DIMS_MAX; i++)
        made->shape[i] = i == 0 ? rows : i == 1 ? columns : 1;
    return take_parts(f);
}

static int find_weight(struct hf *h, const struct stored_tensor *anchor, const struct kind *kind,
                       const struct stored_tensor **out, struct error *e)
{
    struct found f = {.h = h, .e = e, .anchor = anchor};
    struct stored_tensor *made = arena_alloc(&h->arena, sizeof *made);
    f.module = arena_strndup(&h->arena, anchor->name, strlen(anchor->name) - strlen(kind->anchor));
    f.scheme = arena_alloc(&h->arena, sizeof *f.scheme);
    f.packed = arena_alloc(&h->arena, sizeof *f.packed);
    *out = made;
    return take_weight(&f, kind, made);
}

int hf_packed_find(struct hf *h, struct error *e)
{
    int count = 0, made = 0, rc = 0;
    if (!is_packed(h))
        return 0;
    const struct stored_tensor **list = xcalloc(2 * (size_t)h->stored_count + 1, sizeof *list);
    for (int i = 0; !rc && i < h->stored_count; i++) {
        const struct kind *kind = kind_of(h, h->stored[i]);
        if (kind)
            rc = find_weight(h, h->stored[i], kind, &list[made++], e);
    }
    for (int i = count = made; !rc && i - made < h->stored_count; i++)
        if (!h->used[i - made])
            list[count++] = h->stored[i - made];
    if (!rc && made)
        h->packed = list[0]->packed;
    rc = rc ? rc : hf_stored_set(h, list, count, e);
    free(list);
    return rc;
}
