/* rules/steps.yaml: every quantized level has a next one that exists and is larger, up to the last. */
#include "unit.h"

#include "plan/rules.h"
#include "run/proposal.h"

/* Plain floats, and what has 8 bits and keeps activations as they are. */
static bool is_last(const struct level *l)
{
    if (l->type)
        return !l->type->quantized || strcmp(l->name, "Q8_0") == 0;
    return !l->scheme || strncmp(l->name, "gptq-int8", 9) == 0 || strcmp(l->name, "bnb-int8") == 0;
}

/* The proposal after a level that was made without a text lost so much. */
static struct proposal after(const char *level, double loss, struct arena *a)
{
    struct error e = {0};
    struct proposal p;
    struct attempt x = {.number = 1, .level = level, .loss = loss};
    const struct attempts tried = {.items = &x, .count = 1};
    const struct plan plan = {.level = level, .max_loss = 0.02};
    assert_ok(proposal_after(&p, &plan, &tried, a, &e), &e);
    return p;
}

static void steps_lead_upwards(void **state)
{
    (void)state;
    struct rules *r;
    struct error e = {0};
    struct arena a = {0};
    assert_ok(rules_load(&r, &e), &e);
    for (int i = 0; i < r->level_count; i++) {
        const struct level *l = &r->levels[i];
        struct proposal p = after(l->name, 0.03, &a);
        bool last = is_last(l);
        assert_true(last == (p.next == NULL));
        if (last)
            continue;
        const struct level *next = rules_level(r, p.change.level);
        assert_non_null(next);
        assert_true(l->type ? next->nominal_bits > l->nominal_bits : next->nominal_bits >= l->nominal_bits);
        assert_true(!l->type == !next->type); /* a file stays a file, a folder a folder */
        assert_true(strlen(p.why) > 5);
    }
    rules_free(r);
    arena_done(&a);
}

/* As `after`, of an attempt with a text, or with a fault. */
static struct proposal after_attempt(const struct attempt *x, int count, struct arena *a)
{
    struct error e = {0};
    struct proposal p;
    const struct attempts tried = {.items = (struct attempt *)x, .count = count};
    const struct plan plan = {.level = x[0].level, .max_loss = 0.02};
    assert_ok(proposal_after(&p, &plan, &tried, a, &e), &e);
    return p;
}

static void far_over_the_wish_another_method_comes_first(void **state)
{
    (void)state;
    struct arena a = {0};
    struct proposal p = after("Q4_K_M", 0.06, &a);
    assert_null(p.change.level);
    assert_string_equal(p.change.method, "feedback");
    assert_string_equal(p.next, "Q4_K_M with error feedback by the general text");
    struct attempt x[] = {{.level = "Q4_K_M", .loss = 0.06},
                          {.level = "Q4_K_M", .loss = 0.055, .calibration = "general", .method = "feedback", .samples = 128}};
    assert_string_equal(after_attempt(x, 2, &a).change.level, "Q5_K_M");
    const struct attempt gptq = {.level = "gptq-int4-g64", .loss = 0.08, .calibration = "general", .method = "feedback"};
    assert_string_equal(after_attempt(&gptq, 1, &a).change.level, "awq-int4-g64");
    const struct attempt own = {.level = "Q4_K_M", .loss = 0.06, .calibration = "mine.txt", .method = "feedback", .samples = 128};
    assert_string_equal(after_attempt(&own, 1, &a).change.calibration.text, "general");
    arena_done(&a);
}

static void just_over_the_wish_more_of_the_text_is_read(void **state)
{
    (void)state;
    struct arena a = {0};
    struct attempt x[] = {{.level = "Q4_K_M", .loss = 0.021, .calibration = "general", .samples = 128},
                          {.level = "Q4_K_M", .loss = 0.0205, .calibration = "general", .samples = 512}};
    assert_int_equal(after_attempt(x, 1, &a).change.calibration.samples, 512);
    assert_string_equal(after_attempt(x, 2, &a).change.level, "Q5_K_M");
    arena_done(&a);
}

