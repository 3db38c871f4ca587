#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"

static char folder[] = "/tmp/quantwiz-file-XXXXXX";

static char *in_folder(const char *name)
{
    return path_join(folder, name);
}

static void nothing_half_written_bears_its_name(void **state)
{
    (void)state;
    struct error e = {0};
    struct file_out f;
    char *path = in_folder("result"), *part = in_folder("result.part"), *text;
    assert_ok(file_out_open(&f, path, false, &e), &e);
    assert_ok(file_out_write(&f, "half", 4, &e), &e);
    assert_false(file_exists(path));
    assert_true(file_exists(part));
    assert_ok(file_out_commit(&f, &e), &e);
    assert_false(file_exists(part));
    assert_ok(file_read(path, 100, &text, NULL, &e), &e);
    assert_string_equal(text, "half");
    free(text);
    assert_ok(file_out_open(&f, path, false, &e), &e);
    file_out_abandon(&f, false);
    assert_false(file_exists(part));
    assert_int_equal(file_read(path, 3, &text, NULL, &e), ERROR_FAILED);
    assert_says(&e, "larger than 3 bytes");
    free(path);
    free(part);
}

static void unusable_files_are_named(void **state)
{
    (void)state;
    struct error e = {0};
    struct file_map m;
    char *empty = in_folder("empty"), *missing = in_folder("missing"), *pipe = in_folder("pipe");
    assert_ok(file_write(empty, "", 0, &e), &e);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(file_map_open(&m, empty, &e), ERROR_FAILED);
    assert_says(&e, "empty is empty");
    assert_int_equal(file_map_open(&m, missing, &e), ERROR_FAILED);
    assert_says(&e, "No such file");
    assert_int_equal(file_map_open(&m, folder, &e), ERROR_FAILED);
    assert_says(&e, "is not a file");
    assert_int_equal(file_map_open(&m, pipe, &e), ERROR_FAILED); /* and does not wait for a writer */
    assert_says(&e, "is not a file");
    free(empty);
    free(missing);
    free(pipe);
}

/* A mapped file that shrinks: the message names the file, the exit status is 1. */
static void a_file_cut_short_is_reported(void **state)
{
    (void)state;
    struct error e = {0};
    char *path = in_folder("shrinks"), *log = in_folder("log"), *text;
    void *data = xcalloc(1, 20000);
    assert_ok(file_write(path, data, 20000, &e), &e);
    pid_t child = fork();
    if (child == 0) {
        struct file_map m;
        file_bus_guard();
        if (!freopen(log, "w", stderr) || file_map_open(&m, path, &e) || truncate(path, 0))
            _exit(3);
        volatile unsigned char byte = m.data[10000];
        _exit(byte);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_ok(file_read(log, 4096, &text, NULL, &e), &e);
    assert_non_null(strstr(text, "shrinks at offset 10000"));
    free(text);
    free(data);
    free(path);
    free(log);
}

static void names_and_space(void **state)
{
    (void)state;
    struct error e = {0};
    static const struct { const char *path, *folder, *name; } cases[] = {
        {"a/b", "a", "b"}, {"/a", "/", "a"}, {"a", ".", "a"}, {"/a//b/", "/a", ""}, {"a//b", "a", "b"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *up = path_folder(cases[i].path);
        assert_string_equal(up, cases[i].folder);
        assert_string_equal(path_name(cases[i].path), cases[i].name);
        free(up);
    }
    static const struct { const char *folder, *path, *relative; } seen[] = {
        {"/a/b", "/a/b/c", "c"}, {"/a/b", "/a/c/d", "../c/d"}, {"/a/b/", "/a/./b/../bc", "../bc"},
        {"/a", "/b", "/b"}, {"/a/b/c", "/a/d", "../../d"}, {"/a/b", "/a/b", "."},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(seen); i++) {
        char *relative = path_relative(seen[i].folder, seen[i].path);
        assert_string_equal(relative, seen[i].relative);
        free(relative);
    }
    uint64_t bytes = 0;
    char *deep = in_folder("not/yet/there");
    assert_ok(file_free_bytes(deep, &bytes, &e), &e);
    assert_true(bytes > 0);
    assert_ok(file_make_folder(deep, &e), &e);
    assert_true(file_is_folder(deep));
    free(deep);
}

static void write_at(const char *path, const char *text, time_t when)
{
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A file that looks as it did is not read again: this one is another, and only its time gives it away. */
static void a_hash_is_remembered_while_its_file_stays(void **state)
{
    (void)state;
    struct error e = {0};
    struct hash_memo m = {0};
    char *path = in_folder("hashed"), *none = in_folder("no-such-file"), one[HASH_TEXT], two[HASH_TEXT], three[HASH_TEXT];
    uint64_t bytes = 0;
    write_at(path, "one", 1000);
    assert_ok(hash_memo_file(&m, one, path, &bytes, &e), &e);
    assert_string_equal(one, hash_bytes(two, "one", 3));
    write_at(path, "two", 1000);
    bytes = 0;
    assert_ok(hash_memo_file(&m, two, path, &bytes, &e), &e);
    assert_string_equal(two, one);
    assert_int_equal(bytes, 3);
    write_at(path, "two", 1001);
    assert_ok(hash_memo_file(&m, three, path, &bytes, &e), &e);
    assert_string_equal(three, hash_bytes(two, "two", 3));
    assert_int_equal(hash_memo_file(&m, three, none, &bytes, &e), ERROR_FAILED);
    assert_says(&e, "no-such-file");
    hash_memo_done(&m);
    free(path);
    free(none);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -r %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_half_written_bears_its_name),
        cmocka_unit_test(unusable_files_are_named),
        cmocka_unit_test(a_file_cut_short_is_reported),
        cmocka_unit_test(names_and_space),
        cmocka_unit_test(a_hash_is_remembered_while_its_file_stays),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
