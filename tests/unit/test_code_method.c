/* Checkpoint formats over the demo model, layer by layer: folding scales changes no logits, what the store holds is what
 * the walk went on with, and which tensors get room in it. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "calib/code_method.h"
#include "infer/decoder.h"
#include "pack/codes.h"

enum { LENGTH = 32, COUNT = 16 };

static struct model *model;
static bool *wanted;
static int32_t tokens[COUNT * LENGTH];
static char store[64];

static int open_demo(void **state)
{
    (void)state;
    struct error e = {0};
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    for (int i = 0; i < COUNT * LENGTH; i++)
        tokens[i] = (i * 131 + 7) % 4096;
    snprintf(store, sizeof store, "code-method-%d.store", (int)getpid());
    int rc = model_open(&model, path, 0, &e);
    free(path);
    if (rc)
        return rc;
    wanted = xcalloc(model->tensor_count, sizeof *wanted);
    for (int i = 0; i < model->tensor_count; i++)
        wanted[i] = model->tensors[i].layer >= 0 && model->tensors[i].dims == 2 && !model->tensors[i].bias;
    return 0;
}

static int close_demo(void **state)
{
    (void)state;
    free(wanted);
    model_close(model);
    return 0;
}

static struct layerwise walk(const struct layerwise_method *m)
{
    struct error e = {0};
    struct layerwise l;
    const struct chunks text = {.tokens = tokens, .count = COUNT, .length = LENGTH};
    const struct layerwise_job j = {.model = model, .method = m, .text = &text, .store = store, .fingerprint = "test"};
    assert_ok(layerwise_run(&l, &j, &e), &e);
    return l;
}

/* The last position's logits of each sequence. */
static void logits_of(const struct model *m, float *out)
{
    struct error e = {0};
    struct decoder *d;
    struct decoder_options o = {.context = LENGTH, .sequences = COUNT};
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    assert_ok(decoder_chunks(d, tokens, COUNT, LENGTH, NULL, &e), &e);
    for (int i = 0; i < COUNT; i++)
        decoder_logits(d, i * LENGTH + LENGTH - 1, 1, out + (int64_t)i * m->hp.vocab);
    decoder_free(d);
}

/* The model with floats in place of what the store holds; `read` gives them. Free its tensors' data with it. */
static struct model *with_store(const struct code_method *c, const struct layerwise *l,
                                void (*read)(const struct code_method *c, int i, const unsigned char *to, float *x))
{
    struct model *fork = model_fork(model);
    for (int i = 0; i < model->tensor_count; i++) {
        struct tensor *t = &fork->tensors[i];
        if (!l->tensors[i].to)
            continue;
        float *x = xaligned(tensor_elements(t) * sizeof *x);
        read(c, i, l->tensors[i].to, x);
        t->type = quant_type(QUANT_F32);
        t->bytes = tensor_elements(t) * sizeof *x;
        t->data = (const unsigned char *)x;
        t->source = NULL;
    }
    return fork;
}

static void free_with_store(struct model *fork, const struct layerwise *l)
{
    for (int i = 0; i < model->tensor_count; i++)
        if (l->tensors[i].to)
            free((void *)fork->tensors[i].data);
    model_fork_free(fork);
}

/* ---------------------------------------------------------------- folding alone */

static uint64_t floats_bytes(void *user, const struct tensor *t)
{
    const struct code_method *c = user;
    return c->method.bytes(user, t) ? tensor_elements(t) * sizeof(float) : 0;
}

static void keep_floats(void *user, struct layerwise_group *g)
{
    (void)user;
    for (int i = 0; i < g->count; i++) {
        struct layerwise_weight *w = &g->weights[i];
        memcpy(w->to, w->w, w->rows * w->columns * sizeof *w->w);
        w->result.loss = 0;
    }
}

static void decode_floats(void *user, const struct layerwise_weight *w)
{
    (void)user;
    memcpy(w->w, w->to, w->rows * w->columns * sizeof *w->w);
}

static void read_floats(const struct code_method *c, int i, const unsigned char *to, float *x)
{
    (void)c;
    memcpy(x, to, tensor_elements(&model->tensors[i]) * sizeof *x);
}

static struct scheme scheme(const char *name)
{
    struct error e;
    struct scheme s;
    assert_ok(scheme_parse(&s, name, &e), &e);
    return s;
}

