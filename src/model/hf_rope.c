/* Rotary embeddings: how many numbers of a head are turned, and how the angles are stretched for longer
 * contexts.
 *
 *   linear    positions are divided by the factor
 *   llama3    angles of long waves are divided by the factor, those of short ones are not: rope_freqs.weight
 * holds what each is divided by (Llama 3.1; transformers, modeling_rope_utils.py, _compute_llama3_parameters)
 *   longrope  two lists of factors, for contexts up to the original length and for longer ones (Phi-3)
 *   yarn      in between, by wavelength; computed by whoever runs the model */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/hf.h"
#include "model/model_priv.h"

struct rope {
    struct hf *h;
    const json_t *scaling;    /* rope_scaling; NULL: none */
    const char *type;
    int64_t dims;             /* turned numbers of a head */
    int64_t context, original_context;
    double base, factor;
};

static const char *key(const struct rope *r, char text[static 128], const char *suffix)
{
    snprintf(text, 128, "%s.rope.%s", r->h->class->gguf, suffix);
    return text;
}

static void put_f32(const struct rope *r, const char *suffix, double value)
{
    char text[128];
    gguf_writer_f32(r->h->writer, key(r, text, suffix), (float)value);
}

static void put_u32(const struct rope *r, const char *suffix, int64_t value)
{
    char text[128];
    gguf_writer_u32(r->h->writer, key(r, text, suffix), (uint32_t)value);
}

static void put_type(const struct rope *r, const char *type)
{
    char text[128];
    gguf_writer_text(r->h->writer, key(r, text, "scaling.type"), type);
}

/* -------------------------------------------------------------------- llama3 */

static int write_llama3(struct rope *r, struct error *e)
{
    struct hf *h = r->h;
    double low = 1, high = 4, original = 8192;
    if (hf_number(h, r->scaling, "low_freq_factor", &low, e) ||
        hf_number(h, r->scaling, "high_freq_factor", &high, e) ||
        hf_number(h, r->scaling, "original_max_position_embeddings", &original, e))
        return e->code;
    if (!(low > 0 && low < high && original > 0))
        return hf_config_error(h, e, "the rotary scaling goes from low_freq_factor %g to high_freq_factor %g, of"
                               " original_max_position_embeddings %g, which cannot be", low, high, original);
    int64_t n = r->dims / 2;
    float *x = arena_alloc(&h->arena, (n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        double wave = 2 * M_PI * pow(r->base, 2.0 * i / r->dims);
        double smooth = (original / wave - low) / (high - low);
        if (wave < original / high)
            x[i] = 1;
        else if (wave > original / low)
            x[i] = (float)r->factor;
        else
            x[i] = (float)(1 / ((1 - smooth) / r->factor + smooth));
    }
    hf_tensor_computed(h, "rope_freqs.weight", x, n);
    return 0;
}

/* ------------------------------------------------------------------ longrope */

static int write_factors(const struct rope *r, const char *list, const char *tensor, struct error *e)
{
    const json_t *values = json_object_get(r->scaling, list);
    int64_t n = (int64_t)json_array_size(values);
    if (n != r->dims / 2)
        return hf_config_error(r->h, e, "%s of the rotary scaling has %lld numbers, expected %lld", list,
                               (long long)n, (long long)r->dims / 2);
    float *x = arena_alloc(&r->h->arena, (n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)json_number_value(json_array_get(values, i));
        if (!(x[i] > 0) || !isfinite(x[i]))
            return hf_config_error(r->h, e, "item %lld of %s of the rotary scaling is no number over 0", (long long)i,
                                   list);
    }
    hf_tensor_computed(r->h, tensor, x, n);
    return 0;
}

/* The attention is sharpened with the context: sqrt(1 + ln(stretch) / ln(original)) (transformers,
 * modeling_rope_utils.py, _compute_longrope_parameters). */
static int write_longrope(struct rope *r, struct error *e)
{
    double stretch = (double)r->context / r->original_context;
    double attention = stretch > 1 ? sqrt(1 + log(stretch) / log(r->original_context)) : 1;
    if (hf_number(r->h, r->scaling, "attention_factor", &attention, e))
        return e->code;
    put_type(r, "longrope");
    put_f32(r, "scaling.attn_factor", attention);
    put_u32(r, "scaling.original_context_length", r->original_context);
    return write_factors(r, "long_factor", "rope_factors_long.weight", e) ||
           write_factors(r, "short_factor", "rope_factors_short.weight", e) ? e->code : 0;
}

/* -------------------------------------------------------------- linear and yarn */

static int write_linear(struct rope *r, struct error *e)
{
    (void)e;
    put_type(r, "linear");
    put_f32(r, "scaling.factor", r->factor);
    return 0;
}

/* How much YaRN sharpens attention: 1 + 0.1 · weight · ln(factor). */
static double sharpening(double factor, double weight)
{
    return factor > 1 ? 1 + 0.1 * weight * log(factor) : 1;
}

/* Readers of GGUF files sharpen with the weight 1; what a config wants instead is said as a factor on top
 * (transformers, modeling_rope_utils.py, _compute_yarn_parameters). */
static int write_sharpening(struct rope *r, struct error *e)
{
    struct hf *h = r->h;
    double usual = sharpening(r->factor, 1), wanted = usual, weight = 0, weight_all = 0;
    if (hf_number(h, r->scaling, "mscale", &weight, e) ||
        hf_number(h, r->scaling, "mscale_all_dim", &weight_all, e))
        return e->code;
    if (weight != 0 && weight_all != 0)
        wanted = sharpening(r->factor, weight) / sharpening(r->factor, weight_all);
    if (hf_number(h, r->scaling, "attention_factor", &wanted, e))
        return e->code;
    if (wanted != usual)
        put_f32(r, "scaling.attn_factor", wanted / usual);
    return 0;
}

static int write_yarn(struct rope *r, struct error *e)
{
    static const struct { const char *config, *gguf; } optional[] = {
        {"extrapolation_factor", "scaling.yarn_ext_factor"},
        {"beta_fast", "scaling.yarn_beta_fast"},
        {"beta_slow", "scaling.yarn_beta_slow"},
    };
    put_type(r, "yarn");
    put_f32(r, "scaling.factor", r->factor);
    put_u32(r, "scaling.original_context_length", r->original_context);
    for (size_t i = 0; i < ARRAY_LENGTH(optional); i++) {
        double value = NAN;
        if (hf_number(r->h, r->scaling, optional[i].config, &value, e))
            return e->code;
        if (!isnan(value))
            put_f32(r, optional[i].gguf, value);
    }
    return write_sharpening(r, e);
}

/* ------------------------------------------------------------------- all kinds */

static int write_nothing(struct rope *r, struct error *e)
{
    (void)r;
    (void)e;
    return 0;
}

static const struct { const char *type; int (*write)(struct rope *r, struct error *e); } kinds[] = {
    {"default", write_nothing}, {"llama3", write_llama3}, {"linear", write_linear}, {"yarn", write_yarn},
    {"longrope", write_longrope}, {"su", write_longrope}, /* its name at first */
};

static int write_scaling(struct rope *r, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i].type, r->type) == 0)
            return kinds[i].write(r, e);
    return hf_config_error(r->h, e, "the rotary scaling %.40s is none that GGUF knows", r->type);
}

