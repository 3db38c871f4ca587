/* Quantized checkpoint folders: what is written, what is refused, what an interrupted attempt leaves and how it goes on.
 * The source is a small folder made here; what was written is read with our own reader. */
#include "unit.h"

#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "folder_build.h"
#include "model/hf.h"
#include "model/model.h"
#include "noise.h"
#include "pack/codes.h"
#include "quant/half.h"
#include "run/checkpoint_calibrated.h"

enum { EMBD = 64, HEADS = 2, KV_HEADS = 1, HEAD = 32, FFN = 96, VOCAB = 40, EXPERTS = 2 };

static struct error e;
static char *folder, *out;

/* ---------------------------------------------------------------------- source */

static struct noise noise;

/* BF16 numbers, so that what is kept can be told from what was rounded. */
static void add(struct stored_file *f, const char *name, int64_t rows, int64_t columns)
{
    int64_t n = rows * columns;
    uint16_t *x = xmalloc(n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = bf16_from_float((float)noise_normal(&noise) * 0.1f);
    if (rows == 1)
        stored_add(f, name, "BF16", 1, &columns, x, n * sizeof *x);
    else
        stored_add(f, name, "BF16", 2, (int64_t[]){rows, columns}, x, n * sizeof *x);
    free(x);
}

#define LAYER(name) "model.layers.0." name

static void add_attention(struct stored_file *f)
{
    add(f, "model.embed_tokens.weight", VOCAB, EMBD);
    add(f, "model.norm.weight", 1, EMBD);
    add(f, LAYER("input_layernorm.weight"), 1, EMBD);
    add(f, LAYER("self_attn.q_proj.weight"), HEADS * HEAD, EMBD);
    add(f, LAYER("self_attn.k_proj.weight"), KV_HEADS * HEAD, EMBD);
    add(f, LAYER("self_attn.v_proj.weight"), KV_HEADS * HEAD, EMBD);
    add(f, LAYER("self_attn.o_proj.weight"), EMBD, HEADS * HEAD);
    add(f, LAYER("post_attention_layernorm.weight"), 1, EMBD);
}

static void put_config(const char *class, const char *more)
{
    char *text = xasprintf("{\"zebra\":[1,2],\"architectures\":[\"%s\"],\"hidden_size\":%d,\"num_attention_heads\":%d,"
                           "\"num_key_value_heads\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":1,"
                           "\"max_position_embeddings\":64,\"rms_norm_eps\":0.00001,\"vocab_size\":%d,"
                           "\"torch_dtype\":\"bfloat16\"%s}", class, EMBD, HEADS, KV_HEADS, FFN, VOCAB, more);
    folder_text(folder, "config.json", text);
    free(text);
}

static void put_llama(void)
{
    struct stored_file f = {0};
    noise.state = 1;
    put_config("LlamaForCausalLM", ",\"tie_word_embeddings\":true");
    add_attention(&f);
    add(&f, LAYER("mlp.gate_proj.weight"), FFN, EMBD);
    add(&f, LAYER("mlp.up_proj.weight"), FFN, EMBD);
    add(&f, LAYER("mlp.down_proj.weight"), EMBD, FFN);
    folder_stored(folder, "model.safetensors", &f);
    folder_text(folder, "generation_config.json", "{\"temperature\": 0.6}");
    folder_text(folder, "LICENSE", "free");
    folder_text(folder, "README.md", "about another model");
}

/* Experts in one tensor, as transformers 5 holds them, or each by itself with the same numbers, below `module`. */
static void add_experts(struct stored_file *f, const char *in_one, int64_t rows, int64_t columns, bool apart,
                        const char *module, const char *const *names, int count)
{
    int64_t n = rows * columns, all = EXPERTS * count * n;
    uint16_t *x = xmalloc(all * sizeof *x);
    for (int64_t i = 0; i < all; i++)
        x[i] = bf16_from_float((float)noise_normal(&noise) * 0.1f);
    for (int i = 0; i < EXPERTS * count && apart; i++) {
        char *name = xasprintf(LAYER("%s.experts.%d.%s.weight"), module, i / count, names[i % count]);
        stored_add(f, name, "BF16", 2, (int64_t[]){rows, columns}, x + i * n, n * sizeof *x);
        free(name);
    }
    if (!apart)
        stored_add(f, in_one, "BF16", 3, (int64_t[]){EXPERTS, count * rows, columns}, x, all * sizeof *x);
    free(x);
}

static void put_mixtral(bool apart)
{
    static const char module[] = "block_sparse_moe";
    struct stored_file f = {0};
    noise.state = 2;
    put_config("MixtralForCausalLM", ",\"num_local_experts\":2,\"num_experts_per_tok\":1");
    add_attention(&f);
    add(&f, "lm_head.weight", VOCAB, EMBD);
    add(&f, apart ? LAYER("block_sparse_moe.gate.weight") : LAYER("mlp.gate.weight"), EXPERTS, EMBD);
    add_experts(&f, LAYER("mlp.experts.gate_up_proj"), FFN, EMBD, apart, module, (const char *const[]){"w1", "w3"}, 2);
    add_experts(&f, LAYER("mlp.experts.down_proj"), EMBD, FFN, apart, module, (const char *const[]){"w2"}, 1);
    folder_stored(folder, "model.safetensors", &f);
}

static void put_qwen(bool apart)
{
    struct stored_file f = {0};
    noise.state = 2;
    put_config("Qwen3MoeForCausalLM", ",\"num_experts\":2,\"num_experts_per_tok\":1,\"moe_intermediate_size\":96,\"head_dim\":32,"
               "\"tie_word_embeddings\":true");
    add_attention(&f);
    add(&f, LAYER("self_attn.q_norm.weight"), 1, HEAD);
    add(&f, LAYER("self_attn.k_norm.weight"), 1, HEAD);
    add(&f, LAYER("mlp.gate.weight"), EXPERTS, EMBD);
    add_experts(&f, LAYER("mlp.experts.gate_up_proj"), FFN, EMBD, apart, "mlp",
                (const char *const[]){"gate_proj", "up_proj"}, 2);
    add_experts(&f, LAYER("mlp.experts.down_proj"), EMBD, FFN, apart, "mlp", (const char *const[]){"down_proj"}, 1);
    folder_stored(folder, "model.safetensors", &f);
}

static int make_folder(void **state)
{
    (void)state;
    folder = folder_make();
    out = xasprintf("%s-out", folder);
    put_llama();
    return 0;
}

static int remove_folders(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s' '%s.part'", out, out);
    assert_int_equal(system(command), 0);
    free(command);
    free(out);
    folder_remove(folder);
    return 0;
}

/* ------------------------------------------------------------------------ making */

static struct model *opened(const char *path)
{
    struct model *m = NULL;
    assert_ok(model_open(&m, path, 0, &e), &e);
    return m;
}

/* A job with some things changed by the test; runs it, returns what it returned. */
static int made_by(const char *level, struct checkpoint_job job)
{
    struct model *m = opened(folder);
    struct scheme s;
    assert_ok(scheme_parse(&s, level, &e), &e);
    job.model = m;
    job.scheme = &s;
    job.out = out;
    int rc = checkpoint_run(&job, &e);
    model_close(m);
    return rc;
}

static void make(const char *level)
{
    assert_ok(made_by(level, (struct checkpoint_job){0}), &e);
}

static void clear_output(void)
{
    char *command = xasprintf("rm -rf '%s' '%s.part'", out, out);
    assert_int_equal(system(command), 0);
    free(command);
}

static bool there_is(const char *name)
{
    char *path = path_join(out, name);
    bool is = file_exists(path);
    free(path);
    return is;
}

static char *text_of(const char *name)
{
    char *path = path_join(out, name), *text;
    size_t length;
    assert_ok(file_read(path, 1 << 22, &text, &length, &e), &e);
    free(path);
    return text;
}

static bool nothing_left(void)
{
    char *part = checkpoint_part(out);
    bool nothing = !file_exists(part) && !file_exists(out);
    free(part);
    return nothing;
}

/* Relative error of a tensor of `b` against `a`'s. */
static double loss(const struct model *a, const struct model *b, int i)
{
    int64_t n = tensor_elements(&a->tensors[i]);
    float *x = xmalloc(2 * n * sizeof *x), *y = x + n;
    double power = 0, error = 0;
    tensor_read(&a->tensors[i], 0, n, x);
    tensor_read(&b->tensors[i], 0, n, y);
    for (int64_t k = 0; k < n; k++) {
        power += (double)x[k] * x[k];
        error += ((double)x[k] - y[k]) * ((double)x[k] - y[k]);
    }
    free(x);
    return sqrt(error / power);
}

static void compare(double most)
{
    struct model *a = opened(folder), *b = opened(out);
    int quantized = 0;
    assert_int_equal(a->tensor_count, b->tensor_count);
    assert_true(b->quantized);
    for (int i = 0; i < a->tensor_count; i++) {
        bool linear = a->tensors[i].dims > 1 && a->tensors[i].role != ROLE_TOKEN_EMBD && a->tensors[i].role != ROLE_OUTPUT &&
                      a->tensors[i].role != ROLE_FFN_GATE_INP;
        double lost = loss(a, b, i);
        assert_string_equal(a->tensors[i].name, b->tensors[i].name);
        if (!(linear ? lost > 0 && lost < most : lost == 0))
            fail_msg("%s lost %g", a->tensors[i].name, lost);
        quantized += linear;
    }
    assert_true(quantized >= 7);
    model_close(a);
    model_close(b);
}

/* ------------------------------------------------------------------------- tests */

static const struct { const char *level, *config; double most; enum source_inputs inputs; } levels[] = {
    {"gptq-int4-g32", "\"quant_method\": \"gptq\"", 0.15, INPUTS_EXACT},
    {"gptq-int3-g32-asym", "\"bits\": 3", 0.3, INPUTS_EXACT},
    {"gptq-int8-grow", "\"group_size\": -1", 0.02, INPUTS_EXACT},
    {"awq-int4-g32", "\"version\": \"gemm\"", 0.15, INPUTS_EXACT},
    {"nf4", "\"bnb_4bit_use_double_quant\": true", 0.15, INPUTS_EXACT},
    {"fp4-single", "\"bnb_4bit_quant_type\": \"fp4\"", 0.2, INPUTS_EXACT},
    {"bnb-int8", "\"load_in_8bit\": true", 0.02, INPUTS_LLM_INT8},
    {"fp8", "\"format\": \"float-quantized\"", 0.05, INPUTS_E4M3},
    {"w8a8", "\"format\": \"int-quantized\"", 0.02, INPUTS_INT8},
    {"w4a16-g32-asym", "\"strategy\": \"group\"", 0.15, INPUTS_EXACT},
};

/* Queries' and keys' rows are turned in our own model: what was written in the wrong order would be far off. */
static void every_level_is_read_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        make(levels[i].level);
        compare(levels[i].most);
        struct model *made = opened(out);
        assert_int_equal(model_inputs(made), levels[i].inputs);
        model_close(made);
        char *config = text_of("config.json");
        if (!strstr(config, levels[i].config))
            fail_msg("%s: config.json lacks %s", levels[i].level, levels[i].config);
        free(config);
        clear_output();
    }
}

