/* The decoder on small made-up models, against a plain forward pass in double precision;
 * chunks against appended tokens; what it refuses; the demo model against transformers. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "base/cpu.h"
#include "infer/decoder.h"
#include "quant/half.h"
#include "tests/unit/gguf_build.h"
#include "tests/unit/noise.h"
#include "tests/unit/plain_decoder.h"

static const struct plain_block llama;

static char folder[] = "/tmp/test_decoder.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* -------------------------------------------------------------- made-up models */

/* Adds what a test wants beyond the plain llama: metadata or tensors. */
typedef void adder(struct gguf_writer *w, const struct gguf_shape *s);

static struct model *make_model(const struct gguf_shape *s, enum quant_id type, adder *add)
{
    struct gguf_writer *w = gguf_build_llama(s, quant_type(type));
    struct model *m;
    struct error e;
    if (add)
        add(w, s);
    gguf_build_file(w, path, 0);
    gguf_build_fill(path);
    assert_ok(model_open(&m, path, 0, &e), &e);
    return m;
}

static void add_vector(struct gguf_writer *w, const char *name, int layer, int64_t length)
{
    char whole[64];
    snprintf(whole, sizeof whole, "blk.%d.%s", layer, name);
    gguf_writer_tensor(w, layer < 0 ? name : whole, quant_type(QUANT_F32), 1, &length);
}

static void add_biases(struct gguf_writer *w, const struct gguf_shape *s)
{
    int64_t head = s->head_length ? s->head_length : s->embd / s->heads;
    for (int i = 0; i < s->layers; i++) {
        add_vector(w, "attn_q.bias", i, head * s->heads);
        add_vector(w, "attn_k.bias", i, head * s->kv_heads);
        add_vector(w, "attn_v.bias", i, head * s->kv_heads);
        add_vector(w, "attn_output.bias", i, s->embd);
        add_vector(w, "ffn_down.bias", i, s->embd);
    }
}

static void add_head_norms(struct gguf_writer *w, const struct gguf_shape *s)
{
    int64_t head = s->head_length ? s->head_length : s->embd / s->heads;
    for (int i = 0; i < s->layers; i++) {
        add_vector(w, "attn_q_norm.weight", i, head);
        add_vector(w, "attn_k_norm.weight", i, head);
    }
}

static void add_post_norms(struct gguf_writer *w, const struct gguf_shape *s)
{
    for (int i = 0; i < s->layers; i++) {
        add_vector(w, "post_attention_norm.weight", i, s->embd);
        add_vector(w, "post_ffw_norm.weight", i, s->embd);
    }
}

static void add_factors(struct gguf_writer *w, const struct gguf_shape *s)
{
    add_vector(w, "rope_freqs.weight", -1, (s->head_length ? s->head_length : s->embd / s->heads) / 2);
}

static void add_scales(struct gguf_writer *w, const struct gguf_shape *s)
{
    (void)s;
    gguf_writer_text(w, "llama.rope.scaling.type", "linear");
    gguf_writer_f32(w, "llama.rope.scaling.factor", 2);
    gguf_writer_f32(w, "llama.logit_scale", 0.25f);
    gguf_writer_f32(w, "llama.embedding_scale", 3);
    gguf_writer_f32(w, "llama.residual_scale", 0.5f);
    gguf_writer_f32(w, "llama.attention.scale", 0.2f);
    gguf_writer_f32(w, "llama.attn_logit_softcapping", 4);
    gguf_writer_f32(w, "llama.final_logit_softcapping", 2);
    gguf_writer_u32(w, "llama.rope.dimension_count", 8);
}

/* ----------------------------------------------------------------------- tests */

enum { SEQUENCES = 2, LENGTH = 37 };

static void make_tokens(int32_t *tokens, int count, int vocab)
{
    struct noise n = {.state = 5};
    for (int i = 0; i < count; i++)
        tokens[i] = (int32_t)(noise_uniform(&n) * vocab);
}

static struct decoder *open_decoder(const struct model *m, int context, int sequences)
{
    struct decoder *d;
    struct error e;
    struct decoder_options o = {.context = context, .sequences = sequences};
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    return d;
}

