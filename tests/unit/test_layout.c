/* Properties of the screen's geometry over a sweep of sizes: nothing empty, overlapping or off screen. */
#include "unit.h"

#include "ui/layout.h"

enum { SWEEP_ROWS = 120, SWEEP_COLS = 320 };

static bool empty(struct rect r)
{
    return r.h < 1 || r.w < 1;
}

static bool within(struct rect inner, struct rect outer)
{
    return inner.y >= outer.y && inner.x >= outer.x && inner.y + inner.h <= outer.y + outer.h &&
           inner.x + inner.w <= outer.x + outer.w;
}

static bool apart(struct rect a, struct rect b)
{
    return a.y + a.h <= b.y || b.y + b.h <= a.y || a.x + a.w <= b.x || b.x + b.w <= a.x;
}

/* With a border cell around one of them. */
static bool apart_with_line(struct rect a, struct rect b)
{
    return apart((struct rect){a.y - 1, a.x - 1, a.h + 2, a.w + 2}, b);
}

#define check(condition, name, rows, cols)                                                      \
    do {                                                                                        \
        if (!(condition))                                                                       \
            fail_msg("%s at %dx%d: %s", (name), (cols), (rows), #condition);                    \
    } while (0)

static void screen_parts(const struct screen_layout *l, int rows, int cols)
{
    struct rect screen = {0, 0, rows, cols};
    const struct rect part[] = {l->title, l->page, l->bar, l->steps};
    int count = l->has_steps ? 4 : 3;
    for (int i = 0; i < count; i++) {
        check(!empty(part[i]), "screen", rows, cols);
        check(within(part[i], screen), "screen", rows, cols);
        for (int k = 0; k < i; k++)
            check(apart(part[i], part[k]), "screen", rows, cols);
    }
}

static void page_panes(const struct layout_row *p, struct rect page, int rows, int cols)
{
    struct rect pane[PANES_MAX], inside = rect_inside(page);
    p->place(page, pane);
    for (int i = 0; i < p->panes; i++) {
        check(!empty(pane[i]), p->name, rows, cols);
        check(within(pane[i], inside), p->name, rows, cols);
        for (int k = 0; k < i; k++)
            check(apart_with_line(pane[i], pane[k]), p->name, rows, cols);
    }
}

static void test_every_page_at_every_size(void **state)
{
    (void)state;
    for (int rows = SCREEN_ROWS_MIN; rows <= SWEEP_ROWS; rows++)
        for (int cols = SCREEN_COLS_MIN; cols <= SWEEP_COLS; cols++)
            for (int i = 0; i < layout_page_count; i++) {
                struct screen_layout l = layout_screen(rows, cols, layout_pages[i].wide);
                check(!l.too_small, "screen", rows, cols);
                screen_parts(&l, rows, cols);
                page_panes(&layout_pages[i], l.page, rows, cols);
            }
}

/* A page whose panes leave cells to nobody would show holes in its frame. */
static void test_panes_and_lines_cover_the_page(void **state)
{
    (void)state;
    static const int sizes[][2] = {{24, 80}, {40, 120}, {60, 200}, {25, 81}, {24, 320}, {120, 80}};
    for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++)
        for (int i = 0; i < layout_page_count; i++) {
            struct rect page = layout_screen(sizes[s][0], sizes[s][1], layout_pages[i].wide).page,
                        pane[PANES_MAX];
            layout_pages[i].place(page, pane);
            for (int y = page.y; y < page.y + page.h; y++)
                for (int x = page.x; x < page.x + page.w; x++) {
                    bool covered = false;
                    for (int k = 0; k < layout_pages[i].panes; k++)
                        covered |= rect_holds(
                            (struct rect){pane[k].y - 1, pane[k].x - 1, pane[k].h + 2, pane[k].w + 2}, y, x);
                    check(covered, layout_pages[i].name, sizes[s][0], sizes[s][1]);
                }
        }
}