static void what_is_carried_over(void **state)
{
    (void)state;
    make("gptq-int4-g32");
    char *config = text_of("config.json"), *quantize = text_of("quantize_config.json");
    assert_ptr_equal(strstr(config, "\"zebra\""), config + strlen("{\n  ")); /* unknown keys, in their order */
    assert_non_null(strstr(config, "\"torch_dtype\": \"bfloat16\""));
    assert_non_null(strstr(config, "\"tie_word_embeddings\": true"));
    assert_non_null(strstr(quantize, "\"checkpoint_format\": \"gptq\""));
    assert_true(there_is("generation_config.json") && there_is("LICENSE"));
    assert_false(there_is("README.md") || there_is("journal") || there_is("model.safetensors.index.json"));
    free(config);
    free(quantize);
}

static void experts_are_quantized_each(void **state)
{
    (void)state;
    put_mixtral(true);
    make("awq-int4-g32");
    compare(0.15);
    char *config = text_of("config.json");
    assert_non_null(strstr(config, "\"model.layers.0.block_sparse_moe.gate\"")); /* a router stays */
    assert_non_null(strstr(config, "\"lm_head\""));
    free(config);
}

static void put_granite(bool apart)
{
    struct stored_file f = {0};
    noise.state = 2;
    put_config("GraniteMoeForCausalLM", ",\"num_local_experts\":2,\"num_experts_per_tok\":1,\"tie_word_embeddings\":true");
    add_attention(&f);
    add(&f, LAYER("block_sparse_moe.router.layer.weight"), EXPERTS, EMBD);
    add_experts(&f, LAYER("block_sparse_moe.input_linear.weight"), FFN, EMBD, apart, NULL, NULL, 2);
    add_experts(&f, LAYER("block_sparse_moe.output_linear.weight"), EMBD, FFN, apart, NULL, NULL, 1);
    folder_stored(folder, "model.safetensors", &f);
}