/* Logits of these models are of size 1 to 10; float32 through a few layers leaves 2e-6 or so of that. */
static void compare(const float *got, const double *want, int count, int vocab, const char *what)
{
    for (int64_t i = 0; i < (int64_t)count * vocab; i++)
        if (!(fabs(got[i] - want[i]) <= 3e-5))
            fail_msg("%s: token %d, logit %d is %.9g, expected %.9g", what, (int)(i / vocab),
                     (int)(i % vocab), got[i], want[i]);
}

static void check_chunks(const struct model *m, const int32_t *tokens, double *const want[SEQUENCES])
{
    struct error e;
    struct decoder *d = open_decoder(m, LENGTH, SEQUENCES);
    float *logits = xmalloc((size_t)LENGTH * m->hp.vocab * sizeof *logits);
    assert_ok(decoder_chunks(d, tokens, SEQUENCES, LENGTH, NULL, &e), &e);
    for (int s = 0; s < SEQUENCES; s++) {
        decoder_logits(d, s * LENGTH, LENGTH, logits);
        compare(logits, want[s], LENGTH, m->hp.vocab, "chunks");
    }
    free(logits);
    decoder_free(d);
}

/* A prompt, then a token at a time; then once more after decoder_clear. */
static void check_append(const struct model *m, const int32_t *tokens, const double *want)
{
    enum { PROMPT = 20 };
    struct error e;
    struct decoder *d = open_decoder(m, LENGTH, 1);
    float *logits = xmalloc((size_t)PROMPT * m->hp.vocab * sizeof *logits);
    for (int turn = 0; turn < 2; turn++) {
        decoder_clear(d);
        assert_ok(decoder_append(d, tokens, PROMPT, &e), &e);
        decoder_logits(d, 0, PROMPT, logits);
        compare(logits, want, PROMPT, m->hp.vocab, "prompt");
        for (int i = PROMPT; i < LENGTH; i++) {
            assert_ok(decoder_append(d, tokens + i, 1, &e), &e);
            decoder_logits(d, 0, 1, logits);
            compare(logits, want + (int64_t)i * m->hp.vocab, 1, m->hp.vocab, "append");
        }
    }
    assert_int_not_equal(decoder_append(d, tokens, 1, &e), 0);
    assert_says(&e, "in a context of 37");
    free(logits);
    decoder_free(d);
}

static void check_model(const struct gguf_shape *s, enum quant_id type, adder *add)
{
    struct model *m = make_model(s, type, add);
    int32_t tokens[SEQUENCES * LENGTH];
    double *want[SEQUENCES];
    make_tokens(tokens, SEQUENCES * LENGTH, m->hp.vocab);
    for (int i = 0; i < SEQUENCES; i++)
        want[i] = plain_forward(m, &llama, tokens + i * LENGTH, LENGTH);
    check_chunks(m, tokens, want);
    check_append(m, tokens, want[0]);
    for (int i = 0; i < SEQUENCES; i++)
        free(want[i]);
    model_close(m);
}

static const struct gguf_shape small = {.layers = 2,
                                        .embd = 48,
                                        .heads = 6,
                                        .kv_heads = 2,
                                        .ffn = 80,
                                        .vocab = 101,
                                        .context = 64,
                                        .head_length = 16};
static const struct gguf_shape plain = {
    .layers = 3, .embd = 64, .heads = 4, .kv_heads = 4, .ffn = 96, .vocab = 64, .context = 64, .tied = true};
static const struct gguf_shape blocks = {.layers = 2,
                                         .embd = 256,
                                         .heads = 8,
                                         .kv_heads = 2,
                                         .ffn = 512,
                                         .vocab = 90,
                                         .context = 64,
                                         .tied = true};

