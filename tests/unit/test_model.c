/* Opening models: what the metadata and names of a file come to. */
#include "tests/unit/unit.h"

#include <math.h>

#include "model/model.h"
#include "tests/unit/gguf_build.h"

static struct model *open_demo(void)
{
    struct error e = {0};
    struct model *m;
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    assert_ok(model_open(&m, path, 0, &e), &e);
    free(path);
    return m;
}

static void demo_model(void **state)
{
    (void)state;
    struct model *m = open_demo();
    assert_string_equal(m->arch_name, "llama");
    assert_ptr_equal(m->arch, architecture_named("llama"));
    assert_string_equal(m->file_type, "F16");
    assert_int_equal(m->hp.layers, 6);
    assert_int_equal(m->hp.embd, 256);
    assert_int_equal(m->hp.vocab, 4096);
    assert_int_equal(m->hp.context, 1024);
    assert_int_equal(m->hp.layer[5].heads, 8);
    assert_int_equal(m->hp.layer[5].kv_heads, 4);
    assert_int_equal(m->hp.layer[5].key_length, 32);
    assert_int_equal(m->hp.layer[5].ffn, 512);
    assert_true(m->complete);
    model_close(m);
}

static void look_ups(void **state)
{
    (void)state;
    struct model *m = open_demo();
    const struct tensor *t = model_tensor(m, "blk.3.attn_q.weight");
    assert_non_null(t);
    assert_int_equal(t->role, ROLE_ATTN_Q);
    assert_int_equal(t->layer, 3);
    assert_ptr_equal(t, model_role(m, ROLE_ATTN_Q, 3));
    assert_null(model_role(m, ROLE_ATTN_Q, 6));
    assert_null(model_tensor(m, "blk.3.attn_q"));
    assert_non_null(model_role(m, ROLE_TOKEN_EMBD, -1));
    model_close(m);
}

/* A folder of this test's own, removed at the end. */
static char folder[] = "/tmp/test_model.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static char *in_folder(const char *name)
{
    return xasprintf("%s/%s", folder, name);
}

static void sparse_llama2(void **state)
{
    (void)state;
    struct error e = {0};
    struct model *m;
    char *path = in_folder("7b.gguf");
    gguf_build_file(gguf_build_llama(&gguf_llama2_7b, quant_type(QUANT_F16)), path, 0);
    assert_ok(model_open(&m, path, 0, &e), &e);
    assert_true(m->parameters == 6738415616); /* the model card's 6.74B */
    assert_int_equal(m->hp.vocab, 32000);
    assert_int_equal(m->hp.layer[31].kv_heads, 32);
    assert_int_equal(m->hp.layer[0].key_length, 128);
    model_close(m);
    free(path);
}

static void header_only(void **state)
{
    (void)state;
    struct error e = {0};
    struct model *m;
    char *path = in_folder("70b.gguf");
    gguf_build_file(gguf_build_llama(&gguf_llama2_70b, quant_type(QUANT_F16)), path, GGUF_BUILD_CUT);
    assert_int_not_equal(model_open(&m, path, 0, &e), 0);
    assert_says(&e, "token_embd.weight");
    assert_ok(model_open(&m, path, MODEL_HEADER_ONLY, &e), &e);
    assert_false(m->complete);
    assert_null(m->tensors[0].data);
    assert_true(m->parameters == 68976648192);
    model_close(m);
    free(path);
}

/* --------------------------------------------------- families, by their metadata */

/* These models are good inputs for the fuzzer too. */
static void keep(const void *header, uint64_t bytes)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "model-%02d", number++);
    gguf_build_keep(name, header, bytes);
}

/* A model of metadata alone, from memory; closes nothing: the writer owns the bytes. */
static struct model *parse(struct gguf_writer *w)
{
    struct error e = {0};
    struct model *m;
    uint64_t bytes;
    const void *header = gguf_writer_header(w, &bytes);
    keep(header, bytes);
    assert_ok(model_parse(&m, header, bytes, "test.gguf", MODEL_HEADER_ONLY, &e), &e);
    return m;
}