static void assert_made(void (*put)(bool apart), bool apart, const char *level, const char *const *skip, int skip_count,
                        char **weights, size_t *length)
{
    char *path = path_join(out, "model.safetensors");
    put(apart);
    assert_ok(made_by(level, (struct checkpoint_job){.skip = skip, .skip_count = skip_count}), &e);
    assert_ok(file_read(path, 1 << 22, weights, length, &e), &e);
    clear_output();
    free(path);
}

/* To the byte what is made of a folder that has them apart; what is not quantized, too. */
static void assert_taken_apart(void (*put)(bool apart), const char *level, bool skips, const char *up, const char *down)
{
    char *apart, *in_one, *pattern = xasprintf("experts.*%s", up);
    char *kept = xasprintf("experts.1.%s.weight\":{\"dtype\":\"BF16\"", up), *made = xasprintf("experts.1.%s.", down);
    size_t bytes, bytes_in_one;
    assert_made(put, true, level, (const char *const[]){pattern}, skips, &apart, &bytes);
    assert_made(put, false, level, (const char *const[]){pattern}, skips, &in_one, &bytes_in_one);
    assert_int_equal(bytes, bytes_in_one);
    assert_memory_equal(apart, in_one, bytes);
    assert_true((strstr(apart + 8, kept) != NULL) == skips);
    assert_non_null(strstr(apart + 8, made));
    free(apart);
    free(in_one);
    free(pattern);
    free(kept);
    free(made);
}

