#include "tests/unit/unit.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "tests/unit/gguf_build.h"
#include "tests/unit/noise.h"

const struct gguf_shape gguf_llama2_7b = {
    .layers = 32, .embd = 4096, .heads = 32, .kv_heads = 32, .ffn = 11008, .vocab = 32000, .context = 4096};
const struct gguf_shape gguf_llama2_13b = {
    .layers = 40, .embd = 5120, .heads = 40, .kv_heads = 40, .ffn = 13824, .vocab = 32000, .context = 4096};
const struct gguf_shape gguf_llama2_70b = {
    .layers = 80, .embd = 8192, .heads = 64, .kv_heads = 8, .ffn = 28672, .vocab = 32000, .context = 4096};

static void put_u32(struct gguf_writer *w, const struct gguf_shape *s, const char *suffix, int value)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", s->arch ? s->arch : "llama", suffix);
    if (value)
        gguf_writer_u32(w, key, value);
}

struct gguf_writer *gguf_build_metadata(const struct gguf_shape *s)
{
    struct gguf_writer *w = gguf_writer_new();
    char key[128];
    gguf_writer_text(w, "general.architecture", s->arch ? s->arch : "llama");
    put_u32(w, s, "block_count", s->layers);
    put_u32(w, s, "context_length", s->context);
    put_u32(w, s, "embedding_length", s->embd);
    put_u32(w, s, "feed_forward_length", s->ffn);
    put_u32(w, s, "attention.head_count", s->heads);
    put_u32(w, s, "attention.head_count_kv", s->kv_heads);
    put_u32(w, s, "attention.key_length", s->head_length);
    put_u32(w, s, "attention.value_length", s->head_length);
    put_u32(w, s, "expert_count", s->experts);
    put_u32(w, s, "expert_used_count", s->experts_used);
    put_u32(w, s, "vocab_size", s->vocab);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", s->arch ? s->arch : "llama");
    gguf_writer_f32(w, key, 1e-5f);
    return w;
}

/* "blk.N.STEM.weight" where layer >= 0, else "STEM.weight"; [rows][columns], times `experts` where not 0. */
static void put_tensor(struct gguf_writer *w, const char *stem, int layer, const struct quant_type *type,
                       int64_t columns, int64_t rows, int64_t experts)
{
    char name[64];
    const int64_t shape[] = {columns, rows, experts};
    if (layer >= 0)
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, stem);
    else
        snprintf(name, sizeof name, "%s.weight", stem);
    gguf_writer_tensor(w, name, type, experts ? 3 : rows ? 2 : 1, shape);
}

static void put_layer(struct gguf_writer *w, const struct gguf_shape *s, int i, const struct quant_type *type)
{
    const struct quant_type *f32 = quant_type(QUANT_F32);
    int64_t head = s->head_length ? s->head_length : s->embd / s->heads;
    const char *suffix = s->experts ? "_exps" : "";
    char stem[32];
    put_tensor(w, "attn_norm", i, f32, s->embd, 0, 0);
    put_tensor(w, "attn_q", i, type, s->embd, head * s->heads, 0);
    put_tensor(w, "attn_k", i, type, s->embd, head * s->kv_heads, 0);
    put_tensor(w, "attn_v", i, type, s->embd, head * s->kv_heads, 0);
    put_tensor(w, "attn_output", i, type, head * s->heads, s->embd, 0);
    put_tensor(w, "ffn_norm", i, f32, s->embd, 0, 0);
    if (s->experts)
        put_tensor(w, "ffn_gate_inp", i, f32, s->embd, s->experts, 0);
    snprintf(stem, sizeof stem, "ffn_gate%s", suffix);
    put_tensor(w, stem, i, type, s->embd, s->ffn, s->experts);
    snprintf(stem, sizeof stem, "ffn_up%s", suffix);
    put_tensor(w, stem, i, type, s->embd, s->ffn, s->experts);
    snprintf(stem, sizeof stem, "ffn_down%s", suffix);
    put_tensor(w, stem, i, type, s->ffn, s->embd, s->experts);
}

struct gguf_writer *gguf_build_llama(const struct gguf_shape *s, const struct quant_type *type)
{
    struct gguf_writer *w = gguf_build_metadata(s);
    put_tensor(w, "token_embd", -1, type, s->embd, s->vocab, 0);
    for (int i = 0; i < s->layers; i++)
        put_layer(w, s, i, type);
    put_tensor(w, "output_norm", -1, quant_type(QUANT_F32), s->embd, 0, 0);
    if (!s->tied)
        put_tensor(w, "output", -1, type, s->embd, s->vocab, 0);
    return w;
}

void gguf_build_file(struct gguf_writer *w, const char *path, int flags)
{
    uint64_t bytes;
    const void *header = gguf_writer_header(w, &bytes);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, header, bytes) != (ssize_t)bytes ||
        (!(flags & GGUF_BUILD_CUT) && ftruncate(fd, gguf_writer_size(w)) != 0) || close(fd) != 0)
        fail_msg("cannot write %s", path);
    gguf_writer_free(w);
}

static void fill_tensor(int fd, const struct gguf_tensor *t, struct noise *noise)
{
    int64_t n = t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3];
    float *x = xaligned(n * sizeof *x);
    unsigned char *blocks = xaligned(t->bytes);
    bool bias = strstr(t->name, ".bias"), near_one = t->dims == 1 && !bias && !strstr(t->name, "_shexp");
    noise_fill(noise, x, n, near_one ? 0.2 : bias ? 0.5 : 1.5 / sqrt((double)t->shape[0]));
    for (int64_t i = 0; near_one && i < n; i++)
        x[i] = fabsf(x[i] + 1) + 0.1f;
    t->type->encode(x, NULL, blocks, n);
    assert_int_equal(pwrite(fd, blocks, t->bytes, (off_t)t->offset), t->bytes);
    free(x);
    free(blocks);
}

void gguf_build_fill(const char *path)
{
    struct gguf g;
    struct error e;
    struct noise noise = {.state = 11};
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(gguf_open(&g, path, 0, &e), &e);
    for (uint64_t i = 0; i < g.tensor_count; i++)
        fill_tensor(fd, &g.tensors[i], &noise);
    gguf_close(&g);
    close(fd);
}

void gguf_build_keep(const char *name, const void *bytes, size_t size)
{
    struct error e = {0};
    if (!getenv("GENERATE") || size > 4096)
        return;
    char *folder = unit_source("tests/fuzz/corpus/gguf"), *path = xasprintf("%s/%s", folder, name);
    for (char *p = path + strlen(folder); *p; p++)
        *p = *p == ' ' || *p == '\'' ? '-' : *p;
    assert_ok(file_write(path, bytes, size, &e), &e);
    free(folder);
    free(path);
}
