/* Ready-made models beside the levels that could be made: which fit, which is recommended, what is advised.
 */
#include "tests/unit/unit.h"

#include "plan/ready_made.h"

enum { MIB = 1 << 20 };

static const struct level f16 = {.name = "F16"}, q8 = {.name = "Q8_0"}, q4 = {.name = "Q4_K_M"};

/* 16, 8 and 4 MiB, each with 3 MiB of cache and buffers; so many of the smallest fit. */
static struct estimates *make_estimates(struct estimate *rows, int fitting, int recommended)
{
    static struct estimates s;
    static const struct level *const levels[] = {&f16, &q8, &q4};
    for (int i = 0; i < 3; i++) {
        uint64_t bytes = (uint64_t)(16 >> i) * MIB;
        rows[i] = (struct estimate){.level = levels[i],
                                    .file_bytes = bytes,
                                    .total_bytes = bytes + 3 * MIB,
                                    .verdict = i >= 3 - fitting ? VERDICT_FITS : VERDICT_TOO_BIG};
    }
    s = (struct estimates){.rows = rows, .count = 3, .recommended = recommended};
    return &s;
}

static struct offer offer(const char *level, double mib)
{
    return (struct offer){
        .name = (char *)level, .level = (char *)level, .bytes = (uint64_t)(mib * MIB), .shards = 1};
}

static void verdicts_are_those_of_the_levels(void **state)
{
    (void)state;
    struct estimate rows[3];
    struct offer items[] = {offer("IQ2_XS", 2.5), offer("Q4_K_M", 4.1), offer("Q4_K_XL", 5),
                            offer("Q8_0", 8),     offer("F16", 16),     offer("F32", 32)};
    const struct offers o = {.items = items, .count = 6};
    struct ready_made *list = ready_made_judge(&o, make_estimates(rows, 1, 2));
    static const enum verdict expected[] = {
        VERDICT_FITS,    VERDICT_FITS,    VERDICT_TOO_BIG /* as Q8_0: larger than Q4_K_M */,
        VERDICT_TOO_BIG, VERDICT_TOO_BIG, VERDICT_TOO_BIG};
    for (int i = 0; i < o.count; i++)
        assert_int_equal(list[i].verdict, expected[i]);
    assert_int_equal(list[1].total_bytes, items[1].bytes + 3 * MIB);
    assert_true(list[1].recommended);
    for (int i = 0; i < o.count; i++)
        assert_true(list[i].recommended == (i == 1));
    free(list);
}

static void what_is_not_known_is_not_judged(void **state)
{
    (void)state;
    struct estimate rows[3];
    struct offer items[] = {offer("Q4_K_M", 0), offer("F32", 32)};
    const struct offers o = {.items = items, .count = 2};
    struct ready_made *list = ready_made_judge(&o, make_estimates(rows, 3, 0));
    assert_int_equal(list[0].verdict, VERDICT_UNKNOWN); /* its size is not known */
    assert_int_equal(list[1].verdict, VERDICT_UNKNOWN); /* larger than all that was estimated */
    free(list);
    list = ready_made_judge(&o, NULL);
    assert_int_equal(list[0].verdict, VERDICT_UNKNOWN);
    assert_false(list[0].recommended);
    free(list);
}

static void assert_advice(struct offer *items, int count, uint64_t checkpoint, int fitting, int recommended,
                          const char *part)
{
    struct estimate rows[3];
    const struct estimates *s = make_estimates(rows, fitting, recommended);
    const struct offers o = {
        .items = items, .count = count, .checkpoint = checkpoint > 0, .checkpoint_bytes = checkpoint};
    struct ready_made *list = ready_made_judge(&o, s);
    char *advice = ready_made_advice(&o, list, s);
    if (!strstr(advice, part))
        fail_msg("'%s' lacks '%s'", advice, part);
    free(advice);
    free(list);
}

static void every_case_has_its_sentence(void **state)
{
    (void)state;
    struct offer both[] = {offer("Q4_K_M", 4), offer("F16", 16)}, large[] = {offer("Q8_0", 8)},
                 small[] = {offer("Q4_K_M", 4)};
    assert_advice(
        both, 2, 0, 1, 2,
        "Fetching Q4_K_M (4.0 MiB) may be the better answer: making it would begin with fetching 16.0 MiB");
    assert_advice(both, 2, 0, 3, 0, "F16 (16.0 MiB) fits as it is");
    assert_advice(small, 1, 0, 1, 2, "there is no unquantized model here");
    assert_advice(small, 1, 20 * MIB, 1, 2, "fetching 20.0 MiB");
    assert_advice(large, 1, 20 * MIB, 1, 2, "None of these fits here; Q4_K_M does, made from the 20.0 MiB");
    assert_advice(large, 1, 0, 1, 2, "no unquantized model to make a smaller one");
    assert_advice(large, 1, 0, 0, -1, "Nothing of this model fits here");
    char *advice = ready_made_advice(&(struct offers){0}, NULL, NULL);
    assert_non_null(strstr(advice, "not known"));
    free(advice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_those_of_the_levels),
        cmocka_unit_test(what_is_not_known_is_not_judged),
        cmocka_unit_test(every_case_has_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
