#include "gguf_build.h"
#include "situations.h"

#include <unistd.h>

#include "plan/recipe.h"

static struct recipe apply(const struct model *m, const char *level, struct recipe_options o)
{
    struct recipe r;
    struct error e = {0};
    o.rules = rules;
    assert_ok(recipe_apply(&r, m, level, &o, &e), &e);
    return r;
}

static const char *type_of(const struct recipe *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->tensors[i].tensor->name, name) == 0)
            return r->tensors[i].type->name;
    fail_msg("no tensor %s", name);
    return NULL;
}

/* What llama.cpp's quantize prints as the size of its tensors, in MiB. */
static void llama_2_has_llama_cpps_sizes(void **state)
{
    static const char *const levels[] = {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"};
    static const struct { struct shape shape; double mib[7]; } rows[] = {
        {SHAPE_LLAMA2_7B, {6828.64, 5272.34, 4560.87, 3891.24, 3677.37, 3144.52, 2414.82}},
        {SHAPE_LLAMA2_13B, {13189.86, 10183.71, 8801.63, 7500.85, 7078.58, 6043.46, 4628.68}},
        {SHAPE_LLAMA2_70B, {69896.28, 53965.19, 46494.48, 39503.23, 37430.73, 31732.53, 24282.14}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct model *m = shape_model(&rows[i].shape);
        for (size_t k = 0; k < ARRAY_LENGTH(levels); k++) {
            struct recipe r = apply(m, levels[k], (struct recipe_options){0});
            if (!(r.bytes / 1048576.0 - rows[i].mib[k] < 0.01 &&
                  r.bytes / 1048576.0 - rows[i].mib[k] > -0.01))
                fail_msg("%d layers, %s: %.2f MiB, not %.2f", rows[i].shape.layers, levels[k],
                         r.bytes / 1048576.0, rows[i].mib[k]);
            recipe_done(&r);
        }
        shape_free(m);
    }
}

/* The same from files that hold nothing but the header. */
static void header_only_files_have_them_too(void **state)
{
    static const struct { const struct gguf_shape *shape; double q4_k_m; } rows[] = {
        {&gguf_llama2_7b, 3891.24}, {&gguf_llama2_13b, 7500.85}, {&gguf_llama2_70b, 39503.23},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char path[] = "test_recipe_XXXXXX.gguf";
        struct model *m;
        struct error e = {0};
        close(mkstemps(path, 5));
        gguf_build_file(gguf_build_llama(rows[i].shape, quant_type(QUANT_F16)), path, GGUF_BUILD_CUT);
        assert_ok(model_open(&m, path, MODEL_HEADER_ONLY, &e), &e);
        struct recipe r = apply(m, "Q4_K_M", (struct recipe_options){0});
        double off = r.bytes / 1048576.0 - rows[i].q4_k_m;
        assert_true(off > -0.01 && off < 0.01);
        recipe_done(&r);
        model_close(m);
        unlink(path);
    }
}

/* i < n/8, i >= 7n/8 or (i - n/8) % 3 == 2, of 32 layers. */
static void more_bits_goes_to_the_ends_and_each_third(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    struct model *m = shape_model(&shape);
    struct recipe r = apply(m, "Q4_K_M", (struct recipe_options){0});
    (void)state;
    for (int i = 0; i < 32; i++) {
        char name[32];
        bool more = i < 4 || i >= 28 || (i - 4) % 3 == 2;
        snprintf(name, sizeof name, "blk.%d.ffn_down.weight", i);
        assert_string_equal(type_of(&r, name), more ? "Q6_K" : "Q4_K");
        snprintf(name, sizeof name, "blk.%d.attn_v.weight", i);
        assert_string_equal(type_of(&r, name), more ? "Q6_K" : "Q4_K");
    }
    assert_string_equal(type_of(&r, "output.weight"), "Q6_K");
    assert_string_equal(type_of(&r, "token_embd.weight"), "Q4_K");
    assert_string_equal(type_of(&r, "output_norm.weight"), "F32");
    assert_int_equal(r.file_type, 15);
    assert_int_equal(r.fallbacks, 0);
    recipe_done(&r);
    shape_free(m);
}

static void tied_embeddings_are_typed_as_the_output(void **state)
{
    static const struct shape shape = SHAPE_LLAMA32_1B;
    struct model *m = shape_model(&shape);
    struct recipe r = apply(m, "Q4_K_M", (struct recipe_options){0});
    (void)state;
    assert_string_equal(type_of(&r, "token_embd.weight"), "Q6_K");
    recipe_done(&r);
    shape_free(m);
}

static void seventy_billion_gets_better_values(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_70B;
    struct model *m = shape_model(&shape);
    struct recipe r = apply(m, "Q3_K_S", (struct recipe_options){0});
    (void)state;
    assert_string_equal(type_of(&r, "blk.40.attn_v.weight"), "Q5_K");
    assert_string_equal(type_of(&r, "blk.40.attn_k.weight"), "Q3_K");
    recipe_done(&r);
    shape_free(m);
}

static void eight_experts_get_better_attention(void **state)
{
    static const struct shape shape = SHAPE_MIXTRAL;
    struct model *m = shape_model(&shape);
    struct recipe r = apply(m, "Q4_K_M", (struct recipe_options){0});
    (void)state;
    assert_string_equal(type_of(&r, "blk.9.attn_v.weight"), "Q8_0");
    assert_string_equal(type_of(&r, "blk.9.attn_k.weight"), "Q8_0");
    assert_string_equal(type_of(&r, "blk.9.attn_output.weight"), "Q5_K");
    assert_string_equal(type_of(&r, "blk.9.ffn_gate_inp.weight"), "F32");
    assert_string_equal(type_of(&r, "blk.4.ffn_down_exps.weight"), "Q4_K");
    assert_string_equal(type_of(&r, "blk.6.ffn_down_exps.weight"), "Q6_K");
    recipe_done(&r);
    shape_free(m);
}

/* Rows of 576 and of 40: the first takes the replacement of its type, the second none. */
static void rows_that_the_block_does_not_divide(void **state)
{
    static const struct shape wide = {"llama", 576, 1536, 4, 9, 3, 1000, 2048, .type = QUANT_F16};
    static const struct shape odd = {"llama", 40, 80, 2, 4, 4, 100, 64, .type = QUANT_F16};
    static const struct { const char *level, *expected; } rows[] = {
        {"Q2_K", "Q4_0"},   {"Q3_K_S", "Q4_0"}, {"Q4_K_S", "Q5_0"},
        {"Q5_K_S", "Q5_1"}, {"Q6_K", "Q8_0"},   {"IQ4_XS", "IQ4_NL"},
    };
    struct model *m = shape_model(&wide), *o = shape_model(&odd);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct recipe r = apply(m, rows[i].level, (struct recipe_options){0});
        assert_string_equal(type_of(&r, "blk.2.attn_q.weight"), rows[i].expected);
        assert_true(r.fallbacks > 0);
        recipe_done(&r);
    }
    struct recipe r = apply(o, "Q8_0", (struct recipe_options){0});
    assert_string_equal(type_of(&r, "blk.1.attn_q.weight"), "F16");
    recipe_done(&r);
    struct error e = {0};
    struct recipe_options strict = {.rules = rules, .strict = true};
    assert_int_equal(recipe_apply(&r, m, "Q4_K_M", &strict, &e), ERROR_USAGE);
    assert_says(&e, "cannot be Q4_K: the row of 576 is no multiple of the block of 256");
    recipe_done(&r);
    shape_free(m);
    shape_free(o);
}

static void options_come_before_the_recipe(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    struct model *m = shape_model(&shape);
    struct recipe_override over[] = {{"attn_k", quant_type(QUANT_Q8_0)},
                                     {"blk\\.3\\.", quant_type(QUANT_Q2_K)}};
    struct recipe r = apply(m, "Q4_K_M", (struct recipe_options){.overrides = over, .override_count = 2,
                            .output_type = quant_type(QUANT_Q8_0), .embedding_type = quant_type(QUANT_F16)});
    (void)state;
    assert_string_equal(type_of(&r, "output.weight"), "Q8_0");
    assert_string_equal(type_of(&r, "token_embd.weight"), "F16");
    assert_string_equal(type_of(&r, "blk.3.attn_k.weight"), "Q8_0");
    assert_string_equal(type_of(&r, "blk.3.ffn_down.weight"), "Q2_K");
    assert_string_equal(type_of(&r, "blk.2.ffn_down.weight"), "Q6_K");
    recipe_done(&r);
    r = apply(m, "Q4_K_M", (struct recipe_options){.pure = true});
    assert_string_equal(type_of(&r, "output.weight"), "Q4_K");
    assert_string_equal(type_of(&r, "blk.2.ffn_down.weight"), "Q4_K");
    recipe_done(&r);
    shape_free(m);
}

static void an_override_that_fits_nothing_is_an_error(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    struct model *m = shape_model(&shape);
    struct error e = {0};
    struct recipe r;
    struct recipe_override nothing = {"blk\\.99\\.", quant_type(QUANT_Q8_0)},
                           broken = {"blk(", quant_type(QUANT_Q8_0)};
    struct recipe_options o = {.rules = rules, .overrides = &nothing, .override_count = 1};
    (void)state;
    assert_int_equal(recipe_apply(&r, m, "Q4_K_M", &o, &e), ERROR_USAGE);
    assert_says(&e, "'blk\\.99\\.' fits no tensor");
    recipe_done(&r);
    o.overrides = &broken;
    assert_int_equal(recipe_apply(&r, m, "Q4_K_M", &o, &e), ERROR_USAGE);
    assert_says(&e, "is no regular expression");
    recipe_done(&r);
    assert_int_equal(recipe_apply(&r, m, "Q4_K_X", NULL, &e), ERROR_USAGE);
    assert_says(&e, "there is no quant level 'Q4_K_X'; known are F32, F16");
    recipe_done(&r);
    shape_free(m);
}

/* IQ4_XS and Q4_0 mix differently once an importance matrix steers the encoder. */
static void an_importance_matrix_changes_some_mixtures(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    static const struct { const char *level, *without, *with; } rows[] = {
        {"IQ4_XS", "Q5_K", "IQ4_XS"}, {"Q4_0", "Q4_0", "Q4_1"}, {"Q5_0", "Q5_0", "Q5_1"},
    };
    struct model *m = shape_model(&shape);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct recipe r = apply(m, rows[i].level, (struct recipe_options){0});
        assert_string_equal(type_of(&r, "blk.0.ffn_down.weight"), rows[i].without);
        recipe_done(&r);
        r = apply(m, rows[i].level, (struct recipe_options){.imatrix = true});
        assert_string_equal(type_of(&r, "blk.0.ffn_down.weight"), rows[i].with);
        recipe_done(&r);
    }
    shape_free(m);
}