static void experts_in_one_tensor_are_written_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
        for (int skips = 0; skips < 2; skips++) {
            assert_taken_apart(put_qwen, levels[i].level, skips, "up_proj", "down_proj");
            assert_taken_apart(put_mixtral, levels[i].level, skips, "w3", "w2");
        }
    put_granite(false); /* no reader has a name for one alone */
    assert_int_equal(made_by("gptq-int4-g32", (struct checkpoint_job){0}), ERROR_FAILED);
    assert_says(&e, "block_sparse_moe.input_linear.weight holds several weights in one");
}

static void shards_have_an_index(void **state)
{
    (void)state;
    assert_ok(made_by("w4a16-g32", (struct checkpoint_job){.file_bytes = 16000}), &e);
    assert_true(there_is("model-00001-of-00002.safetensors") && there_is("model-00002-of-00002.safetensors"));
    char *index = text_of("model.safetensors.index.json");
    assert_non_null(strstr(index, "q_proj.weight_packed\": \"model-0000"));
    compare(0.15);
    free(index);
}

/* In 32 bits nothing is served: what is kept becomes F16, and the config says so. */
static void checkpoints_of_32_bits_become_16(void **state)
{
    (void)state;
    struct stored_file f = {0};
    int64_t n = EMBD;
    put_config("LlamaForCausalLM", ",\"dtype\":\"float32\",\"tie_word_embeddings\":true");
    static const struct { const char *name; int64_t rows, columns; } tensors[] = {
        {"model.embed_tokens.weight", VOCAB, EMBD}, {"lm_head.weight", VOCAB, EMBD}, {LAYER("self_attn.q_proj.weight"), HEADS * HEAD, EMBD},
        {LAYER("self_attn.k_proj.weight"), HEAD, EMBD}, {LAYER("self_attn.v_proj.weight"), HEAD, EMBD},
        {LAYER("self_attn.o_proj.weight"), EMBD, EMBD}, {LAYER("mlp.gate_proj.weight"), FFN, EMBD},
        {LAYER("mlp.up_proj.weight"), FFN, EMBD}, {LAYER("mlp.down_proj.weight"), EMBD, FFN},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(tensors); i++)
        stored_count_up(&f, tensors[i].name, 2, (int64_t[]){tensors[i].rows, tensors[i].columns}, -1000);
    stored_count_up(&f, "model.norm.weight", 1, &n, 1);
    stored_count_up(&f, LAYER("input_layernorm.weight"), 1, &n, 1);
    stored_count_up(&f, LAYER("post_attention_layernorm.weight"), 1, &n, 1);
    folder_stored(folder, "model.safetensors", &f);
    make("fp8");
    char *config = text_of("config.json");
    assert_non_null(strstr(config, "\"dtype\": \"float16\""));
    struct model *m = opened(out);
    assert_string_equal(model_tensor(m, "token_embd.weight")->source->dtype->name, "F16");
    for (int i = 0; i < m->folder->stored_count; i++)
        if (!strstr(m->folder->stored[i]->name, "scale") && strcmp(m->folder->stored[i]->dtype->name, "F32") == 0)
            fail_msg("%s is F32", m->folder->stored[i]->name);
    model_close(m);
    free(config);
}

