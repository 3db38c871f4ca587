/* Work off the screen's thread: order, hand-over, stopping. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "unit.h"

#include "ui/jobs.h"

struct owner {
    int seen[16], count;
    struct jobs *queue;
    pthread_t thread;
};
struct square {
    struct job job;
    int in, out;
    pthread_t thread;
};

static void square_work(struct job *j)
{
    struct square *s = (struct square *)j;
    s->out = s->in * s->in;
    s->thread = pthread_self();
}

static atomic_bool stuck;

static void stuck_work(struct job *j)
{
    (void)j;
    stuck = true;
    pause();
}

static void square_done(struct job *j, void *user)
{
    struct owner *o = user;
    struct square *s = (struct square *)j;
    assert_true(pthread_equal(o->thread, pthread_self()));
    assert_false(s->out && pthread_equal(o->thread, s->thread));
    o->seen[o->count++] = s->out;
    free(s);
}

static void push_job(struct jobs *q, struct job job, int in)
{
    struct square *s = xcalloc(1, sizeof *s);
    *s = (struct square){.job = job, .in = in};
    jobs_push(q, &s->job);
}

static void push(struct jobs *q, int in)
{
    push_job(q, (struct job){.what = "squaring", .work = square_work, .done = square_done}, in);
}

static void test_results_come_in_order_on_the_owners_thread(void **state)
{
    struct owner o = {.thread = pthread_self()};
    struct jobs *q = jobs_start(&o);
    (void)state;
    for (int i = 1; i <= 5; i++)
        push(q, i);
    jobs_drain(q);
    assert_int_equal(o.count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(o.seen[i], (i + 1) * (i + 1));
    assert_null(jobs_busy(q));
    jobs_stop(q);
}

static void test_the_descriptor_tells(void **state)
{
    struct owner o = {.thread = pthread_self()};
    struct jobs *q = jobs_start(&o);
    struct pollfd p = {.fd = jobs_fd(q), .events = POLLIN};
    (void)state;
    assert_int_equal(poll(&p, 1, 0), 0);
    push(q, 3);
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(jobs_collect(q), 1);
    assert_int_equal(poll(&p, 1, 0), 0);
    jobs_stop(q);
}

/* A job that pushes another one from its `done` is not lost by draining. */
static void chain_done(struct job *j, void *user)
{
    struct owner *o = user;
    free(j);
    o->count++;
    push(o->queue, 7);
}

static void test_draining_includes_what_follows(void **state)
{
    struct owner o = {.thread = pthread_self()};
    struct jobs *q = jobs_start(&o);
    (void)state;
    o.queue = q;
    push_job(q, (struct job){.what = "first", .work = square_work, .done = chain_done}, 0);
    jobs_drain(q);
    assert_int_equal(o.count, 2);
    assert_int_equal(o.seen[1], 49);
    jobs_stop(q);
}

static void test_stopping_frees_what_waits(void **state)
{
    struct owner o = {.thread = pthread_self()};
    struct jobs *q = jobs_start(&o);
    (void)state;
    for (int i = 0; i < 10; i++)
        push(q, i + 1);
    jobs_stop(q);
    assert_int_equal(o.count, 10);
}

/* What it would free is in use by what is stuck. */
static void test_a_stuck_job_is_left_behind(void **state)
{
    struct owner o = {.thread = pthread_self()};
    struct jobs *q = jobs_start(&o);
    (void)state;
    push_job(q, (struct job){.what = "waiting for a dead disk", .work = stuck_work, .done = square_done}, 0);
    while (!stuck)
        usleep(1000);
    assert_false(jobs_stop(q));
    assert_int_equal(o.count, 0);
}

static void test_what_follows_a_stopped_job_is_freed(void **state)
{
    struct owner o = {.thread = pthread_self()};
    struct jobs *q = jobs_start(&o);
    (void)state;
    o.queue = q;
    push_job(q, (struct job){.what = "first", .work = square_work, .done = chain_done}, 0);
    assert_true(jobs_stop(q));
    assert_int_equal(o.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_come_in_order_on_the_owners_thread),
        cmocka_unit_test(test_the_descriptor_tells),
        cmocka_unit_test(test_draining_includes_what_follows),
        cmocka_unit_test(test_stopping_frees_what_waits),
        cmocka_unit_test(test_what_follows_a_stopped_job_is_freed),
        cmocka_unit_test(test_a_stuck_job_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
