/* The cut into slices, their order, and what is put together from them. */
#include "unit.h"


#include "base/cpu.h"
#include "run/slices.h"

enum { TENSORS = 5 };
static const struct slice_tensor tensors[TENSORS] = {
    {"small", 32, 64, false},
    {"long rows", 3 * SLICE_ELEMENTS + 256, 2 * (3 * SLICE_ELEMENTS + 256), false},
    {"left out", 256, 256 * 4096, true},
    {"many rows", 1000, 1000 * 777, false},
    {"empty", 256, 0, false},
};

struct seen {
    unsigned char *touched[TENSORS];       /* times each element was given out */
    int begun, ended, last_begun;
    double sums[TENSORS];
    char hashes[TENSORS][HASH_TEXT];
    int fail_at;                           /* tensor whose slices fail, -1: none */
};

static void begin(void *user, int t)
{
    struct seen *s = user;
    assert_true(t > s->last_begun);
    s->last_begun = t;
    s->begun++;
}

static int process(void *user, const struct slice *sl, struct slice_buffers *b, struct slice_result *r, struct error *e)
{
    struct seen *s = user;
    const struct slice_tensor *t = &tensors[sl->tensor];
    if (sl->tensor == s->fail_at)
        return error_set(e, ERROR_FAILED, "no luck with %s", t->name);
    /* Whole rows, unless one row is too long for a slice; and the buffers hold it. */
    assert_true(sl->count > 0 && sl->count <= SLICE_ELEMENTS);
    assert_true(t->row > SLICE_ELEMENTS ? sl->first % 256 == 0 : sl->first % t->row == 0 && sl->count % t->row == 0);
    for (int64_t i = 0; i < sl->count; i++) {
        s->touched[sl->tensor][sl->first + i]++;
        b->x[i] = b->y[i] = (float)(sl->first + i);
    }
    memset(b->blocks, 1, sl->count * sizeof(float));
    r->power = 1.0 / (double)(sl->first + 1); /* so that the order of adding shows */
    hash_bytes(r->hash, &sl->first, sizeof sl->first);
    return 0;
}

static int end(void *user, int t, const struct slice_result *r, double seconds, struct error *e)
{
    struct seen *s = user;
    (void)e;
    assert_true(seconds >= 0);
    s->ended++;
    s->sums[t] = r->power;
    memcpy(s->hashes[t], r->hash, HASH_TEXT);
    return 0;
}

static int run(struct seen *s, int threads, int fail_at, struct error *e)
{
    *s = (struct seen){.last_begun = -1, .fail_at = fail_at};
    for (int t = 0; t < TENSORS; t++)
        s->touched[t] = xcalloc(tensors[t].elements, 1);
    const struct slice_work work = {.tensors = tensors, .count = TENSORS, .begin = begin, .process = process, .end = end,
                                    .user = s};
    threads_set(threads);
    return slices_run(&work, e);
}

static void forget(struct seen *s)
{
    for (int t = 0; t < TENSORS; t++)
        free(s->touched[t]);
}

static void every_element_once(void **state)
{
    (void)state;
    struct error e;
    for (int threads = 1; threads <= 4; threads++) {
        struct seen s;
        assert_ok(run(&s, threads, -1, &e), &e);
        assert_int_equal(s.begun, 3);
        assert_int_equal(s.ended, 3);
        for (int t = 0; t < TENSORS; t++)
            for (int64_t i = 0; i < tensors[t].elements; i++)
                assert_int_equal(s.touched[t][i], tensors[t].skip ? 0 : 1);
        forget(&s);
    }
}

static void results_do_not_depend_on_threads(void **state)
{
    (void)state;
    struct error e;
    struct seen one, many;
    assert_ok(run(&one, 1, -1, &e), &e);
    assert_ok(run(&many, 4, -1, &e), &e);
    assert_memory_equal(one.sums, many.sums, sizeof one.sums);
    assert_memory_equal(one.hashes, many.hashes, sizeof one.hashes);
    assert_string_not_equal(one.hashes[0], one.hashes[1]);
    forget(&one);
    forget(&many);
}

static void an_error_ends_it(void **state)
{
    (void)state;
    struct error e = {0};
    struct seen s;
    assert_int_equal(run(&s, 3, 3, &e), ERROR_FAILED);
    assert_says(&e, "no luck with many rows");
    assert_true(s.ended <= 2);
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_once),
        cmocka_unit_test(results_do_not_depend_on_threads),
        cmocka_unit_test(an_error_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
