/* Checkpoint folders as models: names, metadata, the order of rows, what is refused. The folders are small
 * and made here; every weight counts up, so that its place shows. */
#include "unit.h"

#include <math.h>

#include "base/file.h"
#include "folder_build.h"
#include "model/hf.h"

enum { EMBD = 8, HEADS = 2, KV_HEADS = 1, HEAD = 4, FFN = 6, VOCAB = 5 };

static struct error e;
static char *folder;

/* --------------------------------------------------------------------- folders */

static int make_folder(void **state)
{
    (void)state;
    folder = folder_make();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* config.json of the class, with `more` in it. */
static void put_config(const char *class, const char *more)
{
    char *text = xasprintf("{\"architectures\":[\"%s\"],\"hidden_size\":%d,\"num_attention_heads\":%d,"
                           "\"num_key_value_heads\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":1,"
                           "\"max_position_embeddings\":64,\"rms_norm_eps\":0.00001,\"vocab_size\":%d%s%s}",
                           class, EMBD, HEADS, KV_HEADS, FFN, VOCAB, *more ? "," : "", more);
    folder_text(folder, "config.json", text);
    free(text);
}

static void add2(struct stored_file *f, const char *name, int64_t rows, int64_t columns)
{
    stored_count_up(f, name, 2, (int64_t[]){rows, columns}, 0);
}

static void add1(struct stored_file *f, const char *name, int64_t n)
{
    stored_count_up(f, name, 1, &n, 0);
}

static void add_ends(struct stored_file *f)
{
    add2(f, "model.embed_tokens.weight", VOCAB, EMBD);
    add1(f, "model.norm.weight", EMBD);
}

#define LAYER(name) "model.layers.0." name

static void add_attention(struct stored_file *f)
{
    add1(f, LAYER("input_layernorm.weight"), EMBD);
    add2(f, LAYER("self_attn.q_proj.weight"), HEADS * HEAD, EMBD);
    add2(f, LAYER("self_attn.k_proj.weight"), KV_HEADS * HEAD, EMBD);
    add2(f, LAYER("self_attn.v_proj.weight"), KV_HEADS * HEAD, EMBD);
    add2(f, LAYER("self_attn.o_proj.weight"), EMBD, HEADS * HEAD);
    add1(f, LAYER("post_attention_layernorm.weight"), EMBD);
}

static void add_feed_forward(struct stored_file *f)
{
    add2(f, LAYER("mlp.gate_proj.weight"), FFN, EMBD);
    add2(f, LAYER("mlp.up_proj.weight"), FFN, EMBD);
    add2(f, LAYER("mlp.down_proj.weight"), EMBD, FFN);
}

static void add_llama(struct stored_file *f)
{
    add_ends(f);
    add_attention(f);
    add_feed_forward(f);
}

static void put_weights(struct stored_file *f)
{
    folder_stored(folder, "model.safetensors", f);
}

static struct model *opened(void)
{
    struct model *m = NULL;
    assert_ok(model_open(&m, folder, 0, &e), &e);
    return m;
}

static void refused(const char *why)
{
    struct model *m;
    assert_int_equal(model_open(&m, folder, 0, &e), ERROR_FAILED);
    assert_null(m);
    assert_says(&e, why);
    assert_says(&e, folder);
}

/* ---------------------------------------------------------------------- looking */

static const struct tensor *tensor(const struct model *m, const char *name)
{
    const struct tensor *t = model_tensor(m, name);
    if (!t)
        fail_msg("there is no %s", name);
    return t;
}

/* Element i of a tensor. */
static float at(const struct model *m, const char *name, int64_t i)
{
    float x;
    tensor_read(tensor(m, name), i, 1, &x);
    return x;
}

static double number(const struct model *m, const char *key)
{
    const struct gguf_value *v = gguf_find(&m->shards[0], key);
    assert_non_null(v);
    return gguf_item(v, 0);
}

static void assert_shape(const struct model *m, const char *name, int64_t a, int64_t b, int64_t c)
{
    const struct tensor *t = tensor(m, name);
    assert_int_equal(t->shape[0], a);
    assert_int_equal(t->shape[1], b);
    assert_int_equal(t->shape[2], c);
}

/* ------------------------------------------------------------------ architectures */

static void llama(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("LlamaForCausalLM", "\"tie_word_embeddings\":false,\"rope_theta\":500000.0");
    add_llama(&f);
    add2(&f, "lm_head.weight", VOCAB, EMBD);
    add1(&f, LAYER("self_attn.rotary_emb.inv_freq"), 2); /* older files have it; it is no weight */
    folder_text(folder, "generation_config.json",
                "{\"temperature\":0.5,\"top_k\":20,\"top_p\":\"x\",\"eos_token_id\":1}");
    put_weights(&f);
    struct model *m = opened();
    assert_string_equal(m->arch_name, "llama");
    assert_int_equal(m->tensor_count, 12);
    assert_true(m->complete);
    assert_int_equal(m->hp.layers, 1);
    assert_int_equal(m->hp.vocab, VOCAB);
    assert_true(number(m, "llama.rope.freq_base") == 500000);
    assert_true(number(m, "llama.rope.dimension_count") == HEAD);
    assert_true(number(m, "llama.attention.head_count_kv") == KV_HEADS);
    assert_true(number(m, "general.sampling.temp") == 0.5 && number(m, "general.sampling.top_k") == 20);
    assert_null(gguf_find(&m->shards[0], "general.sampling.top_p"));
    assert_shape(m, "blk.0.ffn_down.weight", FFN, EMBD, 1);
    /* Rows 0, 1, 2, 3 of a head are stored as 0, 2, 1, 3; everything else stays where it is. */
    static const int order[] = {0, 2, 1, 3, 4, 6, 5, 7};
    for (int r = 0; r < 8; r++)
        assert_true(at(m, "blk.0.attn_q.weight", r * EMBD) == order[r] * EMBD);
    assert_true(at(m, "blk.0.attn_k.weight", 2 * EMBD) == 1 * EMBD);
    assert_null(tensor(m, "blk.0.attn_q.weight")->data);
    assert_non_null(tensor(m, "blk.0.attn_v.weight")->data);
    assert_true(at(m, "blk.0.attn_v.weight", 2 * EMBD) == 2 * EMBD);
    model_close(m);
}

static void embeddings_that_are_shared(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("LlamaForCausalLM", "\"tie_word_embeddings\":true");
    add_llama(&f);
    add2(&f, "lm_head.weight", VOCAB, EMBD);
    put_weights(&f);
    struct model *m = opened();
    assert_null(model_tensor(m, "output.weight"));
    model_close(m);
    put_config("LlamaForCausalLM", "\"tie_word_embeddings\":false");
    add_llama(&f);
    put_weights(&f);
    refused("the tensor lm_head.weight is missing");
}

static void qwen_has_biases_and_keeps_rows(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("Qwen2ForCausalLM", "");
    add_llama(&f);
    add1(&f, LAYER("self_attn.q_proj.bias"), HEADS * HEAD);
    add1(&f, LAYER("self_attn.k_proj.bias"), KV_HEADS * HEAD);
    add1(&f, LAYER("self_attn.v_proj.bias"), KV_HEADS * HEAD);
    put_weights(&f);
    struct model *m = opened();
    assert_string_equal(m->arch_name, "qwen2");
    assert_true(at(m, "blk.0.attn_q.weight", EMBD) == EMBD);
    assert_true(at(m, "blk.0.attn_q.bias", 1) == 1);
    model_close(m);
}

/* Lists are turned as matrices are. */
static void biases_are_turned(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("LlamaForCausalLM", "\"attention_bias\":true");
    add_llama(&f);
    add1(&f, LAYER("self_attn.q_proj.bias"), HEADS * HEAD);
    put_weights(&f);
    struct model *m = opened();
    assert_shape(m, "blk.0.attn_q.bias", HEADS * HEAD, 1, 1);
    assert_true(at(m, "blk.0.attn_q.bias", 1) == 2 && at(m, "blk.0.attn_q.bias", 6) == 5);
    model_close(m);
}

static void gemma_adds_one_to_norms(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("Gemma3ForCausalLM",
               "\"head_dim\":4,\"query_pre_attn_scalar\":16,\"sliding_window\":32,\"rope_parameters\":{"
               "\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8.0,\"rope_theta\":1e6},"
               "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":1e4}}");
    add_llama(&f);
    add1(&f, LAYER("self_attn.q_norm.weight"), HEAD);
    add1(&f, LAYER("self_attn.k_norm.weight"), HEAD);
    add1(&f, LAYER("pre_feedforward_layernorm.weight"), EMBD);
    add1(&f, LAYER("post_feedforward_layernorm.weight"), EMBD);
    put_weights(&f);
    struct model *m = opened();
    static const char *const norms[] = {
        "output_norm.weight",      "blk.0.attn_norm.weight",     "blk.0.post_attention_norm.weight",
        "blk.0.ffn_norm.weight",   "blk.0.post_ffw_norm.weight", "blk.0.attn_q_norm.weight",
        "blk.0.attn_k_norm.weight"};
    for (size_t i = 0; i < ARRAY_LENGTH(norms); i++)
        assert_true(at(m, norms[i], 2) == 3);
    assert_true(at(m, "token_embd.weight", 2) == 2);
    assert_string_equal(m->hp.rope_scaling, "linear");
    assert_true(m->hp.rope_factor == 8 && m->hp.rope_base == 1e6 && m->hp.rope_base_local == 1e4);
    assert_true(number(m, "gemma3.attention.scale") == 0.25);
    assert_true(number(m, "gemma3.attention.sliding_window") == 32);
    model_close(m);
}

