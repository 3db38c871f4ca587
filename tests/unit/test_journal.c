/* The journal: what it lists comes back exactly; what was torn, foreign or damaged does not. */
#include "unit.h"

#include <unistd.h>

#include "base/file.h"
#include "run/journal.h"

static char path[] = "journal-XXXXXX";
static struct error e;

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    return 0;
}

static struct journal_claim claim(int index)
{
    struct journal_claim c = {.index = index, .offset = 1000 + (uint64_t)index, .bytes = 1ULL << 40, .rmse = 0.1 * index};
    memset(c.hash, 'a' + index % 6, HASH_TEXT - 1);
    return c;
}

static void write_claims(const char *fingerprint, int count)
{
    struct journal j;
    assert_ok(journal_open(&j, path, fingerprint, false, &e), &e);
    for (int i = 0; i < count; i++) {
        struct journal_claim c = claim(i);
        const char *name = i == 1 ? "a name\nof two lines" : "blk.0.attn_q.weight";
        assert_ok(journal_add(&j, &c, &name, 1, &e), &e);
    }
    journal_close(&j);
}

static void append(const char *text)
{
    FILE *f = fopen(path, "a");
    fputs(text, f);
    fclose(f);
}

static void test_claims_come_back(void **state)
{
    (void)state;
    struct journal j;
    write_claims("abc", 3);
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.found, JOURNAL_SAME);
    assert_int_equal(j.count, 3);
    for (int i = 0; i < 3; i++) {
        struct journal_claim c = claim(i);
        assert_int_equal(j.claims[i].index, i);
        assert_int_equal(j.claims[i].offset, c.offset);
        assert_int_equal(j.claims[i].bytes, c.bytes);
        assert_string_equal(j.claims[i].hash, c.hash);
        assert_memory_equal(&j.claims[i].rmse, &c.rmse, sizeof c.rmse);
    }
    journal_close(&j);
}

static void test_other_inputs_start_afresh(void **state)
{
    (void)state;
    struct journal j;
    write_claims("abc", 3);
    assert_ok(journal_open(&j, path, "abd", true, &e), &e);
    assert_int_equal(j.found, JOURNAL_OTHER);
    assert_int_equal(j.count, 0);
    journal_close(&j);
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.found, JOURNAL_OTHER);
    journal_close(&j);
}

static void test_without_resume_nothing_counts(void **state)
{
    (void)state;
    struct journal j;
    write_claims("abc", 3);
    assert_ok(journal_open(&j, path, "abc", false, &e), &e);
    assert_int_equal(j.count, 0);
    journal_close(&j);
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.found, JOURNAL_SAME);
    assert_int_equal(j.count, 0);
    journal_close(&j);
}

/* Killed while it wrote the last line: that line does not count, and the next one does not stick to it. */
static void test_torn_line(void **state)
{
    (void)state;
    struct journal j;
    const char *name = "x";
    write_claims("abc", 2);
    append("tensor 2 1002 17 aaaaaaaaaaaaaaaaaaaa");
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.count, 2);
    struct journal_claim c = claim(2);
    assert_ok(journal_add(&j, &c, &name, 1, &e), &e);
    journal_close(&j);
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.count, 3);
    journal_close(&j);
}

static void test_garbled_line_ends_it(void **state)
{
    (void)state;
    struct journal j;
    write_claims("abc", 2);
    append("tensor two 1002 17 zz 0 x\n"
           "tensor 3 0 7 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0x1p-3 whole but too late\n");
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.found, JOURNAL_SAME);
    assert_int_equal(j.count, 2);
    journal_close(&j);
}

static void test_no_file_and_no_folder(void **state)
{
    (void)state;
    struct journal j;
    unlink(path);
    assert_ok(journal_open(&j, path, "abc", true, &e), &e);
    assert_int_equal(j.found, JOURNAL_ABSENT);
    journal_close(&j);
    assert_int_equal(journal_open(&j, "no/such/folder/journal", "abc", true, &e), ERROR_FAILED);
    assert_says(&e, "no/such/folder/journal");
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_claims_come_back), ROW(test_other_inputs_start_afresh), ROW(test_without_resume_nothing_counts),
        ROW(test_torn_line),        ROW(test_garbled_line_ends_it),      ROW(test_no_file_and_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