static void skipped_weights_stay(void **state)
{
    (void)state;
    const char *const skip[] = {"down_proj$", "layers\\.0\\.self_attn\\.v"};
    assert_ok(made_by("w4a16-g32", (struct checkpoint_job){.skip = skip, .skip_count = 2}), &e);
    struct model *a = opened(folder), *b = opened(out);
    for (int i = 0; i < a->tensor_count; i++)
        if (a->tensors[i].role == ROLE_FFN_DOWN || a->tensors[i].role == ROLE_ATTN_V)
            assert_true(loss(a, b, i) == 0);
    char *config = text_of("config.json");
    assert_non_null(strstr(config, "\"model.layers.0.mlp.down_proj\""));
    free(config);
    model_close(a);
    model_close(b);
}

static void what_is_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"("}, *const all[] = {"."};
    assert_int_equal(made_by("gptq-int4-g64", (struct checkpoint_job){0}), ERROR_USAGE);
    assert_says(&e, "1 of 7 weights");
    assert_says(&e, "mlp.down_proj.weight (64 rows of 96)");
    assert_says(&e, "these would do: gptq-int4-g32, gptq-int4-grow");
    assert_int_equal(made_by("nf4", (struct checkpoint_job){.skip = wrong, .skip_count = 1}), ERROR_USAGE);
    assert_says(&e, "--skip: '('");
    assert_int_equal(made_by("nf4", (struct checkpoint_job){.skip = all, .skip_count = 1}), ERROR_USAGE);
    assert_says(&e, "no weight is left");
    assert_true(nothing_left());
    assert_int_equal(mkdir(out, 0777), 0);
    assert_int_equal(made_by("nf4", (struct checkpoint_job){0}), ERROR_USAGE);
    assert_says(&e, "it is there already");
}

static void damaged_numbers_leave_nothing(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_llama();
    noise.state = 1;
    add_attention(&f);
    add(&f, LAYER("mlp.gate_proj.weight"), FFN, EMBD);
    add(&f, LAYER("mlp.up_proj.weight"), FFN, EMBD);
    uint16_t *down = xcalloc(EMBD * FFN, sizeof *down);
    down[5 * FFN + 7] = 0x7fc0;
    stored_add(&f, LAYER("mlp.down_proj.weight"), "BF16", 2, (int64_t[]){EMBD, FFN}, down, EMBD * FFN * sizeof *down);
    folder_stored(folder, "model.safetensors", &f);
    assert_int_equal(made_by("nf4", (struct checkpoint_job){0}), ERROR_FAILED);
    assert_says(&e, "mlp.down_proj.weight holds NaN at row 5, column 7");
    assert_true(nothing_left());
    free(down);
}