/* A multimodal model: another prefix, the language model's settings in text_config, and what is left out. */
static void gemma_among_other_modalities(void **state)
{
    (void)state;
    struct stored_file f = {0};
    folder_text(folder, "config.json",
                "{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"text_config\":{"
                "\"hidden_size\":8,\"intermediate_size\":6,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                "\"num_key_value_heads\":1,\"head_dim\":4}}");
    add2(&f, "language_model.model.embed_tokens.weight", VOCAB, EMBD);
    add1(&f, "language_model.model.norm.weight", EMBD);
    static const char *const layer[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                        "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                        "mlp.down_proj"};
    static const int64_t shapes[][2] = {{8, 8}, {4, 8}, {4, 8}, {8, 8}, {6, 8}, {6, 8}, {8, 6}};
    for (size_t i = 0; i < ARRAY_LENGTH(layer); i++) {
        char *name = xasprintf("language_model.model.layers.0.%s.weight", layer[i]);
        add2(&f, name, shapes[i][0], shapes[i][1]);
        free(name);
    }
    add2(&f, "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", 3, 3);
    put_weights(&f);
    struct model *m = opened();
    assert_int_equal(m->tensor_count, 9);
    assert_int_equal(m->hp.context, 131072);
    assert_true(m->hp.rope_base == 1e6);
    model_close(m);
}

static void phi_keeps_what_is_fused(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("Phi3ForCausalLM",
               "\"original_max_position_embeddings\":16,\"rope_scaling\":{\"type\":\"longrope\","
               "\"short_factor\":[1.0,2.0],\"long_factor\":[3.0,4.0]}");
    add_ends(&f);
    add1(&f, LAYER("input_layernorm.weight"), EMBD);
    add2(&f, LAYER("self_attn.qkv_proj.weight"), (HEADS + 2 * KV_HEADS) * HEAD, EMBD);
    add2(&f, LAYER("self_attn.o_proj.weight"), EMBD, HEADS * HEAD);
    add1(&f, LAYER("post_attention_layernorm.weight"), EMBD);
    add2(&f, LAYER("mlp.gate_up_proj.weight"), 2 * FFN, EMBD);
    add2(&f, LAYER("mlp.down_proj.weight"), EMBD, FFN);
    put_weights(&f);
    struct model *m = opened();
    assert_shape(m, "blk.0.attn_qkv.weight", EMBD, 16, 1);
    assert_shape(m, "blk.0.ffn_up.weight", EMBD, 2 * FFN, 1);
    assert_true(at(m, "rope_factors_long.weight", 1) == 4 && at(m, "rope_factors_short.weight", 1) == 2);
    assert_string_equal(m->hp.rope_scaling, "longrope");
    /* sqrt(1 + ln(64 / 16) / ln 16) */
    assert_true(fabs(number(m, "phi3.rope.scaling.attn_factor") - sqrt(1.5)) < 1e-6);
    assert_true(number(m, "phi3.rope.scaling.original_context_length") == 16);
    model_close(m);
}

static void experts_are_stacked(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("MixtralForCausalLM", "\"num_local_experts\":3,\"num_experts_per_tok\":2");
    add_ends(&f);
    add_attention(&f);
    add2(&f, LAYER("block_sparse_moe.gate.weight"), 3, EMBD);
    static const int of[] = {2, 0, 1}; /* in any order */
    for (int i = 0; i < 3; i++) {
        static const struct {
            const char *w;
            int64_t rows, columns;
        } parts[] = {{"w1", FFN, EMBD}, {"w2", EMBD, FFN}, {"w3", FFN, EMBD}};
        for (int k = 0; k < 3; k++) {
            char *name = xasprintf(LAYER("block_sparse_moe.experts.%d.%s.weight"), of[i], parts[k].w);
            stored_count_up(&f, name, 2, (int64_t[]){parts[k].rows, parts[k].columns}, 1000 * (float)of[i]);
            free(name);
        }
    }
    put_weights(&f);
    struct model *m = opened();
    assert_shape(m, "blk.0.ffn_gate_exps.weight", EMBD, FFN, 3);
    assert_shape(m, "blk.0.ffn_down_exps.weight", FFN, EMBD, 3);
    for (int i = 0; i < 3; i++)
        assert_true(at(m, "blk.0.ffn_up_exps.weight", (int64_t)i * EMBD * FFN + 5) == 1000 * i + 5);
    assert_int_equal(tensor(m, "blk.0.ffn_gate_inp.weight")->type->id, QUANT_F32);
    assert_int_equal(m->hp.experts_used, 2);
    assert_string_equal(gguf_text(&m->shards[0], "general.size_label"), "3x0.42K"); /* 424 */
    model_close(m);
    put_config("MixtralForCausalLM", "\"num_local_experts\":4,\"num_experts_per_tok\":2");
    refused("experts.3.w1.weight is missing, the config says 4 experts");
}

/* [experts][gate above up][in], and down. */
static void experts_in_one_are_taken_apart(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("Qwen3MoeForCausalLM", "\"head_dim\":4,\"num_experts\":2,\"num_experts_per_tok\":1,"
               "\"moe_intermediate_size\":3,\"norm_topk_prob\":true");
    add_ends(&f);
    add_attention(&f);
    add1(&f, LAYER("self_attn.q_norm.weight"), HEAD);
    add1(&f, LAYER("self_attn.k_norm.weight"), HEAD);
    add2(&f, LAYER("mlp.gate.weight"), 2, EMBD);
    stored_count_up(&f, LAYER("mlp.experts.gate_up_proj"), 3, (int64_t[]){2, 6, EMBD}, 0);
    stored_count_up(&f, LAYER("mlp.experts.down_proj"), 3, (int64_t[]){2, EMBD, 3}, 0);
    put_weights(&f);
    struct model *m = opened();
    assert_shape(m, "blk.0.ffn_gate_exps.weight", EMBD, 3, 2);
    assert_true(at(m, "blk.0.ffn_gate_exps.weight", 0) == 0 && at(m, "blk.0.ffn_gate_exps.weight", 24) == 48);
    assert_true(at(m, "blk.0.ffn_up_exps.weight", 0) == 24 && at(m, "blk.0.ffn_up_exps.weight", 25) == 73);
    assert_non_null(tensor(m, "blk.0.ffn_down_exps.weight")->data);
    model_close(m);
}

static void experts_without_number(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("Qwen3MoeForCausalLM", "\"head_dim\":4,\"num_experts\":2,\"num_experts_per_tok\":1,"
                                      "\"moe_intermediate_size\":3");
    add_ends(&f);
    stored_count_up(&f, LAYER("mlp.experts.down_proj"), 3, (int64_t[]){70000, 1, 1}, 0);
    put_weights(&f);
    refused("down_proj holds 70000 experts, at most 65536 can be");
}

/* Expert 0's one scale is not read as if there were as many as the others have. */
static void experts_scaled_in_different_ways(void **state)
{
    (void)state;
    struct stored_file f = {0};
    unsigned char zeros[FFN * EMBD * sizeof(float)] = {0};
    put_config("MixtralForCausalLM", "\"num_local_experts\":2,\"num_experts_per_tok\":1,"
               "\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"float-quantized\"}");
    add_ends(&f);
    add_attention(&f);
    add2(&f, LAYER("block_sparse_moe.gate.weight"), 2, EMBD);
    for (int64_t i = 0; i < 2; i++) {
        char *name = xasprintf(LAYER("block_sparse_moe.experts.%d.w1.weight"), (int)i);
        char *scale = xasprintf("%s_scale", name);
        stored_add(&f, name, "F8_E4M3", 2, (int64_t[]){FFN, EMBD}, zeros, FFN * EMBD);
        stored_add(&f, scale, "F32", 2, (int64_t[]){i ? FFN : 1, 1}, zeros, (i ? FFN : 1) * sizeof(float));
        free(name);
        free(scale);
    }
    put_weights(&f);
    refused("experts.1.w1.weight has scales of another kind than expert 0");
}

static void experts_packed_and_plain(void **state)
{
    (void)state;
    static const char bytes[FFN * EMBD * sizeof(float)];
    struct stored_file f = {0};
    put_config("MixtralForCausalLM", "\"num_local_experts\":2,\"num_experts_per_tok\":1,"
               "\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_8bit\":true}");
    add_ends(&f);
    add_attention(&f);
    add2(&f, LAYER("block_sparse_moe.gate.weight"), 2, EMBD);
    stored_add(&f, LAYER("block_sparse_moe.experts.0.w1.weight"), "I8", 2, (int64_t[]){FFN, EMBD}, bytes, FFN * EMBD);
    stored_add(&f, LAYER("block_sparse_moe.experts.0.w1.SCB"), "F32", 1, (int64_t[]){FFN}, bytes, FFN * sizeof(float));
    add2(&f, LAYER("block_sparse_moe.experts.1.w1.weight"), FFN, EMBD);
    put_weights(&f);
    refused("experts.1.w1.weight differs from expert 0's in shape or number format");
}

/* A matrix of no elements may claim any length, and no data has to be there for it. */
static void packed_parts_without_elements(void **state)
{
    (void)state;
    static const char *const methods[] = {"gptq", "awq"};
    static const int64_t endless[] = {INT64_C(1) << 62, 0};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        struct stored_file f = {0};
        char *more = xasprintf("\"quantization_config\":{\"quant_method\":\"%s\",\"bits\":4}", methods[i]);
        put_config("LlamaForCausalLM", more);
        add_llama(&f);
        stored_add(&f, LAYER("mlp.up_proj.qweight"), "I32", 2, endless, "", 0);
        stored_add(&f, LAYER("mlp.up_proj.qzeros"), "I32", 2, (int64_t[]){1, 1}, "....", 4);
        stored_add(&f, LAYER("mlp.up_proj.scales"), "F16", 2, (int64_t[]){1, 8}, "................", 16);
        put_weights(&f);
        refused("up_proj.qweight is no matrix");
        free(more);
    }
}