static void assert_refused(struct gguf_writer *w, const char *says)
{
    struct error e = {0};
    struct model *m;
    uint64_t bytes;
    const void *header = gguf_writer_header(w, &bytes);
    keep(header, bytes);
    assert_int_equal(model_parse(&m, header, bytes, "test.gguf", MODEL_HEADER_ONLY, &e), ERROR_FAILED);
    assert_null(m);
    assert_says(&e, says);
    gguf_writer_free(w);
}

/* A letter a layer. f: full attention, w: window, s: state, b: both a cache and a state, -: neither. */
static char *pattern_of(const struct model *m)
{
    char *text = xcalloc(m->hp.layers + 1, 1);
    for (int i = 0; i < m->hp.layers; i++) {
        const struct layer_shape *l = &m->hp.layer[i];
        text[i] = l->state_bytes && l->kv_heads ? 'b' : l->state_bytes ? 's' : !l->kv_heads ? '-' : l->window ? 'w' : 'f';
    }
    return text;
}

static const struct gguf_shape small = {.layers = 8, .embd = 64, .heads = 4, .kv_heads = 2, .ffn = 128, .vocab = 100,
                                        .context = 512};

static const struct gguf_shape tiny = {.layers = 1, .embd = 64, .heads = 4, .kv_heads = 2, .ffn = 128, .vocab = 100,
                                       .context = 512};

static struct gguf_writer *metadata(const char *arch, int layers)
{
    struct gguf_shape s = small;
    s.arch = arch;
    s.layers = layers;
    return gguf_build_metadata(&s);
}

static void arch_u32(struct gguf_writer *w, const char *arch, const char *suffix, uint32_t value)
{
    char key[100];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    gguf_writer_u32(w, key, value);
}

static void assert_pattern(struct gguf_writer *w, const char *wanted)
{
    struct model *m = parse(w);
    char *pattern = pattern_of(m);
    assert_string_equal(pattern, wanted);
    free(pattern);
    model_close(m);
    gguf_writer_free(w);
}

