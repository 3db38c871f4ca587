/* Layer by layer over the demo model: the same inputs as in one pass, which tensors are made, and that neither an
 * interruption nor a lack of memory changes a byte of them. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/finite.h"
#include "calib/block_method.h"
#include "calib/broaden.h"
#include "calib/code_method.h"
#include "calib/layer_memory.h"
#include "infer/decoder.h"
#include "tests/unit/gguf_build.h"

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

static int64_t most_kept(const struct decoder *d)
{
    int64_t a = decoder_kept(d, STAGE_ATTN_OUTPUT), b = decoder_kept(d, STAGE_DOWN);
    return a > b ? a : b;
}

static struct inputs stage_by_stage(enum tensor_role role, int layer)
{
    struct error e = {0};
    struct decoder *d;
    const struct tensor *t = model_role(model, role, layer);
    struct inputs in = {.sum = xcalloc(t->shape[0], sizeof *in.sum)};
    struct decoder_options o = {.context = LENGTH, .sequences = COUNT, .tap = add, .tap_user = &in};
    assert_ok(decoder_open(&d, model, &o, &e), &e);
    float *x = xmalloc(sizeof *x * COUNT * LENGTH * model->hp.embd);
    float *kept = xmalloc(sizeof *kept * COUNT * LENGTH * most_kept(d));
    decoder_embed(d, tokens, COUNT, LENGTH, x);
    for (int i = 0; i < layer; i++)
        decoder_layer(d, i, COUNT, LENGTH, x);
    in.of = t;
    for (int s = 0; s < STAGE_COUNT; s++)
        decoder_layer_stage(d, layer, s, COUNT, LENGTH, x, kept);
    decoder_free(d);
    free(kept);
    free(x);
    return in;
}

static void stages_meet_the_same_inputs(void **state)
{
    (void)state;
    static const struct { enum tensor_role role; int layer; } cases[] = {
        {ROLE_ATTN_Q, 2}, {ROLE_ATTN_V, 2}, {ROLE_ATTN_OUTPUT, 2}, {ROLE_FFN_UP, 2}, {ROLE_FFN_DOWN, 2},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct inputs a = in_one_pass(cases[i].role, cases[i].layer), b = stage_by_stage(cases[i].role, cases[i].layer);
        assert_int_equal(a.rows, COUNT * LENGTH);
        assert_int_equal(b.rows, COUNT * LENGTH);
        for (int64_t c = 0; c < a.of->shape[0]; c++)
            assert_true(a.sum[c] == b.sum[c]);
        free(a.sum);
        free(b.sum);
    }
}

static void stages_make_what_a_layer_makes(void **state)
{
    (void)state;
    struct error e = {0};
    struct decoder *d;
    struct decoder_options o = {.context = LENGTH, .sequences = COUNT};
    assert_ok(decoder_open(&d, model, &o, &e), &e);
    size_t bytes = sizeof(float) * COUNT * LENGTH * model->hp.embd;
    float *x = xmalloc(bytes), *y = xmalloc(bytes), *kept = xmalloc(sizeof *kept * COUNT * LENGTH * most_kept(d));
    decoder_embed(d, tokens, COUNT, LENGTH, x);
    memcpy(y, x, bytes);
    for (int i = 0; i < model->hp.layers; i++) {
        decoder_layer(d, i, COUNT, LENGTH, x);
        for (int s = 0; s < STAGE_COUNT; s++)
            decoder_layer_stage(d, i, s, COUNT, LENGTH, y, kept);
        assert_memory_equal(x, y, bytes);
    }
    decoder_free(d);
    free(x);
    free(y);
    free(kept);
}

/* ------------------------------------------------------------------------ walks */

static const struct quant_type **types_for_all(enum quant_id id)
{
    const struct quant_type **types = xcalloc(model->tensor_count, sizeof *types);
    for (int i = 0; i < model->tensor_count; i++)
        types[i] = model->tensors[i].dims > 1 ? quant_type(id) : NULL;
    return types;
}

static struct chunks text = {.tokens = tokens, .count = COUNT, .length = LENGTH};
static const char store[] = "test_layerwise.layers";

/* Where a walk is broken off, and what it told. */
struct course {
    int layers, reused, notes, dropped, plain, stop_after;
    int passes;             /* that a layer of a mixture is gone through in */
    char rounded[1024];     /* of the second layer, what was rounded to nearest */
    bool lenient;           /* nothing is expected of its results */
    double share;           /* of the work, at the last tick */
    struct watch watch;
};