/* A list of tensors by name goes before rules, options and patterns; what it cannot mean is refused. */
static void pins_go_before_all_else(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    static const struct { const char *name, *says; } wrong[] = {
        {"blk.99.attn_v.weight", "has Q8_0 for blk.99.attn_v.weight, which cannot be: the model has no tensor"},
        {"output_norm.weight", "has Q8_0 for output_norm.weight, which cannot be: "},
    };
    struct model *m = shape_model(&shape);
    const struct recipe_override all = {".*", quant_type_named("Q2_K")};
    const struct recipe_pin pins[] = {{"blk.0.attn_v.weight", quant_type_named("Q8_0")},
                                      {"output.weight", quant_type_named("IQ4_XS")}};
    struct recipe r = apply(m, "Q4_K_M", (struct recipe_options){.pins = pins, .pin_count = 2, .overrides = &all,
                            .override_count = 1, .output_type = quant_type_named("Q5_K")});
    (void)state;
    assert_string_equal(type_of(&r, "blk.0.attn_v.weight"), "Q8_0");
    assert_string_equal(type_of(&r, "output.weight"), "IQ4_XS");
    assert_string_equal(type_of(&r, "blk.1.attn_v.weight"), "Q2_K");
    recipe_done(&r);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct recipe_pin pin = {wrong[i].name, quant_type_named("Q8_0")};
        const struct recipe_options o = {.rules = rules, .pins = &pin, .pin_count = 1};
        struct error e = {0};
        assert_int_equal(recipe_apply(&r, m, "Q4_K_M", &o, &e), ERROR_USAGE);
        assert_says(&e, wrong[i].says);
        recipe_done(&r);
    }
    shape_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_2_has_llama_cpps_sizes),
        cmocka_unit_test(header_only_files_have_them_too),
        cmocka_unit_test(more_bits_goes_to_the_ends_and_each_third),
        cmocka_unit_test(tied_embeddings_are_typed_as_the_output),
        cmocka_unit_test(seventy_billion_gets_better_values),
        cmocka_unit_test(eight_experts_get_better_attention),
        cmocka_unit_test(rows_that_the_block_does_not_divide),
        cmocka_unit_test(options_come_before_the_recipe),
        cmocka_unit_test(pins_go_before_all_else),
        cmocka_unit_test(an_override_that_fits_nothing_is_an_error),
        cmocka_unit_test(an_importance_matrix_changes_some_mixtures),
    };
    return cmocka_run_group_tests(tests, situations_load, situations_unload);
}
