/* The block formats: decoders against the gguf package, encoders against ggml's, and every build against the
 * others. */
#include "tests/unit/unit.h"

#include <math.h>

#include "quant/quant_table.h"
#include "tests/unit/noise.h"

/* Types that have a search or a rounding of their own. */
static const enum quant_id formats[] = {
    QUANT_Q4_0, QUANT_Q4_1, QUANT_Q5_0, QUANT_Q5_1, QUANT_Q8_0,   QUANT_Q2_K,
    QUANT_Q3_K, QUANT_Q4_K, QUANT_Q5_K, QUANT_Q6_K, QUANT_IQ4_NL, QUANT_IQ4_XS,
    QUANT_IQ3_S, QUANT_IQ3_XXS, QUANT_IQ2_S, QUANT_IQ2_XS, QUANT_IQ2_XXS, QUANT_IQ1_M, QUANT_IQ1_S,
};

/* The row of a type in the build for `isa`, or NULL where there is no such build or the processor does not
 * run it. */
static const struct quant_type *row_of(enum cpu_isa isa, enum quant_id id)
{
    const struct quant_type *const *table = isa <= cpu_isa() ? quant_table(isa) : NULL;
    while (table && *table && (*table)->id != id)
        table++;
    return table ? *table : NULL;
}

/* ------------------------------------------------------------------ decoding */

enum { DECODED_BLOCKS = 64 };

/* FNV-1a of the floats that the gguf package decodes DECODED_BLOCKS blocks to; made by decoded_hashes.py. The
 * blocks are the upper bytes of the generator of noise.h; the halves, at these offsets, have bit 14 cleared.
 * */
static const struct {
    enum quant_id id;
    int halves[2], half_count;
    uint64_t hash;
} decoded[] = {
    {QUANT_Q4_0, {0}, 1, 0x87689494020ecf55u},     {QUANT_Q4_1, {0, 2}, 2, 0x8438a355275722c5u},
    {QUANT_Q5_0, {0}, 1, 0x77736719434f8494u},     {QUANT_Q5_1, {0, 2}, 2, 0x5e522df25dad052bu},
    {QUANT_Q8_0, {0}, 1, 0xae2ed2108bd6b4c0u},     {QUANT_Q2_K, {80, 82}, 2, 0x6765369c92f01f06u},
    {QUANT_Q3_K, {108}, 1, 0x6f1db29366cade16u},   {QUANT_Q4_K, {0, 2}, 2, 0x9173a4b8760ed3e2u},
    {QUANT_Q5_K, {0, 2}, 2, 0xdd8d70c07ffccc18u},  {QUANT_Q6_K, {208}, 1, 0x8dca1d2cc8bfadc8u},
    {QUANT_IQ4_NL, {0}, 1, 0x19f37ad79e2c1fd2u},   {QUANT_IQ4_XS, {0}, 1, 0x68c104c73af9e9c6u},
    {QUANT_IQ3_S, {0}, 1, 0xeeaaaaf948bea35au}, {QUANT_IQ3_XXS, {0}, 1, 0x20af4ab542817eb8u},
    {QUANT_IQ2_S, {0}, 1, 0x88b2c0d7163a7929u}, {QUANT_IQ2_XS, {0}, 1, 0x1c259de7c7777d6cu},
    {QUANT_IQ2_XXS, {0}, 1, 0x5e3a362a26105307u}, {QUANT_IQ1_M, {54}, 1, 0x89c288767d13f139u},
    {QUANT_IQ1_S, {0}, 1, 0x1e1e4915840d3ee6u},
};

static uint64_t fnv1a(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return h;
}

static uint8_t *made_up_blocks(int i, const struct quant_type *t)
{
    struct noise noise = {.state = 1};
    size_t size = (size_t)DECODED_BLOCKS * t->block_bytes;
    uint8_t *blocks = xmalloc(size);
    for (size_t k = 0; k < size; k++) {
        noise_uniform(&noise);
        blocks[k] = noise.state >> 56;
    }
    for (int b = 0; b < DECODED_BLOCKS; b++)
        for (int h = 0; h < decoded[i].half_count; h++)
            blocks[b * t->block_bytes + decoded[i].halves[h] + 1] &= 0xbf;
    return blocks;
}