static void window_patterns(void **state)
{
    (void)state;
    static const struct { const char *arch; int window; const char *wanted; } families[] = {
        {"gemma2", 0, "wfwfwfwfwfwf"},       /* 4096 by default */
        {"gemma3", 512, "wwwwwfwwwwwf"},
        {"gpt-oss", 128, "wfwfwfwfwfwf"},
        {"cohere2", 4096, "wwwfwwwfwwwf"},
        {"olmo2", 4096, "wwwfwwwfwwwf"},
        {"olmo2", 0, "ffffffffffff"},        /* OLMo 2 proper has no window, OLMo 3 does */
        {"smallthinker", 4096, "fwwwfwwwfwww"},
        {"llama4", 0, "wwwfwwwfwwwf"},       /* chunks of 8192 */
        {"phi3", 2047, "ffffffffffff"},      /* not used by llama.cpp */
        {"llama", 4096, "ffffffffffff"},     /* Mistral 7B v0.1: neither */
        {"unheard-of", 4096, "ffffffffffff"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
        struct gguf_writer *w = metadata(families[i].arch, 12);
        if (families[i].window)
            arch_u32(w, families[i].arch, "attention.sliding_window", families[i].window);
        assert_pattern(w, families[i].wanted);
    }
}

/* The file's own pattern comes before the family's: a period, or a flag per layer. */
static void window_pattern_in_file(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("gemma3", 6);
    gguf_writer_u32(w, "gemma3.attention.sliding_window", 1024);
    gguf_writer_u32(w, "gemma3.attention.sliding_window_pattern", 3);
    assert_pattern(w, "wwfwwf");
    w = metadata("gemma3", 6);
    gguf_writer_u32(w, "gemma3.attention.sliding_window", 1024);
    gguf_writer_array(w, "gemma3.attention.sliding_window_pattern", GGUF_BOOL, "\0\1\1\0\0\1", 6);
    assert_pattern(w, "fwwffw");
    w = metadata("llama4", 4);
    gguf_writer_u32(w, "llama4.attention.sliding_window", 0); /* says: none */
    assert_pattern(w, "ffff");
}

static void window_heads(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("gemma4", 6);
    gguf_writer_u32(w, "gemma4.attention.sliding_window", 512);
    gguf_writer_u32(w, "gemma4.attention.key_length", 512);
    gguf_writer_u32(w, "gemma4.attention.value_length", 512);
    gguf_writer_u32(w, "gemma4.attention.key_length_swa", 256);
    gguf_writer_u32(w, "gemma4.attention.value_length_swa", 256);
    gguf_writer_u32(w, "gemma4.attention.shared_kv_layers", 2);
    struct model *m = parse(w);
    assert_int_equal(m->hp.layer[0].key_length, 256);
    assert_int_equal(m->hp.layer[5].key_length, 512);
    char *pattern = pattern_of(m);
    assert_string_equal(pattern, "wwww--");
    free(pattern);
    model_close(m);
    gguf_writer_free(w);
}

static void hybrid_patterns(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("jamba", 4);
    arch_u32(w, "jamba", "ssm.conv_kernel", 4);
    arch_u32(w, "jamba", "ssm.inner_size", 128);
    arch_u32(w, "jamba", "ssm.state_size", 16);
    gguf_writer_array(w, "jamba.attention.head_count_kv", GGUF_I32, (int32_t[]){0, 0, 2, 0}, 4);
    struct model *m = parse(w);
    assert_int_equal(m->hp.layer[0].state_bytes, 4 * (3 * 128 + 16 * 128));
    assert_int_equal(m->hp.layer[2].state_bytes, 0);
    model_close(m);
    assert_pattern(w, "ssfs");

    w = metadata("lfm2", 3);
    arch_u32(w, "lfm2", "shortconv.l_cache", 3);
    gguf_writer_array(w, "lfm2.attention.head_count_kv", GGUF_U32, (uint32_t[]){0, 2, 0}, 3);
    m = parse(w);
    assert_int_equal(m->hp.layer[0].state_bytes, 4 * 2 * 64);
    model_close(m);
    assert_pattern(w, "sfs");
}

static void states_of_other_kinds(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("falcon-h1", 2);
    arch_u32(w, "falcon-h1", "ssm.conv_kernel", 4);
    arch_u32(w, "falcon-h1", "ssm.inner_size", 64);
    arch_u32(w, "falcon-h1", "ssm.state_size", 8);
    arch_u32(w, "falcon-h1", "ssm.group_count", 2);
    struct model *m = parse(w);
    assert_int_equal(m->hp.layer[1].state_bytes, 4 * (3 * (64 + 2 * 2 * 8) + 8 * 64));
    model_close(m);
    assert_pattern(w, "bb");

    w = metadata("rwkv6", 2);
    gguf_writer_u32(w, "rwkv6.attention.head_count", 0);
    gguf_writer_u32(w, "rwkv6.attention.head_count_kv", 0);
    gguf_writer_u32(w, "rwkv6.wkv.head_size", 16);
    gguf_writer_u32(w, "rwkv6.token_shift_count", 2);
    m = parse(w);
    assert_int_equal(m->hp.layer[0].state_bytes, 4 * (2 * 64 + 64 * 16));
    model_close(m);
    assert_pattern(w, "ss");

    w = metadata("qwen3next", 8);
    arch_u32(w, "qwen3next", "ssm.conv_kernel", 4);
    arch_u32(w, "qwen3next", "ssm.inner_size", 64);
    assert_pattern(w, "sssfsssf");

    w = metadata("nemotron_h", 3); /* state, feed-forward, attention */
    arch_u32(w, "nemotron_h", "ssm.conv_kernel", 4);
    arch_u32(w, "nemotron_h", "ssm.inner_size", 64);
    gguf_writer_array(w, "nemotron_h.attention.head_count_kv", GGUF_I32, (int32_t[]){0, 0, 2}, 3);
    gguf_writer_array(w, "nemotron_h.feed_forward_length", GGUF_I32, (int32_t[]){0, 128, 0}, 3);
    assert_pattern(w, "s-f");
}

static void latent_attention(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("deepseek2", 3);
    gguf_writer_u32(w, "deepseek2.attention.kv_lora_rank", 512);
    gguf_writer_u32(w, "deepseek2.rope.dimension_count", 64);
    gguf_writer_u32(w, "deepseek2.expert_count", 16);
    gguf_writer_u32(w, "deepseek2.leading_dense_block_count", 1);
    gguf_writer_u32(w, "deepseek2.expert_feed_forward_length", 48);
    struct model *m = parse(w);
    assert_int_equal(m->hp.mla_rank, 0); /* an older file: keys and values are stored in full */
    assert_int_equal(m->hp.layer[0].ffn, 128);
    assert_int_equal(m->hp.layer[1].ffn, 48);
    model_close(m);
    gguf_writer_u32(w, "deepseek2.attention.key_length_mla", 192);
    m = parse(w);
    assert_int_equal(m->hp.mla_rank, 512);
    assert_int_equal(m->hp.mla_rope, 64);
    model_close(m);
    gguf_writer_free(w);
}

static void rope_of_a_family(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("gemma3", 6);
    gguf_writer_f32(w, "gemma3.rope.freq_base", 1e6f);
    gguf_writer_text(w, "gemma3.rope.scaling.type", "linear");
    gguf_writer_f32(w, "gemma3.rope.scaling.factor", 8);
    struct model *m = parse(w);
    assert_true(m->hp.rope_base == 1e6 && m->hp.rope_base_local == 1e4 && m->hp.rope_factor == 8);
    assert_string_equal(m->hp.rope_scaling, "linear");
    model_close(m);
    gguf_writer_free(w);
    w = metadata("llama", 2);
    m = parse(w);
    assert_true(m->hp.rope_base == 1e4 && m->hp.rope_base_local == 1e4 && m->hp.rope_factor == 1);
    assert_string_equal(m->hp.rope_scaling, "");
    assert_int_equal(m->hp.rope_dims, 16);
    model_close(m);
    gguf_writer_free(w);
}

/* ------------------------------------------------------------------ refusals */

static void lying_metadata(void **state)
{
    (void)state;
    struct gguf_writer *w = gguf_writer_new();
    assert_refused(w, "its metadata lacks general.architecture");
    w = metadata("llama", 1025);
    assert_refused(w, "llama.block_count: it is 1025, expected a whole number from 0 to 1024");
    w = metadata("llama", 2);
    gguf_writer_text(w, "llama.embedding_length", "many");
    assert_refused(w, "llama.embedding_length: it is of kind text");
    w = metadata("llama", 2);
    gguf_writer_f32(w, "llama.rope.freq_base", INFINITY);
    assert_refused(w, "llama.rope.freq_base: it is no finite number");
    w = metadata("llama", 4);
    gguf_writer_array(w, "llama.attention.head_count_kv", GGUF_U32, (uint32_t[]){1, 2, 1}, 3);
    assert_refused(w, "llama.attention.head_count_kv: it has 3 items for 4 layers");
    w = metadata("llama", 2);
    gguf_writer_array(w, "llama.attention.head_count", GGUF_F32, (float[]){4, NAN}, 2);
    assert_refused(w, "llama.attention.head_count: it is nan");
}

/* The decoder relies on shapes that agree with the metadata. */
static void lying_shapes(void **state)
{
    (void)state;
    struct gguf_writer *w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_u32(w, "llama.attention.head_count_kv", 4);
    assert_refused(w, "dimension 1 of the tensor blk.0.attn_k.weight is 32, but by the metadata of this Llama model it must be 64");
    w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_u32(w, "llama.block_count", 0);
    assert_refused(w, "the tensor blk.0.attn_norm.weight is of layer 0, but the metadata says 0 layers");
    w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_tensor(w, "blk.0.attn_q.bias", quant_type(QUANT_F32), 1, (int64_t[]){63});
    assert_refused(w, "dimension 0 of the tensor blk.0.attn_q.bias is 63");
}

static void lying_heads(void **state)
{
    (void)state;
    struct gguf_writer *w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_u32(w, "llama.rope.dimension_count", 18);
    assert_refused(w, "layer 0 has 4 heads, 2 heads for keys and values, and 18 of 16 numbers rotated");
    w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_u32(w, "llama.attention.head_count_kv", 3);
    assert_refused(w, "layer 0 has 4 heads, 3 heads for keys and values");
    w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_remove(w, "llama.feed_forward_length");
    assert_refused(w, "its metadata lacks llama.feed_forward_length, which a Llama model needs");
}

/* Of an architecture that is not evaluated, weights are taken as they come; layers are good as indices anyway. */
static void layers_beyond_the_count(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("unheard-of", 2);
    gguf_writer_tensor(w, "blk.1.attn_q.weight", quant_type(QUANT_F32), 1, (int64_t[]){3});
    gguf_writer_tensor(w, "blk.2.attn_q.weight", quant_type(QUANT_F32), 1, (int64_t[]){3});
    gguf_writer_tensor(w, "blk.99999999999.attn_q.weight", quant_type(QUANT_F32), 1, (int64_t[]){3});
    struct model *m = parse(w);
    assert_int_equal(m->tensors[0].layer, 1);
    assert_int_equal(m->tensors[0].role, ROLE_ATTN_Q);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(m->tensors[i].layer, -1);
        assert_int_equal(m->tensors[i].role, ROLE_OTHER);
    }
    model_close(m);
    gguf_writer_free(w);
}