static void test_small_screens_say_so(void **state)
{
    (void)state;
    assert_true(layout_screen(23, 80, false).too_small);
    assert_true(layout_screen(24, 79, true).too_small);
    assert_true(layout_screen(1, 1, false).too_small);
    assert_false(layout_screen(24, 80, false).too_small);
}

static void test_steps_give_way_to_wide_pages(void **state)
{
    (void)state;
    assert_true(layout_screen(24, 80, false).has_steps);
    assert_false(layout_screen(24, 80, true).has_steps);
    assert_int_equal(layout_screen(24, 80, true).page.w, 80);
    assert_true(layout_screen(40, 120, true).has_steps);
}

static void test_cuts_keep_both_parts(void **state)
{
    (void)state;
    for (int h = 3; h < 12; h++)
        for (int size = -2; size < 15; size++) {
            struct rect top = {4, 7, h, 9}, bottom = top, cut = rect_cut_top(&top, size, 1);
            assert_true(cut.h >= 1 && top.h >= 1);
            assert_int_equal(cut.h + 1 + top.h, h);
            assert_int_equal(top.y, cut.y + cut.h + 1);
            cut = rect_cut_bottom(&bottom, size, 1);
            assert_true(cut.h >= 1 && bottom.h >= 1);
            assert_int_equal(cut.y + cut.h, 4 + h);
            assert_int_equal(cut.w, 9);
        }
}

static void test_cut_sizes_are_what_was_asked(void **state)
{
    (void)state;
    struct rect r = {0, 0, 20, 100}, left = rect_cut_left(&r, 30, 1), right = rect_cut_right(&r, 20, 1);
    assert_int_equal(left.w, 30);
    assert_int_equal(right.w, 20);
    assert_int_equal(right.x, 80);
    assert_int_equal(r.x, 31);
    assert_int_equal(r.w, 48);
}

static int columns_total(const int *width, int count, int gap)
{
    int total = -gap;
    for (int i = 0; i < count; i++)
        total += width[i] ? width[i] + gap : 0;
    return total;
}

static void test_columns_fill_the_width(void **state)
{
    (void)state;
    static const struct column_want want[] = {{8, 0, 0}, {4, 0, 3}, {12, 1, 1}, {6, 0, 2}, {5, 2, 0}};
    int out[ARRAY_LENGTH(want)];
    for (int width = 14; width < 200; width++) {
        layout_columns(want, ARRAY_LENGTH(want), width, 1, out);
        assert_true(out[0] && out[4]);
        assert_int_equal(columns_total(out, ARRAY_LENGTH(want), 1), width);
    }
}

static void test_unimportant_columns_go_first(void **state)
{
    (void)state;
    static const struct column_want want[] = {{8, 0, 0}, {4, 0, 3}, {12, 0, 1}, {6, 0, 2}};
    int out[ARRAY_LENGTH(want)];
    layout_columns(want, ARRAY_LENGTH(want), 30, 1, out);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[3], 6);
    layout_columns(want, ARRAY_LENGTH(want), 21, 1, out);
    assert_int_equal(out[3], 0);
    assert_int_equal(out[2], 12);
}

static void test_columns_without_room_keep_the_needed_ones(void **state)
{
    (void)state;
    static const struct column_want want[] = {{8, 0, 0}, {4, 1, 3}};
    int out[2];
    layout_columns(want, 2, 3, 1, out);
    assert_int_equal(out[0], 8);
    assert_int_equal(out[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page_at_every_size),
        cmocka_unit_test(test_panes_and_lines_cover_the_page),
        cmocka_unit_test(test_small_screens_say_so),
        cmocka_unit_test(test_steps_give_way_to_wide_pages),
        cmocka_unit_test(test_cuts_keep_both_parts),
        cmocka_unit_test(test_cut_sizes_are_what_was_asked),
        cmocka_unit_test(test_columns_fill_the_width),
        cmocka_unit_test(test_unimportant_columns_go_first),
        cmocka_unit_test(test_columns_without_room_keep_the_needed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
