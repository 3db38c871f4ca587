/* A run as its events tell it: written by the log, read back line by line, whatever a crash left behind. */
#include "unit.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "run/events.h"
#include "run/figures.h"
#include "run/run_lock.h"
#include "run/run_state.h"

static char folder[32];
static char *events;
static struct error e;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "run-state-XXXXXX");
    events = mkdtemp(folder) ? path_join(folder, "events.jsonl") : NULL;
    return events == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char *lock = path_join(folder, "lock");
    unlink(events);
    unlink(lock);
    free(lock);
    free(events);
    return rmdir(folder);
}

static void append(const char *text)
{
    FILE *f = fopen(events, "a");
    fputs(text, f);
    fclose(f);
}

static void send_start(struct event_log *l, bool resumed)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    event_send(l, EVENT_START, json_pack("{s:s, s:s, s:i, s:s, s:i, s:b}", "source", "m.gguf", "level", "Q4_K_M", "pid",
                                         (int)getpid(), "host", host, "threads", 2, "resumed", resumed));
}

static void send_tensor(struct event_log *l, enum event_kind k, const char *name, double rmse)
{
    event_send(l, k, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:i, s:i}", "name", name, "from", "F16", "to", "Q4_K",
                               "rmse", rmse, "seconds", 0.5, "source_bytes", 1e6, "index", 0, "count", 2));
}

static void test_a_whole_run(void **state)
{
    (void)state;
    struct event_log l;
    struct run_state s;
    struct run_lock lock;
    run_state_init(&s, folder);
    assert_int_equal(run_state_poll(&s, &e), 0); /* no file yet */
    assert_ok(run_lock_take(&lock, folder, &e), &e);
    assert_ok(event_log_open(&l, folder, NULL, &e), &e);
    send_start(&l, false);
    event_send(&l, EVENT_PHASE, json_pack("{s:s, s:i, s:i}", "name", "quantize", "index", 1, "count", 5));
    send_tensor(&l, EVENT_TENSOR_BEGIN, "a", 0);
    assert_int_equal(run_state_poll(&s, &e), 3);
    assert_string_equal(s.phase, "quantize");
    assert_int_equal(s.tensor_count, 1);
    assert_false(s.tensors[0].done);
    assert_true(isnan(s.tensors[0].rmse));
    assert_true(run_state_alive(&s));
    send_tensor(&l, EVENT_TENSOR_BEGIN, "b", 0);
    send_tensor(&l, EVENT_TENSOR, "a", 0.0625);
    event_send(&l, EVENT_PROGRESS, json_pack("{s:f, s:i, s:f}", "done", 0.25, "total", 1, "eta_s", 12.5));
    event_say(&l, "info", "journal: %d tensors", 1);
    event_send(&l, EVENT_DONE, json_pack("{s:s, s:i, s:[s], s:s}", "status", "done", "exit", 0, "artefacts", "o.gguf",
                                         "report", "r.md"));
    assert_int_equal(run_state_poll(&s, &e), 5);
    assert_int_equal(s.tensors_done, 1);
    assert_int_equal(s.tensors_total, 2);
    assert_true(s.tensors[0].done);
    assert_true(s.tensors[0].rmse == 0.0625);
    assert_true(s.tensors[0].mb_per_s == 2);
    assert_string_equal(s.log[0], "journal: 1 tensors");
    assert_true(s.over);
    assert_string_equal(s.status, "done");
    assert_string_equal(s.artefacts[0], "o.gguf");
    assert_true(s.progress == 1);
    assert_true(run_state_phase_seconds(&s, "quantize") >= 0);
    assert_true(isnan(run_state_phase_seconds(&s, "evaluate")));
    event_log_close(&l);
    run_lock_drop(&lock);
    run_state_done(&s);
}

static void test_figures_come_back(void **state)
{
    (void)state;
    struct event_log l;
    struct run_state s;
    struct eval_figures f = {.chunks = 3, .chunks_planned = 24, .tokens = 765, .seconds = 1.5, .ppl = 21.75, .ppl_low = 20,
                             .ppl_high = NAN, .has_base = true, .ppl_base = 21, .kld_mean = 0.0142, .same_top = 0.954,
                             .kld_histogram = {0.25, 0.5}, .verdict = "accept"};
    run_state_init(&s, folder);
    assert_ok(event_log_open(&l, folder, NULL, &e), &e);
    event_send(&l, EVENT_CHUNK, figures_json(&f));
    assert_int_equal(run_state_poll(&s, &e), 1);
    assert_int_equal(s.history_count, 1);
    const struct eval_figures *g = &s.eval.figures;
    assert_int_equal(g->chunks, 3);
    assert_int_equal(g->tokens, 765);
    assert_true(g->has_base);
    assert_true(g->ppl == 21.75 && g->kld_mean == 0.0142 && g->same_top == 0.954);
    assert_true(isnan(g->ppl_high));
    assert_true(g->kld_histogram[0] == 0.25 && g->kld_histogram[1] == 0.5 && g->kld_histogram[2] == 0);
    assert_string_equal(g->verdict, "accept");
    event_log_close(&l);
    run_state_done(&s);
}

