/* Products of columns against sums of doubles: of any shape, by every engine, the same for any number of threads. */
#include "tests/unit/unit.h"

#include <math.h>
#include <omp.h>

#include "infer/columns.h"
#include "tests/unit/noise.h"

static float *numbers(int64_t rows, int64_t count, struct noise *noise)
{
    float *x = xmalloc(rows * count * sizeof *x);
    noise_fill(noise, x, (int)(rows * count), 1);
    return x;
}

/* bfloat16 keeps 8 bits: each side is off by 2^-8 of itself at most, and by half of that in the mean. */
static void check_sum(const float *a, int64_t m, const float *b, int64_t n, int64_t rows, bool upper, const float *sum)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = upper ? i : 0; j < n; j++) {
            double exact = 1, size = 1;
            for (int64_t r = 0; r < rows; r++) {
                exact += (double)a[r * m + i] * b[r * n + j];
                size += fabs((double)a[r * m + i] * b[r * n + j]);
            }
            if (!(fabs(sum[i * n + j] - exact) <= size * 1.01 * 0x1p-8))
                fail_msg("%lld x %lld over %lld rows: [%lld][%lld] is %g, not %g", (long long)m, (long long)n,
                         (long long)rows, (long long)i, (long long)j, sum[i * n + j], exact);
        }
}

static float *product(const float *a, int64_t m, const float *b, int64_t n, int64_t rows, bool upper)
{
    struct columns left = {0}, right = {0};
    float *sum = xmalloc(m * n * sizeof *sum);
    for (int64_t i = 0; i < m * n; i++)
        sum[i] = 1; /* it is added to what is there */
    columns_set(&left, a, rows, m);
    columns_set(&right, b, rows, n);
    columns_add(&left, &right, upper, sum);
    columns_done(&left);
    columns_done(&right);
    return sum;
}

static void sums_are_right(void **state)
{
    (void)state;
    static const struct { int64_t m, n, rows; } shapes[] = {
        {32, 32, 32}, {1, 1, 1}, {33, 17, 5}, {160, 300, 70}, {256, 256, 128}, {31, 129, 33},
    };
    struct noise noise = {21};
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
        int64_t m = shapes[i].m, n = shapes[i].n, rows = shapes[i].rows;
        float *a = numbers(rows, m, &noise), *b = numbers(rows, n, &noise);
        float *sum = product(a, m, b, n, rows, false), *square = product(a, m, a, m, rows, true);
        check_sum(a, m, b, n, rows, false, sum);
        check_sum(a, m, a, m, rows, true, square);
        free(a);
        free(b);
        free(sum);
        free(square);
    }
}

static void threads_make_no_difference(void **state)
{
    (void)state;
    enum { M = 200, N = 330, ROWS = 90 };
    struct noise noise = {22};
    float *a = numbers(ROWS, M, &noise), *b = numbers(ROWS, N, &noise), *sum = product(a, M, b, N, ROWS, false);
    int threads = omp_get_max_threads();
    omp_set_num_threads(threads > 1 ? 1 : 3);
    float *again = product(a, M, b, N, ROWS, false);
    omp_set_num_threads(threads);
    assert_memory_equal(sum, again, M * N * sizeof *sum);
    free(a);
    free(b);
    free(sum);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_right),
        cmocka_unit_test(threads_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
