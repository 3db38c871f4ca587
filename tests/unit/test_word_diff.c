/* Word by word from one text to another. */
#include "unit.h"

#include "base/str.h"
#include "eval/word_diff.h"

static void differences(void **state)
{
    (void)state;
    static const struct { const char *a, *b, *difference; } rows[] = {
        {"", "", ""},
        {"a b c", "a  b\nc ", "a b c"},
        {"the quick brown fox", "the lazy brown fox", "the [-quick-] {+lazy+} brown fox"},
        {"one two three", "three", "[-one two-] three"},
        {"x", "x y z", "x {+y z+}"},
        {"", "new", "{+new+}"},
        {"old", "", "[-old-]"},
        {"a b c d", "b x d", "[-a-] b [-c-] {+x+} d"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(word_diff(rows[i].a, rows[i].b, &arena), rows[i].difference);
    arena_done(&arena);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct str a = {0}, b = {0};
    struct arena arena = {0};
    for (int i = 0; i < 600; i++) {
        str_addf(&a, "w%d ", i);
        str_addf(&b, "w%d ", i + 1);
    }
    const char *text = word_diff(a.data, b.data, &arena);
    assert_true(strncmp(text, "[-w0-] w1 w2 ", 13) == 0);
    assert_non_null(strstr(text, " w511 {+w512+}"));
    str_done(&a);
    str_done(&b);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(differences), cmocka_unit_test(long_texts_are_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