/* [experts][in][gate, up, gate, up, ...], with biases in the same order. */
static void gpt_oss_is_untangled(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config(
        "GptOssForCausalLM",
        "\"head_dim\":4,\"num_local_experts\":2,\"num_experts_per_tok\":1,\"sliding_window\":16,"
        "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":32.0,\"beta_fast\":32.0,\"beta_slow\":1.0,"
        "\"original_max_position_embeddings\":4}");
    add_ends(&f);
    add_attention(&f);
    add1(&f, LAYER("self_attn.sinks"), HEADS);
    add2(&f, LAYER("mlp.router.weight"), 2, EMBD);
    add1(&f, LAYER("mlp.router.bias"), 2);
    stored_count_up(&f, LAYER("mlp.experts.gate_up_proj"), 3, (int64_t[]){2, EMBD, 12}, 0);
    stored_count_up(&f, LAYER("mlp.experts.gate_up_proj_bias"), 2, (int64_t[]){2, 12}, 0);
    stored_count_up(&f, LAYER("mlp.experts.down_proj"), 3, (int64_t[]){2, FFN, EMBD}, 0);
    stored_count_up(&f, LAYER("mlp.experts.down_proj_bias"), 2, (int64_t[]){2, EMBD}, 0);
    put_weights(&f);
    struct model *m = opened();
    assert_shape(m, "blk.0.ffn_up_exps.weight", EMBD, FFN, 2);
    for (int x = 0; x < 2; x++)
        for (int r = 0; r < FFN; r++)
            for (int c = 0; c < EMBD; c++) {
                int64_t i = ((int64_t)x * FFN + r) * EMBD + c;
                assert_true(at(m, "blk.0.ffn_gate_exps.weight", i) == (x * EMBD + c) * 12 + 2 * r);
                assert_true(at(m, "blk.0.ffn_up_exps.weight", i) == (x * EMBD + c) * 12 + 2 * r + 1);
            }
    assert_shape(m, "blk.0.ffn_gate_exps.bias", FFN, 2, 1);
    assert_true(at(m, "blk.0.ffn_gate_exps.bias", 7) == 14 && at(m, "blk.0.ffn_up_exps.bias", 7) == 15);
    assert_shape(m, "blk.0.ffn_down_exps.weight", FFN, EMBD, 2);
    assert_true(at(m, "blk.0.ffn_down_exps.weight", 1) == EMBD);
    assert_true(m->hp.rope_original_context == 4 && m->hp.rope_factor == 32);
    assert_int_equal(m->hp.layer[0].window, 16);
    model_close(m);
}

