/* Other programs: run, limited, interrupted; and what the runtimes' benchmarks print, read. The fakes print what the real
 * ones do: llama-bench as its README shows (build 5163), ollama run --verbose and vllm bench latency as their sources say. */
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "eval/runtime_speed.h"

static struct error e;
static char folder[] = "/tmp/quantwiz-fakes-XXXXXX";

static void fake(const char *name, const char *script)
{
    char *path = path_join(folder, name);
    assert_ok(file_write(path, script, strlen(script), &e), &e);
    assert_int_equal(chmod(path, 0755), 0);
    free(path);
}

static void no_fake(const char *name)
{
    char *path = path_join(folder, name);
    unlink(path);
    free(path);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    char *path = xasprintf("%s:/usr/bin:/bin", folder);
    setenv("PATH", path, 1);
    free(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* ------------------------------------------------------------------------ children */

static bool go_on(struct watch *w, double done, double total, const char *what)
{
    (void)w, (void)done, (void)total, (void)what;
    return true;
}

static bool stop_at_once(struct watch *w, double done, double total, const char *what)
{
    (void)w, (void)done, (void)total, (void)what;
    return false;
}

static void output_and_status_are_kept(void **state)
{
    (void)state;
    struct child c;
    struct watch w = {go_on};
    fake("both", "#!/bin/sh\necho out; echo err >&2; exit 3\n");
    char *path = child_find("both");
    assert_non_null(path);
    assert_ok(child_run(&c, (const char *const[]){path, NULL}, 10, &w, &e), &e);
    assert_int_equal(c.status, 3);
    assert_string_equal(c.out.data, "out\n");
    assert_string_equal(c.err.data, "err\n");
    child_done(&c);
    no_fake("both");
    free(path);
    assert_null(child_find("both"));
    const char *const argv[] = {"/nowhere/at-all", NULL};
    assert_int_equal(child_run(&c, argv, 10, &w, &e), ERROR_FAILED);
    child_done(&c);
}

/* Without a pipe nothing is started, and what was open stays open. */
static void without_descriptors_nothing_is_closed(void **state)
{
    (void)state;
    struct child c;
    struct watch w = {go_on};
    struct rlimit limit, none;
    int spare = dup(STDERR_FILENO);
    dup2(spare, STDIN_FILENO);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = child_run(&c, (const char *const[]){"/bin/true", NULL}, 10, &w, &e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(rc, ERROR_FAILED);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
    child_done(&c);
    close(spare);
}

/* Its own children are gone, too. */
static void what_takes_too_long_is_ended(void **state)
{
    (void)state;
    struct child c;
    struct watch w = {go_on};
    fake("slow", "#!/bin/sh\nsleep 100 & echo $!; sleep 100\n");
    char *path = child_find("slow");
    double started = clock_monotonic();
    assert_int_equal(child_run(&c, (const char *const[]){path, NULL}, 0.3, &w, &e), ERROR_FAILED);
    assert_non_null(strstr(e.text, "took longer than"));
    assert_true(clock_monotonic() - started < 10);
    int grandchild = atoi(c.out.data);
    assert_true(grandchild > 1);
    for (int i = 0; i < 100 && kill(grandchild, 0) == 0; i++)
        usleep(20000);
    char line[64], *status = xasprintf("/proc/%d/stat", grandchild);
    assert_true(kill(grandchild, 0) != 0 || (file_first_line(status, line, sizeof line) && strstr(line, ") Z")));
    free(status);
    child_done(&c);
    w.tick = stop_at_once;
    assert_int_equal(child_run(&c, (const char *const[]){path, NULL}, 100, &w, &e), ERROR_INTERRUPTED);
    child_done(&c);
    no_fake("slow");
    free(path);
}

static void memory_is_its_own(void **state)
{
    (void)state;
    enum { MINE = 64 << 20 };
    struct child c;
    struct watch w = {go_on};
    char *mine = xmalloc(MINE);
    memset(mine, 1, MINE);
    fake("small", "#!/bin/sh\nsleep 0.3\n");
    char *path = child_find("small");
    assert_ok(child_run(&c, (const char *const[]){path, NULL}, 10, &w, &e), &e);
    assert_true(c.peak_rss_bytes > 0 && c.peak_rss_bytes < MINE / 2);
    child_done(&c);
    no_fake("small");
    free(path);
    free(mine);
}

/* ----------------------------------------------------------------------- benchmarks */

static struct runtime_speed ask(const char *runtime)
{
    struct runtime_speed r;
    struct watch w = {go_on};
    const struct runtime_question q = {.runtime = runtime, .model = "a model.gguf", .threads = 4, .gpu_layers = 20};
    assert_ok(runtime_speed(&r, &q, &w, &e), &e);
    return r;
}

static void llama_bench_is_read(void **state)
{
    (void)state;
    fake("llama-bench",
         "#!/bin/sh\n[ \"$*\" = \"-m a model.gguf -r 3 -o json -p 64 -n 32 -t 4 -ngl 20\" ] || exit 9\n"
         "echo 'ggml_cuda_init: found 1 device' >&2\ncat <<'END'\n[\n"
         "  {\"build_commit\": \"8cf427ff\", \"n_threads\": 8, \"n_prompt\": 64, \"n_gen\": 0, \"n_depth\": 0,\n"
         "   \"avg_ns\": 72135640, \"stddev_ns\": 1453752, \"avg_ts\": 887.2, \"samples_ts\": [ 886, 888 ]},\n"
         "  {\"build_commit\": \"8cf427ff\", \"n_threads\": 8, \"n_prompt\": 0, \"n_gen\": 32, \"n_depth\": 0,\n"
         "   \"avg_ns\": 1076767880, \"avg_ts\": 125.0}\n]\nEND\n");
    struct runtime_speed r = ask("llama.cpp");
    assert_string_equal(r.program, "llama-bench");
    assert_string_equal(r.error, "");
    assert_true(r.prefill_tokens_per_s == 887.2 && r.decode_tokens_per_s == 125);
    assert_true(r.cost.ms_per_token == 8 && r.cost.prompt_tokens == 64);
    assert_true(fabs(r.cost.ttft_s - 0.07213564) < 1e-9);
    no_fake("llama-bench");
    assert_null(ask("llama.cpp").program);
    assert_null(ask("none").program);
}

static void failures_are_told(void **state)
{
    (void)state;
    static const struct { const char *script, *told; } rows[] = {
        {"#!/bin/sh\necho 'main: error: failed to load model' >&2\nexit 1\n",
         "llama-bench ended with status 1: main: error: failed to load model"},
        {"#!/bin/sh\necho '[]'\n", "llama-bench printed no tests that can be read"},
        {"#!/bin/sh\necho 'not JSON'\n", "llama-bench printed no tests that can be read"},
        {"#!/bin/sh\nkill -SEGV $$\n", "llama-bench was killed: Segmentation fault"},
        {"#!/bin/sh\nexit 3\n", "llama-bench ended with status 3"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        fake("llama-bench", rows[i].script);
        assert_string_equal(ask("llama.cpp").error, rows[i].told);
    }
    no_fake("llama-bench");
}

/* What is put into its store is taken out again, whatever happens. */
static void ollama_is_read(void **state)
{
    (void)state;
    char *log = path_join(folder, "log"), *script = xasprintf(
        "#!/bin/sh\necho \"$1\" >>%s/log\n[ $1 = create ] && cp \"$4\" %s/seen\n[ $1 = run ] || exit 0\necho 'It is blue.'\n"
        "cat >&2 <<'END'\ntotal duration:       18.293521648s\nload duration:        97.885315ms\n"
        "prompt eval count:    50 token(s)\nprompt eval duration: 1.346030951s\nprompt eval rate:     25.00 tokens/s\n"
        "eval count:           32 token(s)\neval duration:        16.774703785s\neval rate:            10.00 tokens/s\nEND\n",
        folder, folder), *text;
    fake("ollama", script);
    struct runtime_speed r = ask("ollama");
    assert_string_equal(r.error, "");
    assert_true(r.prefill_tokens_per_s == 25 && r.decode_tokens_per_s == 10 && r.cost.ttft_s == 2);
    assert_ok(file_read(log, 1000, &text, NULL, &e), &e);
    assert_string_equal(text, "create\nrun\nrm\n");
    free(text);
    char *seen = path_join(folder, "seen");
    assert_ok(file_read(seen, 1000, &text, NULL, &e), &e);
    assert_non_null(strstr(text, "/a model.gguf\n"));
    assert_non_null(strstr(text, "PARAMETER num_gpu 20\n"));
    free(text);
    free(seen);
    free(log);
    free(script);
    no_fake("ollama");
    no_fake("log");
    no_fake("seen");
}

static void vllm_is_read(void **state)
{
    (void)state;
    fake("vllm", "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in --output-len) n=$2;; --output-json) file=$2;; esac; shift; done\n"
                 "case $n in 1) s=0.25;; 33) s=0.89;; esac\n"
                 "echo \"{\\\"avg_latency\\\": $s, \\\"latencies\\\": [$s], \\\"percentiles\\\": {\\\"50\\\": $s}}\" >\"$file\"\n");
    struct runtime_speed r = ask("vllm");
    assert_string_equal(r.error, "");
    assert_true(r.cost.ttft_s == 0.25 && fabs(r.cost.ms_per_token - 20) < 1e-9 && r.prefill_tokens_per_s == 256);
    no_fake("vllm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_are_kept), cmocka_unit_test(what_takes_too_long_is_ended),
        cmocka_unit_test(memory_is_its_own),          cmocka_unit_test(without_descriptors_nothing_is_closed),
        cmocka_unit_test(llama_bench_is_read),        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(ollama_is_read),             cmocka_unit_test(vllm_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
