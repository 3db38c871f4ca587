/* Fields, lists, texts, keys: what they do with keys and widths. Nothing is painted. */
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/str.h"
#include "ui/field.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/text.h"

/* -------------------------------------------------------------------- field */

static void type(struct field *f, const char *text)
{
    for (const char *p = text; *p; p++)
        assert_true(field_key(f, (unsigned char)*p));
}

static void test_editing_in_the_middle(void **state)
{
    struct field f = {0};
    (void)state;
    type(&f, "helo");
    field_key(&f, K_LEFT);
    type(&f, "l");
    assert_string_equal(field_text(&f), "hello");
    field_key(&f, K_HOME);
    field_key(&f, K_DELETE);
    field_key(&f, K_END);
    field_key(&f, K_BACKSPACE);
    assert_string_equal(field_text(&f), "ell");
    field_key(&f, K_LEFT);
    field_key(&f, K_CTRL('u'));
    assert_string_equal(field_text(&f), "l");
    field_done(&f);
}

static void test_characters_are_not_bytes(void **state)
{
    struct field f = {0};
    (void)state;
    field_key(&f, 0xe4);
    field_key(&f, 0x6f22);
    field_key(&f, 'x');
    assert_string_equal(field_text(&f), "ä漢x");
    field_key(&f, K_LEFT);
    field_key(&f, K_BACKSPACE);
    assert_string_equal(field_text(&f), "äx");
    field_key(&f, K_LEFT);
    field_key(&f, K_DELETE);
    assert_string_equal(field_text(&f), "x");
    field_done(&f);
}

static void test_words_are_erased_backwards(void **state)
{
    struct field f = {0};
    (void)state;
    field_set(&f, "/models/été/a.gguf");
    assert_true(field_key(&f, K_CTRL('w')));
    assert_string_equal(field_text(&f), "/models/été/");
    field_key(&f, K_CTRL('w'));
    assert_string_equal(field_text(&f), "/models/");
    field_key(&f, K_CTRL('w'));
    field_key(&f, K_CTRL('w'));
    assert_string_equal(field_text(&f), "");
    field_done(&f);
}

static void test_editing_nothing_is_harmless(void **state)
{
    static const int keys[] = {K_LEFT, K_RIGHT, K_BACKSPACE, K_DELETE,
                               K_HOME, K_END,   K_CTRL('u'), K_CTRL('k'),
                               K_CTRL('w')};
    struct field f = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        field_key(&f, keys[i]);
    assert_string_equal(field_text(&f), "");
    assert_false(field_key(&f, K_F(1)));
    field_done(&f);
}

static char *folder(void)
{
    static char template[] = "/tmp/quantwiz-test-XXXXXX";
    char *path = xstrdup(template);
    assert_non_null(mkdtemp(path));
    return path;
}