/* -------------------------------------------------------------------- shards */

/* Shard `number` of two, each with half of a model's tensors. */
static void write_shard(const char *name, int number, int count, int tensors)
{
    struct gguf_writer *w = number == 0 ? metadata("llama", 1) : gguf_writer_new();
    char tensor[32], *path = in_folder(name);
    gguf_writer_u32(w, "split.no", number);
    gguf_writer_u32(w, "split.count", count);
    gguf_writer_u32(w, "split.tensors.count", tensors);
    snprintf(tensor, sizeof tensor, "part%d", number);
    gguf_writer_tensor(w, tensor, quant_type(QUANT_F32), 1, (int64_t[]){8});
    gguf_build_file(w, path, 0);
    free(path);
}

static void shards(void **state)
{
    (void)state;
    struct error e = {0};
    struct model *m;
    write_shard("s-00001-of-00002.gguf", 0, 2, 2);
    write_shard("s-00002-of-00002.gguf", 1, 2, 2);
    char *second = in_folder("s-00002-of-00002.gguf"); /* the person named a later one */
    assert_ok(model_open(&m, second, 0, &e), &e);
    assert_int_equal(m->shard_count, 2);
    assert_int_equal(m->tensor_count, 2);
    assert_non_null(model_tensor(m, "part0"));
    assert_non_null(model_tensor(m, "part1")->data);
    assert_int_equal(m->hp.layers, 1);
    model_close(m);
    free(second);
}

