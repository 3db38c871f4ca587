/* Sources: rows in another order, parts, strides, scales, and what can be taken as it is. */
#include "unit.h"

#include <math.h>

#include "model/model.h"

enum { MOST = 4096 };

static float stored[MOST];

static int count_up(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        stored[i] = (float)i;
    return 0;
}

/* A source over `stored`, of one part; the rest is the test's. */
static struct tensor_source source_of(struct source_part *part, int64_t rows, int64_t columns)
{
    *part = (struct source_part){.data = (const unsigned char *)stored, .path = "x", .name = "x"};
    return (struct tensor_source){.type = quant_type(QUANT_F32),
                                  .dtype = dtype_named("F32"),
                                  .columns = columns,
                                  .rows = rows,
                                  .row_stride = columns,
                                  .column_stride = 1,
                                  .parts = part,
                                  .part_count = 1};
}

/* Read whole, and in pieces of every length: always the same. */
static void read_all(const struct tensor_source *s, int64_t n, float *x)
{
    float pieces[MOST];
    source_read(s, 0, n, x);
    for (int64_t step = 1; step <= n; step = step * 3 + 1) {
        for (int64_t i = 0; i < n; i += step)
            source_read(s, i, step < n - i ? step : n - i, pieces + i);
        assert_memory_equal(pieces, x, n * sizeof *x);
    }
    source_blocks(s, 0, n, pieces); /* F32 in F32 */
    assert_memory_equal(pieces, x, n * sizeof *x);
}

static void in_order(void **state)
{
    (void)state;
    struct source_part part;
    struct tensor_source s = source_of(&part, 4, 6);
    float x[24];
    read_all(&s, 24, x);
    assert_memory_equal(x, stored, sizeof x);
    assert_ptr_equal(source_direct(&s), stored);
}