/* Wavelengths below 8192 / 4 stay, those above 8192 / 1 are divided by 8; in between it is smooth. */
static void llama3_factors(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("LlamaForCausalLM",
               "\"rope_theta\":500000.0,\"head_dim\":4,\"rope_scaling\":{\"rope_type\":\"llama3\","
               "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
               "\"original_max_position_embeddings\":8192}");
    add_llama(&f);
    put_weights(&f);
    struct model *m = opened();
    assert_shape(m, "rope_freqs.weight", 2, 1, 1);
    assert_true(at(m, "rope_freqs.weight", 0) == 1);
    /* The second: wavelength 2π √500000 = 4442.9, smooth (8192 / 4442.9 - 1) / 3 = 0.28128 */
    assert_true(fabs(at(m, "rope_freqs.weight", 1) - 1 / ((1 - 0.28128) / 8 + 0.28128)) < 1e-3);
    assert_string_equal(m->hp.rope_scaling, "");
    model_close(m);
}

/* ---------------------------------------------------------------- number formats */

static void sixteen_bits_stay(void **state)
{
    (void)state;
    struct stored_file f = {0};
    uint16_t half[48];
    for (int i = 0; i < 48; i++)
        half[i] = 0x3c00; /* 1 in F16 */
    put_config("LlamaForCausalLM", "");
    add_ends(&f);
    add_attention(&f);
    stored_add(&f, LAYER("mlp.gate_proj.weight"), "F16", 2, (int64_t[]){FFN, EMBD}, half, sizeof half);
    stored_add(&f, LAYER("mlp.up_proj.weight"), "BF16", 2, (int64_t[]){FFN, EMBD}, half, sizeof half);
    stored_add(&f, LAYER("mlp.down_proj.weight"), "F64", 2, (int64_t[]){EMBD, FFN}, (double[48]){0.5},
               48 * 8);
    put_weights(&f);
    struct model *m = opened();
    assert_int_equal(tensor(m, "blk.0.ffn_gate.weight")->type->id, QUANT_F16);
    assert_int_equal(tensor(m, "blk.0.ffn_up.weight")->type->id, QUANT_BF16);
    assert_int_equal(tensor(m, "blk.0.ffn_down.weight")->type->id, QUANT_F32);
    assert_true(at(m, "blk.0.ffn_gate.weight", 3) == 1 && at(m, "blk.0.ffn_down.weight", 0) == 0.5f);
    model_close(m);
}

