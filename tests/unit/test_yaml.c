#include "unit.h"

#include "base/yaml.h"

static void reads_with_lines(void **state)
{
    (void)state;
    struct arena a = {0};
    struct error e = {0};
    struct yaml *y;
    static const char text[] = "name: x\nlist:\n  - 1\n  - two\nnothing:\nsize: 10GiB\n";
    assert_ok(yaml_parse(&y, text, sizeof text - 1, "f.yaml", &a, &e), &e);
    assert_int_equal(yaml_get(y, "list")->items[1]->line, 4);
    assert_string_equal(yaml_get(y, "list")->items[1]->text, "two");
    assert_null(yaml_get(y, "nothing")->text);
    uint64_t bytes = 0;
    assert_ok(yaml_bytes(y, "size", true, &bytes, &e), &e);
    assert_int_equal(bytes, 10737418240);
    double number;
    assert_int_equal(yaml_number(y, "name", true, &number, &e), ERROR_USAGE);
    assert_string_equal(e.text, "f.yaml:1: expected a number for 'name', found 'x'");
    arena_done(&a);
}

static void refuses_what_could_grow(void **state)
{
    (void)state;
    struct arena a = {0};
    struct error e = {0};
    struct yaml *y;
    static const char alias[] = "a: &x [1]\nb: *x\n", twice[] = "a: 1\na: 2\n";
    assert_int_equal(yaml_parse(&y, alias, sizeof alias - 1, "f", &a, &e), ERROR_USAGE);
    assert_says(&e, "f:2: aliases");
    assert_int_equal(yaml_parse(&y, twice, sizeof twice - 1, "f", &a, &e), ERROR_USAGE);
    assert_says(&e, "f:2: the key 'a' stands here a second time (first on line 1)");
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    assert_int_equal(yaml_parse(&y, deep, sizeof deep, "f", &a, &e), ERROR_USAGE);
    assert_says(&e, "nested deeper");
    arena_done(&a);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain", "", "yes", "12", "a: b", "#x", "tab\there", "line\nbreak", "-", "é", "'q\"", " x "};
    struct yaml_writer w = {0};
    struct arena a = {0};
    struct error e = {0};
    struct yaml *y;
    yaml_begin(&w, "list");
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        yaml_item_text(&w, texts[i]);
    yaml_item(&w);
    yaml_put_text(&w, "first", "1");
    yaml_put_integer(&w, "second", 2);
    yaml_item_end(&w);
    yaml_end(&w);
    yaml_put_bool(&w, "after", true);
    assert_ok(yaml_parse(&y, w.out.data, w.out.length, "w", &a, &e), &e);
    struct yaml *list = yaml_get(y, "list");
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_string_equal(list->items[i]->text, texts[i]);
    assert_string_equal(yaml_get(list->items[ARRAY_LENGTH(texts)], "second")->text, "2");
    assert_string_equal(yaml_get(y, "after")->text, "true");
    str_done(&w.out);
    arena_done(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_with_lines),
        cmocka_unit_test(refuses_what_could_grow),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