static int check_rope(const struct rope *r, double partial, struct error *e)
{
    if (r->dims > HEAD_LENGTH_MAX || !(partial > 0 && partial <= 1))
        return hf_config_error(r->h, e, "heads of %lld numbers, of which a part of %g is rotated, cannot be",
                               (long long)r->dims, partial);
    if (!(r->base > 1) || !(r->factor > 0))
        return hf_config_error(r->h, e, "a rotary base of %g (rope_theta), scaled by %g (factor), cannot be: expected a"
                               " base over 1 and a factor over 0", r->base, r->factor);
    return 0;
}

static int read_rope(struct rope *r, struct error *e)
{
    struct hf *h = r->h;
    int64_t heads = 0, width = 0;
    double partial = 1, original = 0;
    if (hf_integer(h, "num_attention_heads", &heads, e) || hf_integer(h, "hidden_size", &width, e))
        return e->code;
    if (heads == 0)
        return hf_config_error(h, e, "num_attention_heads is 0");
    r->dims = width / heads;
    r->base = 10000;
    if (hf_integer(h, "head_dim", &r->dims, e) || hf_integer(h, CONTEXT_NAMES, &r->context, e) ||
        hf_number(h, h->config, "partial_rotary_factor", &partial, e) ||
        hf_number(h, h->config, "rope_theta", &r->base, e) ||
        hf_number(h, r->scaling, "factor", &r->factor, e) ||
        hf_number(h, h->config, "original_max_position_embeddings", &original, e) ||
        hf_number(h, r->scaling, "original_max_position_embeddings", &original, e) || check_rope(r, partial, e))
        return e->code;
    r->dims = (int64_t)((double)r->dims * partial);
    r->original_context = original > 0 && original < INT32_MAX ? (int64_t)original : r->context;
    return 0;
}

int hf_rope_write(struct hf *h, struct error *e)
{
    struct rope r = {.h = h, .scaling = hf_value(h, "rope_scaling"), .type = "default", .factor = 1};
    const json_t *type = json_object_get(r.scaling, "rope_type");
    if ((r.scaling && !json_is_object(r.scaling)) || (type && !json_is_null(type) && !json_is_string(type)))
        return hf_config_error(h, e, "rope_scaling is no table with a text for its rope_type");
    if (json_is_string(type))
        r.type = json_string_value(type);
    if (read_rope(&r, e))
        return e->code;
    put_u32(&r, "dimension_count", r.dims);
    return write_scaling(&r, e);
}