static void decoded_as_the_gguf_package_does(void **state)
{
    (void)state;
    float x[DECODED_BLOCKS * 256];
    for (size_t i = 0; i < ARRAY_LENGTH(decoded); i++)
        for (int isa = 0; isa < CPU_ISA_COUNT; isa++) {
            const struct quant_type *t = row_of(isa, decoded[i].id);
            if (!t)
                continue;
            uint8_t *blocks = made_up_blocks(i, t);
            t->decode(blocks, x, DECODED_BLOCKS * t->block);
            if (fnv1a(x, sizeof *x * DECODED_BLOCKS * t->block) != decoded[i].hash)
                fail_msg("%s decodes otherwise in the %s build", t->name, cpu_isa_name(isa));
            free(blocks);
        }
}

/* ------------------------------------------------------------------ encoding */

enum { MOST = 33 * 256 };

struct example {
    float x[MOST], importance[MOST];
};

static void normal(struct example *e) { noise_fill(&(struct noise){1}, e->x, MOST, 0.02); }

/* A few values far out, as trained weights have them. */
static void heavy_tailed(struct example *e)
{
    normal(e);
    for (int i = 0; i < MOST; i++)
        e->x[i] *= 1 + e->x[i] * e->x[i] * 2500;
}

static void zeros(struct example *e) { memset(e->x, 0, sizeof e->x); }

static void constant(struct example *e)
{
    for (int i = 0; i < MOST; i++)
        e->x[i] = -0.3f;
}

static void positive(struct example *e)
{
    normal(e);
    for (int i = 0; i < MOST; i++)
        e->x[i] = fabsf(e->x[i]) + 0.1f;
}

/* Blocks of every size of numbers that there is, and a few that are none. */
static void hostile(struct example *e)
{
    normal(e);
    for (int i = 0; i < MOST; i++)
        e->x[i] *= exp2f(i / 256 * 8 - 130);
    e->x[5] = e->x[700] = INFINITY;
    e->x[300] = -INFINITY;
    e->x[1000] = NAN;
    e->x[2000] = -0.0f;
}

static const struct {
    const char *name;
    void (*make)(struct example *e);
} examples[] = {
    {"normal noise", normal}, {"heavy tails", heavy_tailed}, {"zeros", zeros},
    {"one value", constant},  {"positive values", positive}, {"hostile values", hostile},
};

static struct example *make_example(size_t i)
{
    struct example *e = xmalloc(sizeof *e);
    struct noise noise = {.state = 7};
    examples[i].make(e);
    for (int k = 0; k < MOST; k++)
        e->importance[k] = (float)noise_uniform(&noise) * (k % 5);
    return e;
}

static uint8_t *encoded(const struct quant_type *t, const float *x, const float *importance, int64_t n)
{
    uint8_t *blocks = xmalloc(quant_bytes(t, n));
    t->encode(x, importance, blocks, n);
    return blocks;
}

/* The encoders work on tiles of several blocks; counts around their size. */
static const int block_counts[] = {1, 2, 3, 8, 15, 16, 17, 33};

static void compare_builds(const struct quant_type *t, const struct example *e, const float *importance,
                           int64_t n, const char *example)
{
    uint8_t *first = encoded(t, e->x, importance, n);
    for (int isa = CPU_GENERIC + 1; isa < CPU_ISA_COUNT; isa++) {
        const struct quant_type *other = row_of(isa, t->id);
        if (!other)
            continue;
        uint8_t *blocks = encoded(other, e->x, importance, n);
        if (memcmp(first, blocks, quant_bytes(t, n)) != 0)
            fail_msg("%s of %d items of %s differs between generic and %s", t->name, (int)n, example,
                     cpu_isa_name(isa));
        free(blocks);
    }
    free(first);
}

