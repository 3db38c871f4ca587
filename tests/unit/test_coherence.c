/* Texts that loop, and texts that do not; what the limits make of answers and figures. */
#include "unit.h"

#include <math.h>

#include "eval/coherence.h"

static const struct coherence_limits limits = {
    .repeated = 0.5, .base_repeated = 0.25, .answers = 0.5, .same_top = 0.4, .kld_mean = 1,
};
static const char prose[] = "The index is rebuilt when the table is vacuumed, because dead rows leave holes that the "
                            "planner would otherwise have to read past on every scan of it.";
static const char loop[] = "The index is the index is the index is the index is the index is the index is the index.";

static void loops_are_told_from_prose(void **state)
{
    (void)state;
    assert_true(coherence_repeated(prose) == 0);
    assert_true(coherence_repeated(loop) > 0.7);
    assert_true(coherence_repeated("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") > 0.7);
    assert_true(coherence_repeated("我是一个语言模型我是一个语言模型我是一个语言模型我是一个语言模型我是一个语言模型") > 0.5);
    assert_true(coherence_repeated("") == 0);
    assert_true(coherence_repeated("no no no no no") == 0); /* too short to tell */
}

static void a_list_is_no_loop(void **state)
{
    (void)state;
    assert_true(coherence_repeated("1. Open the lid.\n2. Take out the filter.\n3. Rinse it.\n4. Put it back.\n") < 0.1);
}

static struct eval_result result_of(struct eval_sample *samples, int count)
{
    return (struct eval_result){.figures = {.has_base = true, .same_top = 0.9, .kld_mean = 0.05}, .samples = samples,
                                .sample_count = count};
}

static void answers_count_where_the_original_does_not_loop(void **state)
{
    (void)state;
    struct arena a = {0};
    struct eval_sample s[] = {{.base = (char *)prose, .answer = (char *)loop}, {.base = (char *)prose, .answer = (char *)prose}};
    struct eval_result r = result_of(s, 2);
    assert_string_equal(coherence_fault(&r, &limits, &a), "1 of 2 answers repeat themselves where the original's do not");
    s[0].base = (char *)loop;
    assert_null(coherence_fault(&r, &limits, &a));
    s[0].base = (char *)prose;
    r.sample_count = 0;
    assert_null(coherence_fault(&r, &limits, &a));
    r = result_of((struct eval_sample[]){s[1], s[1], s[0]}, 3);
    assert_null(coherence_fault(&r, &limits, &a)); /* fewer than half */
    arena_done(&a);
}

static void figures_far_off_are_incoherent(void **state)
{
    (void)state;
    struct arena a = {0};
    struct eval_result r = result_of(NULL, 0);
    assert_null(coherence_fault(&r, &limits, &a));
    r.figures.same_top = 0.21;
    assert_string_equal(coherence_fault(&r, &limits, &a), "only 21 % of the likeliest tokens are the original's");
    r.figures.same_top = 0.5;
    r.figures.kld_mean = 1.5;
    assert_string_equal(coherence_fault(&r, &limits, &a), "its predictions diverge by 1.50 nats from the original's");
    r.figures.has_base = false;
    assert_null(coherence_fault(&r, &limits, &a));
    r.figures = (struct eval_figures){.has_base = true, .same_top = NAN, .kld_mean = NAN};
    assert_null(coherence_fault(&r, &limits, &a));
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_are_told_from_prose),
        cmocka_unit_test(a_list_is_no_loop),
        cmocka_unit_test(answers_count_where_the_original_does_not_loop),
        cmocka_unit_test(figures_far_off_are_incoherent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