static void on_layer(void *user, const struct layerwise_report *r)
{
    struct course *c = user;
    c->layers++;
    c->reused += r->reused;
    c->plain += r->plain;
    assert_true(r->tensors > 0);
    if (c->lenient)
        return;
    assert_int_equal(r->plain, 0);
    assert_true(r->loss > 0);
    assert_true(r->inputs == COUNT * LENGTH);
}

static void on_note(void *user, const char *line)
{
    struct course *c = user;
    c->notes += strstr(line, "through a file") != NULL;
    c->dropped += strstr(line, "blk.1.ffn_up.weight: 1 of ") != NULL;
    const char *through = strstr(line, "layers are gone through ");
    if (through)
        c->passes = atoi(through + strlen("layers are gone through "));
    if (strstr(line, "layer 2: rounded to nearest"))
        snprintf(c->rounded, sizeof c->rounded, "%s", line);
}

static bool on_tick(struct watch *w, double done, double total, const char *what)
{
    struct course *c = w->user;
    (void)what;
    assert_true(done <= total && done / total >= c->share);
    c->share = done / total;
    return c->stop_after < 0 || c->layers < c->stop_after;
}

static int walk_by(struct layerwise *l, const struct layerwise_method *m, struct course *c, double memory,
                   struct error *e)
{
    const struct layerwise_listener listener = {.layer = on_layer, .note = on_note, .user = c};
    c->watch = (struct watch){on_tick, c};
    c->share = 0;
    const struct layerwise_job job = {.model = model, .method = m, .text = &text, .store = store,
                                      .fingerprint = "of a test", .resume = true, .memory_bytes = memory,
                                      .listener = &listener, .watch = &c->watch};
    return layerwise_run(l, &job, e);
}

static int walk(struct layerwise *l, const struct quant_type *const *types, struct course *c, double memory,
                struct error *e)
{
    struct block_method method;
    block_method_init(&method, model, types);
    return walk_by(l, &method.method, c, memory, e);
}

static void what_is_asked_for_is_made(void **state)
{
    (void)state;
    struct error e = {0};
    struct layerwise l;
    struct course c = {.stop_after = -1};
    const struct quant_type **types = xcalloc(model->tensor_count, sizeof *types);
    const struct tensor *up = model_role(model, ROLE_FFN_UP, 1), *key = model_role(model, ROLE_ATTN_K, 3);
    float *x = xmalloc(4096 * sizeof *x), *y = xmalloc(4096 * sizeof *y);
    for (int i = 0; i < model->tensor_count; i++) /* asked for, but not to be had: no matrix */
        types[i] = model->tensors[i].dims < 2 ? quant_type(QUANT_Q4_0) : NULL;
    types[up - model->tensors] = quant_type(QUANT_Q4_K);
    types[key - model->tensors] = quant_type(QUANT_Q5_0);
    assert_ok(walk(&l, types, &c, 0, &e), &e);
    assert_int_equal(c.layers, 2);
    for (int i = 0; i < model->tensor_count; i++) {
        const struct tensor *t = &model->tensors[i];
        assert_int_equal(l.tensors[i].to != NULL, t == up || t == key);
    }
    assert_ptr_equal(up->type, quant_type(QUANT_F16));
    assert_false(l.tensors[up - model->tensors].result.plain);
    assert_true(l.tensors[up - model->tensors].result.loss > 0);
    /* Near the original. */
    tensor_read(up, 0, 4096, x);
    quant_type(QUANT_Q4_K)->decode(l.tensors[up - model->tensors].to, y, 4096);
    double power = 0, error = 0;
    for (int i = 0; i < 4096; i++) {
        power += x[i] * x[i];
        error += (x[i] - y[i]) * (x[i] - y[i]);
    }
    assert_true(error > 0 && error < 0.05 * power);
    layerwise_done(&l, false);
    assert_false(file_exists(store));
    free(types);
    free(x);
    free(y);
}

static void assert_same(const struct layerwise *a, const struct layerwise *b, const struct quant_type *const *types)
{
    for (int i = 0; i < model->tensor_count; i++) {
        assert_int_equal(a->tensors[i].to != NULL, b->tensors[i].to != NULL);
        if (!a->tensors[i].to)
            continue;
        assert_memory_equal(a->tensors[i].to, b->tensors[i].to, quant_bytes(types[i], tensor_elements(&model->tensors[i])));
        assert_true(isnan(a->tensors[i].result.loss) || a->tensors[i].result.loss == b->tensors[i].result.loss);
    }
}