/* Half a line is left for the next poll; a writer that comes after a crash does not glue its line to it. */
static void test_torn_and_garbled_lines(void **state)
{
    (void)state;
    struct event_log l;
    struct run_state s;
    run_state_init(&s, folder);
    append("{\"t\":1,\"kind\":\"log\",\"text\":\"whole\"}\n{\"t\":2,\"kind\":\"log\",\"te");
    assert_int_equal(run_state_poll(&s, &e), 1);
    assert_int_equal(run_state_poll(&s, &e), 0);
    assert_ok(event_log_open(&l, folder, NULL, &e), &e);
    event_say(&l, "info", "after the crash");
    event_log_close(&l);
    append("[1, 2]\n{\"t\":3,\"kind\":\"no-such-kind\"}\n");
    assert_int_equal(run_state_poll(&s, &e), 1);
    assert_int_equal(s.log_count, 4);
    assert_string_equal(s.log[0], "whole");
    assert_string_equal(s.log[1], "a garbled line in events.jsonl was skipped");
    assert_string_equal(s.log[2], "after the crash");
    assert_true(s.now == 3);
    run_state_done(&s);
}

/* A child plays the worker, is killed, and leaves neither a "done" nor a lock. */
static void test_a_worker_that_dies(void **state)
{
    (void)state;
    struct run_state s;
    int up[2];
    char byte;
    assert_int_equal(pipe(up), 0);
    pid_t child = fork();
    if (child == 0) {
        struct event_log l;
        struct run_lock lock;
        if (run_lock_take(&lock, folder, &e) == 0 && event_log_open(&l, folder, NULL, &e) == 0) {
            send_start(&l, false);
            (void)!write(up[1], "x", 1);
        }
        pause();
        _exit(0);
    }
    assert_int_equal(read(up[0], &byte, 1), 1);
    run_state_init(&s, folder);
    assert_int_equal(run_state_poll(&s, &e), 1);
    assert_true(run_state_alive(&s));
    assert_false(s.over);
    struct run_lock lock;
    assert_int_equal(run_lock_take(&lock, folder, &e), ERROR_FAILED);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d on ", (int)child);
    assert_says(&e, pid);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(run_state_poll(&s, &e), 0);
    assert_true(s.over);
    assert_string_equal(s.status, "died");
    assert_non_null(strstr(s.error, "the worker died"));
    assert_int_equal(s.log_count, 1);
    run_state_poll(&s, &e);
    assert_int_equal(s.log_count, 1); /* said once */

    /* Somebody resumes it: the same state follows. */
    struct event_log l;
    assert_ok(run_lock_take(&lock, folder, &e), &e);
    assert_ok(event_log_open(&l, folder, NULL, &e), &e);
    send_start(&l, true);
    assert_int_equal(run_state_poll(&s, &e), 1);
    assert_false(s.over);
    assert_true(s.resumed);
    assert_null(s.status);
    event_log_close(&l);
    run_lock_drop(&lock);
    run_state_done(&s);
    close(up[0]);
    close(up[1]);
}

/* Another host's process cannot be asked about: its last event's age decides. */
static void test_another_host(void **state)
{
    (void)state;
    struct run_state s;
    setenv("QUANTWIZ_NOW", "1005", 1);
    append("{\"t\":1000,\"kind\":\"start\",\"pid\":1,\"host\":\"no-such-host.invalid\"}\n");
    run_state_init(&s, folder);
    run_state_poll(&s, &e);
    assert_true(run_state_alive(&s));
    setenv("QUANTWIZ_NOW", "1020", 1);
    assert_false(run_state_alive(&s));
    run_state_poll(&s, &e);
    assert_string_equal(s.status, "died");
    unsetenv("QUANTWIZ_NOW");
    run_state_done(&s);
}

static void test_kinds_have_names(void **state)
{
    (void)state;
    for (int k = 0; k < EVENT_COUNT; k++)
        assert_int_equal(event_find(event_name(k)), k);
    assert_int_equal(event_find("no-such-kind"), -1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_a_whole_run),        ROW(test_figures_come_back), ROW(test_torn_and_garbled_lines),
        ROW(test_a_worker_that_dies), ROW(test_another_host),      ROW(test_kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
