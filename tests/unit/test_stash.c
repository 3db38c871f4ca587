/* Activations come back as 16-bit floats, each run of them by its own power of two. */
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "calib/stash.h"
#include "noise.h"

enum { BATCHES = 3, FLOATS = 4096 * 2 + 100 };

/* A run of ordinary numbers with a huge one among them, one of tiny ones, one of huge ones. */
static float *numbers(int batch)
{
    float *x = xmalloc(FLOATS * sizeof *x);
    struct noise noise = {batch + 1};
    for (int i = 0; i < FLOATS; i++)
        x[i] = (float)noise_normal(&noise) * (i < 4096 ? 1 : i < 8192 ? 1e-12f : 1e9f);
    x[7] = 3e4f;
    return x;
}

static void put(const struct stash *s, int batch)
{
    float *x = numbers(batch);
    stash_put(s, batch, x, FLOATS);
    free(x);
}

static void check(const struct stash *s, int batch)
{
    float *x = numbers(batch), y[FLOATS];
    stash_take(s, batch, y, FLOATS);
    for (int i = 0; i < FLOATS; i++)
        if (fabsf(y[i] - x[i]) > fabsf(x[i]) * 0x1p-11f + 1e-24f)
            fail_msg("batch %d: %d is %g, not %g", batch, i, y[i], x[i]);
    free(x);
}

static void comes_back(const char *folder)
{
    struct error e = {0};
    struct stash s;
    assert_ok(stash_init(&s, BATCHES, FLOATS, folder, &e), &e);
    for (int b = 0; b < BATCHES; b++) {
        put(&s, b);
        stash_leave(&s, b);
    }
    for (int b = 0; b < BATCHES; b++)
        check(&s, b);
    stash_done(&s);
}

static void from_memory(void **state)
{
    (void)state;
    comes_back(NULL);
}

static void from_a_file(void **state)
{
    (void)state;
    comes_back(".");
}

/* What was dropped is filled again, and its neighbours stay as they are. */
static void dropped_and_filled_again(void **state)
{
    (void)state;
    struct error e = {0};
    struct stash s;
    float *x = numbers(1), y;
    assert_ok(stash_init(&s, BATCHES, FLOATS, NULL, &e), &e);
    for (int b = 0; b < BATCHES; b++)
        put(&s, b);
    stash_drop(&s, 1);
    stash_take(&s, 1, &y, 1);
    assert_false(y == x[0]);
    put(&s, 1);
    for (int b = 0; b < BATCHES; b++)
        check(&s, b);
    stash_done(&s);
    free(x);
}

/* Zeros have no scale; what is no number stays none, and spoils no other run. */
static void odd_numbers(void **state)
{
    (void)state;
    struct error e = {0};
    struct stash s;
    float x[4096 * 3] = {[5] = NAN, [6] = 2, [4096] = INFINITY, [2 * 4096] = 1.5f}, y[ARRAY_LENGTH(x)];
    assert_ok(stash_init(&s, 1, ARRAY_LENGTH(x), NULL, &e), &e);
    stash_put(&s, 0, x, ARRAY_LENGTH(x));
    stash_take(&s, 0, y, ARRAY_LENGTH(x));
    assert_true(isnan(y[5]));
    assert_true(y[6] == 2 && y[7] == 0 && y[4096] == INFINITY && y[4097] == 0 && y[2 * 4096] == 1.5f);
    stash_done(&s);
}

static void no_such_folder(void **state)
{
    (void)state;
    struct error e = {0};
    struct stash s;
    assert_int_not_equal(stash_init(&s, 1, FLOATS, "no-such-folder", &e), 0);
    assert_non_null(strstr(e.text, "no-such-folder"));
    stash_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_memory),
        cmocka_unit_test(from_a_file),
        cmocka_unit_test(dropped_and_filled_again),
        cmocka_unit_test(odd_numbers),
        cmocka_unit_test(no_such_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