static void refuse_set(const char *says)
{
    struct error e = {0};
    struct model *m;
    char *first = in_folder("b-00001-of-00002.gguf");
    assert_int_equal(model_open(&m, first, 0, &e), ERROR_FAILED);
    assert_says(&e, says);
    free(first);
}

static void broken_sets(void **state)
{
    (void)state;
    write_shard("b-00001-of-00002.gguf", 0, 2, 2);
    refuse_set("b-00002-of-00002.gguf: shard 2 of 2 is missing");
    write_shard("b-00002-of-00002.gguf", 2, 3, 2);
    refuse_set("it says that it is shard 3 of 3, its name says 2 of 2");
    write_shard("b-00002-of-00002.gguf", 1, 2, 2);
    write_shard("b-00001-of-00002.gguf", 0, 2, 5);
    refuse_set("split.tensors.count says 5 tensors, the 2 shards hold 2");
    write_shard("b-00001-of-00002.gguf", 0, 3, 2);
    refuse_set("it is one of 3 shards, but its name does not end in -0000N-of-00003.gguf");
}

/* ------------------------------------------------------- file types and warnings */

static bool warns(const struct model *m, const char *part)
{
    for (int i = 0; i < m->warning_count; i++)
        if (strstr(m->warnings[i], part))
            return true;
    return false;
}

