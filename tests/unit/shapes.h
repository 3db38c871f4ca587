/* Models made of shapes alone, in memory: what recipes and estimates need, without a file. */
#ifndef SHAPES_H
#define SHAPES_H

#include "unit.h"

#include "model/model.h"

struct shape {
    const char *arch;
    int embd, ffn, layers, heads, kv_heads, vocab, context;
    bool tied;                     /* no output matrix of its own */
    int experts, experts_used;     /* 0: dense */
    enum quant_id type;            /* of the matrices */
    bool folder;                   /* as if it came from a checkpoint folder */
};

#define SHAPE_LLAMA2_7B {"llama", 4096, 11008, 32, 32, 32, 32000, 4096, .type = QUANT_F16}
#define SHAPE_LLAMA2_13B {"llama", 5120, 13824, 40, 40, 40, 32000, 4096, .type = QUANT_F16}
#define SHAPE_LLAMA2_70B {"llama", 8192, 28672, 80, 64, 8, 32000, 4096, .type = QUANT_F16}
#define SHAPE_LLAMA31_8B {"llama", 4096, 14336, 32, 32, 8, 128256, 131072, .type = QUANT_F16}
#define SHAPE_LLAMA32_1B {"llama", 2048, 8192, 16, 32, 8, 128256, 131072, .tied = true, .type = QUANT_F16}
#define SHAPE_DEMO {"llama", 256, 512, 6, 8, 4, 4096, 1024, .tied = true, .type = QUANT_F16}
#define SHAPE_SMOLLM2 {"llama", 576, 1536, 30, 9, 3, 49152, 8192, .tied = true, .type = QUANT_F16}
#define SHAPE_MIXTRAL \
    {"llama", 4096, 14336, 32, 32, 8, 32000, 32768, .experts = 8, .experts_used = 2, .type = QUANT_F16}

/* layer -1: outside of blocks. Norms (b == 1) are F32, as converters write them. */
static inline void shape_add(struct model *m, enum quant_id type, int layer, enum tensor_role role,
                             const char *name, int64_t a, int64_t b, int64_t c)
{
    char full[64] = "";
    if (layer >= 0)
        snprintf(full, sizeof full, "blk.%d.", layer);
    struct tensor *t = &m->tensors[m->tensor_count++];
    *t = (struct tensor){.type = quant_type(b == 1 ? QUANT_F32 : type), .dims = c > 1 ? 3 : b > 1 ? 2 : 1,
                         .shape = {a, b, c, 1}, .role = role, .layer = layer};
    strncat(full, name, sizeof full - strlen(full) - 1);
    t->name = arena_strdup(&m->arena, full);
    t->bytes = quant_bytes(t->type, (uint64_t)(a * b * c));
    m->parameters += (uint64_t)(a * b * c);
    m->file_bytes += t->bytes;
}

static inline void shape_layer(struct model *m, const struct shape *s, int i)
{
    int64_t head = s->embd / s->heads, kv = head * s->kv_heads, n = s->experts ? s->experts : 1;
    shape_add(m, s->type, i, ROLE_ATTN_NORM, "attn_norm.weight", s->embd, 1, 1);
    shape_add(m, s->type, i, ROLE_ATTN_Q, "attn_q.weight", s->embd, s->embd, 1);
    shape_add(m, s->type, i, ROLE_ATTN_K, "attn_k.weight", s->embd, kv, 1);
    shape_add(m, s->type, i, ROLE_ATTN_V, "attn_v.weight", s->embd, kv, 1);
    shape_add(m, s->type, i, ROLE_ATTN_OUTPUT, "attn_output.weight", s->embd, s->embd, 1);
    shape_add(m, s->type, i, ROLE_FFN_NORM, "ffn_norm.weight", s->embd, 1, 1);
    if (s->experts)
        shape_add(m, QUANT_F32, i, ROLE_FFN_GATE_INP, "ffn_gate_inp.weight", s->embd, n, 1);
    shape_add(m, s->type, i, s->experts ? ROLE_FFN_GATE_EXPS : ROLE_FFN_GATE,
              s->experts ? "ffn_gate_exps.weight" : "ffn_gate.weight", s->embd, s->ffn, n);
    shape_add(m, s->type, i, s->experts ? ROLE_FFN_UP_EXPS : ROLE_FFN_UP,
              s->experts ? "ffn_up_exps.weight" : "ffn_up.weight", s->embd, s->ffn, n);
    shape_add(m, s->type, i, s->experts ? ROLE_FFN_DOWN_EXPS : ROLE_FFN_DOWN,
              s->experts ? "ffn_down_exps.weight" : "ffn_down.weight", s->ffn, s->embd, n);
    m->hp.layer[i] = (struct layer_shape){s->heads, s->kv_heads, (int)head, (int)head, s->ffn, 0, 0};
}

static inline struct model *shape_model(const struct shape *s)
{
    struct model *m = xcalloc(1, sizeof *m);
    m->tensors = xcalloc(s->layers * 10 + 3, sizeof *m->tensors);
    m->path = m->name = arena_strdup(&m->arena, "shapes.gguf");
    m->folder = s->folder ? arena_alloc(&m->arena, 1) : NULL; /* that there is one is all that is asked */
    m->arch_name = arena_strdup(&m->arena, s->arch);
    m->arch = architecture_named(s->arch);
    m->file_type = arena_strdup(&m->arena, quant_type(s->type)->name);
    m->quantized = quant_type(s->type)->quantized;
    m->hp = (struct hparams){.layers = s->layers, .embd = s->embd, .vocab = s->vocab, .context = s->context,
                             .experts = s->experts, .experts_used = s->experts_used,
                             .layer = xcalloc(s->layers, sizeof *m->hp.layer)};
    shape_add(m, s->type, -1, ROLE_TOKEN_EMBD, "token_embd.weight", s->embd, s->vocab, 1);
    for (int i = 0; i < s->layers; i++)
        shape_layer(m, s, i);
    shape_add(m, s->type, -1, ROLE_OUTPUT_NORM, "output_norm.weight", s->embd, 1, 1);
    if (!s->tied)
        shape_add(m, s->type, -1, ROLE_OUTPUT, "output.weight", s->embd, s->vocab, 1);
    return m;
}

static inline void shape_free(struct model *m)
{
    arena_done(&m->arena);
    free(m->hp.layer);
    free(m->tensors);
    free(m);
}

#endif
