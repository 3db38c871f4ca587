#include "unit.h"

#include <math.h>

#include "noise.h"
#include "pack/bits.h"
#include "pack/codes.h"
#include "quant/half.h"

/* ------------------------------------------------------------------------- names */

static void names_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *name, *again;   /* NULL: the same */
        int bits, group;
        bool symmetric, act, nested, smooth;
    } cases[] = {
        {"gptq-int4", NULL, 4, 128, true, false, false, false},
        {"gptq-int4-g128", "gptq-int4", 4, 128, true, false, false, false},
        {"gptq-int3-grow-act-asym", "gptq-int3-grow-asym-act", 3, 0, false, true, false, false},
        {"gptq-int8-g32-act", NULL, 8, 32, true, true, false, false},
        {"awq-int4-g64-sym", NULL, 4, 64, true, false, false, false},
        {"awq-int4", NULL, 4, 128, false, false, false, false},
        {"nf4", NULL, 4, 64, true, false, true, false},
        {"fp4-single", NULL, 4, 64, true, false, false, false},
        {"bnb-int8", NULL, 8, 0, true, false, false, false},
        {"fp8", NULL, 8, 0, true, false, false, false},
        {"w8a8-smooth", NULL, 8, 0, true, false, false, true},
        {"w4a16-g64-asym", NULL, 4, 64, false, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct scheme s;
        struct error e = {0};
        char name[SCHEME_NAME];
        assert_ok(scheme_parse(&s, cases[i].name, &e), &e);
        assert_int_equal(s.bits, cases[i].bits);
        assert_int_equal(s.group, cases[i].group);
        assert_int_equal(s.symmetric, cases[i].symmetric);
        assert_int_equal(s.act_order, cases[i].act);
        assert_int_equal(s.double_quant, cases[i].nested);
        assert_int_equal(s.smooth, cases[i].smooth);
        scheme_name(&s, name);
        assert_string_equal(name, cases[i].again ? cases[i].again : cases[i].name);
        assert_true(scheme_is_name(cases[i].name));
    }
    assert_false(scheme_is_name("Q4_K_M"));
    assert_false(scheme_is_name("nf44"));
}

static void wrong_names_say_what_is_right(void **state)
{
    (void)state;
    static const struct { const char *name, *says; } cases[] = {
        {"gptq-int5", "known are gptq-int2, gptq-int3"}, {"gptq", "known are"}, {"awq-int8", "gptq-int8 or w8a8"},
        {"gptq-int4-g48", "takes -g32, -g64, -g128, -grow, -asym, -act"}, {"nf4-g32", "nf4 takes -single"},
        {"fp8-", "fp8 takes no further marks"}, {"bnb-int8-act", "takes no further"}, {"", "no format"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct scheme s;
        struct error e = {0};
        assert_int_equal(scheme_parse(&s, cases[i].name, &e), ERROR_USAGE);
        assert_says(&e, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(wrong_names_say_what_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
