/* The blocks of all architectures that are evaluated: made-up models of each against the plain forward pass, and
 * what is refused where a tensor is missing, has another shape, or the metadata cannot be. */
#include "tests/unit/unit.h"

#include <math.h>
#include <unistd.h>

#include "base/cpu.h"
#include "infer/decoder.h"
#include "tests/unit/gguf_build.h"
#include "tests/unit/noise.h"
#include "tests/unit/plain_decoder.h"

static char folder[] = "/tmp/test_blocks.XXXXXX";
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

/* ------------------------------------------------------------- architectures */

enum {
    LAYERS = 4, EMBD = 48, HEADS = 4, KV_HEADS = 2, HEAD = 12, FFN = 40, VOCAB = 67, EXPERTS = 5, USED = 2,
    EXPERT_FFN = 24, SHARED_FFN = 28, WINDOW = 7,
};

/* Which tensors a layer has beside the plain ones. */
enum {
    NO_PRE_NORMS = 1, POST_NORMS = 2, NORMED_HEADS = 4, NORMED_ROWS = 8, QKV_BIASES = 16, ALL_BIASES = 32, SINKS = 64,
    MIXTURE = 128, OWN_WIDTH = 256, SHARED = 512, SHARED_GATE = 1024, FUSED = 2048, NORM_RENAMED = 4096,
    FACTORS = 8192, FUSED_EXPERTS = 16384,
};

static void linear_by_8(struct gguf_writer *w)
{
    gguf_writer_text(w, "gemma3.rope.scaling.type", "linear");
    gguf_writer_f32(w, "gemma3.rope.scaling.factor", 8);
    gguf_writer_u32(w, "gemma3.attention.sliding_window", WINDOW);
}

static void caps(struct gguf_writer *w)
{
    gguf_writer_f32(w, "gemma2.attn_logit_softcapping", 3);
    gguf_writer_f32(w, "gemma2.final_logit_softcapping", 2);
    gguf_writer_f32(w, "gemma2.attention.scale", 0.2f);
    gguf_writer_u32(w, "gemma2.attention.sliding_window", WINDOW);
}

static void scales(struct gguf_writer *w)
{
    gguf_writer_f32(w, "granite.attention.scale", 0.2f);
    gguf_writer_f32(w, "granite.embedding_scale", 5);
    gguf_writer_f32(w, "granite.residual_scale", 0.4f);
    gguf_writer_f32(w, "granite.logit_scale", 3);
}

static void expert_scale(struct gguf_writer *w)
{
    gguf_writer_f32(w, "qwen3moe.expert_weights_scale", 1.5f);
}

static void plain_window(struct gguf_writer *w)
{
    gguf_writer_text(w, "olmo2.rope.scaling.type", "linear");
    gguf_writer_f32(w, "olmo2.rope.scaling.factor", 8);
    gguf_writer_u32(w, "olmo2.attention.sliding_window", WINDOW);
}

static void short_window(struct gguf_writer *w)
{
    gguf_writer_u32(w, "gpt-oss.attention.sliding_window", WINDOW);
}

static void longrope(struct gguf_writer *w, int original)
{
    gguf_writer_f32(w, "phi3.rope.scaling.attn_factor", 1.2f);
    gguf_writer_u32(w, "phi3.rope.scaling.original_context_length", original);
}

static void within_original(struct gguf_writer *w)
{
    gguf_writer_text(w, "phi3.rope.scaling.type", "longrope");
    gguf_writer_u32(w, "phi3.attention.sliding_window", WINDOW); /* which nobody applies */
    longrope(w, 64);
}

/* llama.cpp's converter leaves the type out. */
static void beyond_original(struct gguf_writer *w) { longrope(w, 16); }