/* ---------------------------------------------------------------------- resuming */

static int ticks_left;

static bool stop_after_some(struct watch *w, double done, double total, const char *what)
{
    (void)w;
    (void)done;
    (void)total;
    (void)what;
    return ticks_left-- > 0;
}

static void count_reused(void *user, const struct quantize_tensor *t, int index, int count)
{
    (void)index;
    (void)count;
    *(int *)user += t->reused;
}

static char *weights_hash(void)
{
    char *path = path_join(out, "model.safetensors"), *hash = xmalloc(HASH_TEXT);
    uint64_t bytes;
    assert_ok(hash_file(hash, path, &bytes, &e), &e);
    free(path);
    return hash;
}

static void interrupted_work_goes_on(void **state)
{
    (void)state;
    int reused = 0;
    struct watch watch = {.tick = stop_after_some};
    const struct quantize_listener listener = {.end = count_reused, .user = &reused};
    make("gptq-int4-g32");
    char *whole = weights_hash(), *part = checkpoint_part(out);
    clear_output();
    ticks_left = 6;
    assert_int_equal(made_by("gptq-int4-g32", (struct checkpoint_job){.watch = &watch}), ERROR_INTERRUPTED);
    assert_false(file_exists(out));
    assert_true(file_exists(part));
    assert_ok(made_by("gptq-int4-g32", (struct checkpoint_job){.resume = true, .listener = &listener}), &e);
    assert_int_equal(reused, 6);
    assert_false(file_exists(part));
    char *again = weights_hash();
    assert_string_equal(again, whole);
    free(again);
    free(whole);
    free(part);
}

/* Of another scheme nothing is taken over. */
static void other_work_does_not(void **state)
{
    (void)state;
    int reused = 0;
    struct watch watch = {.tick = stop_after_some};
    const struct quantize_listener listener = {.end = count_reused, .user = &reused};
    ticks_left = 6;
    assert_int_equal(made_by("gptq-int4-g32", (struct checkpoint_job){.watch = &watch}), ERROR_INTERRUPTED);
    assert_ok(made_by("w8a8", (struct checkpoint_job){.resume = true, .listener = &listener}), &e);
    assert_int_equal(reused, 0);
    compare(0.02);
}

/* ------------------------------------------------------------------- calibrated */

/* Codes in our own order of rows: row r of each has the code r % 16. */
static bool codes_of_queries(void *user, const struct tensor *t, int part, struct codes *c)
{
    (void)user;
    assert_int_equal(part, 0);
    if (t->role != ROLE_ATTN_Q)
        return false;
    for (int64_t i = 0; i < c->rows * c->columns; i++)
        c->codes[i] = (uint8_t)(i / c->columns % 16);
    for (int64_t i = 0; i < c->rows * 2; i++) {
        c->scales[i] = 0.5f;
        c->zeros[i] = 8;
    }
    return true;
}

static bool folded_norm(void *user, const struct tensor *t, int part, float *x)
{
    (void)user;
    (void)part;
    for (int64_t i = 0; t->role == ROLE_ATTN_NORM && i < EMBD; i++)
        x[i] = (float)i;
    return t->role == ROLE_ATTN_NORM;
}

static void what_a_calibration_decided_is_taken(void **state)
{
    (void)state;
    const struct checkpoint_made made = {.codes = codes_of_queries, .floats = folded_norm};
    assert_ok(made_by("w4a16-g32", (struct checkpoint_job){.made = &made}), &e);
    struct model *m = opened(out);
    float row[EMBD];
    for (int r = 0; r < HEADS * HEAD; r++) {
        tensor_read(model_role(m, ROLE_ATTN_Q, 0), r * EMBD, EMBD, row);
        assert_true(row[0] == (float)(r % 16 - 8) * 0.5f && row[EMBD - 1] == row[0]);
    }
    tensor_read(model_role(m, ROLE_ATTN_NORM, 0), 0, EMBD, row);
    for (int i = 0; i < EMBD; i++)
        assert_true(row[i] == (float)i);
    model_close(m);
}