/* Weights of 8 bits whose feed-forward part has these scales. */
static void put_eight_bits(const char *quantization, const char *end, int dims, const int64_t *shape,
                           const char *dtype)
{
    struct stored_file f = {0};
    unsigned char one[48];
    float scales[] = {2, 3, 4, 5, 6, 7, 8, 9};
    int64_t n = 1;
    for (int i = 0; i < dims; i++)
        n *= shape[i];
    memset(one, strcmp(dtype, "I8") == 0 ? 1 : 0x38, sizeof one);
    put_config("LlamaForCausalLM", quantization);
    add_ends(&f);
    add_attention(&f);
    stored_add(&f, LAYER("mlp.gate_proj.weight"), dtype, 2, (int64_t[]){FFN, EMBD}, one, sizeof one);
    char *name = xasprintf(LAYER("mlp.gate_proj.weight%s"), end);
    if (*end)
        stored_add(&f, name, "F32", dims, shape, scales, n * sizeof *scales);
    free(name);
    add2(&f, LAYER("mlp.up_proj.weight"), FFN, EMBD);
    add2(&f, LAYER("mlp.down_proj.weight"), EMBD, FFN);
    put_weights(&f);
}

#define FP8_BLOCKS "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[4,3]}"
#define COMPRESSED(format)                                                                                   \
    "\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"" format "\"}"