static const struct sample {
    const char *arch;
    int tensors;
    void (*metadata)(struct gguf_writer *w);
    struct plain_block block;
} samples[] = {
    {"llama", MIXTURE, NULL, {0}},
    {"qwen2", QKV_BIASES, NULL, {.halves = true}},
    {"qwen2moe", QKV_BIASES | MIXTURE | OWN_WIDTH | SHARED | SHARED_GATE, NULL, {.halves = true, .share_all = true}},
    {"qwen3", NORMED_HEADS, NULL, {.halves = true}},
    {"qwen3moe", NORMED_HEADS | MIXTURE | OWN_WIDTH, expert_scale, {.halves = true}},
    {"gemma2", POST_NORMS, caps, {.halves = true, .gate = PLAIN_GELU, .embedding_scale = 6.928203230275509,
                                  .window = WINDOW, .window_period = 2}},
    {"gemma3", POST_NORMS | NORMED_HEADS, linear_by_8,
     {.halves = true, .gate = PLAIN_GELU, .embedding_scale = 6.928203230275509, .window = WINDOW, .window_period = 6,
      .local_base = 10000}},
    {"phi3", FUSED, NULL, {.halves = true}},
    {"phi3", FUSED | FACTORS, within_original, {.halves = true, .factors = "rope_factors_short.weight"}},
    {"phi3", FUSED | FACTORS, beyond_original, {.halves = true, .factors = "rope_factors_long.weight"}},
    {"smollm3", 0, NULL, {.skip_period = 4}},
    {"olmo2", NO_PRE_NORMS | POST_NORMS | NORMED_ROWS, NULL, {.halves = true, .whole_norms = true}},
    {"olmo2", NO_PRE_NORMS | POST_NORMS | NORMED_ROWS, plain_window,
     {.halves = true, .whole_norms = true, .window = WINDOW, .window_period = 4, .local_base = 500000}},
    {"granite", 0, scales, {.divide_logits = true}},
    {"granitemoe", MIXTURE | SHARED, NULL, {.divide_logits = true}},
    {"gpt-oss", QKV_BIASES | ALL_BIASES | SINKS | MIXTURE | OWN_WIDTH | NORM_RENAMED, short_window,
     {.halves = true, .gate = PLAIN_CLAMPED, .ffn_norm = "post_attention_norm.weight", .window = WINDOW,
      .window_period = 2}},
    {"gpt-oss", QKV_BIASES | ALL_BIASES | SINKS | MIXTURE | OWN_WIDTH | NORM_RENAMED | FUSED_EXPERTS, short_window,
     {.halves = true, .gate = PLAIN_CLAMPED, .ffn_norm = "post_attention_norm.weight", .window = WINDOW,
      .window_period = 2}},
};

static const struct sample *sample_of(const char *arch)
{
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
        if (strcmp(samples[i].arch, arch) == 0)
            return &samples[i];
    fail_msg("no sample of %s", arch);
    return NULL;
}

/* -------------------------------------------------------------- made-up models */

/* What to do to one tensor: leave it out, or make its last dimension longer by one. */
static struct {
    const char *tensor;
    bool left_out;
} spoilt;

static void put(struct gguf_writer *w, int layer, const char *name, int64_t columns, int64_t rows, int64_t parts)
{
    char whole[64];
    int64_t shape[] = {columns, rows, parts};
    int dims = parts ? 3 : rows ? 2 : 1;
    snprintf(whole, sizeof whole, "blk.%d.%s", layer, name);
    if (spoilt.tensor && strcmp(spoilt.tensor, whole) == 0) {
        if (spoilt.left_out)
            return;
        shape[dims - 1]++;
    }
    gguf_writer_tensor(w, layer < 0 ? name : whole, quant_type(QUANT_F32), dims, shape);
}

static void put_norms(struct gguf_writer *w, int i, int what)
{
    if (!(what & NO_PRE_NORMS)) {
        put(w, i, "attn_norm.weight", EMBD, 0, 0);
        put(w, i, what & NORM_RENAMED ? "post_attention_norm.weight" : "ffn_norm.weight", EMBD, 0, 0);
    }
    if (what & POST_NORMS) {
        put(w, i, "post_attention_norm.weight", EMBD, 0, 0);
        put(w, i, "post_ffw_norm.weight", EMBD, 0, 0);
    }
    if (what & (NORMED_HEADS | NORMED_ROWS)) {
        put(w, i, "attn_q_norm.weight", HEAD * (what & NORMED_ROWS ? HEADS : 1), 0, 0);
        put(w, i, "attn_k_norm.weight", HEAD * (what & NORMED_ROWS ? KV_HEADS : 1), 0, 0);
    }
}

