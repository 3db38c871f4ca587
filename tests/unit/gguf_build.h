/* GGUF files made for tests: any metadata and tensors, without tensor data. The file has its full size but no
 * blocks (sparse), so a 70B model costs a few KiB of disk; with GGUF_BUILD_CUT it ends after the header.
 *
 *     struct gguf_writer *w = gguf_build_llama(&gguf_llama2_7b, quant_type(QUANT_F16));
 *     gguf_writer_text(w, "general.name", "Llama 2 7B");       more values and tensors, where a test wants them
 *     gguf_build_file(w, path, 0);                             writes and frees
 *     model_open(&m, path, MODEL_HEADER_ONLY, &e);
 *
 * Tensor data reads as zeros. For other architectures: gguf_build_model with the arch's name and own keys. */
#ifndef GGUF_BUILD_H
#define GGUF_BUILD_H

#include "model/gguf.h"

struct gguf_shape {
    const char *arch;       /* general.architecture and the prefix of the keys; NULL: "llama" */
    int layers, embd, heads, kv_heads, ffn, vocab, context;
    int head_length;        /* 0: embd / heads */
    int experts, experts_used;
    bool tied;              /* no output.weight */
};
/* Published configurations, vocabulary 32000. */
extern const struct gguf_shape gguf_llama2_7b, gguf_llama2_13b, gguf_llama2_70b;

/* Metadata of such a model (no tokenizer) and no tensors. */
struct gguf_writer *gguf_build_metadata(const struct gguf_shape *s);
/* The same with its tensors: matrices of `type`, norms in F32. Free with gguf_build_file or gguf_writer_free. */
struct gguf_writer *gguf_build_llama(const struct gguf_shape *s, const struct quant_type *type);

enum { GGUF_BUILD_CUT = 1 };
/* Fails the test where the file cannot be written. Frees `w`. */
void gguf_build_file(struct gguf_writer *w, const char *path, int flags);

/* Puts numbers into all tensors of such a file: norms, sinks and rotary factors near 1, the others such that rows keep a
 * size near 1. The same file gets the same numbers. */
void gguf_build_fill(const char *path);

/* With GENERATE in the environment: keeps these bytes as tests/fuzz/corpus/gguf/NAME, an input of the fuzzer, unless
 * they are many. Blanks in `name` become dashes. */
void gguf_build_keep(const char *name, const void *bytes, size_t size);

#endif
