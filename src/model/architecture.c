#include "model/architecture.h"

#include <string.h>

#include "base/mem.h"

static const struct architecture architectures[] = {
    {.gguf = "llama", .hf_class = "LlamaForCausalLM", .title = "Llama", .rope = ROPE_ADJACENT, .gate = GATE_SILU,
     .evaluated = true, .experts = true},
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
