/* Products: every engine of this processor against sums in double precision, at all kinds of edges; rounding
 * of the inputs; the ways for few and for many rows; any number of threads. */
#include "tests/unit/unit.h"

#include <math.h>

#include "base/cpu.h"
#include "infer/product.h"
#include "tests/unit/noise.h"

static float *noise_matrix(int64_t rows, int64_t columns, uint64_t seed)
{
    struct noise n = {.state = seed};
    float *x = xaligned(rows * columns * sizeof *x);
    noise_fill(&n, x, rows * columns, 1);
    return x;
}

static double exact(const float *a, const float *b, int64_t k)
{
    double sum = 0;
    for (int64_t i = 0; i < k; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static double length(const float *a, int64_t k)
{
    return sqrt(exact(a, a, k));
}

/* A weight matrix as a tensor of a type, and what it decodes to. */
struct sample {
    struct tensor tensor;
    struct weight weight;
    unsigned char *blocks;
    float *values; /* [rows][columns] */
};

static struct sample make_sample(enum quant_id id, int64_t rows, int64_t columns)
{
    const struct quant_type *t = quant_type(id);
    struct sample s = {.values = noise_matrix(rows, columns, 7)};
    uint64_t bytes = quant_bytes(t, rows * columns);
    s.blocks = xaligned(bytes);
    t->encode(s.values, NULL, s.blocks, rows * columns);
    t->decode(s.blocks, s.values, rows * columns);
    s.tensor = (struct tensor){.name = "sample",
                               .type = t,
                               .dims = 2,
                               .shape = {columns, rows, 1, 1},
                               .bytes = bytes,
                               .data = s.blocks};
    s.weight = (struct weight){.rows = rows, .columns = columns};
    return s;
}

static void free_sample(struct sample *s)
{
    free(s->blocks);
    free(s->values);
}

static struct product open_product(const struct engine *engine, int threads, bool imitate, int64_t rows,
                                   int64_t columns)
{
    struct product p = {.engine = engine, .kernels = kernels(), .threads = threads, .imitate = imitate};
    assert_true(product_init(&p, rows, columns) > 0);
    return p;
}

static float *multiply(struct product *p, struct sample *s, const float *x, int64_t rows)
{
    float *y = xaligned(rows * s->weight.rows * sizeof *y);
    s->weight.tensor = &s->tensor;
    product(p, x, rows, &(struct output){&s->weight, y}, 1);
    return y;
}

/* The error is measured against |x||w|. */
static void check_within(double error, const struct engine *engine, enum quant_id id, int64_t rows, int64_t n, int64_t k)
{
    struct sample s = make_sample(id, n, k);
    struct product p = open_product(engine, 2, false, rows, k);
    float *x = noise_matrix(rows, k, 3), *y = multiply(&p, &s, x, rows);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < n; c++) {
            double want = exact(x + r * k, s.values + c * k, k), got = y[r * n + c];
            double bound = error * length(x + r * k, k) * length(s.values + c * k, k);
            if (!(fabs(got - want) <= bound))
                fail_msg("%s, %s, %dx%dx%d: (%d, %d) is %.9g, expected %.9g within %.2g", engine->name,
                         s.tensor.type->name, (int)rows, (int)n, (int)k, (int)r, (int)c, got, want, bound);
        }
    free(x);
    free(y);
    product_done(&p);
    free_sample(&s);
}

/* float32 sums of these lengths stay under 1e-6. */
static void check_product(const struct engine *engine, enum quant_id id, int64_t rows, int64_t n, int64_t k)
{
    check_within(1e-6, engine, id, rows, n, k);
}

static const int64_t shapes[][3] = {
    {1, 1, 1},     {5, 1, 1},      {5, 31, 33},    {32, 32, 32},  {33, 33, 31},
    {64, 96, 800}, {65, 97, 1600}, {300, 200, 64}, {7, 500, 576}, {257, 65, 100},
};

static void engines_multiply(void **state)
{
    (void)state;
    for (int i = 0; engine_at(i); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(shapes) && engine_at(i)->usable(); j++)
            check_product(engine_at(i), QUANT_F32, shapes[j][0], shapes[j][1], shapes[j][2]);
}

/* Inputs rounded to bfloat16 are off by 2^-8 of themselves at most, weights of two such parts by 2^-16. */
static void rough_engines_multiply(void **state)
{
    (void)state;
    for (int i = 0; engine_at(i); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(shapes) && engine_at(i)->rough && engine_at(i)->usable(); j++)
            check_within(0x1p-8 + 0x1p-15, engine_at(i)->rough, QUANT_F32, shapes[j][0], shapes[j][1], shapes[j][2]);
}

static void weights_of_any_type(void **state)
{
    (void)state;
    const struct quant_type *t;
    for (int i = 0; (t = quant_type_at(i)); i++)
        for (int j = 0; t->decode && t->encode && engine_at(j); j++)
            if (engine_at(j)->usable()) {
                check_product(engine_at(j), t->id, 3, 50, 512);
                check_product(engine_at(j), t->id, 40, 50, 512);
            }
}

/* Weights larger than a slab: packed and multiplied in several turns. */
static void several_slabs(void **state)
{
    (void)state;
    for (int i = 0; engine_at(i); i++)
        if (engine_at(i)->usable())
            check_product(engine_at(i), QUANT_Q8_0, 6, 40000, 64);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    enum { ROWS = 300, N = 600, K = 320 };
    struct sample s = make_sample(QUANT_Q8_0, N, K);
    float *x = noise_matrix(ROWS, K, 5);
    for (int i = 0; engine_at(i); i++)
        for (int rows = 2; rows <= ROWS && engine_at(i)->usable(); rows += ROWS - 2) {
            struct product one = open_product(engine_at(i), 1, false, ROWS, K);
            struct product five = open_product(engine_at(i), 5, false, ROWS, K);
            float *a = multiply(&one, &s, x, rows), *b = multiply(&five, &s, x, rows);
            assert_memory_equal(a, b, (size_t)rows * N * sizeof *a);
            free(a);
            free(b);
            product_done(&one);
            product_done(&five);
        }
    free(x);
    free_sample(&s);
}

static void bias_and_slices(void **state)
{
    (void)state;
    enum { N = 70, K = 64, FIRST = 33 };
    struct sample s = make_sample(QUANT_F16, N, K);
    float *x = noise_matrix(40, K, 9), *bias = noise_matrix(1, N - FIRST, 11);
    for (int rows = 2; rows <= 40; rows += 38) {
        struct product p = open_product(engine(), 2, false, 40, K);
        s.weight = (struct weight){.first = FIRST, .rows = N - FIRST, .columns = K, .bias = bias};
        float *y = multiply(&p, &s, x, rows);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < N - FIRST; c++)
                assert_float_equal(y[r * (N - FIRST) + c],
                                   exact(x + r * K, s.values + (FIRST + c) * K, K) + bias[c], 1e-4);
        free(y);
        product_done(&p);
    }
    free(bias);
    free(x);
    free_sample(&s);
}