static void touch(const char *in, const char *name)
{
    char *path = xasprintf("%s/%s", in, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    free(path);
}

static void expect_completion(const char *in, const char *typed, const char *completed,
                              const char *candidates)
{
    char *text = xasprintf("%s/%s", in, typed), *wanted = xasprintf("%s/%s", in, completed), *found;
    char *got = field_complete_path(text, &found);
    assert_string_equal(got, wanted);
    if (candidates)
        assert_string_equal(found, candidates);
    else
        assert_null(found);
    free(text);
    free(wanted);
    free(found);
    free(got);
}

static void test_paths_are_completed(void **state)
{
    char *in = folder(), *sub = xasprintf("%s/models", in), *remove = xasprintf("rm -r %s", in);
    (void)state;
    mkdir(sub, 0700);
    touch(in, "mistral-7b.gguf");
    touch(in, "mistral-8b.gguf");
    touch(in, ".hidden");
    expect_completion(in, "mo", "models/", NULL);
    expect_completion(in, "mi", "mistral-", "mistral-7b.gguf  mistral-8b.gguf");
    expect_completion(in, "mistral-7", "mistral-7b.gguf", NULL);
    expect_completion(in, "m", "m", "mistral-7b.gguf  mistral-8b.gguf  models");
    expect_completion(in, "x", "x", "no such name");
    expect_completion(in, ".h", ".hidden", NULL);
    assert_int_equal(system(remove), 0);
    free(in);
    free(sub);
    free(remove);
}

static void test_tab_completes_before_the_cursor(void **state)
{
    struct field f = {.complete = field_complete_path};
    (void)state;
    field_set(&f, "/etc/passw");
    field_key(&f, K_TAB);
    assert_true(str_starts(field_text(&f), "/etc/passwd"));
    field_done(&f);
}

/* --------------------------------------------------------------------- list */

static const char *const fruit[] = {"apple", "banana", "cherry", "date", "elder", "apricot"};

static void fruit_cell(void *user, int row, int column, struct list_cell *c)
{
    (void)user;
    (void)column;
    snprintf(c->text, sizeof c->text, "%s", fruit[row]);
}

static const struct list_column one_column[] = {{"fruit", ALIGN_LEFT, {10, 1, 0}}};

static struct list fruits(void)
{
    return (struct list){.columns = one_column,
                         .column_count = 1,
                         .cell = fruit_cell,
                         .count = ARRAY_LENGTH(fruit),
                         .at = {0, 0, 4, 20}};
}

static void keys(struct list *l, const char *text)
{
    for (const char *p = text; *p; p++)
        assert_true(list_key(l, *p));
}

static void test_the_cursor_stays_within_the_rows(void **state)
{
    struct list l = fruits();
    (void)state;
    list_key(&l, K_UP);
    assert_int_equal(list_row(&l), 0);
    list_key(&l, K_END);
    list_key(&l, K_DOWN);
    assert_int_equal(list_row(&l), 5);
    list_key(&l, K_PAGE_UP);
    assert_int_equal(list_row(&l), 2);
    list_key(&l, K_HOME);
    assert_int_equal(list_row(&l), 0);
}

static void test_the_filter_narrows_while_typing(void **state)
{
    struct list l = fruits();
    char note[LIST_FILTER + 16];
    (void)state;
    keys(&l, "/ap");
    assert_string_equal(list_filter_note(&l, note), "filter: ap_");
    list_key(&l, K_DOWN);
    assert_int_equal(list_row(&l), 5);
    list_key(&l, K_DOWN);
    assert_int_equal(list_row(&l), 5);
    list_key(&l, K_ENTER);
    assert_false(l.filtering);
    assert_string_equal(list_filter_note(&l, note), "filter: ap");
    assert_true(list_key(&l, K_ESC));
    assert_string_equal(l.filter, "");
    assert_false(list_key(&l, K_ESC));
}

/* Whatever does not fit any more is not taken for a command: q would end the wizard. */
static void test_a_filter_takes_all_that_is_typed(void **state)
{
    struct list l = fruits();
    (void)state;
    keys(&l, "/");
    for (int i = 0; i < 2 * LIST_FILTER; i++)
        assert_true(list_key(&l, 'q'));
    assert_true(strlen(l.filter) < sizeof l.filter);
    assert_false(list_key(&l, K_F(1)));
}

static void test_backspace_on_nothing_ends_the_filter(void **state)
{
    struct list l = fruits();
    (void)state;
    keys(&l, "/a");
    assert_true(list_key(&l, K_BACKSPACE) && l.filtering);
    assert_true(list_key(&l, K_BACKSPACE));
    assert_false(l.filtering);
    assert_string_equal(l.filter, "");
    assert_int_equal(list_row(&l), 0);
}

static void test_a_filter_that_nothing_matches(void **state)
{
    struct list l = fruits();
    (void)state;
    keys(&l, "/zz");
    assert_int_equal(list_row(&l), -1);
    list_key(&l, K_DOWN);
    assert_int_equal(list_row(&l), -1);
    list_key(&l, K_BACKSPACE);
    list_key(&l, K_BACKSPACE);
    assert_int_equal(list_row(&l), 0);
}

static void test_lists_without_rows(void **state)
{
    struct list l = fruits();
    (void)state;
    list_resize(&l, 0);
    list_key(&l, K_DOWN);
    list_key(&l, K_END);
    assert_int_equal(list_row(&l), -1);
    list_resize(&l, 3);
    assert_int_equal(list_row(&l), 0);
}

static void test_clicks_choose_rows(void **state)
{
    struct list l = fruits();
    (void)state;
    assert_true(list_click(&l, 2, 5));
    assert_int_equal(list_row(&l), 1);
    assert_false(list_click(&l, 0, 5));
    assert_false(list_click(&l, 2, 30));
    assert_false(list_click(&l, 9, 5));
}

/* --------------------------------------------------------------------- text */

static void expect_lines(const char *paragraph, int width, const char *const *lines, int count)
{
    struct text t = {0};
    text_add(&t, width, STYLE_NORMAL, paragraph, NULL);
    assert_int_equal(t.count, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(t.lines[i].text, lines[i]);
    text_done(&t);
}

static void test_wrapping(void **state)
{
    (void)state;
    expect_lines("one two three", 7, (const char *[]){"one two", "three"}, 2);
    expect_lines("one\n\ntwo", 7, (const char *[]){"one", "", "two"}, 3);
    expect_lines("- one two three", 9, (const char *[]){"- one two", "  three"}, 2);
    expect_lines("unbreakable", 4, (const char *[]){"unbr", "eaka", "ble"}, 3);
    expect_lines("", 4, (const char *[]){""}, 1);
    expect_lines("a\tmeaning of it wholly", 32,
                 (const char *[]){"a              meaning of it", "               wholly"}, 2);
}

static void test_wide_characters_take_two_columns(void **state)
{
    (void)state;
    expect_lines("漢字漢字", 5, (const char *[]){"漢字", "漢字"}, 2);
}

static void test_no_line_is_wider_than_the_pane(void **state)
{
    (void)state;
    for (int width = 1; width < 60; width++) {
        struct text t = {0};
        text_add(&t, width, STYLE_NORMAL,
                 "+ the use case \"code\" asks for Q5_K_M or Q6_K, and the rest of it as well", NULL);
        for (int i = 0; i < t.count; i++)
            assert_true(paint_width(t.lines[i].text) <= width);
        text_done(&t);
    }
}

static void test_turning_pages_comes_round_again(void **state)
{
    struct text t = {.height = 3};
    (void)state;
    text_add(&t, 20, STYLE_NORMAL, "1\n2\n3\n4\n5\n6\n7", NULL);
    static const int tops[] = {3, 4, 0, 3};
    for (size_t i = 0; i < ARRAY_LENGTH(tops); i++) {
        text_turn(&t);
        assert_int_equal(t.top, tops[i]);
    }
    t.height = 10;
    text_turn(&t);
    assert_int_equal(t.top, 0);
    text_done(&t);
}

static void test_references_take_a_line_of_their_own_where_needed(void **state)
{
    struct text t = {0};
    (void)state;
    text_add(&t, 20, STYLE_NORMAL, "short", "rule:1");
    text_add(&t, 20, STYLE_NORMAL, "fifteen columns", "rule:2");
    assert_int_equal(t.count, 3);
    assert_string_equal(t.lines[0].right, "rule:1");
    assert_null(t.lines[1].right);
    assert_string_equal(t.lines[2].right, "rule:2");
    text_done(&t);
}

static void test_control_characters_do_not_get_through(void **state)
{
    (void)state;
    assert_int_equal(paint_width("a\033[2Jb"), 6);
    assert_int_equal(paint_width("\xff\xfe"), 2);
    assert_int_equal(paint_width("\xc2\x9b"), 1);
}

/* --------------------------------------------------------------------- keys */

static void test_key_names_go_both_ways(void **state)
{
    static const int all[] = {K_TAB,     K_ENTER,     K_ESC,       K_UP,   K_DOWN, K_LEFT,
                              K_RIGHT,   K_PAGE_UP,   K_PAGE_DOWN, K_HOME, K_END,  K_DELETE,
                              K_BACKTAB, K_BACKSPACE, ' ',         'a',    '?',    '/',
                              0xe4,      K_CTRL('c'), K_F(1),      K_F(12)};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        assert_int_equal(key_named(key_name(all[i])), all[i]);
    assert_int_equal(key_named("F13"), K_NONE);
    assert_int_equal(key_named("Hyper"), K_NONE);
    assert_int_equal(key_named(""), K_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_editing_in_the_middle),
        cmocka_unit_test(test_characters_are_not_bytes),
        cmocka_unit_test(test_words_are_erased_backwards),
        cmocka_unit_test(test_editing_nothing_is_harmless),
        cmocka_unit_test(test_paths_are_completed),
        cmocka_unit_test(test_tab_completes_before_the_cursor),
        cmocka_unit_test(test_the_cursor_stays_within_the_rows),
        cmocka_unit_test(test_the_filter_narrows_while_typing),
        cmocka_unit_test(test_a_filter_takes_all_that_is_typed),
        cmocka_unit_test(test_backspace_on_nothing_ends_the_filter),
        cmocka_unit_test(test_a_filter_that_nothing_matches),
        cmocka_unit_test(test_lists_without_rows),
        cmocka_unit_test(test_clicks_choose_rows),
        cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_wide_characters_take_two_columns),
        cmocka_unit_test(test_no_line_is_wider_than_the_pane),
        cmocka_unit_test(test_turning_pages_comes_round_again),
        cmocka_unit_test(test_references_take_a_line_of_their_own_where_needed),
        cmocka_unit_test(test_control_characters_do_not_get_through),
        cmocka_unit_test(test_key_names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