static void grouped_queries(void **state) { (void)state; check_model(&small, QUANT_F32, NULL); }
static void tied_f16(void **state) { (void)state; check_model(&plain, QUANT_F16, NULL); }
static void tied_q8(void **state) { (void)state; check_model(&plain, QUANT_Q8_0, NULL); }
static void k_quants(void **state) { (void)state; check_model(&blocks, QUANT_Q4_K, NULL); }
static void rotary_factors(void **state) { (void)state; check_model(&small, QUANT_F32, add_factors); }
static void biases(void **state) { (void)state; check_model(&small, QUANT_F32, add_biases); }
static void head_norms(void **state) { (void)state; check_model(&small, QUANT_F32, add_head_norms); }
static void post_norms(void **state) { (void)state; check_model(&small, QUANT_F32, add_post_norms); }
static void scales_and_caps(void **state) { (void)state; check_model(&small, QUANT_F32, add_scales); }

/* The same bits for any number of threads. */
static void any_number_of_threads(void **state)
{
    (void)state;
    struct model *m = make_model(&blocks, QUANT_Q4_K, NULL);
    struct error e;
    int32_t tokens[SEQUENCES * LENGTH];
    float logits[2][10 * 90];
    make_tokens(tokens, SEQUENCES * LENGTH, m->hp.vocab);
    for (int i = 0; i < 2; i++) {
        threads_set(i ? 5 : 1);
        struct decoder *d = open_decoder(m, LENGTH, SEQUENCES);
        assert_ok(decoder_chunks(d, tokens, SEQUENCES, LENGTH, NULL, &e), &e);
        decoder_logits(d, LENGTH - 5, 10, logits[i]);
        decoder_free(d);
    }
    threads_set(0);
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    model_close(m);
}

struct taps {
    int calls, rows, columns;
    double sum;
};

static void count_tap(void *user, const struct tensor *t, int expert, const float *x, int64_t rows,
                      int64_t columns)
{
    assert_int_equal(expert, 0);
    struct taps *taps = user;
    assert_int_equal(t->shape[0], columns);
    taps->calls++;
    taps->rows += (int)rows;
    taps->columns += (int)columns;
    for (int64_t i = 0; i < rows * columns; i++)
        taps->sum += fabsf(x[i]);
}

static void tap_sees_inputs(void **state)
{
    (void)state;
    struct model *m = make_model(&small, QUANT_F32, NULL);
    struct taps taps = {0};
    struct decoder_options o = {
        .context = LENGTH, .sequences = SEQUENCES, .tap = count_tap, .tap_user = &taps};
    struct decoder *d;
    struct error e;
    int32_t tokens[SEQUENCES * LENGTH];
    make_tokens(tokens, SEQUENCES * LENGTH, m->hp.vocab);
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    assert_ok(decoder_chunks(d, tokens, SEQUENCES, LENGTH, NULL, &e), &e);
    assert_int_equal(taps.calls, 2 * 7);
    assert_int_equal(taps.rows, 2 * 7 * SEQUENCES * LENGTH);
    assert_int_equal(taps.columns, 2 * (5 * 48 + 96 + 80));
    assert_true(taps.sum > 0 && isfinite(taps.sum));
    decoder_free(d);
    model_close(m);
}

/* Chunks and appended tokens do not disturb each other, whatever the decoder was opened for. */
static void chunks_beside_append(void **state)
{
    (void)state;
    struct model *m = make_model(&small, QUANT_F32, NULL);
    struct error e;
    int32_t tokens[SEQUENCES * LENGTH];
    float logits[101], again[101];
    make_tokens(tokens, SEQUENCES * LENGTH, m->hp.vocab);
    double *want = plain_forward(m, &llama, tokens, LENGTH);
    for (int sequences = 0; sequences <= SEQUENCES; sequences += SEQUENCES) {
        struct decoder *d = open_decoder(m, LENGTH, sequences);
        uint64_t bytes = decoder_bytes(d);
        assert_ok(decoder_append(d, tokens, 30, &e), &e);
        assert_true(sequences ? decoder_bytes(d) > bytes : decoder_bytes(d) == bytes);
        if (sequences)
            assert_ok(decoder_chunks(d, tokens + LENGTH, sequences, 10, NULL, &e), &e);
        assert_ok(decoder_append(d, tokens + 30, 2, &e), &e);
        decoder_logits(d, 1, 1, logits);
        compare(logits, want + 31 * m->hp.vocab, 1, m->hp.vocab, "after chunks");
        decoder_logits(d, 1, 1, again);
        assert_memory_equal(logits, again, sizeof logits);
        decoder_free(d);
    }
    free(want);
    model_close(m);
}