static void same_bits_in_every_build(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LENGTH(examples); k++) {
        struct example *e = make_example(k);
        for (size_t f = 0; f < ARRAY_LENGTH(formats); f++)
            for (size_t c = 0; c < ARRAY_LENGTH(block_counts); c++) {
                const struct quant_type *t = row_of(CPU_GENERIC, formats[f]);
                compare_builds(t, e, NULL, t->block * block_counts[c], examples[k].name);
                compare_builds(t, e, e->importance, t->block * block_counts[c], examples[k].name);
            }
        free(e);
    }
}

/* So that it does not matter where a tensor is cut for the threads. */
static void a_block_does_not_know_its_neighbours(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LENGTH(examples); k++) {
        struct example *e = make_example(k);
        for (size_t f = 0; f < ARRAY_LENGTH(formats); f++) {
            const struct quant_type *t = quant_type(formats[f]);
            uint8_t *whole = encoded(t, e->x, NULL, 33 * t->block);
            for (int b = 0; b < 33; b++) {
                uint8_t *one = encoded(t, e->x + b * t->block, NULL, t->block);
                assert_memory_equal(one, whole + b * t->block_bytes, t->block_bytes);
                free(one);
            }
            free(whole);
        }
        free(e);
    }
}

/* Root of the mean squared error over that of the values. */
static double relative_error(const struct quant_type *t, const float *x, const float *importance, int64_t n,
                             int step)
{
    float y[MOST];
    double error = 0, square = 0;
    uint8_t *blocks = encoded(t, x, importance, n);
    t->decode(blocks, y, n);
    free(blocks);
    for (int64_t i = 0; i < n; i += step) {
        error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        square += (double)x[i] * x[i];
    }
    return sqrt(error / square);
}

/* What ggml's own encoders (ggml_quantize_chunk, without importance) leave on the same numbers. */
static const struct {
    enum quant_id id;
    double normal, heavy_tailed;
} ggml_errors[] = {
    {QUANT_Q4_0, 0.08332, 0.12480}, {QUANT_Q4_1, 0.07642, 0.10686},   {QUANT_Q5_0, 0.04117, 0.06755},
    {QUANT_Q5_1, 0.03697, 0.05151}, {QUANT_Q8_0, 0.00517, 0.00868},   {QUANT_Q2_K, 0.28860, 0.36209},
    {QUANT_Q3_K, 0.14818, 0.17825}, {QUANT_Q4_K, 0.06959, 0.09951},   {QUANT_Q5_K, 0.03562, 0.05006},
    {QUANT_Q6_K, 0.01750, 0.02660}, {QUANT_IQ4_NL, 0.07464, 0.10103}, {QUANT_IQ4_XS, 0.07527, 0.10171},
};

static void no_worse_than_ggml(void **state)
{
    (void)state;
    struct example *plain = make_example(0), *tails = make_example(1);
    for (size_t i = 0; i < ARRAY_LENGTH(ggml_errors); i++) {
        const struct quant_type *t = quant_type(ggml_errors[i].id);
        double a = relative_error(t, plain->x, NULL, MOST, 1), b = relative_error(t, tails->x, NULL, MOST, 1);
        if (a > 1.002 * ggml_errors[i].normal || b > 1.002 * ggml_errors[i].heavy_tailed)
            fail_msg("%s: errors %.5f and %.5f, ggml's are %.5f and %.5f", t->name, a, b,
                     ggml_errors[i].normal, ggml_errors[i].heavy_tailed);
    }
    free(plain);
    free(tails);
}

static void assert_zeros_stay(const struct quant_type *t)
{
    static const float x[256];
    float y[256];
    uint8_t *blocks = encoded(t, x, NULL, 256);
    t->decode(blocks, y, 256);
    for (int k = 0; k < 256; k++)
        assert_true(y[k] == 0);
    free(blocks);
}