/* ------------------------------------------------------------------ rounding */

/* Numbers and what becomes of them, by hand: scale = largest / 127, then to the nearest multiple of it. */
static void rounding_by_hand(void **state)
{
    (void)state;
    float blocks[32] = {127, 1.4f, -1.6f, 0.4f}, supers[256] = {0.5f, -254, 3.1f, 100},
          half[2] = {1.0001f, 2049};
    round_row(ROUND_BLOCKS, blocks, 32);
    assert_true(blocks[0] == 127 && blocks[1] == 1 && blocks[2] == -2 && blocks[3] == 0 && blocks[4] == 0);
    round_row(ROUND_SUPERS, supers, 256);
    assert_true(supers[0] == 0 && supers[1] == -254 && supers[2] == 4 && supers[3] == 100);
    round_row(ROUND_F16, half, 2);
    assert_true(half[0] == 1 && half[1] == 2048);
    half[0] = 1.0001f;
    round_row(ROUND_BF16, half, 2);
    assert_true(half[0] == 1 && half[1] == 2048);
    float zeros[256] = {0};
    round_row(ROUND_BLOCKS, zeros, 256);
    round_row(ROUND_SUPERS, zeros, 256);
    for (int i = 0; i < 256; i++)
        assert_true(zeros[i] == 0);
}

/* A row shares a scale, 127 or 448 the largest code; LLM.int8 leaves out columns with a 6, and numbers like it. */
static void rounding_of_tokens(void **state)
{
    (void)state;
    float row[130] = {127, 1.4f, [129] = -63.6f}, e4m3[130] = {448, 17.2f, -0.001f, [129] = 3.3f}, blocks[130];
    memcpy(blocks, e4m3, sizeof blocks);
    round_row(ROUND_INT8, row, 130);
    assert_true(row[0] == 127 && row[1] == 1 && row[2] == 0 && row[129] == -64);
    round_row(ROUND_E4M3, e4m3, 130);
    assert_true(e4m3[0] == 448 && e4m3[1] == 18 && e4m3[2] == -0.001953125f && e4m3[129] == 3.25f);
    round_row(ROUND_E4M3_BLOCKS, blocks, 130);
    assert_true(blocks[0] == 448 && blocks[1] == 18);
    assert_float_equal(blocks[129], 3.3f, 1e-6); /* the largest of its block of two */
    static const float x[] = {1.27f, 9, 0.624f, 0.004f, /* and */ 2.54f, 1, -1.003f, 0};
    static const float want[] = {1.27f, 9, 0.62f, 0, 2.54f, 1, -1, 0};
    float y[8];
    round_rows(ROUND_LLM_INT8, x, 2, 4, 1, y);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], want[i], 1e-6);
}

