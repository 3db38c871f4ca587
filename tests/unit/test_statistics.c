/* Expected values: by hand where a line says how, else from the printed tables of Student's t and from the definition in
 * double precision. */
#include "tests/unit/unit.h"

#include <math.h>

#include "eval/divergence.h"
#include "eval/scores.h"
#include "eval/statistics.h"

#define assert_near(a, b, within)                                                 \
    do {                                                                          \
        double a_ = (a), b_ = (b);                                                \
        if (!(fabs(a_ - b_) <= (within)))                                         \
            fail_msg("%s is %.12g, expected %.12g", #a, a_, b_);                  \
    } while (0)

static void moments(void **state)
{
    static const double x[] = {2, 4, 4, 4, 5, 5, 7, 9}; /* mean 5, Σ (x - 5)² = 32 */
    struct moments m = {0};
    (void)state;
    assert_true(isnan(moments_error(&m)));
    for (size_t i = 0; i < ARRAY_LENGTH(x); i++)
        moments_add(&m, x[i]);
    assert_near(m.mean, 5, 1e-15);
    assert_near(m.squares, 32, 1e-12);
    assert_near(moments_error(&m), sqrt(32.0 / 7 / 8), 1e-15);
    assert_near(moments_half_width(&m), 2.3646 * sqrt(32.0 / 7 / 8), 1e-3);
}

static void moments_far_from_zero(void **state)
{
    struct moments m = {0};
    (void)state;
    for (int i = 0; i < 1000; i++)
        moments_add(&m, 1e9 + i % 2);
    assert_near(m.mean, 1e9 + 0.5, 1e-6);
    assert_near(m.squares, 250, 1e-6); /* 1000 · 0.5² */
}

static void student(void **state)
{
    static const struct { double freedom, t; } table[] = {
        {1, 12.7062}, {2, 4.3027}, {3, 3.1824}, {4, 2.7764}, {5, 2.5706}, {7, 2.3646}, {10, 2.2281}, {30, 2.0423}, {1e9, 1.9600},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
        assert_near(student_95(table[i].freedom) / table[i].t, 1, 1e-3);
}

static void wilson(void **state)
{
    double low, high;
    (void)state;
    interval_wilson(81, 263, &low, &high); /* Newcombe (1998), Two-sided confidence intervals for the single proportion */
    assert_near(low, 0.2553, 5e-5);
    assert_near(high, 0.3662, 5e-5);
    interval_wilson(0, 20, &low, &high); /* the same table */
    assert_near(low, 0, 0);
    assert_near(high, 0.1611, 5e-5);
    interval_wilson(20, 20, &low, &high);
    assert_near(low, 1 - 0.1611, 5e-5);
    assert_near(high, 1, 0);
    interval_wilson(0, 0, &low, &high);
    assert_near(high - low, 1, 0);
}

static void quantiles(void **state)
{
    float first[] = {9, 1, 5}, second[] = {3, 7}, third[] = {0};
    struct sample s = {0};
    (void)state;
    assert_true(isnan(sample_quantile(&s, 0.5)));
    sample_add(&s, first, 3);
    sample_add(&s, second, 2);
    assert_near(sample_quantile(&s, 0), 1, 0);
    assert_near(sample_quantile(&s, 0.5), 5, 0);
    assert_near(sample_quantile(&s, 1), 9, 0);
    assert_near(sample_quantile(&s, 0.9), 8.2, 1e-12); /* place 3.6: 7 + 0.6 · (9 - 7) */
    sample_add(&s, third, 1);
    sample_add(&s, third, 0);
    assert_near(sample_quantile(&s, 0.5), 4, 0); /* 0 1 3 | 5 7 9 */
    sample_done(&s);
}

/* -------------------------------------------------------------- divergence */

/* p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): Σ p ln(p/q) = ln 2 · (1/2 + 0 - 1/4) */
static void divergence_by_hand(void **state)
{
    float base[] = {(float)log(2), 0, 0}, logits[] = {0, 0, (float)log(2)};
    struct divergence d = divergence_at(logits, base, 3, 0);
    (void)state;
    assert_near(d.kld, log(2) / 4, 1e-6);
    assert_near(d.nll, log(4), 1e-6);
    assert_near(d.nll_base, log(2), 1e-6);
    assert_false(d.same_top);
}

/* The exact value, in double precision. */
static double exact_kld(const float *logits, const float *base, int n)
{
    double a = 0, b = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        a += exp((double)base[i]);
        b += exp((double)logits[i]);
    }
    for (int i = 0; i < n; i++)
        sum += exp((double)base[i]) / a * ((base[i] - log(a)) - (logits[i] - log(b)));
    return sum;
}

static void divergence_of_a_whole_vocabulary(void **state)
{
    enum { VOCAB = 5000 }; /* no multiple of a piece */
    static float base[VOCAB], logits[VOCAB], shifted[VOCAB];
    (void)state;
    for (int i = 0; i < VOCAB; i++) {
        base[i] = (float)(6 * sin(i * 1.7) + 3 * sin(i * 0.031));
        logits[i] = base[i] + (float)(0.01 * cos(i * 2.3));
        shifted[i] = logits[i] + 40;
    }
    double exact = exact_kld(logits, base, VOCAB);
    struct divergence d = divergence_at(logits, base, VOCAB, 7), far = divergence_at(shifted, base, VOCAB, 7);
    assert_true(exact > 1e-5 && exact < 1e-4);
    assert_near(d.kld / exact, 1, 0.005);
    assert_near(far.kld / exact_kld(shifted, base, VOCAB), 1, 0.02); /* the shift costs bits of the logits themselves */
    assert_near(d.nll, divergence_at(logits, NULL, VOCAB, 7).nll, 2e-6);
    assert_near(divergence_at(base, base, VOCAB, 7).kld, 0, 1e-12);
}

static void equal_tops_count_the_first(void **state)
{
    float base[] = {1, 3, 3}, first[] = {0, 5, 4}, second[] = {0, 4, 5};
    struct divergence d = divergence_at(first, NULL, 3, 1);
    (void)state;
    assert_true(divergence_at(first, base, 3, 0).same_top);
    assert_false(divergence_at(second, base, 3, 0).same_top);
    assert_true(isnan(d.kld) && isnan(d.nll_base));
}

/* ------------------------------------------------------------------ scores */

static void histogram_bins(void **state)
{
    (void)state;
    assert_int_equal(scores_bin(0), 0);
    assert_int_equal(scores_bin(1e-9), 0);
    assert_int_equal(scores_bin(1.1e-6), 0);
    assert_int_equal(scores_bin(2e-6), 1);    /* 10^-5.7 */
    assert_int_equal(scores_bin(1.1e-3), 12); /* 3 powers of ten up */
    assert_int_equal(scores_bin(0.99), 23);
    assert_int_equal(scores_bin(7), 23);
}

/* Two chunks of two positions; p = 1/2 and 1/4 against 1/2 and 1/2 of the base. */
static void figures_by_hand(void **state)
{
    const struct divergence chunk[] = {
        {.nll = log(2), .nll_base = log(2), .kld = 0.1, .same_top = true},
        {.nll = log(4), .nll_base = log(2), .kld = 0.3, .same_top = false},
    };
    struct scores s = {.has_base = true};
    struct eval_figures f = {0};
    (void)state;
    scores_add(&s, chunk, 2);
    scores_add(&s, chunk, 2);
    scores_figures(&s, 0.02, &f);
    assert_int_equal(f.chunks, 2);
    assert_int_equal(f.tokens, 4);
    assert_near(f.ppl, sqrt(8), 1e-12);
    assert_near(f.ppl_base, 2, 1e-12);
    assert_near(f.delta_ln_ppl, log(2) / 2, 1e-12);
    assert_near(f.kld_mean, 0.2, 1e-12);
    assert_near(f.kld_median, 0.2, 1e-7);
    assert_near(f.kld_max, 0.3, 1e-7);
    assert_near(f.same_top, 0.5, 0);
    assert_near(f.rms_dp, sqrt(0.25 * 0.25 / 2), 1e-12);
    assert_near(f.kld_histogram[scores_bin(0.1)], 0.5, 0);
    /* Two chunks are too few for chunk means: the four tokens' differences, 0 and ln 2, with t of 3 degrees. */
    assert_near(f.delta_high - f.delta_ln_ppl, 3.1824 * log(2) / 2 / sqrt(3), 1e-3);
    scores_done(&s);
}

/* A chunk whose two positions lose by about `loss`, a little more or less from chunk to chunk. */
static void add_loss(struct scores *s, double loss, int index)
{
    double wobble = 0.001 * (index % 2 ? 1 : -1);
    struct divergence rows[] = {
        {.nll = 3 + loss + wobble, .nll_base = 3, .kld = 0.01, .same_top = true},
        {.nll = 5 + loss + wobble, .nll_base = 5, .kld = 0.01, .same_top = true},
    };
    scores_add(s, rows, 2);
}

static const char *verdict_of(double loss, int chunks, bool *decided)
{
    struct scores s = {.has_base = true};
    struct eval_figures f = {0};
    for (int i = 0; i < chunks; i++)
        add_loss(&s, loss, i);
    scores_figures(&s, 0.02, &f);
    *decided = scores_decided(&s, 0.02);
    scores_done(&s);
    return f.verdict;
}

static void verdicts(void **state)
{
    bool decided;
    (void)state;
    assert_string_equal(verdict_of(0.005, 20, &decided), "accept");
    assert_true(decided);
    assert_string_equal(verdict_of(0.05, 20, &decided), "reject");
    assert_true(decided);
    assert_string_equal(verdict_of(log1p(0.02), 20, &decided), "undecided");
    assert_false(decided);
    assert_string_equal(verdict_of(0.005, STOP_CHUNKS - 1, &decided), "accept");
    assert_false(decided); /* clear, but too early to stop */
}

/* The pairing is what makes the interval narrow: chunks that are hard for both do not widen it. */
static void differences_are_paired(void **state)
{
    struct scores s = {.has_base = true};
    struct eval_figures f = {0};
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct divergence row[] = {{.nll = i + 0.01, .nll_base = i, .kld = 0.01}, {.nll = i + 0.01, .nll_base = i, .kld = 0.01}};
        scores_add(&s, row, 2);
    }
    scores_figures(&s, 0.02, &f);
    assert_near(f.delta_high - f.delta_low, 0, 1e-9);
    assert_true(f.ppl_high / f.ppl_low > 10);
    scores_done(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(moments_far_from_zero),
        cmocka_unit_test(student),
        cmocka_unit_test(wilson),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(divergence_by_hand),
        cmocka_unit_test(divergence_of_a_whole_vocabulary),
        cmocka_unit_test(equal_tops_count_the_first),
        cmocka_unit_test(histogram_bins),
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(differences_are_paired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