/* Two models that take turns in the same buffers, a layer at a time: each makes what it makes alone. */
static void decoders_beside_each_other(void **state)
{
    (void)state;
    struct model *models[2] = {make_model(&small, QUANT_F32, NULL), make_model(&small, QUANT_F32, add_scales)};
    struct decoder *alone[2], *beside[2];
    struct error e;
    int32_t tokens[SEQUENCES * LENGTH];
    enum { FLOATS = SEQUENCES * LENGTH * 48 };
    float x[2][FLOATS], want[2][FLOATS];
    make_tokens(tokens, SEQUENCES * LENGTH, models[0]->hp.vocab);
    for (int i = 0; i < 2; i++) {
        const struct decoder_options o = {.context = LENGTH, .sequences = SEQUENCES, .beside = i ? beside[0] : NULL};
        assert_int_equal(models[i]->hp.embd, 48);
        alone[i] = open_decoder(models[i], LENGTH, SEQUENCES);
        assert_ok(decoder_open(&beside[i], models[i], &o, &e), &e);
        decoder_embed(alone[i], tokens, SEQUENCES, LENGTH, want[i]);
        decoder_embed(beside[i], tokens, SEQUENCES, LENGTH, x[i]);
    }
    for (int layer = 0; layer < models[0]->hp.layers; layer++)
        for (int i = 0; i < 2; i++) {
            decoder_layer(alone[i], layer, SEQUENCES, LENGTH, want[i]);
            decoder_layer(beside[i], layer, SEQUENCES, LENGTH, x[i]);
        }
    assert_memory_equal(x, want, sizeof x);
    assert_memory_not_equal(x[0], x[1], sizeof x[0]);
    assert_true(decoder_bytes(beside[1]) < decoder_bytes(alone[1]) / 10);
    for (int i = 1; i >= 0; i--) {
        decoder_free(alone[i]);
        decoder_free(beside[i]);
        model_close(models[i]);
    }
}

/* Rounded inputs change the result, but not much: 2^-8 of the largest of each block. */
static void rounded_activations(void **state)
{
    (void)state;
    struct model *m = make_model(&plain, QUANT_Q8_0, NULL);
    struct decoder_options o = {.context = LENGTH, .sequences = 1, .activations = ACTIVATIONS_Q8};
    struct decoder *d;
    struct error e;
    int32_t tokens[LENGTH];
    float logits[LENGTH * 64];
    double most = 0;
    make_tokens(tokens, LENGTH, m->hp.vocab);
    double *want = plain_forward(m, &llama, tokens, LENGTH);
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    assert_ok(decoder_chunks(d, tokens, 1, LENGTH, NULL, &e), &e);
    decoder_logits(d, 0, LENGTH, logits);
    for (int i = 0; i < LENGTH * 64; i++)
        most = fmax(most, fabs(logits[i] - want[i]));
    assert_true(most > 1e-3 && most < 0.5);
    free(want);
    decoder_free(d);
    model_close(m);
}

/* A weight that is no number makes the logits so, and nothing else happens. */
static void damaged_weights(void **state)
{
    (void)state;
    struct model *m = make_model(&small, QUANT_F32, NULL);
    struct error e;
    float nan = NAN, logits[101];
    const struct gguf *g = &m->shards[0];
    uint64_t offset = (uint64_t)(model_tensor(m, "blk.0.ffn_norm.weight")->data - g->map.data);
    model_close(m);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, &nan, sizeof nan, (off_t)offset), sizeof nan);
    close(fd);
    assert_ok(model_open(&m, path, 0, &e), &e);
    struct decoder *d = open_decoder(m, 8, 1);
    assert_ok(decoder_chunks(d, (int32_t[]){1, 2, 3, 4, 5, 6}, 1, 6, NULL, &e), &e);
    decoder_logits(d, 5, 1, logits);
    assert_true(isnan(logits[0]));
    assert_ok(decoder_append(d, (int32_t[]){1}, 1, &e), &e);
    decoder_logits(d, 0, 1, logits);
    assert_true(isnan(logits[0]));
    decoder_free(d);
    model_close(m);
}