static void file_types(void **state)
{
    (void)state;
    static const struct { int stored; enum quant_id type; const char *wanted; } cases[] = {
        {15, QUANT_Q4_K, "Q4_K_M"},
        {1, QUANT_F16, "F16"},
        {1, QUANT_Q8_0, "Q8_0"},    /* a tool left the original's number behind */
        {7, QUANT_F16, "F16"},
        {-1, QUANT_Q6_K, "Q6_K"},   /* nothing stored: counted */
        {1024, QUANT_BF16, "BF16"}, /* llama.cpp: "guessed" */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct gguf_shape s = small;
        s.embd = s.ffn = 256;
        struct gguf_writer *w = gguf_build_llama(&s, quant_type(cases[i].type));
        if (cases[i].stored >= 0)
            gguf_writer_u32(w, "general.file_type", cases[i].stored);
        struct model *m = parse(w);
        assert_string_equal(m->file_type, cases[i].wanted);
        assert_int_equal(m->quantized, quant_type(cases[i].type)->quantized);
        assert_int_equal(warns(m, "quantizing again loses more"), m->quantized);
        model_close(m);
        gguf_writer_free(w);
    }
}

static void warnings(void **state)
{
    (void)state;
    struct gguf_writer *w = metadata("unheard-of", 2);
    gguf_writer_text(w, "general.type", "adapter");
    gguf_writer_text(w, "general.name", "bad\033[31m name\xff");
    struct model *m = parse(w);
    assert_null(m->arch);
    assert_string_equal(m->name, "bad?[31m name?");
    assert_true(warns(m, "the architecture unheard-of is unknown"));
    assert_true(warns(m, "of type \"adapter\""));
    assert_true(warns(m, "there is no tokenizer"));
    model_close(m);
    gguf_writer_free(w);

    w = gguf_build_llama(&tiny, quant_type(QUANT_F16));
    gguf_writer_texts(w, "tokenizer.ggml.tokens", (const char *const[]){"a", "b"}, 2);
    m = parse(w);
    assert_true(warns(m, "the tokenizer has 2 tokens, the embedding 100 rows"));
    assert_true(warns(m, "the tensor data is missing"));
    assert_int_equal(m->hp.vocab, 100);
    model_close(m);
    gguf_writer_free(w);
}

static void fingerprints(void **state)
{
    (void)state;
    char first[65], again[65], other[65];
    struct model *m = open_demo();
    model_fingerprint(m, first);
    model_fingerprint(m, again);
    model_close(m);
    struct gguf_writer *w = metadata("llama", 2);
    m = parse(w);
    model_fingerprint(m, other);
    model_close(m);
    gguf_writer_free(w);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    assert_int_equal(strlen(first), 64);
}

static void folders_without_a_model_are_refused(void **state)
{
    (void)state;
    struct error e = {0};
    struct model *m;
    assert_int_equal(model_open(&m, folder, 0, &e), ERROR_FAILED);
    assert_says(&e, "it has no config.json");
    assert_null(m);
}

static void names_by_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
    } cases[] = {
        {"a/b/model-Q4_0.gguf", "model-Q4_0.gguf"},
        {"/m/folder/", "folder"},
        {"/c/models--org--Some-7B-it/snapshots/0123", "Some-7B-it"},
        {"/c/models--gpt2/snapshots/0123", "gpt2"},
        {"/c/models--org--name/snapshots/0123/model.gguf", "model.gguf"},
        {"/c/datasets--org--name/snapshots/0123", "0123"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *name = model_path_name(cases[i].path);
        assert_string_equal(name, cases[i].name);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_by_path),
        cmocka_unit_test(demo_model),
        cmocka_unit_test(look_ups),
        cmocka_unit_test(sparse_llama2),
        cmocka_unit_test(header_only),
        cmocka_unit_test(window_patterns),
        cmocka_unit_test(window_pattern_in_file),
        cmocka_unit_test(window_heads),
        cmocka_unit_test(hybrid_patterns),
        cmocka_unit_test(states_of_other_kinds),
        cmocka_unit_test(latent_attention),
        cmocka_unit_test(rope_of_a_family),
        cmocka_unit_test(lying_metadata),
        cmocka_unit_test(lying_shapes),
        cmocka_unit_test(lying_heads),
        cmocka_unit_test(layers_beyond_the_count),
        cmocka_unit_test(shards),
        cmocka_unit_test(broken_sets),
        cmocka_unit_test(file_types),
        cmocka_unit_test(warnings),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(folders_without_a_model_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