/* Heads of 8 rows: row 2i + j of GGUF's is row 4j + i. */
static void turned_for_neighbours(void **state)
{
    (void)state;
    struct source_part part;
    struct tensor_source s = source_of(&part, 16, 3);
    float x[48];
    s.head_rows = 8;
    read_all(&s, 48, x);
    static const int of_head[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    for (int r = 0; r < 16; r++)
        for (int c = 0; c < 3; c++)
            assert_true(x[r * 3 + c] == stored[(r / 8 * 8 + of_head[r % 8]) * 3 + c]);
    assert_null(source_direct(&s));
    int64_t row, column;
    source_place(&s, 9 * 3 + 2, &row, &column);
    assert_int_equal(row, 12);
    assert_int_equal(column, 2);
}

static void every_second_row(void **state)
{
    (void)state;
    struct source_part part;
    struct tensor_source s = source_of(&part, 5, 4);
    float x[20];
    s.row_stride = 8;
    part.data += 4 * sizeof *stored;
    read_all(&s, 20, x);
    for (int r = 0; r < 5; r++)
        for (int c = 0; c < 4; c++)
            assert_true(x[r * 4 + c] == stored[(2 * r + 1) * 4 + c]);
    assert_null(source_direct(&s));
}

/* Two parts of [7 columns][10 stored rows], of which every second. */
static void transposed(void **state)
{
    (void)state;
    struct source_part parts[2] = {{.data = (const unsigned char *)stored, .path = "x"},
                                   {.data = (const unsigned char *)(stored + 70), .path = "x"}};
    struct tensor_source s = {.type = quant_type(QUANT_F32),
                              .dtype = dtype_named("F32"),
                              .columns = 7,
                              .rows = 5,
                              .row_stride = 2,
                              .column_stride = 10,
                              .parts = parts,
                              .part_count = 2};
    float x[70];
    read_all(&s, 70, x);
    for (int p = 0; p < 2; p++)
        for (int r = 0; r < 5; r++)
            for (int c = 0; c < 7; c++)
                assert_true(x[(p * 5 + r) * 7 + c] == stored[p * 70 + c * 10 + 2 * r]);
}

/* More neighbouring rows than are decoded at once. */
static void transposed_and_long(void **state)
{
    (void)state;
    struct source_part part;
    struct tensor_source s = source_of(&part, 1500, 2);
    float *x = xmalloc(3000 * sizeof *x);
    s.row_stride = 1;
    s.column_stride = 1500;
    source_read(&s, 0, 3000, x);
    for (int r = 0; r < 1500; r++)
        assert_true(x[2 * r] == stored[r] && x[2 * r + 1] == stored[1500 + r]);
    free(x);
}

static void parts_one_after_another(void **state)
{
    (void)state;
    struct source_part parts[3];
    for (int i = 0; i < 3; i++)
        parts[i] = (struct source_part){.data = (const unsigned char *)(stored + 100 * i), .path = "x"};
    struct tensor_source s = {.type = quant_type(QUANT_F32),
                              .dtype = dtype_named("F32"),
                              .columns = 4,
                              .rows = 2,
                              .row_stride = 4,
                              .column_stride = 1,
                              .parts = parts,
                              .part_count = 3};
    float x[24];
    read_all(&s, 24, x);
    for (int i = 0; i < 24; i++)
        assert_true(x[i] == stored[i / 8 * 100 + i % 8]);
    assert_null(source_direct(&s));
    for (int i = 0; i < 3; i++)
        parts[i].data = (const unsigned char *)(stored + 8 * i);
    assert_ptr_equal(source_direct(&s), stored);
}

static void scaled_in_blocks(void **state)
{
    (void)state;
    static const float scales[] = {1, 2, 3, 4, 5, 6};
    struct source_part part;
    struct tensor_source s = source_of(&part, 5, 8);
    float x[40];
    part.scales = (const unsigned char *)scales;
    s.scale_dtype = dtype_named("F32");
    s.block_rows = 2;
    s.block_columns = 5;
    s.scale_columns = 2;
    read_all(&s, 40, x);
    for (int r = 0; r < 5; r++)
        for (int c = 0; c < 8; c++)
            assert_true(x[r * 8 + c] == stored[r * 8 + c] * scales[r / 2 * 2 + c / 5]);
    assert_null(source_direct(&s));
}

static void something_added(void **state)
{
    (void)state;
    struct source_part part;
    struct tensor_source s = source_of(&part, 1, 9);
    float x[9];
    s.add = 1;
    read_all(&s, 9, x);
    assert_true(x[0] == 1 && x[8] == 9);
    assert_null(source_direct(&s));
}

static void not_aligned(void **state)
{
    (void)state;
    unsigned char shifted[4 * 6 + 1];
    struct source_part part = {.data = shifted + 1, .path = "x"};
    struct tensor_source s = source_of(&part, 1, 6);
    float x[6];
    memcpy(shifted + 1, stored, 4 * 6);
    part.data = shifted + 1;
    assert_null(source_direct(&s));
    read_all(&s, 6, x);
    assert_memory_equal(x, stored, sizeof x);
}

/* Two rows of two blocks, of which the second row: numbers 0 to 15 in turn. */
static void mxfp4(void **state)
{
    (void)state;
    static const float levels[16] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};
    unsigned char blocks[64], scales[4] = {127, 127, 126, 130};
    for (int i = 0; i < 64; i++)
        blocks[i] = (unsigned char)(2 * i % 16 | (2 * i + 1) % 16 << 4);
    struct source_part part = {.data = blocks + 32, .scales = scales + 2, .path = "x"};
    struct tensor_source s = {.type = quant_type(QUANT_MXFP4), .columns = 64, .rows = 1, .row_stride = 64,
                              .column_stride = 1, .parts = &part, .part_count = 1, .mxfp4 = true};
    float x[64];
    source_read(&s, 0, 64, x);
    for (int i = 0; i < 64; i++)
        assert_true(x[i] == levels[i % 16] * (i < 32 ? 0.5f : 8));
    unsigned char packed[34];
    source_blocks(&s, 0, 64, packed);
    assert_int_equal(packed[0], 126);
    assert_int_equal(packed[17], 130);
    assert_int_equal(packed[1], 0 | 0 << 4);   /* numbers 0 and 16 */
    assert_int_equal(packed[2], 1 | 1 << 4);   /* numbers 1 and 17 */
    source_read(&s, 32, 32, x);
    assert_true(x[1] == 4);
}

/* Hints never touch what was computed: to forget it would empty it. */
static void hints_spare_what_is_not_mapped(void **state)
{
    (void)state;
    enum { PAGES = 16 << 10 };
    float *x = xaligned(PAGES * sizeof *x);
    for (int i = 0; i < PAGES; i++)
        x[i] = 1;
    struct source_part part = {.data = (const unsigned char *)x, .name = "x"};
    struct tensor_source s = source_of(&part, 1, PAGES);
    part.data = (const unsigned char *)x;
    part.path = NULL;
    source_ahead(&s, 0, PAGES);
    source_forget(&s, 0, PAGES);
    for (int i = 0; i < PAGES; i++)
        assert_true(x[i] == 1);
    assert_null(source_direct(&s));
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(turned_for_neighbours),
        cmocka_unit_test(every_second_row),
        cmocka_unit_test(transposed),
        cmocka_unit_test(transposed_and_long),
        cmocka_unit_test(parts_one_after_another),
        cmocka_unit_test(scaled_in_blocks),
        cmocka_unit_test(something_added),
        cmocka_unit_test(not_aligned),
        cmocka_unit_test(mxfp4),
        cmocka_unit_test(hints_spare_what_is_not_mapped),
    };
    return cmocka_run_group_tests(tests, count_up, NULL);
}
