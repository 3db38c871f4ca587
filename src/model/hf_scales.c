/* Checkpoints whose weights are stored in 8 bits, with scales beside them:
 *
 *     NAME.weight_scale_inv   [rows / 128][columns / 128], one for each block (DeepSeek; the blocks are
 *                             quantization_config's weight_block_size); multiplied, whatever its name says
 *     NAME.weight_scale       one for all, or one for each row (compressed-tensors, FBGEMM)
 *
 * Formats that pack several numbers into one: hf_packed.c. */
#include <stdlib.h>
#include <string.h>

#include "model/hf.h"
#include "model/hf_scales.h"

/* ----------------------------------------------------------------- refusing */

static const struct { const char *method, *formats; } readable[] = {
    {"fp8", NULL}, {"fbgemm_fp8", NULL}, {"mxfp4", NULL}, {"bitsandbytes", NULL},
    {"compressed-tensors", "float-quantized naive-quantized int-quantized pack-quantized dense"},
    {"gptq", "gptq gptq_v2"}, {"awq", "gemm GEMM"},
};

/* By what name the tools tell layouts of one method apart: the first that is there counts. */
static const char *layout_name(const json_t *q)
{
    static const char *const keys[] = {"checkpoint_format", "format", "version"};
    const char *name = NULL;
    for (size_t i = 0; !name && i < ARRAY_LENGTH(keys); i++)
        name = json_string_value(json_object_get(q, keys[i]));
    return name;
}

int hf_quantization_check(const struct hf *h, struct error *e)
{
    const json_t *q = hf_value(h, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    const char *format = layout_name(q);
    if (!q)
        return 0;
    for (size_t i = 0; method && i < ARRAY_LENGTH(readable); i++)
        if (strcmp(readable[i].method, method) == 0 &&
            (!readable[i].formats || !format || hf_listed(readable[i].formats, format)))
            return 0;
    return hf_config_error(
        h, e,
        "its weights are quantized already (%.40s%s%.40s), in a layout that this version does not read: start from"
        " the original checkpoint, of which this one was made",
        method ? method : "by a method without a name", format ? ", " : "", format ? format : "");
}

/* ----------------------------------------------------------------- finding */

/* The name's own scales, by the first of these ends that is there. */
static const struct stored_tensor *find_scales(const struct hf *h, const struct stored_tensor *t)
{
    static const char *const ends[] = {"_scale_inv", "_scale"};
    const struct stored_tensor *found = NULL;
    for (size_t i = 0; !found && i < ARRAY_LENGTH(ends); i++) {
        char *name = xasprintf("%s%s", t->name, ends[i]);
        found = hf_stored(h, name);
        free(name);
    }
    return found;
}

/* Blocks that hold n > 0 numbers; the last may be cut short. */
static int64_t in_blocks(int64_t n, int64_t block)
{
    return block > 0 ? (n - 1) / block + 1 : 0;
}

/* Blocks of the config's size; else one scale for each row, or one for all. */
static bool measure(const struct hf *h, const struct stored_tensor *t, struct hf_scales *s)
{
    const struct stored_tensor *of = s->stored;
    int64_t rows = of->shape[0], columns = of->shape[1];
    const json_t *size = json_object_get(hf_value(h, "quantization_config"), "weight_block_size");
    if (of->elements == 1) {
        s->block_rows = t->shape[0];
        s->block_columns = t->shape[1];
    } else if (rows == t->shape[0] && columns == 1) {
        s->block_rows = 1;
        s->block_columns = t->shape[1];
    } else {
        s->block_rows = json_integer_value(json_array_get(size, 0));
        s->block_columns = json_integer_value(json_array_get(size, 1));
    }
    s->columns = in_blocks(t->shape[1], s->block_columns);
    return of->dims <= 2 && of->elements == in_blocks(t->shape[0], s->block_rows) * s->columns &&
           (of->elements == 1 || rows == in_blocks(t->shape[0], s->block_rows));
}

int hf_scales_find(struct hf *h, const struct stored_tensor *t, struct hf_scales *s, struct error *e)
{
    *s = (struct hf_scales){.stored = t->dtype->bytes == 1 ? find_scales(h, t) : NULL};
    if (!s->stored)
        return t->dtype->integer
                   ? hf_stored_error(t, e, "holds whole numbers without scales, which no weight does")
                   : 0;
    hf_use(h, s->stored);
    if (t->dims == 2 && measure(h, t, s))
        return 0;
    return hf_stored_error(s->stored, e,
                           "does not fit the shape of its weight and the block size that config.json gives"
                           " (quantization_config, weight_block_size)");
}

/* -------------------------------------------------------------------- inputs */

/* compressed-tensors: one answer for all weights; files with several groups of them are not told apart. */
static enum source_inputs grouped_inputs(const json_t *q)
{
    const json_t *groups = json_object_get(q, "config_groups");
    const json_t *inputs = json_object_get(json_object_iter_value(json_object_iter((json_t *)groups)), "input_activations");
    const char *type = json_string_value(json_object_get(inputs, "type"));
    if (json_object_size(groups) != 1 || !type || !json_is_true(json_object_get(inputs, "dynamic")) ||
        json_integer_value(json_object_get(inputs, "num_bits")) != 8)
        return INPUTS_EXACT;
    return strcmp(type, "float") == 0 ? INPUTS_E4M3 : INPUTS_INT8;
}

enum source_inputs hf_inputs(const struct hf *h)
{
    const json_t *q = hf_value(h, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    const char *scheme = json_string_value(json_object_get(q, "activation_scheme"));
    if (method && strcmp(method, "compressed-tensors") == 0)
        return grouped_inputs(q);
    if (method && strcmp(method, "fp8") == 0 && scheme && strcmp(scheme, "dynamic") == 0)
        return json_is_array(json_object_get(q, "weight_block_size")) ? INPUTS_E4M3_BLOCKS : INPUTS_E4M3;
    return INPUTS_EXACT;
}
