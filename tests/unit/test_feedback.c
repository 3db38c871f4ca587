/* Error feedback against the definitions: the factor, the loss that it reports, and that it loses less than rounding
 * to nearest where inputs are correlated. */
#include "tests/unit/unit.h"

#include <math.h>
#include <omp.h>

#include "base/finite.h"
#include "calib/feedback.h"
#include "tests/unit/moments.h"

enum { COLUMNS = 512, ROWS = 40, INPUTS = 2000 };

static void the_factor_undoes_the_hessian(void **state)
{
    (void)state;
    struct hessian h;
    double damp = 0.01;
    float *u = xmalloc(sizeof *u * COLUMNS * COLUMNS);
    moments_fill(&h, COLUMNS, INPUTS);
    assert_true(hessian_factor(&h, &damp, u));
    assert_float_equal(damp, 0.01, 0);
    int threads = omp_get_max_threads();
    float *again = xmalloc(sizeof *u * COLUMNS * COLUMNS);
    omp_set_num_threads(threads > 1 ? 1 : 3);
    assert_true(hessian_factor(&h, &damp, again));
    omp_set_num_threads(threads);
    assert_memory_equal(u, again, sizeof *u * COLUMNS * COLUMNS);
    free(again);
    /* u (H + damped) uᵀ is the unit matrix. */
    double *of = xmalloc(sizeof *of * COLUMNS * COLUMNS);
    moments_damped(&h, 0.01, of);
    for (int a = 0; a < COLUMNS; a += 73)
        for (int b = 0; b < COLUMNS; b += 61) {
            double sum = 0;
            for (int i = a; i < COLUMNS; i++)
                for (int j = b; j < COLUMNS; j++)
                    sum += u[a * COLUMNS + i] * u[b * COLUMNS + j] * of[i * COLUMNS + j];
            assert_float_equal(sum, a == b, 2e-3);
            if (b < a)
                assert_true(u[a * COLUMNS + b] == 0);
        }
    hessian_done(&h);
    free(u);
    free(of);
}

/* A column with huge inputs, one without any, and few inputs. */
static void the_damping_suits_most_columns(void **state)
{
    (void)state;
    struct hessian h;
    static const float x[] = {1000, 1, 2, 3, 0, 1000, 1, 2, 3, 0};
    hessian_init(&h, 5);
    assert_true(hessian_typical(&h) == 0);
    moments_add(&h, x, NULL, 2);
    assert_float_equal(hessian_typical(&h), 18, 0);
    assert_float_equal(hessian_known(&h), 2 / 2.5, 1e-9);
    h.sum[0] = NAN;
    assert_true(hessian_typical(&h) == 0);
    hessian_done(&h);
}

static void encode(const struct feedback *f, const struct quant_type *t, float *w, int rows, void *blocks,
                   struct feedback_result *r)
{
    struct block_grid g = block_grid(t, f->hessian->columns, blocks);
    feedback_encode(f, &g.grid, w, rows, r);
}

static const enum quant_id types[] = {QUANT_Q4_0, QUANT_Q4_1, QUANT_Q5_0, QUANT_Q5_1, QUANT_Q8_0, QUANT_Q2_K,
                                      QUANT_Q3_K, QUANT_Q4_K, QUANT_Q5_K, QUANT_Q6_K, QUANT_IQ4_NL, QUANT_IQ4_XS};

static void it_loses_less_in_every_type(void **state)
{
    (void)state;
    enum { N = ROWS * COLUMNS };
    struct hessian h;
    struct feedback f;
    struct feedback_result r;
    struct noise noise = {5};
    float *w = xmalloc(N * sizeof *w), *plain = xmalloc(N * sizeof *w), *y = xmalloc(N * sizeof *w),
          *z = xmalloc(N * sizeof *w);
    unsigned char *blocks = xmalloc(N * 4), *again = xmalloc(N * 4);
    moments_fill(&h, COLUMNS, INPUTS);
    feedback_init(&f, &h, 0.01);
    noise_fill(&noise, w, N, 0.05);
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        const struct quant_type *t = quant_type(types[i]);
        t->encode(w, NULL, blocks, N);
        t->decode(blocks, plain, N);
        memcpy(y, w, N * sizeof *w);
        encode(&f, t, y, ROWS, blocks, &r);
        assert_false(r.plain);
        /* What it left in place of the weights is what the blocks hold, within the rounding of one product. */
        t->decode(blocks, z, N);
        for (int k = 0; k < N; k++)
            assert_float_equal(y[k], z[k], 1e-6);
        double loss = moments_error(&h, w, z, ROWS, 0), nearest = moments_error(&h, w, plain, ROWS, 0);
        if (loss > 0.7 * nearest)
            fail_msg("%s: %g, to nearest %g", t->name, loss, nearest);
        double damped = moments_error(&h, w, z, ROWS, 0.01) / ((double)INPUTS * ROWS);
        assert_float_equal(r.loss / damped, 1, 0.01);
        /* One thread makes the same. */
        int threads = omp_get_max_threads();
        omp_set_num_threads(threads > 1 ? 1 : 3);
        memcpy(y, w, N * sizeof *w);
        encode(&f, t, y, ROWS, again, &r);
        omp_set_num_threads(threads);
        assert_memory_equal(blocks, again, quant_bytes(t, N));
    }
    feedback_done(&f);
    hessian_done(&h);
    free(w);
    free(plain);
    free(y);
    free(z);
    free(blocks);
    free(again);
}

