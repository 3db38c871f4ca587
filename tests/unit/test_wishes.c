#include "shapes.h"

#include <math.h>

#include "machine/machine.h"
#include "plan/wishes.h"

static void defaults_say_where_they_come_from(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    struct model *model = shape_model(&shape);
    struct machine_gpu gpu = {.vram_free_bytes = {10e9, FACT_FOUND}};
    struct machine m = {.gpus = &gpu, .gpu_count = 1, .memory.available_bytes = {20e9, FACT_FOUND}};
    struct wishes w = {0};
    struct error e = {0};
    (void)state;
    wishes_defaults(&w, &m, model);
    assert_string_equal(wishes_choice(&w, WISH_FIT), "gpu");
    assert_string_equal(w.value[WISH_FIT].from, "machine");
    assert_true(w.value[WISH_BUDGET].number == 10e9);
    assert_true(w.value[WISH_CTX].number == 4096); /* trained on no more */
    assert_string_equal(w.value[WISH_CTX].from, "model");
    assert_string_equal(wishes_choice(&w, WISH_RUNTIME), "llama.cpp");
    assert_string_equal(w.value[WISH_RUNTIME].from, "default");
    assert_true(isnan(w.value[WISH_MIN_SPEED].number));
    assert_ok(wishes_set(&w, WISH_FIT, "cpu", &e), &e);
    wishes_defaults(&w, &m, model);
    assert_string_equal(w.value[WISH_FIT].from, "entered");
    assert_true(w.value[WISH_BUDGET].number == 20e9); /* follows fit */
    wishes_done(&w);
    shape_free(model);
}

/* From 8 sequences on throughput is what counts, unless the person says otherwise. */
static void many_sequences_want_throughput(void **state)
{
    struct wishes w = {0};
    struct error e = {0};
    (void)state;
    assert_ok(wishes_set(&w, WISH_PARALLEL, "7", &e), &e);
    wishes_defaults(&w, NULL, NULL);
    assert_string_equal(wishes_choice(&w, WISH_PRIORITY), "balanced");
    assert_ok(wishes_set(&w, WISH_PARALLEL, "8", &e), &e);
    wishes_defaults(&w, NULL, NULL);
    assert_string_equal(wishes_choice(&w, WISH_PRIORITY), "throughput");
    assert_string_equal(w.value[WISH_PRIORITY].from, "parallel");
    assert_ok(wishes_set(&w, WISH_PRIORITY, "latency", &e), &e);
    wishes_defaults(&w, NULL, NULL);
    assert_string_equal(wishes_choice(&w, WISH_PRIORITY), "latency");
    wishes_done(&w);
}

static void unknown_memory_stays_unknown(void **state)
{
    struct machine m = {0};
    struct wishes w = {0};
    char text[64];
    (void)state;
    wishes_defaults(&w, &m, NULL);
    assert_string_equal(wishes_choice(&w, WISH_FIT), "cpu");
    assert_false(wishes_given(&w, WISH_BUDGET));
    assert_string_equal(wishes_show(&w, WISH_BUDGET, text), "none");
    assert_null(wishes_text(&w, WISH_BUDGET, text));
    wishes_done(&w);
}

static void what_is_set_is_shown_and_reads_back(void **state)
{
    static const struct { enum wish_id id; const char *text, *shown, *again; } rows[] = {
        {WISH_FIT, "Split", "split", "split"},
        {WISH_BUDGET, "10GiB", "10.0 GiB", "10GiB"},
        {WISH_BUDGET, "1000", "1000 B", "1000"},
        {WISH_CTX, "32k", "32768", "32768"},
        {WISH_MAX_LOSS, "0.5 %", "0.5 %", "0.5%"},
        {WISH_MIN_SPEED, "12.5", "12.5", "12.5"},
        {WISH_CALIBRATION, "texts/law.txt", "texts/law.txt", "texts/law.txt"},
        {WISH_MIX, "Attention", "attention", "attention"},
        {WISH_PRIORITY, "Latency", "latency", "latency"},
        {WISH_FLASH_ATTENTION, "off", "off", "off"},
        {WISH_MICRO_BATCH, "256", "256", "256"},
    };
    struct wishes w = {0}, copy;
    struct error e = {0};
    char text[64];
    (void)state;
    wishes_defaults(&w, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_ok(wishes_set(&w, rows[i].id, rows[i].text, &e), &e);
        assert_string_equal(wishes_show(&w, rows[i].id, text), rows[i].shown);
        assert_string_equal(wishes_text(&w, rows[i].id, text), rows[i].again);
    }
    wishes_copy(&copy, &w);
    wishes_done(&w);
    assert_string_equal(copy.value[WISH_CALIBRATION].text, "texts/law.txt");
    assert_ok(wishes_set(&copy, WISH_CALIBRATION, "", &e), &e); /* unset again */
    assert_false(wishes_given(&copy, WISH_CALIBRATION));
    assert_false(copy.value[WISH_CALIBRATION].set);
    wishes_done(&copy);
}

static void errors_say_what_is_expected(void **state)
{
    static const struct { enum wish_id id; const char *text, *says; } rows[] = {
        {WISH_FIT, "gpus", "Runs on: expected one of gpu, cpu, split, found 'gpus'"},
        {WISH_BUDGET, "lots", "expected a size such as 10GiB or 800MB, found 'lots'"},
        {WISH_BUDGET, "0", "expected a size"},
        {WISH_CTX, "0", "expected a whole number from 1 to 16777216, found '0'"},
        {WISH_CTX, "k", "expected a whole number"},
        {WISH_MAX_LOSS, "200%", "expected a percentage from 0 to 100"},
        {WISH_MIN_SPEED, "-1", "expected a number, 0 or more"},
        {WISH_MIX, "maybe", "expected one of no, measured, attention"},
    };
    struct wishes w = {0};
    struct error e = {0};
    (void)state;
    wishes_defaults(&w, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(wishes_set(&w, rows[i].id, rows[i].text, &e), ERROR_USAGE);
        assert_says(&e, rows[i].says);
        assert_false(w.value[rows[i].id].set);
    }
    wishes_done(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_say_where_they_come_from),
        cmocka_unit_test(many_sequences_want_throughput),
        cmocka_unit_test(unknown_memory_stays_unknown),
        cmocka_unit_test(what_is_set_is_shown_and_reads_back),
        cmocka_unit_test(errors_say_what_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