/* Broken off after every layer, and gone on with. */
static void a_walk_goes_on_where_it_was_broken_off(void **state)
{
    (void)state;
    const struct quant_type **types = types_for_all(QUANT_Q4_K);
    struct error e = {0};
    struct layerwise whole, part;
    struct course c = {.stop_after = -1};
    assert_ok(walk(&whole, types, &c, 0, &e), &e);
    assert_int_equal(c.layers, model->hp.layers);
    char *other = xasprintf("%s.whole", store); /* so that it is not gone on with */
    assert_int_equal(rename(store, other), 0);
    for (int i = 1; i <= model->hp.layers; i++) {
        c = (struct course){.stop_after = i};
        int rc = walk(&part, types, &c, 0, &e);
        if (i < model->hp.layers) {
            assert_int_equal(rc, ERROR_INTERRUPTED);
            assert_int_equal(c.layers, i);
            assert_int_equal(c.reused, i - 1);
            layerwise_done(&part, true);
            assert_true(file_exists(store));
        }
    }
    c = (struct course){.stop_after = -1};
    layerwise_done(&part, true);
    assert_ok(walk(&part, types, &c, 0, &e), &e);
    assert_int_equal(c.reused, c.layers);
    assert_same(&whole, &part, types);
    layerwise_done(&part, false);
    layerwise_done(&whole, false);
    remove(other);
    free(other);
    free(types);
}

static void damaged_layers_are_made_again(void **state)
{
    (void)state;
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    struct error e = {0};
    struct layerwise l;
    struct course c = {.stop_after = -1};
    assert_ok(walk(&l, types, &c, 0, &e), &e);
    const struct tensor *up = model_role(model, ROLE_FFN_UP, 1);
    unsigned char was = l.tensors[up - model->tensors].to[100];
    l.tensors[up - model->tensors].to[100] ^= 1;
    layerwise_done(&l, true);
    c = (struct course){.stop_after = -1};
    assert_ok(walk(&l, types, &c, 0, &e), &e);
    assert_int_equal(c.reused, model->hp.layers - 1);
    assert_int_equal(l.tensors[up - model->tensors].to[100], was);
    layerwise_done(&l, false);
    free(types);
}

/* Activations in a file make the same; with less memory than weights and moments need, it is refused. */
static void memory_is_forecast(void **state)
{
    (void)state;
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    struct error e = {0};
    struct layerwise roomy, tight;
    struct course c = {.stop_after = -1};
    assert_ok(walk(&roomy, types, &c, 1e12, &e), &e);
    char *other = xasprintf("%s.whole", store);
    assert_int_equal(rename(store, other), 0);
    struct block_method method;
    struct layer_memory need;
    struct decoder *d;
    const struct decoder_options o = {.context = LENGTH, .sequences = COUNT, .rough = true};
    assert_ok(decoder_open(&d, model, &o, &e), &e);
    block_method_init(&method, model, types);
    const struct layerwise_job job = {.model = model, .method = &method.method, .text = &text};
    int64_t embd = model->hp.embd, attention = decoder_kept(d, STAGE_ATTN_OUTPUT), most = most_kept(d);
    int64_t kept = 2 * attention > most ? 2 * attention : most;
    /* Of all samples, as floats: x, what is kept at most, and a difference, for the streams in turn. */
    double rooms = sizeof(float) * (double)COUNT * LENGTH * (double)(embd + 2 * most);
    rooms += 2.0 * (double)columns_bytes(COUNT * LENGTH, most);
    layer_memory_forecast(&need, &job, 1, 2 * embd + kept, (double)decoder_bytes(d) + rooms, 0);
    assert_true(need.weights > 0 && need.moments > 0 && need.activations > 0);
    double least = (need.weights + need.moments + need.buffers + need.activations / 2) / 0.9;
    assert_ok(walk(&tight, types, &c, least, &e), &e);
    assert_same(&roomy, &tight, types);
    layerwise_done(&tight, false);
    assert_true(c.notes > 0);
    assert_int_equal(walk(&tight, types, &c, 1e5, &e), ERROR_NOFIT);
    assert_non_null(strstr(e.text, "available"));
    layerwise_done(&tight, false);
    layerwise_done(&roomy, false);
    remove(other);
    decoder_free(d);
    free(other);
    free(types);
}