static void put_gemma(void)
{
    struct stored_file f = {0};
    noise.state = 3;
    put_config("Gemma2ForCausalLM", ",\"head_dim\":32,\"hidden_act\":\"gelu_pytorch_tanh\"");
    add_attention(&f);
    add(&f, LAYER("pre_feedforward_layernorm.weight"), 1, EMBD);
    add(&f, LAYER("post_feedforward_layernorm.weight"), 1, EMBD);
    add(&f, LAYER("mlp.gate_proj.weight"), FFN, EMBD);
    add(&f, LAYER("mlp.up_proj.weight"), FFN, EMBD);
    add(&f, LAYER("mlp.down_proj.weight"), EMBD, FFN);
    folder_stored(folder, "model.safetensors", &f);
}

/* The norm before attention, and the queries' weights times it: what they make of inputs of equal size. */
static void read_queries(const char *path, float *norm, float *queries)
{
    struct model *m = opened(path);
    tensor_read(model_role(m, ROLE_ATTN_NORM, 0), 0, EMBD, norm);
    tensor_read(model_role(m, ROLE_ATTN_Q, 0), 0, HEADS * HEAD * EMBD, queries);
    for (int i = 0; i < HEADS * HEAD * EMBD; i++)
        queries[i] *= norm[i % EMBD];
    model_close(m);
}

/* Gemma stores its norms less 1: scales are folded into what the decoder makes of them. */
static void scales_are_folded_into_norms_as_they_are_stored(void **state)
{
    (void)state;
    enum { N = HEADS * HEAD * EMBD, LENGTH = 32 };
    static float norm[EMBD], folded[EMBD], before[N], after[N];
    static int32_t tokens[LENGTH];
    struct checkpoint_calibrated c = {.text = {.tokens = tokens, .count = 1, .length = LENGTH}};
    struct checkpoint_layout l;
    struct scheme s;
    double power = 0, error = 0, moved = 0;
    for (int i = 0; i < LENGTH; i++)
        tokens[i] = i * 7 % VOCAB;
    put_gemma();
    struct model *m = opened(folder);
    assert_ok(scheme_parse(&s, "w8a8-smooth", &e), &e);
    struct checkpoint_job job = {.model = m, .scheme = &s, .out = out};
    assert_ok(checkpoint_check(&job, &l, &e), &e);
    assert_ok(checkpoint_calibrated_make(&c, &job, &l, NULL, &e), &e);
    job.made = &c.made;
    assert_ok(checkpoint_run(&job, &e), &e);
    read_queries(folder, norm, before);
    read_queries(out, folded, after);
    quant_loss(before, after, N, &power, &error);
    for (int i = 0; i < EMBD; i++)
        moved += fabs(folded[i] / norm[i] - 1) / EMBD;
    assert_true(sqrt(error / power) < 0.03);
    assert_true(moved > 0.05);
    c.text = (struct chunks){0};
    checkpoint_calibrated_done(&c, false);
    checkpoint_layout_done(&l);
    model_close(m);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folders)
    const struct CMUnitTest tests[] = {
        TEST(every_level_is_read_again),
        TEST(what_is_carried_over),
        TEST(experts_are_quantized_each),
        TEST(experts_in_one_tensor_are_written_apart),
        TEST(shards_have_an_index),
        TEST(checkpoints_of_32_bits_become_16),
        TEST(skipped_weights_stay),
        TEST(what_is_refused),
        TEST(damaged_numbers_leave_nothing),
        TEST(interrupted_work_goes_on),
        TEST(other_work_does_not),
        TEST(what_a_calibration_decided_is_taken),
        TEST(scales_are_folded_into_norms_as_they_are_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