static void put_attention(struct gguf_writer *w, int i, int what)
{
    static const struct { const char *name; int64_t rows; } parts[] = {
        {"q", HEADS * HEAD}, {"k", KV_HEADS * HEAD}, {"v", KV_HEADS * HEAD}};
    char name[32];
    for (size_t k = 0; k < ARRAY_LENGTH(parts) && !(what & FUSED); k++) {
        snprintf(name, sizeof name, "attn_%s.weight", parts[k].name);
        put(w, i, name, EMBD, parts[k].rows, 0);
        snprintf(name, sizeof name, "attn_%s.bias", parts[k].name);
        if (what & QKV_BIASES)
            put(w, i, name, parts[k].rows, 0, 0);
    }
    if (what & FUSED)
        put(w, i, "attn_qkv.weight", EMBD, (HEADS + 2 * KV_HEADS) * HEAD, 0);
    if (what & SINKS)
        put(w, i, "attn_sinks.weight", HEADS, 0, 0);
    put(w, i, "attn_output.weight", HEADS * HEAD, EMBD, 0);
    if (what & ALL_BIASES)
        put(w, i, "attn_output.bias", EMBD, 0, 0);
}

static void put_gate_up(struct gguf_writer *w, int i, int what, int ffn)
{
    static const char *const names[] = {"gate", "up", "gate_up"};
    bool fused = what & FUSED_EXPERTS;
    char name[32];
    for (int k = fused ? 2 : 0; k < (fused ? 3 : 2); k++) {
        snprintf(name, sizeof name, "ffn_%s_exps.weight", names[k]);
        put(w, i, name, EMBD, fused ? 2 * ffn : ffn, EXPERTS);
        snprintf(name, sizeof name, "ffn_%s_exps.bias", names[k]);
        if (what & ALL_BIASES)
            put(w, i, name, fused ? 2 * ffn : ffn, EXPERTS, 0);
    }
}

static void put_experts(struct gguf_writer *w, int i, int what)
{
    int ffn = what & OWN_WIDTH ? EXPERT_FFN : FFN;
    put(w, i, "ffn_gate_inp.weight", EMBD, EXPERTS, 0);
    put_gate_up(w, i, what, ffn);
    put(w, i, "ffn_down_exps.weight", ffn, EMBD, EXPERTS);
    if (what & ALL_BIASES) {
        put(w, i, "ffn_gate_inp.bias", EXPERTS, 0, 0);
        put(w, i, "ffn_down_exps.bias", EMBD, EXPERTS, 0);
    }
    if (what & SHARED) {
        put(w, i, "ffn_gate_shexp.weight", EMBD, SHARED_FFN, 0);
        put(w, i, "ffn_up_shexp.weight", EMBD, SHARED_FFN, 0);
        put(w, i, "ffn_down_shexp.weight", SHARED_FFN, EMBD, 0);
    }
    if (what & SHARED_GATE)
        put(w, i, "ffn_gate_inp_shexp.weight", EMBD, 0, 0);
}

static void put_layer(struct gguf_writer *w, int i, int what)
{
    put_norms(w, i, what);
    put_attention(w, i, what);
    if (what & MIXTURE) {
        put_experts(w, i, what);
        return;
    }
    if (!(what & FUSED))
        put(w, i, "ffn_gate.weight", EMBD, FFN, 0);
    put(w, i, "ffn_up.weight", EMBD, what & FUSED ? 2 * FFN : FFN, 0);
    put(w, i, "ffn_down.weight", FFN, EMBD, 0);
}

static void put_number(struct gguf_writer *w, const char *arch, const char *suffix, int value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    gguf_writer_u32(w, key, value);
}

static struct gguf_writer *describe(const struct sample *s)
{
    bool mixture = s->tensors & MIXTURE;
    struct gguf_shape shape = {.arch = s->arch, .layers = LAYERS, .embd = EMBD, .heads = HEADS, .kv_heads = KV_HEADS,
                               .ffn = FFN, .vocab = VOCAB, .context = 64, .head_length = HEAD,
                               .experts = mixture ? EXPERTS : 0, .experts_used = mixture ? USED : 0};
    char key[96];
    struct gguf_writer *w = gguf_build_metadata(&shape);
    snprintf(key, sizeof key, "%s.rope.freq_base", s->arch);
    gguf_writer_f32(w, key, 500000);
    if (s->tensors & OWN_WIDTH)
        put_number(w, s->arch, "expert_feed_forward_length", EXPERT_FFN);
    if (s->tensors & SHARED)
        put_number(w, s->arch, "expert_shared_feed_forward_length", SHARED_FFN);
    if (s->metadata)
        s->metadata(w);
    put(w, -1, "token_embd.weight", EMBD, VOCAB, 0);
    for (int i = 0; i < LAYERS; i++)
        put_layer(w, i, s->tensors);
    if (s->tensors & FACTORS) {
        put(w, -1, "rope_factors_long.weight", HEAD / 2, 0, 0);
        put(w, -1, "rope_factors_short.weight", HEAD / 2, 0, 0);
    }
    put(w, -1, "output_norm.weight", EMBD, 0, 0);
    put(w, -1, "output.weight", EMBD, VOCAB, 0);
    return w;
}

