#include "unit.h"

#include <math.h>

#include "quant/half.h"
#include "quant/iq4.h"
#include "quant/normal_error.h"
#include "quant/quant_table.h"
#include "noise.h"

/* Sizes as ggml's type traits give them (ggml_blck_size, ggml_type_size). */
static void the_table_knows_every_type(void **state)
{
    (void)state;
    static const struct {
        int id, block, bytes;
        const char *name;
    } types[] = {
        {0, 1, 4, "F32"},           {1, 1, 2, "F16"},          {2, 32, 18, "Q4_0"},       {3, 32, 20, "Q4_1"},
        {6, 32, 22, "Q5_0"},        {7, 32, 24, "Q5_1"},       {8, 32, 34, "Q8_0"},       {9, 32, 36, "Q8_1"},
        {10, 256, 84, "Q2_K"},      {11, 256, 110, "Q3_K"},    {12, 256, 144, "Q4_K"},    {13, 256, 176, "Q5_K"},
        {14, 256, 210, "Q6_K"},     {15, 256, 292, "Q8_K"},    {16, 256, 66, "IQ2_XXS"},  {17, 256, 74, "IQ2_XS"},
        {18, 256, 98, "IQ3_XXS"},   {19, 256, 50, "IQ1_S"},    {20, 32, 18, "IQ4_NL"},    {21, 256, 110, "IQ3_S"},
        {22, 256, 82, "IQ2_S"},     {23, 256, 136, "IQ4_XS"},  {24, 1, 1, "I8"},          {25, 1, 2, "I16"},
        {26, 1, 4, "I32"},          {27, 1, 8, "I64"},         {28, 1, 8, "F64"},         {29, 256, 56, "IQ1_M"},
        {30, 1, 2, "BF16"},         {34, 256, 54, "TQ1_0"},    {35, 256, 66, "TQ2_0"},    {39, 32, 17, "MXFP4"},
        {40, 64, 36, "NVFP4"},      {41, 128, 18, "Q1_0"},     {42, 64, 18, "Q2_0"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        const struct quant_type *t = quant_type(types[i].id);
        assert_non_null(t);
        assert_ptr_equal(t, quant_type_at(i));
        assert_ptr_equal(t, quant_type_named(types[i].name));
        assert_string_equal(t->name, types[i].name);
        assert_int_equal(t->block, types[i].block);
        assert_int_equal(t->block_bytes, types[i].bytes);
    }
    assert_null(quant_type_at(ARRAY_LENGTH(types)));
    assert_null(quant_type(31));
    assert_null(quant_type_named("Q4"));
    assert_ptr_equal(quant_type_named("iq4_xs"), quant_type(QUANT_IQ4_XS));
}

/* The scale's byte is 2's exponent plus 127; codes are sign, exponent (two bits, bias 1) and mantissa (one bit). */
static void mxfp4_by_hand(void **state)
{
    (void)state;
    static const float levels[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    const struct quant_type *t = quant_type(QUANT_MXFP4);
    unsigned char block[17] = {129}, again[17]; /* 2^2 */
    float x[32];
    for (int i = 0; i < 16; i++)
        block[1 + i] = (unsigned char)(i | (15 - i) << 4);
    t->decode(block, x, 32);
    for (int i = 0; i < 16; i++) {
        assert_true(x[i] == (i < 8 ? 4 : -4) * levels[i % 8]);
        assert_true(x[16 + i] == (i < 8 ? -4 : 4) * levels[7 - i % 8]);
    }
    t->encode(x, NULL, again, 32);
    t->decode(again, x, 32);
    for (int i = 0; i < 16; i++)
        assert_true(x[i] == (i < 8 ? 4 : -4) * levels[i % 8]);
    block[0] = 0; /* 2^-127, below a float's normal numbers */
    t->decode(block, x, 32);
    assert_true(x[7] == 6 * 0x1p-127f && x[0] == 0);
}

/* Cut off at six of up to eight, or between levels that are two apart: a quarter of the largest at most. */
static void mxfp4_stays_near(void **state)
{
    (void)state;
    const struct quant_type *t = quant_type(QUANT_MXFP4);
    static const float zeros[32];
    unsigned char block[17];
    float y[32];
    for (int seed = 1; seed < 200; seed++) {
        float x[32], largest = 0;
        for (int i = 0; i < 32; i++) {
            x[i] = sinf((float)(seed * 37 + i * i)) * (float)seed;
            largest = fmaxf(largest, fabsf(x[i]));
        }
        t->encode(x, NULL, block, 32);
        t->decode(block, y, 32);
        for (int i = 0; i < 32; i++)
            assert_true(fabsf(x[i] - y[i]) <= largest / 4);
    }
    t->encode(zeros, NULL, block, 32);
    t->decode(block, y, 32);
    for (int i = 0; i < 32; i++)
        assert_true(y[i] == 0);
}

/* The nearest level of the grid, worked out in the plain way. */
static float nearest_on_grid(const struct quant_type *t, float x, float unit, float minimum)
{
    float best = INFINITY;
    for (int code = (int)t->low; code <= (int)t->high; code++) {
        bool level = !t->uneven;
        for (int i = 0; i < 16; i++)
            level |= iq4_levels[i] == code;
        float value = unit * (float)code + minimum;
        if (level && fabsf(value - x) < fabsf(best - x))
            best = value;
    }
    return best;
}

/* What is decoded lies on the grid that the block reports, storing it again changes nothing, and other numbers go to
 * the nearest level with the scales untouched. */
static void grids_say_what_blocks_hold(void **state)
{
    (void)state;
    enum { N = 1024 };
    float x[N], y[N], unit[16], minimum[16];
    unsigned char blocks[N * 4], copy[N * 4];
    int checked = 0;
    struct noise noise = {7};
    for (int i = 0; i < N; i++)
        x[i] = (float)noise_normal(&noise);
    for (int i = 0; quant_type_at(i); i++) {
        const struct quant_type *t = quant_type_at(i);
        if (!t->sub)
            continue;
        t->encode(x, NULL, blocks, N);
        t->decode(blocks, y, N);
        memcpy(copy, blocks, sizeof copy);
        for (int b = 0; b < N / t->block; b++) {
            unsigned char *block = copy + b * t->block_bytes;
            float *from = y + b * t->block, far[256], near[256];
            t->recode(from, block);
            assert_memory_equal(block, blocks + b * t->block_bytes, t->block_bytes);
            t->grid(block, unit, minimum);
            for (int k = 0; k < t->block; k++) {
                float u = unit[k / t->sub], m = minimum[k / t->sub];
                assert_float_equal(nearest_on_grid(t, from[k], u, m), from[k], fabsf(u) * 1e-4);
                far[k] = from[k] + 0.3f * u * (k % 2 ? 1 : -1) + 40 * u * (k % 7 == 0);
            }
            t->recode(far, block);
            t->decode(block, near, t->block);
            for (int k = 0; k < t->block; k++)
                assert_float_equal(nearest_on_grid(t, far[k], unit[k / t->sub], minimum[k / t->sub]), near[k],
                                   fabsf(unit[k / t->sub]) * 1e-3);
        }
        checked++;
    }
    assert_int_equal(checked, 12);
}

/* Each run gets the scale of another one of its block, or half its own: that one alone changes, and what it decodes to
 * with it; codes and all else stay. */
static void rescaling_changes_one_run(void **state)
{
    (void)state;
    enum { BLOCK = 256, RUNS = 16 };
    float x[BLOCK], before[BLOCK], after[BLOCK], unit[RUNS], minimum[RUNS], new_unit[RUNS], new_minimum[RUNS];
    unsigned char block[BLOCK * 4], copy[BLOCK * 4];
    struct noise noise = {11};
    for (int i = 0; i < BLOCK; i++)
        x[i] = (float)noise_normal(&noise) * (1 + i / 32);
    for (int i = 0; quant_type_at(i); i++) {
        const struct quant_type *t = quant_type_at(i);
        int runs = t->sub ? t->block / t->sub : 0;
        if (runs)
            t->encode(x, NULL, block, t->block);
        for (int run = 0; run < runs; run++) {
            memcpy(copy, block, sizeof copy);
            t->grid(copy, unit, minimum);
            float wanted = runs > 1 ? unit[(run + 3) % runs] : unit[0] / 2;
            t->rescale(copy, run, wanted);
            t->grid(copy, new_unit, new_minimum);
            t->decode(block, before, t->block);
            t->decode(copy, after, t->block);
            for (int r = 0; r < runs; r++) {
                assert_float_equal(new_unit[r], r == run ? wanted : unit[r], fabsf(wanted) * 1e-3);
                assert_float_equal(new_minimum[r], minimum[r], 0);
            }
            for (int k = 0; k < t->block; k++) {
                float code = (before[k] - minimum[k / t->sub]) / unit[k / t->sub];
                assert_float_equal(after[k], code * new_unit[k / t->sub] + minimum[k / t->sub], fabsf(after[k]) * 1e-3 + 1e-3);
            }
        }
    }
}

/* Of 32 normal numbers the largest is 2.07 deviations large, on average of its square 4.47; cut in 127 steps to either
 * side, each number is off by a step's square over 12. A bit more quarters that, and K types beat the older ones of their
 * size or less. */
static void normal_numbers_lose_as_they_must(void **state)
{
    (void)state;
    const double q8 = 4.47 / (127 * 127 * 12);
    double of[QUANT_Q2_0 + 1];
    for (int i = 0; quant_type_at(i); i++)
        if (quant_type_at(i)->encode)
            of[quant_type_at(i)->id] = quant_normal_error(quant_type_at(i));
    assert_true(fabs(of[QUANT_Q8_0] / q8 - 1) < 0.05);
    assert_true(fabs(of[QUANT_Q4_0] / of[QUANT_Q5_0] / 4 - 1) < 0.2);
    assert_true(of[QUANT_F32] == 0 && of[QUANT_F16] < 1e-6);
    assert_true(of[QUANT_Q6_K] < of[QUANT_Q5_K] && of[QUANT_Q5_K] < of[QUANT_Q4_K] && of[QUANT_Q4_K] < of[QUANT_Q3_K]);
    assert_true(of[QUANT_Q4_K] < of[QUANT_Q4_1] * 1.05 && of[QUANT_Q4_K] < of[QUANT_Q4_0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_knows_every_type),
        cmocka_unit_test(mxfp4_by_hand),
        cmocka_unit_test(mxfp4_stays_near),
        cmocka_unit_test(grids_say_what_blocks_hold),
        cmocka_unit_test(rescaling_changes_one_run),
        cmocka_unit_test(normal_numbers_lose_as_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