/* -------------------------------------------------------------------- refusals */

static void refuses_model(const struct model *m, const char *part)
{
    struct decoder_options o = {.context = 16, .sequences = 1};
    struct decoder *d;
    struct error e = {0};
    assert_int_not_equal(decoder_open(&d, m, &o, &e), 0);
    assert_null(d);
    assert_says(&e, part);
}

/* Builds the file with one thing wrong; the error must say so. */
static void refuses(adder *spoil, const char *part)
{
    struct model *m = make_model(&small, QUANT_F32, spoil);
    refuses_model(m, part);
    model_close(m);
}

static void put_deeper(struct gguf_writer *w, const struct gguf_shape *s)
{
    (void)s;
    gguf_writer_u32(w, "llama.block_count", 3);
}

static void put_no_epsilon(struct gguf_writer *w, const struct gguf_shape *s)
{
    (void)s;
    gguf_writer_remove(w, "llama.attention.layer_norm_rms_epsilon");
}

static void put_longrope(struct gguf_writer *w, const struct gguf_shape *s)
{
    (void)s;
    gguf_writer_text(w, "llama.rope.scaling.type", "longrope");
}

static void put_negative_factor(struct gguf_writer *w, const struct gguf_shape *s)
{
    (void)s;
    gguf_writer_text(w, "llama.rope.scaling.type", "linear");
    gguf_writer_f32(w, "llama.rope.scaling.factor", -2);
}

static void put_mamba(struct gguf_writer *w, const struct gguf_shape *s)
{
    (void)s;
    gguf_writer_text(w, "general.architecture", "mamba");
}

static void refusals(void **state)
{
    (void)state;
    refuses(put_deeper, "tensor blk.2.attn_norm.weight is missing");
    refuses(put_no_epsilon, "epsilon");
    refuses(put_longrope, "tensor rope_factors_short.weight is missing");
    refuses(put_negative_factor, "factor over 0");
    refuses(put_mamba, "architecture mamba");
}

/* A shape that the model's reader should have refused, and data that is not there. */
static void refused_tensors(void **state)
{
    (void)state;
    struct model *m = make_model(&small, QUANT_F32, NULL);
    struct tensor *t = (struct tensor *)model_tensor(m, "blk.1.ffn_up.weight"), good = *t;
    t->shape[1]--;
    refuses_model(m, "tensor blk.1.ffn_up.weight is 48 x 79 of type F32, the hyperparameters want 48 x 80");
    *t = good;
    t->data = NULL;
    refuses_model(m, "the data of tensor blk.1.ffn_up.weight is missing");
    model_close(m);
}

static void undecodable(void **state)
{
    (void)state;
    struct model *m = make_model(&blocks, QUANT_Q4_K, NULL);
    struct tensor *t = (struct tensor *)model_tensor(m, "blk.0.attn_k.weight");
    t->type = quant_type(QUANT_TQ1_0);
    refuses_model(m, "tensor blk.0.attn_k.weight has the type TQ1_0");
    model_close(m);
}

static void bad_tokens(void **state)
{
    (void)state;
    struct model *m = make_model(&small, QUANT_F32, NULL);
    struct decoder *d = open_decoder(m, 8, 1);
    struct error e;
    assert_int_not_equal(decoder_append(d, (int32_t[]){1, 101}, 2, &e), 0);
    assert_says(&e, "token 1 is 101");
    assert_int_not_equal(decoder_chunks(d, (int32_t[]){-1}, 1, 1, NULL, &e), 0);
    assert_says(&e, "token 0 is -1");
    assert_int_not_equal(decoder_chunks(d, (int32_t[9]){0}, 1, 9, NULL, &e), 0);
    assert_says(&e, "opened for 1 of 8");
    decoder_free(d);
    model_close(m);
}