static void rounding_by_type(void **state)
{
    (void)state;
    assert_int_equal(rounding_for(quant_type(QUANT_F32)), ROUND_NOT);
    assert_int_equal(rounding_for(quant_type(QUANT_F16)), ROUND_F16);
    assert_int_equal(rounding_for(quant_type(QUANT_Q4_0)), ROUND_BLOCKS);
    assert_int_equal(rounding_for(quant_type(QUANT_IQ4_NL)), ROUND_BLOCKS);
    assert_int_equal(rounding_for(quant_type(QUANT_IQ4_XS)), ROUND_SUPERS);
    assert_int_equal(rounding_for(quant_type(QUANT_Q6_K)), ROUND_SUPERS);
}

/* Weights of several types on one input: each gets its own rounding, of the input as it was. */
static void rounded_products(void **state)
{
    (void)state;
    enum { ROWS = 40, N = 33, K = 256, TYPES = 4 };
    static const enum quant_id types[TYPES] = {QUANT_Q4_K, QUANT_Q6_K, QUANT_Q8_0, QUANT_F32};
    static float y[TYPES][ROWS * N];
    float *x = noise_matrix(ROWS, K, 21), *rounded = xaligned(ROWS * K * sizeof *rounded);
    struct sample s[TYPES];
    struct output outputs[TYPES];
    struct product p = open_product(engine(), 2, true, ROWS, K);
    for (int i = 0; i < TYPES; i++) {
        s[i] = make_sample(types[i], N, K);
        s[i].weight.tensor = &s[i].tensor;
        outputs[i] = (struct output){&s[i].weight, y[i]};
    }
    product(&p, x, ROWS, outputs, TYPES);
    for (int i = 0; i < TYPES; i++) {
        memcpy(rounded, x, ROWS * K * sizeof *rounded);
        round_row(rounding_for(s[i].tensor.type), rounded, ROWS * K);
        for (int j = 0; j < ROWS * N; j++)
            assert_float_equal(y[i][j], exact(rounded + j / N * K, s[i].values + j % N * K, K), 1e-4);
        free_sample(&s[i]);
    }
    product_done(&p);
    free(rounded);
    free(x);
}

/* Weights whose format rounds inputs, beside others on the same input. */
static void served_products(void **state)
{
    (void)state;
    enum { ROWS = 6, N = 5, K = 64, KINDS = 3 };
    static const enum source_inputs kinds[KINDS] = {INPUTS_INT8, INPUTS_E4M3, INPUTS_EXACT};
    static float y[KINDS][ROWS * N];
    float *x = noise_matrix(ROWS, K, 5), *rounded = xaligned(ROWS * K * sizeof *rounded);
    struct product p = {.engine = engine(), .kernels = kernels(), .threads = 2, .serve = true};
    struct tensor_source sources[KINDS];
    struct sample s[KINDS];
    struct output outputs[KINDS];
    assert_true(product_init(&p, ROWS, K) > 0);
    for (int i = 0; i < KINDS; i++) {
        s[i] = make_sample(QUANT_F32, N, K);
        sources[i] = (struct tensor_source){.inputs = kinds[i]};
        s[i].tensor.source = &sources[i];
        s[i].weight.tensor = &s[i].tensor;
        outputs[i] = (struct output){&s[i].weight, y[i]};
    }
    product(&p, x, ROWS, outputs, KINDS);
    for (int i = 0; i < KINDS; i++) {
        round_rows(rounding_of_inputs(kinds[i]), x, ROWS, K, 1, rounded);
        for (int j = 0; j < ROWS * N; j++)
            assert_float_equal(y[i][j], exact(rounded + j / N * K, s[i].values + j % N * K, K), 1e-5);
        free_sample(&s[i]);
    }
    product_done(&p);
    free(rounded);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_multiply),
        cmocka_unit_test(rough_engines_multiply), cmocka_unit_test(weights_of_any_type),
        cmocka_unit_test(several_slabs),    cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(bias_and_slices),  cmocka_unit_test(rounding_by_hand),
        cmocka_unit_test(rounding_by_type), cmocka_unit_test(rounding_of_tokens),
        cmocka_unit_test(served_products), cmocka_unit_test(rounded_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
