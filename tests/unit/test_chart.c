/* Bars and curves: how much of them lies where. */
#include <math.h>

#include "unit.h"

#include "ui/chart.h"
#include "ui/gauge.h"

static struct gauge gauge_of(double whole, double a, double b, double c)
{
    return (struct gauge){.part = {{a, 0}, {b, 0}, {c, 0}}, .parts = 3, .whole = whole};
}

static void test_parts_share_the_bar(void **state)
{
    int size[GAUGE_PARTS_MAX];
    struct gauge g = gauge_of(10, 5, 2.5, 1.25);
    (void)state;
    assert_false(gauge_eighths(&g, 10, size));
    assert_int_equal(size[0], 40);
    assert_int_equal(size[1], 20);
    assert_int_equal(size[2], 10);
}

static void test_small_parts_are_still_seen(void **state)
{
    int size[GAUGE_PARTS_MAX];
    struct gauge g = gauge_of(1000, 0.001, 0, 0.001);
    (void)state;
    assert_false(gauge_eighths(&g, 8, size));
    assert_int_equal(size[0], 1);
    assert_int_equal(size[1], 0);
    assert_int_equal(size[2], 1);
}

static void test_too_much_fills_the_bar_and_says_so(void **state)
{
    int size[GAUGE_PARTS_MAX];
    struct gauge g = gauge_of(10, 8, 4, 1);
    (void)state;
    assert_true(gauge_eighths(&g, 10, size));
    assert_int_equal(size[0], 64);
    assert_int_equal(size[0] + size[1] + size[2], 80);
}

static void test_nothing_of_nothing(void **state)
{
    int size[GAUGE_PARTS_MAX];
    struct gauge g = gauge_of(0, 0, 0, 0);
    (void)state;
    assert_false(gauge_eighths(&g, 10, size));
    assert_int_equal(size[0] + size[1] + size[2], 0);
}

/* The bar never shrinks when a value grows, and never leaves its cells. */
static void test_bars_grow_with_their_values(void **state)
{
    int size[GAUGE_PARTS_MAX], before = 0;
    (void)state;
    for (double v = 0; v < 30; v += 0.1) {
        struct gauge g = gauge_of(20, v, v / 7, v / 11);
        gauge_eighths(&g, 13, size);
        int sum = size[0] + size[1] + size[2];
        assert_true(sum >= before && sum <= 13 * 8);
        before = sum;
    }
}

static void test_resampling_averages(void **state)
{
    const double values[] = {1, 3, 5, 7};
    double out[8];
    (void)state;
    assert_true(chart_resample(values, 4, out, 2) == 6);
    assert_true(out[0] == 2 && out[1] == 6);
    assert_true(chart_resample(values, 4, out, 8) == 7);
    assert_true(out[0] == 1 && out[1] == 1 && out[7] == 7);
}

static void test_resampling_keeps_gaps(void **state)
{
    const double values[] = {NAN, 2, NAN, NAN};
    double out[2];
    (void)state;
    assert_true(chart_resample(values, 4, out, 2) == 2);
    assert_true(out[0] == 2 && isnan(out[1]));
}

enum { ROWS = 2, COLS = 3 };

static void trace(const double *values, int count, int planned, double low, double high, bool dotted,
                  unsigned char *cells)
{
    struct curve c = {values, count, dotted, 0};
    memset(cells, 0, ROWS * COLS);
    chart_trace(&c, planned, low, high, ROWS, COLS, cells);
}

static void test_a_level_curve_is_a_line(void **state)
{
    const double top[] = {1, 1, 1}, bottom[] = {0, 0, 0};
    unsigned char cells[ROWS * COLS];
    (void)state;
    trace(top, 3, 3, 0, 1, false, cells);
    for (int x = 0; x < COLS; x++) {
        assert_int_equal(cells[x], 0x01 | 0x08);
        assert_int_equal(cells[COLS + x], 0);
    }
    trace(bottom, 3, 3, 0, 1, false, cells);
    assert_int_equal(cells[0], 0);
    assert_int_equal(cells[COLS], 0x40 | 0x80);
}

static void test_curves_grow_to_the_right(void **state)
{
    const double values[] = {0, 0, 0};
    unsigned char cells[ROWS * COLS];
    (void)state;
    trace(values, 3, 6, 0, 1, false, cells);
    assert_true(cells[COLS] && cells[COLS + 1]);
    assert_int_equal(cells[COLS + 2], 0);
}

static void test_what_is_out_of_range_is_not_drawn(void **state)
{
    const double values[] = {5, 5, 5};
    unsigned char cells[ROWS * COLS];
    (void)state;
    trace(values, 3, 3, 0, 1, false, cells);
    for (int i = 0; i < ROWS * COLS; i++)
        assert_int_equal(cells[i], 0);
}

static void test_dotted_curves_set_half_of_the_dots(void **state)
{
    const double values[] = {1, 1, 1};
    unsigned char cells[ROWS * COLS];
    (void)state;
    trace(values, 3, 3, 0, 1, true, cells);
    assert_int_equal(cells[0], 0x01);
    assert_int_equal(cells[1], 0x01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_share_the_bar),
        cmocka_unit_test(test_small_parts_are_still_seen),
        cmocka_unit_test(test_too_much_fills_the_bar_and_says_so),
        cmocka_unit_test(test_nothing_of_nothing),
        cmocka_unit_test(test_bars_grow_with_their_values),
        cmocka_unit_test(test_resampling_averages),
        cmocka_unit_test(test_resampling_keeps_gaps),
        cmocka_unit_test(test_a_level_curve_is_a_line),
        cmocka_unit_test(test_curves_grow_to_the_right),
        cmocka_unit_test(test_what_is_out_of_range_is_not_drawn),
        cmocka_unit_test(test_dotted_curves_set_half_of_the_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
