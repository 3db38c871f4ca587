#include "model/architecture.h"

#include <string.h>

#include "base/mem.h"

/* Short names for the columns that most rows need. */
#define ROW(gguf_, class_, title_, rope_) .gguf = gguf_, .hf_class = class_, .title = title_, .rope = rope_
#define A ROPE_ADJACENT
#define H ROPE_HALVES
#define N ROPE_NONE

static const struct architecture architectures[] = {
    /* Evaluated: every trait of theirs is here. Mistral and Mixtral files are llama's too. */
    {ROW("llama", "LlamaForCausalLM", "Llama", A), .evaluated = true, .experts = true},
    {ROW("gemma2", "Gemma2ForCausalLM", "Gemma 2", H), .evaluated = true, .gate = GATE_GELU_TANH, .norms = NORMS_AROUND,
     .embedding_sqrt = true, .wide_query_layers = 46, .window_period = 2, .window = 4096},
    {ROW("gemma3", "Gemma3ForConditionalGeneration", "Gemma 3", H), .evaluated = true, .gate = GATE_GELU_TANH,
     .norms = NORMS_AROUND, .head_norms = HEAD_NORMS_EACH, .embedding_sqrt = true, .wide_query_layers = 62,
     .rope_local_plain = true, .window_period = 6, .rope_base_local = 10000},
    {ROW("gpt-oss", "GptOssForCausalLM", "gpt-oss", H), .evaluated = true, .experts = true, .gate = GATE_CLAMPED,
     .ffn_norm_after_attention = true, .qkv_biases = true, .all_biases = true, .sinks = true, .rope_ramp_exact = true,
     .window_period = 2},
    {ROW("granite", "GraniteForCausalLM", "Granite", A), .evaluated = true, .logits_divided = true},
    {ROW("granitemoe", "GraniteMoeForCausalLM", "Granite MoE", A), .evaluated = true, .experts = true,
     .logits_divided = true},
    {ROW("olmo2", "Olmo2ForCausalLM", "OLMo 2", H), .evaluated = true, .norms = NORMS_AFTER,
     .head_norms = HEAD_NORMS_ALL, .rope_local_plain = true, .window_period = 4},
    /* Its window is off in llama.cpp: PR 13676. */
    {ROW("phi3", "Phi3ForCausalLM", "Phi-3", H), .evaluated = true, .gate_up_fused = true},
    {ROW("qwen2", "Qwen2ForCausalLM", "Qwen 2", H), .evaluated = true, .qkv_biases = true},
    {ROW("qwen2moe", "Qwen2MoeForCausalLM", "Qwen 2 MoE", H), .evaluated = true, .experts = true, .qkv_biases = true,
     .experts_share_all = true},
    {ROW("qwen3", "Qwen3ForCausalLM", "Qwen 3", H), .evaluated = true, .head_norms = HEAD_NORMS_EACH},
    {ROW("qwen3moe", "Qwen3MoeForCausalLM", "Qwen 3 MoE", H), .evaluated = true, .experts = true,
     .head_norms = HEAD_NORMS_EACH},
    {ROW("smollm3", "SmolLM3ForCausalLM", "SmolLM 3", A), .evaluated = true, .rope_skip_period = 4},

    /* Dense, the same attention in every layer. */
    {ROW("apertus", "ApertusForCausalLM", "Apertus", H)},
    {ROW("arcee", "ArceeForCausalLM", "Arcee", A)},
    {ROW("baichuan", "BaichuanForCausalLM", "Baichuan", A)},
    {ROW("bitnet", "BitnetForCausalLM", "BitNet", H)},
    {ROW("bloom", "BloomForCausalLM", "BLOOM", N)},
    {ROW("chatglm", "ChatGLMModel", "ChatGLM", A)},
    {ROW("command-r", "CohereForCausalLM", "Command R", A)},
    {ROW("deci", "DeciLMForCausalLM", "DeciLM", A)},
    {ROW("ernie4_5", "Ernie4_5ForCausalLM", "ERNIE 4.5", A)},
    {ROW("exaone", "ExaoneForCausalLM", "EXAONE", H)},
    {ROW("falcon", "FalconForCausalLM", "Falcon", H)},
    {ROW("gemma", "GemmaForCausalLM", "Gemma", H), .gate = GATE_GELU_TANH},
    {ROW("glm4", "Glm4ForCausalLM", "GLM-4", A)},
    {ROW("gpt2", "GPT2LMHeadModel", "GPT-2", N)},
    {ROW("gptneox", "GPTNeoXForCausalLM", "GPT-NeoX", H)},
    {ROW("hunyuan-dense", "HunYuanDenseV1ForCausalLM", "Hunyuan", H)},
    {ROW("internlm2", "InternLM2ForCausalLM", "InternLM 2", A)},
    {ROW("minicpm", "MiniCPMForCausalLM", "MiniCPM", A)},
    {ROW("minicpm3", "MiniCPM3ForCausalLM", "MiniCPM 3", H)},
    {ROW("mistral3", "Mistral3ForConditionalGeneration", "Mistral 3", A)},
    {ROW("mpt", "MPTForCausalLM", "MPT", N)},
    {ROW("nemotron", "NemotronForCausalLM", "Nemotron", H)},
    {ROW("olmo", "OlmoForCausalLM", "OLMo", A)},
    {ROW("orion", "OrionForCausalLM", "Orion", H)},
    {ROW("phi2", "PhiForCausalLM", "Phi-2", H)},
    {ROW("qwen", "QWenLMHeadModel", "Qwen", H)},
    {ROW("qwen2vl", "Qwen2VLForConditionalGeneration", "Qwen 2 VL", H)},
    {ROW("qwen3vl", "Qwen3VLForConditionalGeneration", "Qwen 3 VL", H)},
    {ROW("refact", "GPTRefactForCausalLM", "Refact", N)},
    {ROW("seed_oss", "SeedOssForCausalLM", "Seed-OSS", H)},
    {ROW("stablelm", "StableLmForCausalLM", "StableLM", H)},
    {ROW("starcoder", "GPTBigCodeForCausalLM", "StarCoder", A)},
    {ROW("starcoder2", "Starcoder2ForCausalLM", "StarCoder 2", H)},
    {ROW("xverse", "XverseForCausalLM", "XVERSE", A)},

    /* Mixtures of experts. */
    {ROW("arctic", "ArcticForCausalLM", "Arctic", A), .experts = true},
    {ROW("bailingmoe", "BailingMoeForCausalLM", "Ling", A), .experts = true},
    {ROW("bailingmoe2", "BailingMoeV2ForCausalLM", "Ling 2", H), .experts = true},
    {ROW("dbrx", "DbrxForCausalLM", "DBRX", H), .experts = true},
    {ROW("deepseek", "DeepseekForCausalLM", "DeepSeek", A), .experts = true},
    {ROW("deepseek2", "DeepseekV3ForCausalLM", "DeepSeek 2 and 3", A), .experts = true},
    {ROW("dots1", "Dots1ForCausalLM", "dots.llm1", H), .experts = true},
    {ROW("ernie4_5-moe", "Ernie4_5_MoeForCausalLM", "ERNIE 4.5 MoE", A), .experts = true},
    {ROW("glm4moe", "Glm4MoeForCausalLM", "GLM-4 MoE", H), .experts = true},
    {ROW("grok", "Grok1ForCausalLM", "Grok", H), .experts = true},
    {ROW("hunyuan-moe", "HunYuanMoEV1ForCausalLM", "Hunyuan MoE", H), .experts = true},
    {ROW("minimax-m2", "MiniMaxM2ForCausalLM", "MiniMax M2", H), .experts = true},
    {ROW("olmoe", "OlmoeForCausalLM", "OLMoE", H), .experts = true},
    {ROW("phimoe", "PhimoeForCausalLM", "Phi-3.5 MoE", H), .experts = true},
    {ROW("qwen3vlmoe", "Qwen3VLMoeForConditionalGeneration", "Qwen 3 VL MoE", H), .experts = true},

    /* Sliding windows in most layers. */
    {ROW("cohere2", "Cohere2ForCausalLM", "Command R7B", A), .window_period = 4},
    {ROW("exaone4", "Exaone4ForCausalLM", "EXAONE 4", H), .window_period = 4},
    {ROW("gemma3n", "Gemma3nForConditionalGeneration", "Gemma 3n", H), .gate = GATE_GELU_TANH, .window_period = 5,
     .rope_base_local = 10000, .cached_layers = 20},
    {ROW("gemma4", "Gemma4ForConditionalGeneration", "Gemma 4", H), .gate = GATE_GELU_TANH, .experts = true,
     .window_period = 6, .rope_base_local = 10000},
    {ROW("llama4", "Llama4ForConditionalGeneration", "Llama 4", A), .experts = true, .window_period = 4,
     .window = 8192}, /* attention in chunks; the cache is that of a window */
    {ROW("smallthinker", "SmallThinkerForCausalLM", "SmallThinker", H), .experts = true, .window_period = 4,
     .window_full_first = true},

    /* Layers with a recurrent state, some or all. */
    {ROW("falcon-h1", "FalconH1ForCausalLM", "Falcon-H1", H), .state = STATE_MAMBA, .state_everywhere = true},
    {ROW("granitehybrid", "GraniteMoeHybridForCausalLM", "Granite 4", A), .experts = true, .state = STATE_MAMBA},
    {ROW("jamba", "JambaForCausalLM", "Jamba", N), .experts = true, .state = STATE_MAMBA},
    {ROW("kimi-linear", "KimiLinearForCausalLM", "Kimi Linear", N), .experts = true, .state = STATE_KDA},
    {ROW("lfm2", "Lfm2ForCausalLM", "LFM2", H), .state = STATE_SHORTCONV},
    {ROW("lfm2moe", "Lfm2MoeForCausalLM", "LFM2 MoE", H), .experts = true, .state = STATE_SHORTCONV},
    {ROW("mamba", "MambaForCausalLM", "Mamba", N), .state = STATE_MAMBA},
    {ROW("mamba2", "Mamba2ForCausalLM", "Mamba 2", N), .state = STATE_MAMBA},
    {ROW("nemotron_h", "NemotronHForCausalLM", "Nemotron-H", N), .state = STATE_MAMBA, .state_without_ffn = true},
    {ROW("nemotron_h_moe", "NemotronHForCausalLM", "Nemotron-H MoE", N), .experts = true, .state = STATE_MAMBA,
     .state_without_ffn = true},
    {ROW("plamo2", "Plamo2ForCausalLM", "PLaMo 2", H), .state = STATE_MAMBA},
    {ROW("qwen3next", "Qwen3NextForCausalLM", "Qwen 3 Next", H), .experts = true, .state = STATE_MAMBA,
     .attention_interval = 4},
    {ROW("qwen35", "Qwen3_5ForConditionalGeneration", "Qwen 3.5", H), .state = STATE_MAMBA, .attention_interval = 4},
    {ROW("qwen35moe", "Qwen3_5MoeForConditionalGeneration", "Qwen 3.5 MoE", H), .experts = true, .state = STATE_MAMBA,
     .attention_interval = 4},
    {ROW("rwkv6", "Rwkv6ForCausalLM", "RWKV 6", N), .state = STATE_RWKV},
    {ROW("rwkv6qwen2", "RWKV6Qwen2ForCausalLM", "QRWKV 6", N), .state = STATE_RWKV},
    {ROW("rwkv7", "RWKV7ForCausalLM", "RWKV 7", N), .state = STATE_RWKV},
    {ROW("arwkv7", "RwkvHybridForCausalLM", "ARWKV 7", N), .state = STATE_RWKV},
};

const struct architecture *architecture_at(int i)
{
    return i >= 0 && (size_t)i < ARRAY_LENGTH(architectures) ? &architectures[i] : NULL;
}

const struct architecture *architecture_named(const char *gguf)
{
    const struct architecture *a;
    for (int i = 0; (a = architecture_at(i)); i++)
        if (strcmp(a->gguf, gguf) == 0)
            return a;
    return NULL;
}