/* --------------------------------------------------------------------- logits */

enum { LENGTH = 30, SEQUENCES = 2 };

/* Logits are of size 1 to 10; float32 through a few layers leaves 3e-6 or so of that. */
static void compare(const float *got, const double *want, int count, const char *arch, const char *what)
{
    double scale = 0;
    for (int i = 0; i < count * VOCAB; i++)
        scale = fmax(scale, fabs(want[i]));
    for (int i = 0; i < count * VOCAB; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-5 * scale))
            fail_msg("%s, %s: token %d, logit %d is %.9g, expected %.9g", arch, what, i / VOCAB, i % VOCAB, got[i],
                     want[i]);
}

static void check_chunks(const struct model *m, const struct sample *s, const int32_t *tokens)
{
    struct error e;
    struct decoder *d;
    struct decoder_options o = {.context = LENGTH, .sequences = SEQUENCES};
    float logits[LENGTH * VOCAB];
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    assert_ok(decoder_chunks(d, tokens, SEQUENCES, LENGTH, NULL, &e), &e);
    for (int i = 0; i < SEQUENCES; i++) {
        double *want = plain_forward(m, &s->block, tokens + i * LENGTH, LENGTH);
        decoder_logits(d, i * LENGTH, LENGTH, logits);
        compare(logits, want, LENGTH, s->arch, "chunks");
        free(want);
    }
    decoder_free(d);
}

/* A prompt, then a token at a time: single rows take other ways through products and experts. */
static void check_append(const struct model *m, const struct sample *s, const int32_t *tokens)
{
    enum { PROMPT = 20 };
    struct error e;
    struct decoder *d;
    struct decoder_options o = {.context = LENGTH};
    float logits[LENGTH * VOCAB];
    double *want = plain_forward(m, &s->block, tokens, LENGTH);
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    assert_ok(decoder_append(d, tokens, PROMPT, &e), &e);
    decoder_logits(d, 0, PROMPT, logits);
    for (int i = PROMPT; i < LENGTH; i++) {
        assert_ok(decoder_append(d, tokens + i, 1, &e), &e);
        decoder_logits(d, 0, 1, logits + i * VOCAB);
    }
    compare(logits, want, LENGTH, s->arch, "append");
    free(want);
    decoder_free(d);
}

/* Stage by stage a layer becomes what it is at once, to the bit. */
static void check_stages(const struct model *m, const struct sample *s, const int32_t *tokens)
{
    struct error e;
    struct decoder *d;
    struct decoder_options o = {.context = LENGTH, .sequences = SEQUENCES};
    float x[SEQUENCES * LENGTH * EMBD], y[SEQUENCES * LENGTH * EMBD];
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    int64_t most = decoder_kept(d, STAGE_ATTN_OUTPUT) + decoder_kept(d, STAGE_DOWN);
    float *kept = xmalloc(sizeof *kept * SEQUENCES * LENGTH * most);
    decoder_embed(d, tokens, SEQUENCES, LENGTH, x);
    memcpy(y, x, sizeof x);
    for (int i = 0; i < m->hp.layers; i++) {
        decoder_layer(d, i, SEQUENCES, LENGTH, x);
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            decoder_layer_stage(d, i, stage, SEQUENCES, LENGTH, y, kept);
        if (memcmp(x, y, sizeof x) != 0)
            fail_msg("%s: layer %d is another one stage by stage", s->arch, i);
    }
    free(kept);
    decoder_free(d);
}

static struct model *make_model(const struct sample *s)
{
    struct model *m;
    struct error e;
    gguf_build_file(describe(s), path, 0);
    gguf_build_fill(path);
    assert_ok(model_open(&m, path, 0, &e), &e);
    return m;
}

