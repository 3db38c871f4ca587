/* Layer by layer over the demo model: the same inputs as in one pass, and which tensors change. */
#include "tests/unit/unit.h"

#include <math.h>

#include "calib/layerwise.h"
#include "infer/decoder.h"

enum { LENGTH = 24, COUNT = 3 };

static struct model *model;
static int32_t tokens[COUNT * LENGTH];

static int open_demo(void **state)
{
    (void)state;
    struct error e = {0};
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    for (int i = 0; i < COUNT * LENGTH; i++)
        tokens[i] = (i * 131 + 7) % 4096;
    int rc = model_open(&model, path, 0, &e);
    free(path);
    return rc;
}

static int close_demo(void **state)
{
    (void)state;
    model_close(model);
    return 0;
}

/* Inputs of one weight, as they come. */
struct inputs {
    const struct tensor *of;
    double *sum;    /* [columns] */
    int64_t rows;
};

static void add(void *user, const struct tensor *t, int expert, const float *x, int64_t rows, int64_t columns)
{
    struct inputs *in = user;
    (void)expert;
    if (t != in->of)
        return;
    in->rows += rows;
    for (int64_t i = 0; i < rows * columns; i++)
        in->sum[i % columns] += x[i];
}

static struct inputs in_one_pass(enum tensor_role role, int layer)
{
    struct error e = {0};
    struct decoder *d;
    const struct tensor *t = model_role(model, role, layer);
    struct inputs in = {.of = t, .sum = xcalloc(t->shape[0], sizeof *in.sum)};
    struct decoder_options o = {.context = LENGTH, .sequences = COUNT, .tap = add, .tap_user = &in};
    assert_ok(decoder_open(&d, model, &o, &e), &e);
    assert_ok(decoder_chunks(d, tokens, COUNT, LENGTH, NULL, &e), &e);
    decoder_free(d);
    return in;
}

static struct inputs layer_by_layer(enum tensor_role role, int layer, enum decoder_stage stage)
{
    struct error e = {0};
    struct decoder *d;
    const struct tensor *t = model_role(model, role, layer);
    struct inputs in = {.sum = xcalloc(t->shape[0], sizeof *in.sum)};
    struct decoder_options o = {.context = LENGTH, .sequences = COUNT, .tap = add, .tap_user = &in};
    float *x = xmalloc(sizeof *x * COUNT * LENGTH * model->hp.embd), first = NAN;
    assert_ok(decoder_open(&d, model, &o, &e), &e);
    decoder_embed(d, tokens, COUNT, LENGTH, x);
    for (int i = 0; i < layer; i++)
        decoder_layer(d, i, STAGE_WHOLE, COUNT, LENGTH, x);
    in.of = t;
    first = x[5];
    decoder_layer(d, layer, stage, COUNT, LENGTH, x);
    assert_true(x[5] == first); /* a layer that ends early leaves the stream as it was */
    decoder_free(d);
    free(x);
    return in;
}

static void stages_meet_the_same_inputs(void **state)
{
    (void)state;
    static const struct { enum tensor_role role; enum decoder_stage stage; } cases[] = {
        {ROLE_ATTN_Q, STAGE_QKV}, {ROLE_ATTN_V, STAGE_QKV}, {ROLE_ATTN_OUTPUT, STAGE_ATTN_OUTPUT},
        {ROLE_FFN_UP, STAGE_GATE_UP}, {ROLE_FFN_DOWN, STAGE_DOWN},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct inputs a = in_one_pass(cases[i].role, 2), b = layer_by_layer(cases[i].role, 2, cases[i].stage);
        assert_int_equal(a.rows, COUNT * LENGTH);
        assert_int_equal(b.rows, COUNT * LENGTH);
        for (int64_t c = 0; c < a.of->shape[0]; c++)
            assert_true(a.sum[c] == b.sum[c]);
        free(a.sum);
        free(b.sum);
    }
}

static void what_is_asked_for_is_replaced(void **state)
{
    (void)state;
    struct error e = {0};
    struct layerwise l;
    struct chunks text = {.tokens = tokens, .count = COUNT, .length = LENGTH};
    const struct quant_type **types = xcalloc(model->tensor_count, sizeof *types);
    const struct tensor *up = model_role(model, ROLE_FFN_UP, 1), *key = model_role(model, ROLE_ATTN_K, 3);
    float *x = xmalloc(4096 * sizeof *x), *y = xmalloc(4096 * sizeof *y);
    for (int i = 0; i < model->tensor_count; i++) /* asked for, but not to be had: outside of layers, or no matrix */
        types[i] = model->tensors[i].layer < 0 || model->tensors[i].dims < 2 ? quant_type(QUANT_Q4_0) : NULL;
    types[up - model->tensors] = quant_type(QUANT_Q4_K);
    types[key - model->tensors] = quant_type(QUANT_Q5_0);
    assert_ok(layerwise_run(&l, model, types, &text, ".", NULL, &e), &e);
    const struct model *fork = l.fork;
    for (int i = 0; i < model->tensor_count; i++) {
        const struct tensor *t = &model->tensors[i];
        bool made = t == up || t == key;
        assert_int_equal(l.tensors[i].blocks != NULL, made);
        assert_ptr_equal(fork->tensors[i].type, made ? types[i] : t->type);
        if (!made)
            assert_ptr_equal(fork->tensors[i].data, t->data);
    }
    assert_ptr_equal(up->type, quant_type(QUANT_F16));
    assert_false(l.tensors[up - model->tensors].result.plain);
    assert_true(l.tensors[up - model->tensors].result.loss > 0);
    /* Near the original, and not what rounding to nearest gives. */
    tensor_read(up, 0, 4096, x);
    tensor_read(model_tensor(fork, up->name), 0, 4096, y);
    double power = 0, error = 0;
    for (int i = 0; i < 4096; i++) {
        power += x[i] * x[i];
        error += (x[i] - y[i]) * (x[i] - y[i]);
    }
    assert_true(error > 0 && error < 0.05 * power);
    layerwise_done(&l);
    free(types);
    free(x);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_meet_the_same_inputs),
        cmocka_unit_test(what_is_asked_for_is_replaced),
    };
    return cmocka_run_group_tests(tests, open_demo, close_demo);
}
