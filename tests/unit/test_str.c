#include "unit.h"

#include <errno.h>

#include "base/error.h"
#include "base/str.h"
#include "base/table.h"

static void numbers_as_people_write_them(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t bytes; } good[] = {
        {"0", 0}, {"1024", 1024}, {"10GiB", 10737418240}, {"10G", 10737418240}, {"10 GB", 10000000000},
        {"0.5MiB", 524288}, {"1t", 1099511627776},
    };
    static const char *const bad[] = {"", "GiB", "-1", "1X", "nan", "inf", "1e30", "10 Gib x"};
    uint64_t bytes;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_true(parse_bytes(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_false(parse_bytes(bad[i], &bytes));
    double fraction;
    assert_true(parse_percent("2 %", &fraction) && fraction == 0.02);
    assert_true(parse_percent("0.5", &fraction) && fraction == 0.005);
    assert_false(parse_percent("2 % or so", &fraction));
    assert_false(parse_percent("-1", &fraction));
}

static void numbers_as_people_read_them(void **state)
{
    (void)state;
    char out[FORMAT_SIZE];
    assert_string_equal(format_bytes(out, 17), "17 B");
    assert_string_equal(format_bytes(out, 1023.99 * 1024), "1.0 MiB");
    assert_string_equal(format_bytes(out, 4.8 * 0x1p30), "4.8 GiB");
    assert_string_equal(format_bytes(out, 310 * 0x1p20), "310 MiB");
    assert_string_equal(format_duration(out, 0.84), "0.8 s");
    assert_string_equal(format_duration(out, 59.6), "1:00");
    assert_string_equal(format_duration(out, 3723), "1:02:03");
    assert_string_equal(format_count(out, 7.25e9), "7.25B");
    assert_string_equal(format_count(out, 4.6e6), "4.6M");
}

static void strings_grow(void **state)
{
    (void)state;
    struct str s = {0};
    for (int i = 0; i < 1000; i++)
        str_addf(&s, "%d,", i);
    assert_int_equal(s.length, 10 * 2 + 90 * 3 + 900 * 4);
    assert_true(str_ends(s.data, "998,999,"));
    char *text = str_take(&s);
    assert_null(s.data);
    free(text);
    text = str_take(&s);
    assert_string_equal(text, "");
    free(text);
}

static void texts_are_compared(void **state)
{
    (void)state;
    static const char *const list[] = {"one", "two", NULL};
    assert_true(str_same("one", "one") && str_same(NULL, NULL));
    assert_false(str_same("one", "two") || str_same("one", NULL) || str_same(NULL, ""));
    assert_true(str_among(list, "two"));
    assert_false(str_among(list, "tw") || str_among(list + 2, "one") || str_among(NULL, "one"));
}

static void widths_are_terminal_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("é★"), 2);
    assert_int_equal(text_width("日本"), 4);
    assert_int_equal(text_width("\xff"), 1);
}

/* Escapes, C1 controls, what turns a line around, halves of characters. */
static void what_steers_a_terminal_is_replaced(void **state)
{
    (void)state;
    char text[] = "a\x1b[2J\t\x7f\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xff\xe2\x80 é☃";
    text_make_printable(text);
    assert_string_equal(text, "a?[2J???????\?? é☃");
}

static void errors_are_printable(void **state)
{
    (void)state;
    struct error e = {0};
    error_set(&e, ERROR_FAILED, "the tensor %s", "\x1b]0;x\a");
    assert_string_equal(e.text, "the tensor ?]0;x?");
    error_context(&e, "%s", "file\n");
    assert_string_equal(e.text, "file?: the tensor ?]0;x?");
    errno = ENOENT;
    error_errno(&e, "cannot open %s", "\x1b[2J");
    assert_string_equal(e.text, "cannot open ?[2J: No such file or directory");
    char table[256] = "";
    FILE *out = fmemopen(table, sizeof table, "w");
    struct table t;
    table_init(&t, "l");
    table_add(&t, "%s", "x\x1b[2J");
    table_print(&t, out, 0);
    fclose(out);
    table_done(&t);
    assert_string_equal(table, "x?[2J\n");
}

static void words_for_a_shell(void **state)
{
    (void)state;
    struct str s = {0};
    str_add_word(&s, "run");
    str_add_word(&s, "/m/a-b_1.gguf");
    str_add_word(&s, "it's $HOME");
    str_add_word(&s, "");
    assert_string_equal(s.data, "run /m/a-b_1.gguf 'it'\\''s $HOME' ''");
    str_done(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_people_write_them),
        cmocka_unit_test(numbers_as_people_read_them),
        cmocka_unit_test(strings_grow),
        cmocka_unit_test(texts_are_compared),
        cmocka_unit_test(what_steers_a_terminal_is_replaced),
        cmocka_unit_test(errors_are_printable),
        cmocka_unit_test(words_for_a_shell),
        cmocka_unit_test(widths_are_terminal_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
