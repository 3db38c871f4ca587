#include "model/hf_class.h"

#include "base/mem.h"

/* The architectures that a folder can be of. Each must have rows in hf_names.c for all its tensors. */
static const struct hf_class classes[] = {
    {"LlamaForCausalLM", "llama", 0},
    {"MistralForCausalLM", "llama", 0},
    {"MixtralForCausalLM", "llama", 0},
    {"Qwen2ForCausalLM", "qwen2", 0},
    {"Qwen2MoeForCausalLM", "qwen2moe", 0},
    {"Qwen3ForCausalLM", "qwen3", 0},
    {"Qwen3MoeForCausalLM", "qwen3moe", 0},
    {"Gemma2ForCausalLM", "gemma2", 1},
    {"Gemma3ForCausalLM", "gemma3", 1},
    {"Gemma3ForConditionalGeneration", "gemma3", 1},
    {"Phi3ForCausalLM", "phi3", 0},
    {"SmolLM3ForCausalLM", "smollm3", 0},
    {"Olmo2ForCausalLM", "olmo2", 0},
    {"Olmo3ForCausalLM", "olmo2", 0},
    {"GraniteForCausalLM", "granite", 0},
    {"GraniteMoeForCausalLM", "granitemoe", 0},
    {"GraniteMoeSharedForCausalLM", "granitemoe", 0},
    {"GptOssForCausalLM", "gpt-oss", 0},
};

const struct hf_class *hf_class_at(int i)
{
    return i >= 0 && (size_t)i < ARRAY_LENGTH(classes) ? &classes[i] : NULL;
}
