/* The row kernels: each build against the reference, and all builds against each other, bit by bit. */
#include "tests/unit/unit.h"

#include <math.h>

#include "infer/kernels.h"
#include "tests/unit/noise.h"

enum { LONGEST = 700 };
static const int lengths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 576, LONGEST};

/* Builds that this processor runs. */
static int builds(void)
{
    return (int)cpu_isa() + 1;
}

struct row {
    float x[LONGEST + 1], y[LONGEST + 1];
};

static struct row make_row(int n, double deviation)
{
    struct noise noise = {.state = 42 + n};
    struct row r = {0};
    noise_fill(&noise, r.x, n, deviation);
    noise_fill(&noise, r.y, n, deviation);
    r.x[n] = r.y[n] = 12345; /* must stay */
    return r;
}

static void rms_norm(const struct kernels *k, struct row *r, int n)
{
    k->rms_norm(r->x, r->y, r->x, n, 1e-5);
}
static void softmax(const struct kernels *k, struct row *r, int n) { k->softmax(r->x, n); }
static void log_sum_exp(const struct kernels *k, struct row *r, int n)
{
    r->x[0] = (float)k->log_sum_exp(r->x, n);
}
static void gate_silu(const struct kernels *k, struct row *r, int n) { k->gate_silu(r->x, r->y, n); }
static void gate_gelu(const struct kernels *k, struct row *r, int n) { k->gate_gelu(r->x, r->y, n); }
static void gate_clamped(const struct kernels *k, struct row *r, int n) { k->gate_clamped(r->x, r->y, n); }
static void soft_cap(const struct kernels *k, struct row *r, int n) { k->soft_cap(r->x, 20, n); }
static void add(const struct kernels *k, struct row *r, int n) { k->add(r->x, r->y, 0.5f, n); }
static void dot(const struct kernels *k, struct row *r, int n) { r->x[0] = k->dot(r->x, r->y, n); }
static void exponential(const struct kernels *k, struct row *r, int n) { k->exp(r->x, n); }

static void rotate_adjacent(const struct kernels *k, struct row *r, int n)
{
    k->rotate_adjacent(r->x, r->y, r->y + n / 2, n / 2);
}

static void rotate_halves(const struct kernels *k, struct row *r, int n)
{
    k->rotate_halves(r->x, r->y, r->y + n / 2, n / 2);
}

/* The error allowed: `relative` of the value, plus `absolute`, for numbers of the deviation given. A few
 * rounding errors of float32 (6e-8 each) make up every bound; a sum of n products gets them from terms of
 * size deviation². */
static const struct {
    const char *name;
    void (*run)(const struct kernels *k, struct row *r, int n);
    double deviation, relative, absolute;
} operations[] = {
    {"rms_norm", rms_norm, 1, 4e-7, 1e-30},          {"softmax", softmax, 3, 2e-6, 1e-30},
    {"log_sum_exp", log_sum_exp, 3, 3e-7, 3e-7},     {"gate_silu", gate_silu, 4, 1e-6, 1e-30},
    {"gate_gelu", gate_gelu, 2, 3e-6, 1e-7},         {"soft_cap", soft_cap, 15, 1e-6, 5e-6},
    {"gate_clamped", gate_clamped, 5, 3e-6, 2e-6},
    {"add", add, 1, 2e-7, 1e-7},                     {"dot", dot, 1, 1e-6, 2e-6},
    {"exp", exponential, 10, 1e-6, 0},               {"rotate_adjacent", rotate_adjacent, 1, 1e-6, 5e-7},
    {"rotate_halves", rotate_halves, 1, 1e-6, 5e-7},
};

static void near_the_reference(void **state)
{
    (void)state;
    for (size_t o = 0; o < ARRAY_LENGTH(operations); o++)
        for (size_t l = 0; l < ARRAY_LENGTH(lengths); l++) {
            int n = lengths[l];
            struct row want = make_row(n, operations[o].deviation), got = want;
            operations[o].run(&kernels_reference, &want, n);
            operations[o].run(kernels(), &got, n);
            for (int i = 0; i <= n; i++)
                if (!(fabs(got.x[i] - want.x[i]) <=
                      operations[o].relative * fabs(want.x[i]) + operations[o].absolute))
                    fail_msg("%s of %d: item %d is %.9g, expected %.9g", operations[o].name, n, i, got.x[i],
                             want.x[i]);
        }
}

static void same_bits_everywhere(void **state)
{
    (void)state;
    for (size_t o = 0; o < ARRAY_LENGTH(operations); o++)
        for (size_t l = 0; l < ARRAY_LENGTH(lengths); l++) {
            struct row first = make_row(lengths[l], operations[o].deviation);
            operations[o].run(kernels_for(CPU_GENERIC), &first, lengths[l]);
            for (int isa = 1; isa < builds(); isa++) {
                struct row other = make_row(lengths[l], operations[o].deviation);
                operations[o].run(kernels_for(isa), &other, lengths[l]);
                if (memcmp(&first, &other, sizeof first) != 0)
                    fail_msg("%s of %d differs between generic and %s", operations[o].name, lengths[l],
                             cpu_isa_name(isa));
            }
        }
}

/* The bound that kernels.h promises, over its whole range in steps of 2^-10. */
static void exp_bound(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = -87 * 1024; i <= 88 * 1024; i++) {
        float x = (float)i / 1024, y = x;
        kernels()->exp(&y, 1);
        worst = fmax(worst, fabs(y / exp(x) - 1));
    }
    assert_true(worst <= 3e-7);
}

static void exp_outside(void **state)
{
    (void)state;
    float x[] = {-88, -1e30f, -INFINITY, 88.5f, 1e30f, INFINITY, NAN, 0};
    kernels()->exp(x, ARRAY_LENGTH(x));
    for (int i = 0; i < 3; i++)
        assert_true(x[i] == 0);
    for (int i = 3; i < 6; i++)
        assert_true(isinf(x[i]) && x[i] > 0);
    assert_true(isnan(x[6]));
    assert_true(x[7] == 1);
}

/* Large scores must not overflow, and a NaN must come through rather than be hidden. */
static void softmax_extremes(void **state)
{
    (void)state;
    float large[] = {1e30f, 1e30f, -1e30f}, spoilt[] = {0, NAN, 1};
    kernels()->softmax(large, 3);
    assert_true(large[0] == 0.5f && large[1] == 0.5f && large[2] == 0);
    kernels()->softmax(spoilt, 3);
    assert_true(isnan(spoilt[0]) && isnan(spoilt[2]));
    assert_true(isnan(kernels()->log_sum_exp((float[]){0, NAN}, 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_the_reference), cmocka_unit_test(same_bits_everywhere),
        cmocka_unit_test(exp_bound),          cmocka_unit_test(exp_outside),
        cmocka_unit_test(softmax_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