static void every_block_as_defined(void **state)
{
    (void)state;
    int32_t tokens[SEQUENCES * LENGTH];
    struct noise n = {.state = 5};
    for (int i = 0; i < SEQUENCES * LENGTH; i++)
        tokens[i] = (int32_t)(noise_uniform(&n) * VOCAB);
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        struct model *m = make_model(&samples[i]);
        check_chunks(m, &samples[i], tokens);
        check_append(m, &samples[i], tokens);
        check_stages(m, &samples[i], tokens);
        model_close(m);
    }
}

/* Gemma's largest models share out the embedding's width, not a head's; llama.cpp knows them by their layers. */
static void scores_of_wide_models(void **state)
{
    (void)state;
    static const struct { const char *arch; int layers; double scale; } wanted[] = {
        {"gemma2", 46, 0.25}, {"gemma2", 42, 0}, {"gemma3", 62, 0.25}, {"gemma3", 46, 0}, {"llama", 46, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        struct gguf_shape shape = {.arch = wanted[i].arch, .layers = wanted[i].layers, .embd = 64, .heads = 4,
                                   .kv_heads = 2, .ffn = FFN, .vocab = VOCAB, .context = 64, .head_length = HEAD};
        struct model *m;
        struct error e;
        gguf_build_file(gguf_build_metadata(&shape), path, 0);
        assert_ok(model_open(&m, path, 0, &e), &e);
        assert_true(m->hp.attention_scale == wanted[i].scale);
        model_close(m);
    }
}

static bool warns(const struct model *m, const char *part)
{
    for (int i = 0; i < m->warning_count; i++)
        if (strstr(m->warnings[i], part))
            return true;
    return false;
}

/* The sample of Gemma 2 has a scale of its own, which llama.cpp does not ask for. */
static void another_scale_of_scores(void **state)
{
    (void)state;
    struct model *gemma2 = make_model(sample_of("gemma2"));
    assert_true(warns(gemma2, "llama.cpp scales them by 0.2887"));
    model_close(gemma2);
    struct model *gemma3 = make_model(sample_of("gemma3"));
    assert_false(warns(gemma3, "llama.cpp scales"));
    model_close(gemma3);
}

static void a_window_that_nobody_applies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        struct model *m = make_model(&samples[i]);
        assert_int_equal(warns(m, "attend to the last 7 tokens"), samples[i].metadata == within_original);
        model_close(m);
    }
}

/* A row of the table without a sample here would be evaluated untested. */
static void every_row_has_a_sample(void **state)
{
    (void)state;
    const struct architecture *a;
    for (int i = 0; (a = architecture_at(i)); i++) {
        bool found = !a->evaluated;
        for (size_t k = 0; k < ARRAY_LENGTH(samples); k++)
            found = found || strcmp(samples[k].arch, a->gguf) == 0;
        if (!found)
            fail_msg("%s is evaluated, and no sample shows that it is so rightly", a->gguf);
    }
}

/* ------------------------------------------------------------------- experts */

struct taps {
    int calls, experts_seen;
    int64_t rows;
};

static void count_experts(void *user, const struct tensor *t, int expert, const float *x, int64_t rows,
                          int64_t columns)
{
    struct taps *taps = user;
    (void)x;
    (void)columns;
    if (t->role != ROLE_FFN_DOWN_EXPS || t->layer != 0)
        return;
    taps->calls++;
    taps->experts_seen |= 1 << expert;
    taps->rows += rows;
}

/* Each expert is seen once with all rows that go to it, and every row goes to USED of them. */
static void experts_get_their_rows(void **state)
{
    (void)state;
    struct model *m = make_model(sample_of("qwen3moe"));
    struct taps taps = {0};
    struct decoder_options o = {.context = LENGTH, .sequences = 1, .tap = count_experts, .tap_user = &taps};
    struct decoder *d;
    struct error e;
    int32_t tokens[LENGTH];
    for (int i = 0; i < LENGTH; i++)
        tokens[i] = i * 2 % VOCAB;
    assert_ok(decoder_open(&d, m, &o, &e), &e);
    assert_ok(decoder_chunks(d, tokens, 1, LENGTH, NULL, &e), &e);
    assert_int_equal(taps.calls, __builtin_popcount(taps.experts_seen));
    assert_int_equal(taps.rows, LENGTH * USED);
    assert_true(taps.experts_seen < 1 << EXPERTS && taps.calls > USED);
    decoder_free(d);
    model_close(m);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    struct model *m = make_model(sample_of("gpt-oss"));
    struct decoder_options o = {.context = LENGTH, .sequences = 1};
    float logits[2][LENGTH * VOCAB];
    int32_t tokens[LENGTH];
    for (int i = 0; i < LENGTH; i++)
        tokens[i] = i * 3 % VOCAB;
    for (int i = 0; i < 2; i++) {
        struct decoder *d;
        struct error e;
        threads_set(i ? 5 : 1);
        assert_ok(decoder_open(&d, m, &o, &e), &e);
        assert_ok(decoder_chunks(d, tokens, 1, LENGTH, NULL, &e), &e);
        decoder_logits(d, 0, LENGTH, logits[i]);
        decoder_free(d);
    }
    threads_set(0);
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    model_close(m);
}