/* How far each tensor of a role is from the model's, relative to its numbers. */
static double moved(const struct model *fork, enum tensor_role role)
{
    double error = 0, power = 0;
    for (int i = 0; i < model->tensor_count; i++) {
        const struct tensor *t = &model->tensors[i];
        int64_t n = tensor_elements(t);
        if (t->role != role || t->layer < 0)
            continue;
        float *a = xmalloc(n * sizeof *a), *b = xmalloc(n * sizeof *b);
        tensor_read(t, 0, n, a);
        tensor_read(&fork->tensors[i], 0, n, b);
        quant_loss(a, b, n, &power, &error);
        free(a);
        free(b);
    }
    return sqrt(error / power);
}

static const struct {
    const char *name;
    bool into_weights; /* not into norms alone */
} folding[] = {{"awq-int4-g64", true}, {"w8a8-smooth", false}};

static void folding_changes_no_logits(void **state)
{
    (void)state;
    int64_t n = (int64_t)COUNT * model->hp.vocab;
    float *a = xmalloc(n * sizeof *a), *b = xmalloc(n * sizeof *b);
    logits_of(model, a);
    for (size_t i = 0; i < ARRAY_LENGTH(folding); i++) {
        struct scheme s = scheme(folding[i].name);
        struct code_method c;
        code_method_init(&c, model, &s, wanted, false);
        struct layerwise_method m = c.method;
        m.bytes = floats_bytes;
        m.encode = keep_floats;
        m.decode = decode_floats;
        struct layerwise l = walk(&m);
        struct model *fork = with_store(&c, &l, read_floats);
        logits_of(fork, b);
        for (int64_t k = 0; k < n; k++)
            assert_float_equal(a[k], b[k], 2e-3);
        /* And it does something. */
        assert_true(moved(fork, ROLE_ATTN_NORM) > 0.01);
        assert_true(moved(fork, ROLE_FFN_NORM) > 0.01);
        assert_true(moved(fork, ROLE_ATTN_Q) > 0.01);
        assert_true((moved(fork, ROLE_FFN_DOWN) > 0.01) == folding[i].into_weights);
        assert_true((moved(fork, ROLE_ATTN_OUTPUT) > 0.01) == folding[i].into_weights);
        free_with_store(fork, &l);
        layerwise_done(&l, false);
    }
    free(a);
    free(b);
}

/* ------------------------------------------------------------------------ codes */

static void read_codes(const struct code_method *c, int i, const unsigned char *to, float *x)
{
    if (!wanted[i]) {
        read_floats(c, i, to, x);
        return;
    }
    struct codes codes = code_method_codes(c, &model->tensors[i], to, 0);
    codes_floats(&codes, x);
}

static double logits_moved(const char *name)
{
    int64_t n = (int64_t)COUNT * model->hp.vocab;
    float *a = xmalloc(n * sizeof *a), *b = xmalloc(n * sizeof *b);
    struct scheme s = scheme(name);
    struct code_method c;
    code_method_init(&c, model, &s, wanted, false);
    struct layerwise l = walk(&c.method);
    struct model *fork = with_store(&c, &l, read_codes);
    for (int i = 0; i < model->tensor_count; i++)
        assert_true(!wanted[i] || (l.tensors[i].to && isfinite(l.tensors[i].result.loss)));
    logits_of(model, a);
    logits_of(fork, b);
    double power = 0, error = 0;
    quant_loss(a, b, n, &power, &error);
    free_with_store(fork, &l);
    layerwise_done(&l, false);
    free(a);
    free(b);
    return sqrt(error / power);
}

/* Codes of eight bits are next to nothing; fewer bits and larger groups are more. */
static void the_store_holds_the_model(void **state)
{
    (void)state;
    double least = logits_moved("gptq-int8-g64"), four = logits_moved("gptq-int4-g64"),
           three = logits_moved("gptq-int3-g64-act");
    assert_true(least < 0.01);
    assert_true(least < four && four < three && three < 0.5);
    assert_true(logits_moved("awq-int4-g64") < 0.2);
    assert_true(logits_moved("w8a8-smooth") < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_changes_no_logits),
        cmocka_unit_test(the_store_holds_the_model),
    };
    return cmocka_run_group_tests(tests, open_demo, close_demo);
}