/* Nothing to search, and a line through equal values is any line. */
static void constants_stay(void **state)
{
    (void)state;
    struct example *e = make_example(3);
    for (int sign = -1; sign <= 1; sign += 2) {
        for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
            const struct quant_type *t = quant_type(formats[i]);
            double error = relative_error(t, e->x, NULL, MOST, 1);
            assert_zeros_stay(t);
            if (t->sub && error > 0x1p-10) /* the scale is a half: 11 bits; lists of points lack most constants */
                fail_msg("%s: %g everywhere comes back with an error of %.5f", t->name, e->x[0], error);
        }
        for (int k = 0; k < MOST; k++)
            e->x[k] = -e->x[k];
    }
    free(e);
}

/* One value a hundred deviations out keeps its size, whatever that costs the rest of its block. */
static void an_outlier_is_not_clipped(void **state)
{
    (void)state;
    struct example *e = make_example(0);
    e->x[77] = 2.0f;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct quant_type *t = quant_type(formats[i]);
        float y[256];
        uint8_t *blocks = encoded(t, e->x, NULL, 256);
        t->decode(blocks, y, 256);
        if (fabsf(y[77] - 2) > 0.04f)
            fail_msg("%s: 2.0 among values of 0.02 comes back as %.4f", t->name, y[77]);
        free(blocks);
    }
    free(e);
}

/* Where half of the values count a hundred times as much their error falls; where none counts, all do. */
static void importance_counts(void **state)
{
    (void)state;
    struct example *e = make_example(0);
    for (int i = 0; i < MOST; i++)
        e->importance[i] = i % 2 ? 0.01f : 1;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct quant_type *t = quant_type(formats[i]);
        double with = relative_error(t, e->x, e->importance, MOST, 2);
        double without = relative_error(t, e->x, NULL, MOST, 2);
        if (with > 0.985 * without)
            fail_msg("%s: error %.5f with importance, %.5f without", t->name, with, without);
    }
    memset(e->importance, 0, sizeof e->importance);
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct quant_type *t = quant_type(formats[i]);
        double none = relative_error(t, e->x, e->importance, MOST, 1);
        /* Not the same: with importance larger values count for more than without, and none shrink. */
        assert_true(none < 1.1 * relative_error(t, e->x, NULL, MOST, 1));
    }
    free(e);
}

static void every_input_gives_finite_values(void **state)
{
    (void)state;
    struct example *e = make_example(5);
    float y[MOST];
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct quant_type *t = quant_type(formats[i]);
        uint8_t *blocks = encoded(t, e->x, NULL, MOST);
        t->decode(blocks, y, MOST);
        for (int k = 0; k < MOST; k++)
            if (!isfinite(y[k]))
                fail_msg("%s: item %d, %g, comes back as %g", t->name, k, e->x[k], y[k]);
        free(blocks);
    }
    free(e);
}

static void losses_are_added_up(void **state)
{
    (void)state;
    struct example *e = make_example(0);
    static const int lengths[] = {0, 1, 15, 16, 17, 255, 256, 257, 1000, MOST};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        double power = 1, error = 2, square = 0, difference = 0, power2 = 1, error2 = 2;
        for (int k = 0; k < lengths[i]; k++) {
            double lost = (double)e->x[k] - e->importance[k];
            square += (double)e->x[k] * e->x[k];
            difference += lost * lost;
        }
        quant_loss(e->x, e->importance, lengths[i], &power, &error);
        quant_loss_generic(e->x, e->importance, lengths[i], &power2, &error2);
        assert_true(fabs(power - 1 - square) <= 1e-6 * square);
        assert_true(fabs(error - 2 - difference) <= 1e-6 * difference);
        assert_true(power == power2 && error == error2);
    }
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoded_as_the_gguf_package_does),
        cmocka_unit_test(same_bits_in_every_build),
        cmocka_unit_test(a_block_does_not_know_its_neighbours),
        cmocka_unit_test(no_worse_than_ggml),
        cmocka_unit_test(constants_stay),
        cmocka_unit_test(an_outlier_is_not_clipped),
        cmocka_unit_test(importance_counts),
        cmocka_unit_test(every_input_gives_finite_values),
        cmocka_unit_test(losses_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