/* A made-up mixture of experts in place of the demo model. Filled with numbers, or zeros. */
static struct model *open_mixture(const char *path, bool filled, int ffn)
{
    const struct gguf_shape shape = {.layers = 2, .embd = 64, .heads = 4, .kv_heads = 2, .ffn = ffn, .vocab = 4096,
                                     .context = 64, .experts = 12, .experts_used = 2};
    struct model *m;
    struct error e = {0};
    gguf_build_file(gguf_build_llama(&shape, quant_type(QUANT_F16)), path, 0);
    if (filled)
        gguf_build_fill(path);
    assert_ok(model_open(&m, path, 0, &e), &e);
    return m;
}

/* Each expert is made, those that no token woke too; the untied output by its own inputs; and a second attempt finds
 * the same. */
static void experts_are_made_each(void **state)
{
    (void)state;
    struct error e = {0};
    struct layerwise whole, again;
    struct course c = {.stop_after = -1, .lenient = true};
    struct model *demo = model;
    model = open_mixture("test_layerwise.gguf", true, 96);
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    assert_ok(walk(&whole, types, &c, 0, &e), &e);
    assert_int_equal(c.layers, model->hp.layers + 1);
    for (int i = 0; i < model->tensor_count; i++) {
        const struct tensor *t = &model->tensors[i];
        if (!whole.tensors[i].to)
            continue;
        int64_t n = tensor_elements(t);
        float *x = xmalloc(n * sizeof *x), *y = xmalloc(n * sizeof *y);
        double power = 0, error = 0;
        tensor_read(t, 0, n, x);
        types[i]->decode(whole.tensors[i].to, y, n);
        quant_loss(x, y, n, &power, &error);
        if (!(error > 0 && error < 0.2 * power))
            fail_msg("%s: error %g of %g", t->name, error, power);
        free(x);
        free(y);
    }
    assert_non_null(whole.tensors[model_role(model, ROLE_FFN_DOWN_EXPS, 1) - model->tensors].to);
    assert_non_null(whole.tensors[model_role(model, ROLE_OUTPUT, -1) - model->tensors].to);
    layerwise_done(&whole, true);
    assert_ok(walk(&again, types, &c, 0, &e), &e);
    assert_int_equal(c.reused, model->hp.layers + 1);
    layerwise_done(&again, false);
    free(types);
    model_close(model);
    model = demo;
    remove("test_layerwise.gguf");
}

/* What a walk needs at least: it says so where it has less. */
static double least_memory(const struct layerwise_method *m)
{
    struct error e = {0};
    struct layerwise l;
    struct course c = {.stop_after = -1};
    char size[64] = "", unit[8] = "";
    assert_int_equal(walk_by(&l, m, &c, 1e5, &e), ERROR_NOFIT);
    layerwise_done(&l, false);
    assert_int_equal(sscanf(e.text, "going through the layers of %*s needs %63s %7s", size, unit), 2);
    assert_string_equal(unit, "MiB");
    return atof(size) * 0x1p20;
}

/* With less memory than the moments of all experts take, some are made at a time, and to the byte the same. */
static void some_experts_are_made_at_a_time(const struct layerwise_method *m)
{
    struct error e = {0};
    struct layerwise roomy, tight;
    struct course c = {.stop_after = -1, .lenient = true};
    assert_ok(walk_by(&roomy, m, &c, 1e12, &e), &e);
    assert_int_equal(c.passes, 0);
    char *other = xasprintf("%s.whole", store);
    assert_int_equal(rename(store, other), 0);
    assert_ok(walk_by(&tight, m, &c, least_memory(m) * 1.01, &e), &e);
    assert_in_range(c.passes, 3, 12);
    for (int i = 0; i < model->tensor_count; i++) {
        assert_int_equal(roomy.tensors[i].to != NULL, tight.tensors[i].to != NULL);
        if (roomy.tensors[i].to)
            assert_memory_equal(roomy.tensors[i].to, tight.tensors[i].to, m->bytes(m->user, &model->tensors[i]));
        assert_int_equal(roomy.tensors[i].result.plain, tight.tensors[i].result.plain);
    }
    layerwise_done(&tight, false);
    layerwise_done(&roomy, false);
    remove(other);
    free(other);
}

