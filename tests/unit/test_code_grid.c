/* Whole numbers with error feedback: against a recursion written out in double precision, against rounding to nearest,
 * and what a checkpoint can hold. */
#include "tests/unit/unit.h"

#include <math.h>
#include <omp.h>

#include "calib/code_grid.h"
#include "pack/codes.h"
#include "tests/unit/moments.h"

enum { COLUMNS = 384, ROWS = 37, INPUTS = 1500, N = ROWS * COLUMNS };

static struct scheme scheme(const char *name)
{
    struct error e;
    struct scheme s;
    assert_ok(scheme_parse(&s, name, &e), &e);
    return s;
}

/* Everything that a checkpoint's reader relies on. */
static void check_codes(const struct scheme *s, const struct codes *c)
{
    int most = (1 << s->bits) - 1;
    int64_t groups = scheme_groups(s, c->columns);
    for (int64_t i = 0; i < c->rows * c->columns; i++)
        assert_true(c->codes[i] <= most);
    for (int64_t i = 0; i < c->rows * groups; i++) {
        float scale = fabsf(c->scales[i]);
        assert_true(scale > 0 && scale == scheme_round_scale(s, scale)); /* readers divide by it */
        assert_in_range(c->zeros[i], scheme_least_zero(s), most);
        if (s->symmetric)
            assert_int_equal(c->zeros[i], 1 << (s->bits - 1));
    }
}

static const struct {
    const char *name;
    double of_nearest; /* the loss, at most */
} schemes[] = {
    {"gptq-int2-g32", 0.5},  {"gptq-int3-g64", 0.5}, {"gptq-int4-g64", 0.5},      {"gptq-int4-g64-asym", 0.5},
    {"gptq-int4-grow", 0.5}, {"gptq-int8", 0.5},     {"gptq-int4-g64-act", 0.5},  {"gptq-int4-grow-act", 0.5},
    {"awq-int4-g64", 0.5},   {"w8a8", 0.5},          {"w4a16-g32-asym", 0.5},     {"gptq-int3-g32-asym-act", 0.5},
};

static void it_loses_less_than_rounding_to_nearest(void **state)
{
    (void)state;
    struct hessian h;
    struct noise noise = {5};
    float *w = xmalloc(N * sizeof *w), *y = xmalloc(N * sizeof *w), *z = xmalloc(N * sizeof *w);
    moments_fill(&h, COLUMNS, INPUTS);
    noise_fill(&noise, w, N, 0.05);
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        struct scheme s = scheme(schemes[i].name);
        struct code_feedback f;
        struct feedback_result r;
        struct codes c, again;
        codes_init(&c, &s, ROWS, COLUMNS);
        codes_init(&again, &s, ROWS, COLUMNS);
        code_feedback_init(&f, &s, &h, 0.01);
        memcpy(y, w, N * sizeof *w);
        code_feedback_encode(&f, y, ROWS, &c, &r);
        assert_false(r.plain);
        check_codes(&s, &c);
        codes_floats(&c, z);
        for (int k = 0; k < N; k++)
            assert_float_equal(y[k], z[k], 1e-6);
        double loss = moments_error(&h, w, z, ROWS, 0);
        double damped = moments_error(&h, w, z, ROWS, 0.01) / ((double)INPUTS * ROWS);
        assert_float_equal(r.loss / damped, 1, 0.01);
        /* Another number of threads makes the same. */
        int threads = omp_get_max_threads();
        omp_set_num_threads(threads > 1 ? 1 : 3);
        memcpy(y, w, N * sizeof *w);
        code_feedback_encode(&f, y, ROWS, &again, &r);
        omp_set_num_threads(threads);
        assert_memory_equal(c.codes, again.codes, N);
        assert_memory_equal(c.scales, again.scales, ROWS * scheme_groups(&s, COLUMNS) * sizeof *c.scales);
        codes_nearest(&again, &s, w);
        codes_floats(&again, z);
        double nearest = moments_error(&h, w, z, ROWS, 0);
        if (!(loss < schemes[i].of_nearest * nearest))
            fail_msg("%s: %g, to nearest %g", schemes[i].name, loss, nearest);
        code_feedback_done(&f);
        codes_done(&c);
        codes_done(&again);
    }
    hessian_done(&h);
    free(w);
    free(y);
    free(z);
}

/* ------------------------------------------------------- the recursion, in plain */

enum { SMALL = 64 };

/* u with uᵀ u = a⁻¹, upper triangular: Gauss-Jordan, then a factor of what that gives. */
static void plain_factor(double a[SMALL][SMALL], double u[SMALL][SMALL])
{
    static double inverse[SMALL][SMALL];
    for (int i = 0; i < SMALL; i++)
        for (int j = 0; j < SMALL; j++)
            inverse[i][j] = i == j;
    for (int i = 0; i < SMALL; i++) {
        double pivot = a[i][i];
        for (int j = 0; j < SMALL; j++) {
            a[i][j] /= pivot;
            inverse[i][j] /= pivot;
        }
        for (int r = 0; r < SMALL; r++) {
            double times = r == i ? 0 : a[r][i];
            for (int j = 0; j < SMALL; j++) {
                a[r][j] -= times * a[i][j];
                inverse[r][j] -= times * inverse[i][j];
            }
        }
    }
    for (int i = 0; i < SMALL; i++)
        for (int j = i; j < SMALL; j++) {
            double sum = inverse[i][j];
            for (int k = 0; k < i; k++)
                sum -= u[k][i] * u[k][j];
            u[i][j] = i == j ? sqrt(sum) : sum / u[i][i];
        }
}