/* ------------------------------------------------------------------ demo model */

/* Logits from transformers 5.23 in float32, of the same weights as a Hugging Face checkpoint; the tokens are
 * the beginning of a text about an actor. */
static void demo_logits(void **state)
{
    (void)state;
    static const int32_t tokens[] = {222, 30, 572, 80, 740, 85, 400, 273, 77, 390, 222, 30,
                                     222, 200, 572, 80, 740, 85, 400, 273, 77, 390, 327, 375};
    static const struct {
        int row, token;
        float logit;
    } wanted[] = {
        {0, 0, -3.302359f},    {0, 17, 2.174377f},     {0, 300, -0.7482226f}, {0, 4095, -1.362962f},
        {0, 30, 7.091044f},    {5, 0, -7.558083f},     {5, 17, 0.1661703f},   {5, 300, 1.877597f},
        {5, 4095, -5.40462f},  {5, 13, 5.310847f},     {23, 0, -8.845965f},   {23, 17, -0.05951105f},
        {23, 300, -1.425165f}, {23, 4095, -4.250371f}, {23, 3043, 5.505745f},
    };
    struct model *m;
    struct error e;
    char *demo = unit_source("demo/quantwiz-demo-f16.gguf");
    assert_ok(model_open(&m, demo, 0, &e), &e);
    struct decoder *d = open_decoder(m, ARRAY_LENGTH(tokens), 1);
    float *logits = xmalloc(m->hp.vocab * sizeof *logits);
    assert_ok(decoder_chunks(d, tokens, 1, ARRAY_LENGTH(tokens), NULL, &e), &e);
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        decoder_logits(d, wanted[i].row, 1, logits);
        assert_float_equal(logits[wanted[i].token], wanted[i].logit, 3e-5);
    }
    free(logits);
    free(demo);
    decoder_free(d);
    model_close(m);
}

/* A prompt that is appended in two pieces inside gives what one chunk gives. */
static void long_prompt(void **state)
{
    (void)state;
    enum { PROMPT = 600 };
    struct model *m;
    struct error e;
    int32_t tokens[PROMPT];
    char *demo = unit_source("demo/quantwiz-demo-f16.gguf");
    assert_ok(model_open(&m, demo, 0, &e), &e);
    int vocab = m->hp.vocab;
    float *a = xmalloc(2 * vocab * sizeof *a), *b = a + vocab;
    make_tokens(tokens, PROMPT, vocab);
    struct decoder *chunk = open_decoder(m, PROMPT, 1), *append = open_decoder(m, PROMPT, 0);
    assert_ok(decoder_chunks(chunk, tokens, 1, PROMPT, NULL, &e), &e);
    assert_ok(decoder_append(append, tokens, PROMPT, &e), &e);
    for (int row = 0; row < PROMPT; row += 599) {
        decoder_logits(chunk, row, 1, a);
        decoder_logits(append, row, 1, b);
        for (int i = 0; i < vocab; i++)
            assert_float_equal(a[i], b[i], 3e-5);
    }
    free(a);
    free(demo);
    decoder_free(chunk);
    decoder_free(append);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grouped_queries),
        cmocka_unit_test(tied_f16),
        cmocka_unit_test(tied_q8),
        cmocka_unit_test(k_quants),
        cmocka_unit_test(rotary_factors),
        cmocka_unit_test(biases),
        cmocka_unit_test(head_norms),
        cmocka_unit_test(post_norms),
        cmocka_unit_test(scales_and_caps),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(tap_sees_inputs),
        cmocka_unit_test(refusals),
        cmocka_unit_test(refused_tensors),
        cmocka_unit_test(undecodable),
        cmocka_unit_test(bad_tokens),
        cmocka_unit_test(demo_logits),
        cmocka_unit_test(chunks_beside_append),
        cmocka_unit_test(decoders_beside_each_other),
        cmocka_unit_test(rounded_activations),
        cmocka_unit_test(damaged_weights),
        cmocka_unit_test(long_prompt),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
