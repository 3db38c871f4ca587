/* The vocabulary of a Hugging Face folder as the tokenizer.ggml.* metadata of a GGUF file.
 *
 * Read are tokenizer.json, tokenizer.model (SentencePiece), tekken.json (Mistral's), tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json, config.json, generation_config.json, chat_template.jinja and
 * chat_template.json, as far as they are there. Written is what llama.cpp's converter writes
 * (conversion/base.py, gguf-py/gguf/vocab.py): byte-level BPE becomes "gpt2", SentencePiece BPE "llama",
 * SentencePiece unigram "t5".
 *
 * llama.cpp knows pre-tokenizers by name (tokenizer.ggml.pre) and no normalizers. What tokenizer.json says
 * beyond that is kept under HF_VOCAB_PRIVATE: text/ reads it, so that a folder's text becomes the tokens
 * that the tokenizers library makes of it; it is for memory alone and is left out of every file. */
#ifndef MODEL_HF_VOCAB_H
#define MODEL_HF_VOCAB_H

#include <stdint.h>

#include "base/error.h"
#include "model/gguf.h"

#define HF_VOCAB_PRIVATE "quantwiz.tokenizer." /* the keys that begin so belong into no file */

enum { /* how an added token is looked for in a text */
    HF_LSTRIP = 1,      /* takes the white space before it along */
    HF_RSTRIP = 2,      /* and behind it */
    HF_SINGLE_WORD = 4, /* counts only where no letter stands beside it */
    HF_NORMALIZED = 8,  /* is looked for after the text was normalized, and was normalized itself */
    HF_SPECIAL = 16,
    HF_FLAGS = 31,      /* all of them */
};

/* Adds the keys to `w`. `vocab_size`: rows of the embedding, up to which the tokens are padded with
 * "[PADn]"; 0: as many as there are tokens. `architecture`: GGUF's name ("llama"). `pre`: names the
 * pre-tokenizer (NULL: recognized from tokenizer.json; what is not known ends in an error that says so). */
int hf_vocab_write(struct gguf_writer *w, const char *folder, int64_t vocab_size, const char *architecture,
                   const char *pre, struct error *e);

#endif
