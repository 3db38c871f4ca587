/* A checkpoint folder for fuzzers of tokenizer files: the files are put into it, then it is read as a
 * vocabulary, and the vocabulary is used on some texts. One folder a process, removed at its end. */
#ifndef FUZZ_VOCABULARY_H
#define FUZZ_VOCABULARY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/hf_vocab.h"
#include "text/tokenizer.h"

static char fuzz_folder[64];

static const char *const fuzz_files[] = {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "tekken.json"};

static void fuzz_folder_remove(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(fuzz_files); i++) {
        char *path = path_join(fuzz_folder, fuzz_files[i]);
        unlink(path);
        free(path);
    }
    rmdir(fuzz_folder);
}

static void fuzz_folder_put(const char *name, const void *bytes, size_t size)
{
    struct error e;
    if (!*fuzz_folder) {
        const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s/quantwiz-fuzz-XXXXXX", shm);
        if (!mkdtemp(fuzz_folder))
            abort();
        atexit(fuzz_folder_remove);
    }
    char *path = path_join(fuzz_folder, name);
    unlink(path);
    if (size > 0 && file_write(path, bytes, size, &e))
        abort();
    free(path);
}

/* Whatever comes out of the texts is a token, and has a piece. */
static void fuzz_use_tokenizer(const struct tokenizer *t, const char *text, size_t length)
{
    struct tokens tokens = {0};
    tokenizer_encode(t, text, length, TOKENIZE_BOS | TOKENIZE_SPECIAL, &tokens);
    tokenizer_encode(t, text, length, 0, &tokens);
    for (size_t i = 0; i < tokens.count; i++) {
        size_t n;
        if (tokens.ids[i] < 0 || tokens.ids[i] >= tokenizer_vocab(t) || !tokenizer_piece(t, tokens.ids[i], true, &n))
            abort();
    }
    tokens_done(&tokens);
}

/* Reads the folder; `text`: some bytes to cut into tokens beside the fixed texts. */
static void fuzz_folder_use(const char *text, size_t length)
{
    static const char fixed[] = "Hello  World, it's 12345 \u00e9\u4e2d\U0001F600\u2581\n\n<s> <|end|>\0x";
    enum { VOCABULARY = 4096 };
    struct gguf_writer *w = gguf_writer_new();
    struct error e = {0};
    struct model *m;
    struct tokenizer *t;
    uint64_t bytes;
    gguf_writer_text(w, "general.architecture", "llama");
    if (hf_vocab_write(w, fuzz_folder, VOCABULARY, "llama", NULL, &e)) {
        if (!*e.text)
            abort();
    } else {
        const void *header = gguf_writer_header(w, &bytes);
        if (model_parse(&m, header, bytes, "input", MODEL_HEADER_ONLY, &e))
            die("%s", e.text); /* what was written must be readable */
        if (tokenizer_open(&t, m, NULL, &e) == 0) {
            fuzz_use_tokenizer(t, fixed, sizeof fixed - 1);
            fuzz_use_tokenizer(t, text, length);
            tokenizer_free(t);
        }
        model_close(m);
    }
    gguf_writer_free(w);
}

#endif
