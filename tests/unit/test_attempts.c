/* The list of attempts: written and read back from each folder, in the first one whole; and lines that are none. */
#include "unit.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "run/attempts.h"

static void add(struct attempts *a, const char *run, const char *level, const char *why)
{
    attempts_add(a, &(struct attempt){.number = a->count + 1, .run = run, .level = level, .why = why, .verdict = "reject",
                                      .loss = 0.03125, .kld_mean = NAN, .same_top = 0.5, .bytes = 1024});
}

static void each_folder_has_its_list_and_the_first_all(void **state)
{
    (void)state;
    struct error e = {0};
    struct attempts a = {0}, b;
    add(&a, "test_attempts/one", "Q2_K", NULL);
    assert_ok(attempts_write(&a, "test_attempts/one", &e), &e);
    add(&a, "test_attempts/two", "Q3_K_M", "because \"it\" | does\nso");
    assert_ok(attempts_write(&a, "test_attempts/two", &e), &e);
    assert_ok(attempts_read(&b, "test_attempts/one", &e), &e);
    assert_int_equal(b.count, 2);
    assert_string_equal(b.items[1].run, "test_attempts/two");
    assert_string_equal(b.items[1].why, "because \"it\" | does\nso");
    assert_true(b.items[1].loss == 0.03125 && isnan(b.items[1].kld_mean) && !b.items[0].why);
    attempts_done(&b);
    assert_ok(attempts_read_until(&b, "test_attempts/one", &e), &e);
    assert_int_equal(b.count, 1);
    attempts_done(&b);
    assert_ok(attempts_read_until(&b, "test_attempts/two", &e), &e);
    assert_int_equal(b.count, 2);
    char *last = attempts_last("test_attempts/one");
    assert_string_equal(last, "test_attempts/two");
    free(last);
    attempts_done(&b);
    attempts_done(&a);
}

static void lines_that_are_none_are_refused(void **state)
{
    (void)state;
    struct error e = {0};
    struct attempts a;
    static const char *const lines[] = {"nonsense", "[1]", "{\"run\":", "{\"run\":\".\"}", "{\"run\":7,\"level\":\"Q2_K\"}"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        char *text = xasprintf("{\"run\":\".\",\"level\":\"Q2_K\"}\n%s\n", lines[i]);
        assert_ok(file_write("test_attempts/one/attempts.jsonl", text, strlen(text), &e), &e);
        free(text);
        assert_int_equal(attempts_read(&a, "test_attempts/one", &e), ERROR_FAILED);
        assert_says(&e, "test_attempts/one/attempts.jsonl:2: expected an object of JSON");
        attempts_done(&a);
    }
    const char odd[] = "{\"number\":\"x\",\"run\":\"\",\"level\":\"\",\"why\":5,\"loss\":\"much\"}\n\n";
    assert_ok(file_write("test_attempts/one/attempts.jsonl", odd, strlen(odd), &e), &e);
    assert_ok(attempts_read(&a, "test_attempts/one", &e), &e);
    assert_int_equal(a.count, 1);
    assert_true(!a.items[0].why && isnan(a.items[0].loss));
    attempts_done(&a);
    assert_ok(attempts_read(&a, "test_attempts/none", &e), &e);
    assert_int_equal(a.count, 0);
    attempts_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_folder_has_its_list_and_the_first_all),
        cmocka_unit_test(lines_that_are_none_are_refused),
    };
    struct error e;
    file_make_folder("test_attempts/one", &e);
    file_make_folder("test_attempts/two", &e);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    return rc | system("rm -r test_attempts");
}