static void experts_need_not_all_fit(void **state)
{
    (void)state;
    struct error e;
    struct model *demo = model;
    model = open_mixture("test_layerwise.gguf", true, 256);
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    bool *wanted = xcalloc(model->tensor_count, sizeof *wanted);
    struct block_method blocks;
    struct code_method codes;
    struct scheme awq;
    assert_ok(scheme_parse(&awq, "awq-int4-g32", &e), &e);
    for (int i = 0; i < model->tensor_count; i++)
        wanted[i] = model->tensors[i].layer >= 0 && decoder_meets(model->tensors[i].role) < STAGE_COUNT;
    block_method_init(&blocks, model, types);
    some_experts_are_made_at_a_time(&blocks.method);
    code_method_init(&codes, model, &awq, wanted, false);
    some_experts_are_made_at_a_time(&codes.method);
    free(wanted);
    free(types);
    model_close(model);
    model = demo;
    remove("test_layerwise.gguf");
}

/* Behind a text's own samples, words alone, the same each time, and the first of the vocabulary oftener. */
static void a_text_is_broadened(void **state)
{
    (void)state;
    struct error e = {0};
    struct tokenizer *t;
    struct chunks c[2];
    int common = 0;
    assert_ok(tokenizer_open(&t, model, NULL, &e), &e);
    for (int k = 0; k < 2; k++) {
        c[k] = (struct chunks){.tokens = xcalloc(17 * 64, sizeof(int32_t)), .count = 17, .length = 64};
        broaden(&c[k], t);
        assert_int_equal(c[k].random, 2);
        assert_int_equal(c[k].count, 19);
    }
    assert_memory_equal(c[0].tokens, c[1].tokens, 19 * 64 * sizeof(int32_t));
    for (int i = 0; i < 19 * 64; i++) {
        int32_t token = c[0].tokens[i];
        size_t length = 0;
        if (i < 17 * 64) {
            assert_int_equal(token, 0);
            continue;
        }
        assert_in_range(token, 0, model->hp.vocab - 1);
        tokenizer_piece(t, token, false, &length);
        assert_true(length > 0 || (i % 64 == 0 && token == tokenizer_bos(t)));
        common += token < model->hp.vocab / 4;
    }
    assert_in_range(common, 64 + 1, 2 * 64 - 1);
    chunks_done(&c[0]);
    chunks_done(&c[1]);
    tokenizer_free(t);
}

/* A copy of a tensor's F16 numbers in a file of its own, which may be changed: bytes of a file can be forgotten. */
static uint16_t *own_halves(struct tensor *t)
{
    size_t bytes = tensor_elements(t) * sizeof(uint16_t);
    FILE *file = tmpfile();
    assert_int_equal(fwrite(t->data, 1, bytes, file), bytes);
    assert_int_equal(fflush(file), 0);
    uint16_t *halves = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_true(halves != MAP_FAILED);
    fclose(file);
    t->data = (const unsigned char *)halves;
    return halves;
}

static void assert_finite(const struct layerwise *l, const struct quant_type *to)
{
    for (int i = 0; i < model->tensor_count; i++) {
        int64_t n = tensor_elements(&model->tensors[i]);
        float *x = xmalloc(n * sizeof *x);
        if (l->tensors[i].to)
            to->decode(l->tensors[i].to, x, n);
        assert_true(!l->tensors[i].to || find_not_finite(x, n) < 0);
        free(x);
    }
}

/* Both streams compute with 0 in their place: the damaged weight alone is rounded to nearest, with 0 where it holds none,
 * and what follows knows its drift. A second attempt finds the same. */
static void weights_that_are_no_numbers_are_rounded_to_nearest(void **state)
{
    (void)state;
    struct error e = {0};
    struct layerwise l, again;
    struct course c = {.stop_after = -1, .lenient = true};
    struct model *demo = model, *damaged = model_fork(model);
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    struct tensor *up = (struct tensor *)model_role(damaged, ROLE_FFN_UP, 1);
    int64_t n = tensor_elements(up), at = up - damaged->tensors;
    uint16_t *halves = own_halves(up);
    float *x = xmalloc(n * sizeof *x), *y = xmalloc(n * sizeof *y);
    halves[777] = 0x7e00;
    model = damaged;
    assert_ok(walk(&l, types, &c, 0, &e), &e);
    assert_int_equal(c.dropped, 1);
    assert_int_equal(c.plain, 1);
    assert_string_equal(c.rounded, "");
    assert_finite(&l, quant_type(QUANT_Q4_0));
    for (int i = 0; i < model->tensor_count; i++) {
        assert_int_equal(l.tensors[i].damaged, i == at);
        assert_true(!l.tensors[i].to || i == at || model->tensors[i].layer < 0 || isfinite(l.tensors[i].result.loss));
    }
    assert_true(isnan(l.tensors[at].result.inputs)); /* it went by none, which does not make them few */
    tensor_read(up, 0, n, x);
    x[777] = 0;
    quant_type(QUANT_Q4_0)->encode(x, NULL, y, n);
    assert_memory_equal(l.tensors[at].to, y, quant_bytes(quant_type(QUANT_Q4_0), n));
    layerwise_done(&l, true);
    assert_ok(walk(&again, types, &c, 0, &e), &e);
    assert_int_equal(again.tensors[at].damaged, 1);
    layerwise_done(&again, false);
    model = demo;
    model_fork_free(damaged);
    munmap(halves, n * sizeof *halves);
    free(types);
    free(x);
    free(y);
}