/* Sweeps lose less than the feedback that they go on from, and when they have come to an end no weight has a neighbour on
 * its grid that would lose less. */
static void sweeps_lose_less(void **state)
{
    (void)state;
    enum { N = ROWS * COLUMNS };
    struct hessian h;
    struct feedback f;
    struct feedback_result once, swept;
    struct noise noise = {5};
    float *w = xmalloc(N * sizeof *w), *y = xmalloc(N * sizeof *w);
    unsigned char *blocks = xmalloc(N * 4);
    moments_fill(&h, COLUMNS, INPUTS);
    feedback_init(&f, &h, 0.01);
    noise_fill(&noise, w, N, 0.05);
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        f.sweeps = 0;
        memcpy(y, w, N * sizeof *w);
        encode(&f, quant_type(types[i]), y, ROWS, blocks, &once);
        f.sweeps = 1;
        memcpy(y, w, N * sizeof *w);
        encode(&f, quant_type(types[i]), y, ROWS, blocks, &swept);
        if (!(swept.loss < 0.998 * once.loss))
            fail_msg("%s: %g after a sweep, %g before", quant_type(types[i])->name, swept.loss, once.loss);
    }
    f.sweeps = 50;
    memcpy(y, w, N * sizeof *w);
    encode(&f, quant_type(QUANT_Q4_0), y, ROWS, blocks, &swept);
    quant_type(QUANT_Q4_0)->decode(blocks, y, N);
    for (int k = 0; k < N; k += 97) {
        float unit, minimum, was = y[k];
        const float *row = w + k / COLUMNS * COLUMNS;
        float *chosen = y + k / COLUMNS * COLUMNS;
        quant_type(QUANT_Q4_0)->grid(blocks + quant_bytes(quant_type(QUANT_Q4_0), k / 32 * 32), &unit, &minimum);
        double loss = moments_error(&h, row, chosen, 1, 0.01);
        for (int step = -1; step <= 1; step += 2) {
            float code = (was - minimum) / unit + (float)step;
            y[k] = was + (float)step * unit;
            if (code > -0.5f && code < 15.5f)
                assert_true(moments_error(&h, row, chosen, 1, 0.01) > loss * (1 - 1e-5));
        }
        y[k] = was;
    }
    feedback_done(&f);
    hessian_done(&h);
    free(w);
    free(y);
    free(blocks);
}

/* Where all inputs have doubled, half the weights give what the original gave. */
static void drifted_inputs_are_made_good(void **state)
{
    (void)state;
    enum { N = ROWS * COLUMNS, MANY = 4 * INPUTS }; /* so many that all is known */
    struct hessian h;
    struct feedback f;
    struct feedback_result r;
    struct noise noise = {11};
    float *x = xmalloc(sizeof *x * MANY * COLUMNS), *off = xmalloc(sizeof *x * MANY * COLUMNS);
    float *w = xmalloc(N * sizeof *w), *y = xmalloc(N * sizeof *w);
    unsigned char *blocks = xmalloc(N * 2);
    noise_fill(&noise, x, MANY * COLUMNS, 1);
    noise_fill(&noise, w, N, 0.05);
    for (int i = 0; i < MANY * COLUMNS; i++)
        off[i] = -0.5f * x[i];
    hessian_init(&h, COLUMNS);
    moments_add(&h, x, off, MANY);
    feedback_init(&f, &h, 1e-4);
    memcpy(y, w, N * sizeof *w);
    encode(&f, quant_type(QUANT_Q8_0), y, ROWS, blocks, &r);
    for (int i = 0; i < N; i++)
        assert_float_equal(y[i], w[i] / 2, 1e-3);
    feedback_done(&f);
    hessian_done(&h);
    free(x);
    free(off);
    free(w);
    free(y);
    free(blocks);
}