/* Four bits fit, five do not: another method at the same size, and after that nothing. */
static void what_does_not_fit_is_passed_over(void **state)
{
    (void)state;
    struct error e = {0};
    struct arena a = {0};
    struct proposal p;
    struct plan_alternative others[] = {
        {"Q6_K", "too big: needs 7 GiB", .estimate = {.verdict = "too big", .total_bytes = 7e9}},
        {"Q5_K_M", "too big: needs 6 GiB", .estimate = {.verdict = "too big", .total_bytes = 0x1.8p32}},
        {"Q4_K_S", "not favoured", .estimate = {.verdict = "fits", .total_bytes = 4e9}},
    };
    struct plan plan = {.level = "Q4_K_M", .max_loss = 0.02,
                        .record = {.estimate.verdict = "fits", .alternatives = others, .alternative_count = 3}};
    struct attempt x[] = {{.level = "Q4_K_M", .loss = 0.03},
                          {.level = "Q4_K_M", .loss = 0.028, .calibration = "general", .method = "feedback", .samples = 128}};
    struct attempts tried = {.items = x, .count = 1};
    assert_ok(proposal_after(&p, &plan, &tried, &a, &e), &e);
    assert_string_equal(p.next, "Q4_K_M with error feedback by the general text");
    assert_string_equal(p.passed_over, "Q5_K_M (6.0 GiB)");
    assert_non_null(strstr(p.why, "; passed over, since it does not fit: Q5_K_M (6.0 GiB)"));
    tried.count = 2;
    assert_ok(proposal_after(&p, &plan, &tried, &a, &e), &e);
    assert_null(p.next);
    assert_string_equal(p.passed_over, "Q5_K_M (6.0 GiB)");
    plan.record.estimate.verdict = "too big"; /* and chosen all the same */
    assert_ok(proposal_after(&p, &plan, &tried, &a, &e), &e);
    assert_string_equal(p.change.level, "Q5_K_M");
    assert_null(p.passed_over);
    arena_done(&a);
}

static void incoherent_output_goes_up_by_more_than_one(void **state)
{
    (void)state;
    struct arena a = {0};
    static const char *const steps[][2] = {{"Q2_K", "Q4_K_M"}, {"IQ1_S", "Q4_K_M"}, {"Q3_K_S", "Q5_K_M"}, {"Q4_K_M", "Q6_K"},
                                           {"Q5_K_S", "Q8_0"}, {"gptq-int4-g128", "gptq-int8-grow"}, {"nf4", "bnb-int8"}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct attempt x = {.level = steps[i][0], .loss = 3, .incoherent = "it loops"};
        assert_string_equal(after_attempt(&x, 1, &a).change.level, steps[i][1]);
    }
    arena_done(&a);
}

/* From any level, at any loss, the steps come to an end. */
static void steps_end(void **state)
{
    (void)state;
    struct rules *r;
    struct error e = {0};
    struct arena a = {0};
    enum { MOST = 16 };
    static const double losses[] = {0.021, 0.03, 0.2};
    assert_ok(rules_load(&r, &e), &e);
    for (int i = 0; i < 3 * r->level_count; i++) {
        struct attempt x[MOST + 1] = {{.level = r->levels[i / 3].name, .loss = losses[i % 3]}};
        int count = 1;
        for (struct proposal p; (p = after_attempt(x, count, &a)).next; count++) {
            assert_true(count < MOST);
            const struct attempt *last = &x[count - 1];
            x[count] = *last;
            x[count].level = p.change.level ? p.change.level : last->level;
            x[count].calibration = p.change.calibration.text ? p.change.calibration.text : last->calibration;
            x[count].method = p.change.method ? p.change.method : last->method;
            x[count].samples = p.change.calibration.samples ? p.change.calibration.samples : x[count].calibration ? 128 : 0;
        }
    }
    rules_free(r);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_lead_upwards),
        cmocka_unit_test(far_over_the_wish_another_method_comes_first),
        cmocka_unit_test(just_over_the_wish_more_of_the_text_is_read),
        cmocka_unit_test(what_does_not_fit_is_passed_over),
        cmocka_unit_test(incoherent_output_goes_up_by_more_than_one),
        cmocka_unit_test(steps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