/* Of a mixture one expert alone; and the embedding, whose token no stream may make anything of. */
static void a_damaged_expert_is_rounded_alone(void **state)
{
    (void)state;
    struct error e = {0};
    struct layerwise l;
    struct course c = {.stop_after = -1, .lenient = true};
    struct model *demo = model;
    model = open_mixture("test_layerwise.gguf", true, 96);
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    types[model_role(model, ROLE_TOKEN_EMBD, -1) - model->tensors] = NULL;
    struct model *damaged = model_fork(model), *whole = model;
    struct tensor *down = (struct tensor *)model_role(damaged, ROLE_FFN_DOWN_EXPS, 0),
                  *embedding = (struct tensor *)model_role(damaged, ROLE_TOKEN_EMBD, -1);
    int64_t at = down - damaged->tensors;
    uint16_t *experts = own_halves(down), *rows = own_halves(embedding);
    int64_t of_expert = down->shape[0] * down->shape[1];
    experts[5 * of_expert + 3] = 0x7c00;
    rows[tokens[0] * embedding->shape[0]] = 0x7e00;
    model = damaged;
    assert_ok(walk(&l, types, &c, 0, &e), &e);
    assert_int_equal(l.tensors[at].damaged, 1);
    assert_true(l.tensors[at].result.plain < 12);
    assert_true(isfinite(l.tensors[at].result.loss));
    assert_finite(&l, quant_type(QUANT_Q4_0));
    layerwise_done(&l, false);
    munmap(experts, tensor_elements(down) * sizeof *experts);
    munmap(rows, tensor_elements(embedding) * sizeof *rows);
    model_fork_free(damaged);
    model_close(whole);
    model = demo;
    free(types);
    remove("test_layerwise.gguf");
}

/* Inputs that are all zero say nothing: every tensor is rounded to nearest, and that is told. */
static void without_inputs_everything_is_plain(void **state)
{
    (void)state;
    struct error e = {0};
    struct layerwise l;
    struct course c = {.stop_after = -1, .lenient = true};
    struct model *demo = model;
    model = open_mixture("test_layerwise.gguf", false, 96);
    const struct quant_type **types = types_for_all(QUANT_Q4_0);
    assert_ok(walk(&l, types, &c, 0, &e), &e);
    for (int i = 0; i < model->tensor_count; i++)
        assert_true(!l.tensors[i].to || l.tensors[i].result.plain);
    assert_true(c.plain > 0);
    assert_non_null(strstr(c.rounded, "blk.1.attn_q.weight, "));
    assert_non_null(strstr(c.rounded, "12 of 12 experts of blk.1.ffn_down_exps.weight"));
    layerwise_done(&l, false);
    free(types);
    model_close(model);
    model = demo;
    remove("test_layerwise.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_meet_the_same_inputs),
        cmocka_unit_test(stages_make_what_a_layer_makes),
        cmocka_unit_test(what_is_asked_for_is_made),
        cmocka_unit_test(a_walk_goes_on_where_it_was_broken_off),
        cmocka_unit_test(damaged_layers_are_made_again),
        cmocka_unit_test(memory_is_forecast),
        cmocka_unit_test(experts_are_made_each),
        cmocka_unit_test(experts_need_not_all_fit),
        cmocka_unit_test(a_text_is_broadened),
        cmocka_unit_test(weights_that_are_no_numbers_are_rounded_to_nearest),
        cmocka_unit_test(a_damaged_expert_is_rounded_alone),
        cmocka_unit_test(without_inputs_everything_is_plain),
    };
    return cmocka_run_group_tests(tests, open_demo, close_demo);
}