/* One row by the book, with the scales that were found: returns how many codes differ. */
static int differing_codes(double u[SMALL][SMALL], const float *w, const struct codes *c, int row, int most)
{
    double y[SMALL];
    int differing = 0, groups = SMALL / c->group;
    for (int j = 0; j < SMALL; j++)
        y[j] = w[row * SMALL + j];
    for (int j = 0; j < SMALL; j++) {
        double scale = c->scales[row * groups + j / c->group], zero = c->zeros[row * groups + j / c->group];
        double code = fmin(fmax(rint(y[j] / scale) + zero, 0), most), error = (y[j] - scale * (code - zero)) / u[j][j];
        differing += (int)code != c->codes[row * SMALL + j];
        for (int k = j + 1; k < SMALL; k++)
            y[k] -= error * u[j][k];
    }
    return differing;
}

static void it_is_the_recursion(void **state)
{
    (void)state;
    static double a[SMALL][SMALL], u[SMALL][SMALL];
    static float w[ROWS * SMALL], y[ROWS * SMALL];
    struct hessian h;
    struct noise noise = {7};
    moments_fill(&h, SMALL, INPUTS);
    noise_fill(&noise, w, ROWS * SMALL, 0.05);
    moments_damped(&h, 0.01, &a[0][0]);
    plain_factor(a, u);
    static const char *const names[] = {"gptq-int4-g32", "gptq-int3-g32-asym", "awq-int4-g64"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct scheme s = scheme(names[i]);
        struct code_feedback f;
        struct feedback_result r;
        struct codes c;
        codes_init(&c, &s, ROWS, SMALL);
        code_feedback_init(&f, &s, &h, 0.01);
        f.feedback.sweeps = 0;
        memcpy(y, w, sizeof y);
        code_feedback_encode(&f, y, ROWS, &c, &r);
        int differing = 0;
        /* A weight that lies right between two codes may go either way, and takes the rest of its row along. */
        for (int row = 0; row < ROWS; row++)
            differing += differing_codes(u, w, &c, row, (1 << s.bits) - 1) > 0;
        assert_in_range(differing, 0, 1);
        code_feedback_done(&f);
        codes_done(&c);
    }
    hessian_done(&h);
}

/* ------------------------------------------------------------- what is out of order */

static void columns_go_by_their_weight(void **state)
{
    (void)state;
    struct hessian h;
    struct code_feedback f;
    struct scheme s = scheme("gptq-int4-g64-act");
    int seen[COLUMNS] = {0};
    moments_fill(&h, COLUMNS, INPUTS);
    code_feedback_init(&f, &s, &h, 0.01);
    for (int i = 0; i < COLUMNS; i++) {
        seen[f.order[i]]++;
        assert_int_equal(f.group_of[f.order[i]], i / 64);
        if (i)
            assert_true(moments_at(&h, f.order[i - 1], f.order[i - 1]) >= moments_at(&h, f.order[i], f.order[i]));
    }
    for (int i = 0; i < COLUMNS; i++)
        assert_int_equal(seen[i], 1);
    code_feedback_done(&f);
    hessian_done(&h);
}

/* Dead columns and groups of zeros make zeros, in every scheme; what nobody knows goes to the nearest code. */
static void nothing_to_go_by_in(const struct scheme *s)
{
    enum { WIDE = 128 };
    struct hessian h;
    struct code_feedback f;
    struct feedback_result r;
    struct codes c;
    static float x[WIDE], w[ROWS * WIDE], y[ROWS * WIDE], z[ROWS * WIDE];
    struct noise noise = {9};
    noise_fill(&noise, w, ROWS * WIDE, 1);
    for (int i = 0; i < ROWS; i++)
        memset(w + i * WIDE, 0, (i == 5 ? WIDE : 64) * sizeof *w);
    codes_init(&c, s, ROWS, WIDE);
    hessian_init(&h, WIDE);
    for (int known = 0; known < 2; known++) {
        if (known) {
            x[7] = 1;
            moments_add(&h, x, NULL, 1);
            code_feedback_init(&f, s, &h, 0.01);
        } else
            code_feedback_nearest(&f, s, &h);
        memcpy(y, w, sizeof w);
        code_feedback_encode(&f, y, ROWS, &c, &r);
        assert_int_equal(r.plain, !known);
        codes_floats(&c, z);
        check_codes(s, &c);
        for (int i = 0; i < ROWS * WIDE; i++) {
            int64_t groups = scheme_groups(s, WIDE), group = c.group_of ? c.group_of[i % WIDE] : i % WIDE / c.group;
            float scale = fabsf(c.scales[i / WIDE * groups + group]);
            assert_true(w[i] != 0 || z[i] == 0);
            assert_true(fabsf(z[i] - w[i]) <= 0.51f * scale || c.codes[i] == 0 || c.codes[i] == (1 << s->bits) - 1);
        }
        code_feedback_done(&f);
    }
    codes_done(&c);
    hessian_done(&h);
}

static void nothing_to_go_by(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        struct scheme s = scheme(schemes[i].name);
        nothing_to_go_by_in(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_loses_less_than_rounding_to_nearest),
        cmocka_unit_test(it_is_the_recursion),
        cmocka_unit_test(columns_go_by_their_weight),
        cmocka_unit_test(nothing_to_go_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
