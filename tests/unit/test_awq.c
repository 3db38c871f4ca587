/* Scales between weights and their inputs: folding them changes no output, AWQ's loss is the true error of the outputs and
 * its search finds less of it, SmoothQuant shares what stands out. */
#include "tests/unit/unit.h"

#include <math.h>
#include <omp.h>

#include "calib/awq.h"
#include "calib/fold.h"
#include "calib/smooth.h"
#include "pack/codes.h"
#include "tests/unit/moments.h"

enum { COLUMNS = 128, ROWS = 40, INPUTS = 300 };

/* Inputs of which some columns tower over the others, and weights. */
struct sample {
    struct hessian h;
    float x[INPUTS * COLUMNS], w[ROWS * COLUMNS], size[COLUMNS];
};

static void fill(struct sample *s)
{
    struct noise noise = {3};
    noise_fill(&noise, s->x, INPUTS * COLUMNS, 1);
    noise_fill(&noise, s->w, ROWS * COLUMNS, 0.05);
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < COLUMNS; j += 16)
            s->x[i * COLUMNS + j] *= 30;
    hessian_init(&s->h, COLUMNS);
    moments_add(&s->h, s->x, NULL, INPUTS);
    for (int j = 0; j < COLUMNS; j++)
        s->size[j] = (float)(s->h.size[j] / s->h.rows);
}

static double output(const float *w, const float *x, int row, int input)
{
    double sum = 0;
    for (int j = 0; j < COLUMNS; j++)
        sum += (double)w[row * COLUMNS + j] * x[input * COLUMNS + j];
    return sum;
}

/* Σ (y - y')² over all samples, run through. */
static double measured(const struct sample *s, const float *w, const float *x)
{
    double sum = 0;
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < INPUTS; i++) {
            double d = output(w, x, r, i) - output(s->w, s->x, r, i);
            sum += d * d;
        }
    return sum;
}

static void folding_changes_no_output(void **state)
{
    (void)state;
    static struct sample s;
    float scales[COLUMNS], *w = xmalloc(sizeof s.w), *x = xmalloc(sizeof s.x), *turned = xmalloc(sizeof s.x);
    fill(&s);
    for (int j = 0; j < COLUMNS; j++)
        scales[j] = 0.25f + (float)(j % 7);
    memcpy(w, s.w, sizeof s.w);
    fold_columns(w, ROWS, COLUMNS, scales);
    /* What makes the inputs has them as its rows. */
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < COLUMNS; j++)
            turned[j * INPUTS + i] = s.x[i * COLUMNS + j];
    fold_rows(turned, COLUMNS, INPUTS, scales);
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j < COLUMNS; j++)
            x[i * COLUMNS + j] = turned[j * INPUTS + i];
    for (int r = 0; r < ROWS; r += 3)
        for (int i = 0; i < INPUTS; i += 7)
            assert_float_equal(output(w, x, r, i), output(s.w, s.x, r, i), 1e-5);
    hessian_done(&s.h);
    free(w);
    free(x);
    free(turned);
}

static void the_loss_is_that_of_the_outputs(void **state)
{
    (void)state;
    static struct sample s;
    struct scheme scheme;
    struct error e;
    struct codes c;
    float scales[COLUMNS], *w = xmalloc(sizeof s.w), *x = xmalloc(sizeof s.x);
    fill(&s);
    assert_ok(scheme_parse(&scheme, "awq-int4-g64", &e), &e);
    struct awq_weight weight = {s.w, ROWS};
    double ratio = awq_search(&scheme, &s.h, s.size, &weight, 1, scales);
    double loss = awq_loss(&scheme, &s.h, &weight, 1, scales), plain = awq_loss(&scheme, &s.h, &weight, 1, NULL);
    assert_float_equal(loss / plain, ratio, 1e-6);
    /* Columns with thirty times the inputs are worth a scale. */
    assert_true(ratio < 0.8);
    assert_true(scales[16] > 2 * scales[17]);
    memcpy(w, s.w, sizeof s.w);
    fold_columns(w, ROWS, COLUMNS, scales);
    codes_init(&c, &scheme, ROWS, COLUMNS);
    codes_nearest(&c, &scheme, w);
    codes_floats(&c, w);
    for (int i = 0; i < INPUTS * COLUMNS; i++)
        x[i] = s.x[i] / scales[i % COLUMNS];
    assert_float_equal(measured(&s, w, x) / loss, 1, 1e-3);
    int threads = omp_get_max_threads();
    omp_set_num_threads(threads > 1 ? 1 : 3);
    assert_true(awq_loss(&scheme, &s.h, &weight, 1, scales) == loss);
    omp_set_num_threads(threads);
    codes_done(&c);
    hessian_done(&s.h);
    free(w);
    free(x);
}

static void no_inputs_no_scales(void **state)
{
    (void)state;
    static struct sample s;
    struct scheme scheme;
    struct error e;
    float scales[COLUMNS], nothing[COLUMNS] = {0};
    fill(&s);
    assert_ok(scheme_parse(&scheme, "awq-int4-g64", &e), &e);
    struct hessian empty;
    hessian_init(&empty, COLUMNS);
    assert_float_equal(awq_search(&scheme, &empty, nothing, &(struct awq_weight){s.w, ROWS}, 1, scales), 1, 0);
    for (int j = 0; j < COLUMNS; j++)
        assert_float_equal(scales[j], 1, 0);
    /* A dead column among others. */
    s.size[5] = 0;
    awq_search(&scheme, &s.h, s.size, &(struct awq_weight){s.w, ROWS}, 1, scales);
    for (int j = 0; j < COLUMNS; j++)
        assert_true(scales[j] > 0 && isfinite(scales[j]));
    hessian_done(&empty);
    hessian_done(&s.h);
}

static void smoothing_halves_what_stands_out(void **state)
{
    (void)state;
    const float w[2][3] = {{0.5f, -2, 0}, {-1, 1, 0}}, inputs[3] = {100, 8, 3};
    float most[3] = {0}, scales[3];
    smooth_meet(most, w[0], 2, 3);
    assert_float_equal(most[0], 1, 0);
    assert_float_equal(most[1], 2, 0);
    smooth_scales(inputs, most, 3, scales);
    assert_float_equal(scales[0], 10, 1e-6);
    assert_float_equal(scales[1], 2, 1e-6);
    assert_float_equal(scales[2], 1, 0);
    for (int j = 0; j < 2; j++)
        assert_float_equal(inputs[j] / scales[j], most[j] * scales[j], 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_changes_no_output),
        cmocka_unit_test(the_loss_is_that_of_the_outputs),
        cmocka_unit_test(no_inputs_no_scales),
        cmocka_unit_test(smoothing_halves_what_stands_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