static void what_cannot_be_factored(void **state)
{
    (void)state;
    struct hessian h;
    struct feedback f;
    struct feedback_result r;
    static float w[256], x[256];
    unsigned char blocks[144], nearest[144];
    /* Without inputs there is nothing to go by. */
    hessian_init(&h, 256);
    assert_int_equal(moments_dead(&h), 256);
    feedback_init(&f, &h, 0.01);
    struct noise noise = {9};
    noise_fill(&noise, w, 256, 1);
    quant_type(QUANT_Q4_K)->encode(w, NULL, nearest, 256);
    encode(&f, quant_type(QUANT_Q4_K), w, 1, blocks, &r);
    assert_true(r.plain);
    assert_memory_equal(blocks, nearest, sizeof blocks);
    feedback_done(&f);
    /* One input, most columns dead: damping is enough. */
    x[7] = 2;
    x[9] = 1;
    moments_add(&h, x, NULL, 1);
    assert_int_equal(moments_dead(&h), 254);
    feedback_init(&f, &h, 0.01);
    assert_non_null(f.u);
    feedback_done(&f);
    hessian_done(&h);
}

static void assert_zeros(const struct quant_type *t, const unsigned char *blocks, int64_t zeros, float *y, int64_t n)
{
    t->decode(blocks, y, n);
    assert_true(find_not_finite(y, n) < 0);
    for (int64_t k = 0; k < zeros; k++)
        if (y[k] != 0)
            fail_msg("%s: weight %d of a row of zeros is %g", t->name, (int)k, y[k]);
}

/* A row of zeros, a block of them, and columns that no input reached: finite in every type, and zeros where they were. */
static void zeros_stay_zeros(void **state)
{
    static const enum quant_id without_grid[] = {QUANT_IQ3_S, QUANT_IQ3_XXS, QUANT_IQ2_S, QUANT_IQ2_XS, QUANT_IQ2_XXS,
                                                 QUANT_IQ1_M, QUANT_IQ1_S};
    enum { N = ROWS * COLUMNS, ZEROS = COLUMNS + 256 };
    (void)state;
    struct hessian h;
    struct feedback f;
    struct feedback_result r;
    struct noise noise = {5};
    float *w = xmalloc(N * sizeof *w), *y = xmalloc(N * sizeof *w), importance[COLUMNS];
    unsigned char *blocks = xmalloc(N * 4);
    moments_fill(&h, COLUMNS, INPUTS);
    for (int i = 0; i < COLUMNS; i++)
        for (int j = 0; j < COLUMNS; j++)
            h.sum[i * COLUMNS + j] *= i % 5 && j % 5; /* every fifth is dead */
    feedback_init(&f, &h, 0.01);
    noise_fill(&noise, w, N, 0.05);
    memset(w, 0, ZEROS * sizeof *w);
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        memcpy(y, w, N * sizeof *w);
        encode(&f, quant_type(types[i]), y, ROWS, blocks, &r);
        assert_false(r.plain);
        assert_true(isfinite(r.loss));
        assert_zeros(quant_type(types[i]), blocks, ZEROS, y, N);
    }
    for (int j = 0; j < COLUMNS; j++)
        importance[j] = j % 5 && j >= 32 ? h.sum[j * COLUMNS + j] : 0;
    for (size_t i = 0; i < ARRAY_LENGTH(without_grid); i++) {
        const struct quant_type *t = quant_type(without_grid[i]);
        for (int row = 0; row < ROWS; row++)
            t->encode(w + row * COLUMNS, importance, blocks + quant_bytes(t, row * COLUMNS), COLUMNS);
        assert_zeros(t, blocks, ZEROS, y, N);
    }
    feedback_done(&f);
    hessian_done(&h);
    free(w);
    free(y);
    free(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_factor_undoes_the_hessian),
        cmocka_unit_test(the_damping_suits_most_columns),
        cmocka_unit_test(it_loses_less_in_every_type),
        cmocka_unit_test(sweeps_lose_less),
        cmocka_unit_test(drifted_inputs_are_made_good),
        cmocka_unit_test(zeros_stay_zeros),
        cmocka_unit_test(what_cannot_be_factored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