static void eight_bits_are_scaled(void **state)
{
    (void)state;
    put_eight_bits(FP8_BLOCKS, "_scale_inv", 2, (int64_t[]){2, 3}, "F8_E4M3");
    struct model *m = opened();
    assert_true(at(m, "blk.0.ffn_gate.weight", 0) == 2 && at(m, "blk.0.ffn_gate.weight", 3) == 3);
    assert_true(at(m, "blk.0.ffn_gate.weight", 7) == 4 && at(m, "blk.0.ffn_gate.weight", 5 * EMBD + 7) == 7);
    assert_string_equal(m->file_type, "F32");
    model_close(m);
    put_eight_bits(COMPRESSED("float-quantized"), "_scale", 2, (int64_t[]){FFN, 1}, "F8_E4M3");
    m = opened();
    assert_true(at(m, "blk.0.ffn_gate.weight", 7) == 2 && at(m, "blk.0.ffn_gate.weight", 5 * EMBD) == 7);
    model_close(m);
    put_eight_bits(COMPRESSED("int-quantized"), "_scale", 1, (int64_t[]){1}, "I8");
    m = opened();
    assert_true(at(m, "blk.0.ffn_gate.weight", 0) == 2 && at(m, "blk.0.ffn_gate.weight", 47) == 2);
    model_close(m);
}

/* What most numbers are stored in is what people see; GGUF has no such type, so they become F32. */
static void the_file_type_is_the_stored_one(void **state)
{
    (void)state;
    struct stored_file f = {0};
    unsigned char embedding[100 * EMBD] = {0};
    put_config("LlamaForCausalLM", "");
    stored_add(&f, "model.embed_tokens.weight", "F8_E4M3", 2, (int64_t[]){100, EMBD}, embedding,
               sizeof embedding);
    add1(&f, "model.norm.weight", EMBD);
    add_attention(&f);
    add_feed_forward(&f);
    put_weights(&f);
    struct model *m = opened();
    assert_string_equal(m->file_type, "F8_E4M3");
    assert_int_equal(tensor(m, "token_embd.weight")->type->id, QUANT_F32);
    assert_true(number(m, "general.file_type") == 0);
    model_close(m);
}

static void scales_that_do_not_fit(void **state)
{
    (void)state;
    put_eight_bits(FP8_BLOCKS, "_scale_inv", 2, (int64_t[]){3, 2}, "F8_E4M3");
    refused("gate_proj.weight_scale_inv does not fit the shape of its weight");
    put_eight_bits("", "_scale_inv", 2, (int64_t[]){2, 3}, "F8_E4M3");
    refused("weight_block_size");
    put_eight_bits(
        "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[9223372036854775807,3]}",
        "_scale_inv", 2, (int64_t[]){2, 3}, "F8_E4M3");
    refused("weight_block_size");
    put_eight_bits("", "", 0, NULL, "I8");
    refused("gate_proj.weight holds whole numbers without scales");
}