/* ------------------------------------------------------------------- refusals */

/* Opening the model, or the decoder on it, must fail and name `part`. */
static void refuses(const struct sample *s, struct gguf_writer *w, const char *part)
{
    struct model *m;
    struct decoder *d = NULL;
    struct error e = {0};
    struct decoder_options o = {.context = 8, .sequences = 1};
    gguf_build_file(w, path, 0);
    if (model_open(&m, path, 0, &e) == 0) {
        if (decoder_open(&d, m, &o, &e) == 0)
            fail_msg("%s is evaluated, with %s damaged", s->arch, part);
        assert_null(d);
        model_close(m);
    }
    assert_says(&e, part);
}

/* Without a fused tensor, its parts are looked for. */
static const char *looked_for(const char *name)
{
    if (strstr(name, "attn_qkv.weight"))
        return "blk.2.attn_q.weight";
    return strstr(name, "ffn_gate_up_exps.weight") ? "blk.2.ffn_gate_exps.weight" : name;
}

static void refuses_each_tensor(const struct sample *s, const struct gguf *whole, bool left_out)
{
    for (uint64_t i = 0; i < whole->tensor_count; i++) {
        const char *name = whole->tensors[i].name;
        if (strncmp(name, "blk.2.", 6) != 0)
            continue;
        /* Without its gate a shared expert is one that counts in full, as Granite has it. */
        if (left_out && strstr(name, "ffn_gate_inp_shexp"))
            continue;
        spoilt.tensor = name;
        spoilt.left_out = left_out;
        refuses(s, describe(s), left_out ? looked_for(name) : name);
    }
    spoilt.tensor = NULL;
}

static void every_tensor_is_needed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        struct gguf_writer *w = describe(&samples[i]);
        struct gguf whole;
        struct error e;
        uint64_t bytes;
        const void *header = gguf_writer_header(w, &bytes);
        assert_ok(gguf_parse(&whole, header, bytes, "whole", GGUF_HEADER_ONLY, &e), &e);
        refuses_each_tensor(&samples[i], &whole, true);
        refuses_each_tensor(&samples[i], &whole, false);
        gguf_close(&whole);
        gguf_writer_free(w);
    }
}

static void impossible_numbers_of_experts(void **state)
{
    (void)state;
    const struct sample *s = sample_of("qwen3moe");
    for (int used = 0; used <= EXPERTS + 1; used += EXPERTS + 1) {
        struct gguf_writer *w = describe(s);
        gguf_writer_u32(w, "qwen3moe.expert_used_count", used);
        refuses(s, w, "of 5 experts, which cannot be");
    }
    struct gguf_writer *w = describe(s);
    gguf_writer_u32(w, "qwen3moe.expert_count", EXPERTS + 1);
    refuses(s, w, "blk.0.ffn_gate_inp.weight");
}

static void impossible_ramps(void **state)
{
    (void)state;
    const struct sample *s = sample_of("qwen2");
    struct gguf_writer *w = describe(s);
    gguf_writer_text(w, "qwen2.rope.scaling.type", "yarn");
    gguf_writer_f32(w, "qwen2.rope.scaling.yarn_beta_slow", 64);
    refuses(s, w, "between 64 and 32 turns");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_as_defined),
        cmocka_unit_test(scores_of_wide_models),
        cmocka_unit_test(another_scale_of_scores),
        cmocka_unit_test(a_window_that_nobody_applies),
        cmocka_unit_test(every_row_has_a_sample),
        cmocka_unit_test(experts_get_their_rows),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(every_tensor_is_needed),
        cmocka_unit_test(impossible_numbers_of_experts),
        cmocka_unit_test(impossible_ramps),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
