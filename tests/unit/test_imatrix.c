/* Importance: both file forms, merging, and the sums themselves against inputs that are known. */
#include "tests/unit/unit.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "calib/imatrix.h"

static char path[] = "/tmp/quantwiz-imatrix-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static struct imatrix_entry *add(struct imatrix *m, const char *name, int64_t columns, int matrices)
{
    struct imatrix_entry *x = &array_push(m->entries, m->count, m->capacity);
    *x = (struct imatrix_entry){.name = xstrdup(name), .columns = columns, .matrices = matrices};
    x->sums = xcalloc(columns * matrices, sizeof *x->sums);
    x->counts = xcalloc(matrices, sizeof *x->counts);
    for (int64_t i = 0; i < columns * matrices; i++)
        x->sums[i] = (float)(i + 1);
    for (int i = 0; i < matrices; i++)
        x->counts[i] = (float)(i * 2);
    return x;
}

static struct imatrix example(void)
{
    struct imatrix m = {.chunks = 3, .chunk_length = 512};
    add(&m, "blk.0.ffn_down.weight", 5, 1)->counts[0] = 4;
    add(&m, "blk.0.ffn_up_exps.weight", 2, 3);
    array_push(m.texts, m.text_count, m.text_capacity) = xstrdup("a text.txt");
    return m;
}

static void written_and_read(void **state)
{
    (void)state;
    struct error e = {0};
    struct imatrix m = example(), r;
    float mean[2];
    assert_ok(imatrix_write(&m, path, &e), &e);
    assert_ok(imatrix_read(&r, path, &e), &e);
    const struct imatrix_entry *x = imatrix_find(&r, "blk.0.ffn_up_exps.weight");
    assert_non_null(x);
    assert_int_equal(x->columns, 2);
    assert_int_equal(x->matrices, 3);
    assert_memory_equal(x->sums, m.entries[1].sums, 6 * sizeof(float));
    assert_float_equal(imatrix_coverage(x), 2.0 / 3, 1e-6);
    assert_false(imatrix_means(x, 0, mean));
    assert_true(imatrix_means(x, 2, mean));
    assert_float_equal(mean[1], 6.0 / 4, 1e-6);
    assert_int_equal(r.chunks, 3);
    assert_int_equal(r.chunk_length, 512);
    assert_int_equal(r.text_count, 1);
    assert_string_equal(r.texts[0], "a text.txt");
    imatrix_done(&m);
    imatrix_done(&r);
}

static void merging_adds(void **state)
{
    (void)state;
    struct error e = {0};
    struct imatrix m = example(), other = example();
    assert_ok(imatrix_merge(&m, &other, &e), &e);
    assert_int_equal(m.count, 2);
    assert_float_equal(m.entries[0].sums[4], 10, 0);
    assert_float_equal(m.entries[0].counts[0], 8, 0);
    assert_int_equal(m.chunks, 6);
    assert_int_equal(m.text_count, 1);
    other.entries[0].columns = 4;
    assert_int_equal(imatrix_merge(&m, &other, &e), ERROR_USAGE);
    assert_says(&e, "blk.0.ffn_down.weight");
    imatrix_done(&m);
    imatrix_done(&other);
}

/* In the old form a value is a mean times the number of calls. */
static void old_form(void **state)
{
    (void)state;
    struct error e = {0};
    struct imatrix m;
    float mean[2];
    const struct {
        int32_t entries, length;
        char name[4];
        int32_t calls, values;
        float value[2];
        int32_t chunks, text_length;
        char text[4];
    } file = {1, 4, {'a', '.', 'w', 't'}, 10, 2, {5, 20}, 7, 4, {'w', 'i', 'k', 'i'}};
    assert_ok(file_write(path, &file, sizeof file, &e), &e);
    assert_ok(imatrix_read(&m, path, &e), &e);
    assert_int_equal(m.chunks, 7);
    assert_string_equal(m.texts[0], "wiki");
    assert_non_null(imatrix_find(&m, "a.wt"));
    assert_true(imatrix_means(imatrix_find(&m, "a.wt"), 0, mean));
    assert_float_equal(mean[0], 0.5, 1e-6);
    assert_float_equal(mean[1], 2, 1e-6);
    imatrix_done(&m);
}

/* Cut anywhere, either form is refused, or read without what was cut off; never more is read than there is. */
static void damaged(void **state)
{
    (void)state;
    struct error e = {0};
    struct imatrix m = example(), r;
    char *bytes;
    size_t size;
    m.entries[0].sums[2] = NAN;
    assert_ok(imatrix_write(&m, path, &e), &e);
    assert_int_equal(imatrix_read(&r, path, &e), ERROR_FAILED);
    assert_says(&e, "blk.0.ffn_down.weight.in_sum2");
    imatrix_done(&r);
    m.entries[0].sums[2] = 1;
    assert_ok(imatrix_write(&m, path, &e), &e);
    assert_ok(file_read(path, 1 << 20, &bytes, &size, &e), &e);
    for (size_t cut = 0; cut < size - 64; cut += 3) {
        assert_ok(file_write(path, bytes, cut, &e), &e);
        assert_int_not_equal(imatrix_read(&r, path, &e), 0);
        imatrix_done(&r);
    }
    free(bytes);
    imatrix_done(&m);
}

/* The first layer's queries meet the normed embeddings, which can be worked out by hand. */
static void sums_of_the_demo(void **state)
{
    (void)state;
    struct error e = {0};
    struct imatrix m = {0};
    struct model *model;
    char *demo = unit_source("demo/quantwiz-demo-f16.gguf");
    int32_t tokens[8] = {5, 17, 300, 4, 4, 1000, 77, 2048};
    assert_ok(model_open(&model, demo, 0, &e), &e);
    int columns = model->hp.embd;
    float row[256], norm[256];
    double sum[256] = {0};
    assert_int_equal(columns, 256);
    tensor_read(model_role(model, ROLE_ATTN_NORM, 0), 0, columns, norm);
    for (int i = 0; i < 8; i++) {
        double square = 0;
        tensor_read(model_role(model, ROLE_TOKEN_EMBD, -1), (int64_t)tokens[i] * columns, columns, row);
        for (int c = 0; c < columns; c++)
            square += (double)row[c] * row[c] / columns;
        for (int c = 0; c < columns; c++)
            sum[c] += row[c] * row[c] / (square + model->hp.norm_eps) * norm[c] * norm[c];
    }
    struct chunks c = {.tokens = tokens, .count = 2, .length = 4};
    assert_ok(imatrix_collect(&m, model, &c, "by hand", NULL, &e), &e);
    const struct imatrix_entry *x = imatrix_find(&m, "blk.0.attn_q.weight");
    assert_non_null(x);
    assert_float_equal(x->counts[0], 8, 0);
    for (int k = 0; k < columns; k++)
        assert_float_equal(x->sums[k] / sum[k], 1, 1e-4);
    assert_int_equal(m.count, 7 * model->hp.layers);
    imatrix_done(&m);
    model_close(model);
    free(demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read), cmocka_unit_test(merging_adds), cmocka_unit_test(old_form),
        cmocka_unit_test(damaged), cmocka_unit_test(sums_of_the_demo),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