static void quantized_already(void **state)
{
    (void)state;
    static const struct { const char *config, *why; } cases[] = {
        {"\"quantization_config\":{\"quant_method\":\"gptq\",\"checkpoint_format\":\"marlin\"}",
         "quantized already (gptq, marlin), in a layout that this version does not read"},
        {"\"quantization_config\":{\"quant_method\":\"awq\",\"version\":\"gemv\"}", "quantized already (awq, gemv)"},
        {"\"quantization_config\":{\"quant_method\":\"hqq\"}", "quantized already (hqq)"},
        {COMPRESSED("nvfp4-pack-quantized"), "quantized already (compressed-tensors, nvfp4-pack-quantized)"},
        {"\"quantization_config\":{}", "quantized already (by a method without a name)"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        put_config("LlamaForCausalLM", cases[i].config);
        refused(cases[i].why);
    }
}

/* ---------------------------------------------------------------------- shards */

static void put_index(const char *map)
{
    char *text = xasprintf("{\"metadata\":{\"total_size\":1},\"weight_map\":{%s}}", map);
    folder_text(folder, "model.safetensors.index.json", text);
    free(text);
}

/* Two files of different names, as an index says. */
static void put_shards(void)
{
    struct stored_file f = {0};
    put_config("LlamaForCausalLM", "");
    add_ends(&f);
    add_attention(&f);
    folder_stored(folder, "model-00001-of-00002.safetensors", &f);
    add_feed_forward(&f);
    folder_stored(folder, "model-00002-of-00002.safetensors", &f);
}

#define FIRST "\"model-00001-of-00002.safetensors\""
#define SECOND "\"model-00002-of-00002.safetensors\""

static void shards(void **state)
{
    (void)state;
    put_shards();
    struct model *m = opened();
    assert_int_equal(m->tensor_count, 11);
    assert_int_equal(m->file_count, 3);
    model_close(m);
    put_index("\"model.embed_tokens.weight\":" FIRST ",\"" LAYER("mlp.up_proj.weight") "\":" SECOND);
    m = opened();
    assert_int_equal(m->tensor_count, 11);
    model_close(m);
}

static void shards_that_are_missing(void **state)
{
    (void)state;
    put_shards();
    char *path = path_join(folder, "model-00001-of-00002.safetensors");
    assert_int_equal(remove(path), 0);
    free(path);
    refused("1 of 2 files are missing: model-00001-of-00002.safetensors; get them too");
    put_index("\"a\":\"x.safetensors\",\"b\":\"y.safetensors\",\"c\":" SECOND);
    refused("2 of 3 files are missing: x.safetensors, y.safetensors");
}

static void an_index_that_lies(void **state)
{
    (void)state;
    put_shards();
    static const struct { const char *map, *why; } lies[] = {
        {"", "it has no weight_map"},
        {"\"model.norm.weight\":" SECOND, "lacks the tensor model.norm.weight"},
        {"\"nothing\":" FIRST, "lacks the tensor nothing"},
        {"\"model.norm.weight\":\"../x.safetensors\"", "which is no .safetensors file of this folder"},
        {"\"model.norm.weight\":\"/etc/passwd\"", "which is no .safetensors file of this folder"},
        {"\"model.norm.weight\":1", "which is no .safetensors file of this folder"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lies); i++) {
        put_index(lies[i].map);
        refused(lies[i].why);
    }
    folder_text(folder, "model.safetensors.index.json", "{");
    refused("index.json: line 1");
}

static void a_tensor_in_two_files(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_shards();
    add_feed_forward(&f);
    folder_stored(folder, "model-extra.safetensors", &f);
    refused("is in model-00002-of-00002.safetensors and in model-extra.safetensors");
}

/* -------------------------------------------------------------------- refusals */

static void folders_of_another_kind(void **state)
{
    (void)state;
    refused("it has no config.json");
    folder_text(folder, "adapter_config.json", "{}");
    refused("it holds an adapter (LoRA)");
    put_config("LlamaForCausalLM", "");
    refused("it has a config.json, but no model.safetensors");
    folder_text(folder, "pytorch_model.bin", "x");
    refused("weights_only=True");
    folder_text(folder, "config.json", "{");
    refused("config.json: line 1");
    folder_text(folder, "config.json", "[]");
    refused("no JSON object");
    folder_text(folder, "config.json", "{}");
    refused("it lacks \"architectures\"");
    put_config("ElephantForCausalLM", "");
    refused("the architecture ElephantForCausalLM is none that can be read from a folder; known are "
            "LlamaForCausalLM,");
}

static void values_that_cannot_be(void **state)
{
    (void)state;
    static const struct { const char *more, *why; } cases[] = {
        {"\"head_dim\":\"many\"", "head_dim is no whole number"},
        {"\"head_dim\":-4", "head_dim is no whole number"},
        {"\"head_dim\":1.5", "head_dim is no whole number"},
        {"\"num_local_experts\":100000", "100000 experts cannot be"},
        {"\"num_experts\":1.5", "num_experts is no whole number"},
        {"\"max_position_embeddings\":134217729", "config.json: what GGUF calls llama.context_length: it is 134217729, expected"},
        {"\"rope_theta\":\"x\"", "rope_theta is no number"},
        {"\"rope_theta\":-1", "a rotary base of -1 (rope_theta)"},
        {"\"rope_scaling\":\"yarn\"", "rope_scaling is no table"},
        {"\"rope_scaling\":{\"rope_type\":8}", "rope_scaling is no table with a text for its rope_type"},
        {"\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":0}", "scaled by 0 (factor)"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"high_freq_factor\":1}",
         "from low_freq_factor 1 to high_freq_factor 1"},
        {"\"rope_scaling\":{\"rope_type\":\"longrope\",\"long_factor\":[1.0,\"2\"]}",
         "item 1 of long_factor of the rotary scaling is no number over 0"},
        {"\"rope_scaling\":{\"rope_type\":\"magic\",\"factor\":2.0}",
         "the rotary scaling magic is none that GGUF knows"},
        {"\"rope_scaling\":{\"rope_type\":\"longrope\",\"long_factor\":[1.0]}",
         "long_factor of the rotary scaling has 1"},
        {"\"num_hidden_layers\":0", "0 layers"},
        {"\"num_attention_heads\":0", "num_attention_heads is 0"},
        {"\"head_dim\":100000", "heads of 100000 numbers"},
        {"\"partial_rotary_factor\":2.0", "of which a part of 2 is rotated"},
        {"\"num_attention_heads\":3", "has 8 rows, which do not divide into 3 heads"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct stored_file f = {0};
        put_config("LlamaForCausalLM", cases[i].more);
        add_llama(&f);
        put_weights(&f);
        refused(cases[i].why);
    }
}

static void tensors_too_few_or_too_many(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("LlamaForCausalLM", "");
    add_ends(&f);
    add_attention(&f);
    put_weights(&f);
    refused("the tensor model.layers.0.mlp.up_proj.weight is missing");
    add_llama(&f);
    add1(&f, LAYER("self_attn.compass.weight"), 3);
    put_weights(&f);
    refused("the tensor model.layers.0.self_attn.compass.weight has no place in a Llama model of GGUF");
    add_llama(&f);
    add1(&f, "model.layers.1.input_layernorm.weight", EMBD);
    put_weights(&f);
    put_config("LlamaForCausalLM", "\"num_hidden_layers\":2");
    refused("the tensor model.layers.1.self_attn.q_proj.weight is missing");
}

/* A shape that the hyperparameters contradict is found as in a GGUF file. */
static void shapes_that_contradict(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("LlamaForCausalLM", "\"intermediate_size\":7");
    add_llama(&f);
    put_weights(&f);
    refused("of the tensor blk.0.ffn_gate.weight is 6, but by the metadata of this Llama model it must be 7");
}

/* What GGUF takes for granted by the architecture's name. */
static void settings_that_gguf_cannot_say(void **state)
{
    (void)state;
    static const struct { const char *class, *more, *why; } cases[] = {
        {"LlamaForCausalLM", "\"hidden_act\":\"gelu\"",
         "hidden_act is gelu; in GGUF every Llama model has silu"},
        {"Gemma2ForCausalLM", "\"hidden_activation\":\"relu\"", "every Gemma 2 model has gelu_pytorch_tanh"},
        {"Gemma2ForCausalLM", "\"layer_types\":[\"full_attention\"]", "layer 0 has full_attention"},
        {"GptOssForCausalLM", "\"swiglu_limit\":5.0", "swiglu_limit is 5; in GGUF every gpt-oss model has 7"},
        {"SmolLM3ForCausalLM", "\"no_rope_layers\":[0,1,1,1]", "no_rope_layers: layer 0 is not rotated"},
        {"SmolLM3ForCausalLM", "\"no_rope_layer_interval\":3", "no_rope_layer_interval is 3"},
        {"Qwen2MoeForCausalLM", "\"decoder_sparse_step\":2", "decoder_sparse_step is 2"},
        {"Qwen3MoeForCausalLM", "\"mlp_only_layers\":[0]", "1 layers have no experts"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        put_config(cases[i].class, cases[i].more);
        refused(cases[i].why);
    }
}

static void windows_that_are_lost_are_told(void **state)
{
    (void)state;
    struct stored_file f = {0};
    put_config("MistralForCausalLM", "\"sliding_window\":32");
    add_llama(&f);
    put_weights(&f);
    struct model *m = opened();
    bool told = false;
    for (int i = 0; i < m->warning_count; i++)
        told = told || strstr(m->warnings[i], "look back 32 tokens, Llama models in GGUF further");
    assert_true(told);
    model_close(m);
}

/* ------------------------------------------------------------------ the whole */

static void fingerprint_and_place(void **state)
{
    (void)state;
    char first[65], second[65], third[65];
    struct stored_file f = {0};
    put_shards();
    struct model *m = opened();
    model_fingerprint(m, first);
    struct tensor_place p = tensor_place(m, tensor(m, "blk.0.attn_q.weight"), EMBD + 3);
    assert_true(str_ends(p.path, "model-00001-of-00002.safetensors"));
    assert_string_equal(p.name, LAYER("self_attn.q_proj.weight"));
    assert_int_equal(p.row, 2);
    assert_int_equal(p.column, 3);
    model_close(m);
    put_config("LlamaForCausalLM", "\"rope_theta\":2.0");
    m = opened();
    model_fingerprint(m, second);
    model_close(m);
    put_config("LlamaForCausalLM", "");
    add2(&f, LAYER("mlp.down_proj.weight"), EMBD, FFN); /* the same tensors, in another order */
    add2(&f, LAYER("mlp.gate_proj.weight"), FFN, EMBD);
    add2(&f, LAYER("mlp.up_proj.weight"), FFN, EMBD);
    folder_stored(folder, "model-00002-of-00002.safetensors", &f);
    m = opened();
    model_fingerprint(m, third);
    model_close(m);
    assert_string_not_equal(first, second);
    assert_string_not_equal(first, third);
}

/* Every architecture of the table has one of GGUF's, which the reader of GGUF knows. */
static void classes_are_known(void **state)
{
    (void)state;
    const struct hf_class *c;
    for (int i = 0; (c = hf_class_at(i)); i++)
        if (!architecture_named(c->gguf))
            fail_msg("%s", c->name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(llama), TEST(embeddings_that_are_shared), TEST(qwen_has_biases_and_keeps_rows),
        TEST(biases_are_turned), TEST(gemma_adds_one_to_norms), TEST(gemma_among_other_modalities),
        TEST(phi_keeps_what_is_fused), TEST(experts_are_stacked), TEST(experts_in_one_are_taken_apart),
        TEST(experts_without_number),
        TEST(experts_scaled_in_different_ways),
        TEST(experts_packed_and_plain),
        TEST(packed_parts_without_elements),
        TEST(gpt_oss_is_untangled), TEST(llama3_factors), TEST(sixteen_bits_stay),
        TEST(eight_bits_are_scaled), TEST(the_file_type_is_the_stored_one), TEST(scales_that_do_not_fit),
        TEST(quantized_already), TEST(shards), TEST(shards_that_are_missing), TEST(an_index_that_lies),
        TEST(a_tensor_in_two_files), TEST(folders_of_another_kind), TEST(values_that_cannot_be),
        TEST(tensors_too_few_or_too_many), TEST(shapes_that_contradict),
        TEST(settings_that_gguf_cannot_say), TEST(windows_that_are_lost_are_told),
        TEST(fingerprint_and_place),
        cmocka_unit_test(classes_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
