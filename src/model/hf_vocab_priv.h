/* What the files of hf_vocab share: the vocabulary while it is put together. */
#ifndef MODEL_HF_VOCAB_PRIV_H
#define MODEL_HF_VOCAB_PRIV_H

#include <jansson.h>
#include <stdbool.h>

#include "model/hf_vocab.h"

enum hf_kind { /* as tokenizer.ggml.token_type has them */
    HF_NORMAL = 1, HF_UNKNOWN, HF_CONTROL, HF_USER, HF_UNUSED, HF_BYTE,
};

struct hf_token {
    const char *text; /* NULL: nothing has this number */
    float score;
    enum hf_kind kind;
};

enum hf_role { HF_BOS, HF_EOS, HF_UNK, HF_SEP, HF_PAD, HF_CLS, HF_MASK, HF_EOT, HF_EOM, HF_ROLES };

struct hf_added {
    const char *text;
    int32_t id, flags;
};

/* What tokenizer.json says beyond GGUF; written under HF_VOCAB_PRIVATE (hf_vocab_rules.c has the keys). */
struct hf_rules {
    const char **normalizers; /* three texts a step: what to do, and with what */
    int normalizer_count, normalizer_capacity; /* texts */
    const char **splits;      /* regular expressions, a step each; byte-level BPE */
    int split_count, split_capacity;
    const char *metaspace;    /* where U+2581 is put before a text: "first", "always", "never"; NULL: see normalizers */
    bool metaspace_splits;    /* words end before U+2581 */
    bool whole_words;         /* a word that is a token is not merged */
    bool strange;             /* tokenizer.json says something that is not known here */
    struct hf_added *added;
    int added_count, added_capacity;
};

struct hf_vocab {
    const char *folder, *architecture;
    json_t *tokenizer, *tokenizer_config, *special_map, *added, *config, *generation; /* NULL: no such file */
    int64_t limit;           /* numbers of tokens stay below it */
    bool limit_known;        /* it is the embedding's */
    struct hf_token *tokens; /* [capacity] */
    int64_t count, capacity; /* count: the highest number used, and one */
    char **merges;           /* byte-level BPE: "left right" */
    size_t merge_count;
    const char *model, *pre; /* tokenizer.ggml.model, .pre; pre NULL: none */
    int64_t roles[HF_ROLES]; /* numbers of special tokens; -1: none */
    int64_t model_roles[HF_ROLES]; /* the same as tokenizer.model has them */
    int adds_bos, adds_eos, adds_space, removes_spaces; /* -1: not said */
    bool space_behind;       /* SentencePiece puts its blank behind words */
    unsigned char *charsmap; /* SentencePiece's normalizer; NULL: none */
    size_t charsmap_bytes;
    struct hf_rules rules;
    struct arena arena;
};

/* A folder's file as JSON; *out NULL, and no error, where there is none. */
int hf_json_load(json_t **out, const char *folder, const char *name, struct error *e);
/* A string member of an object; NULL where it is none. */
const char *hf_json_text(const json_t *object, const char *key);
bool hf_json_true(const json_t *object, const char *key);
/* A whole number; -1 where it is none, or far outside of all that is counted. */
int64_t hf_json_integer(const json_t *number);

/* Puts a token in its place. A number past the embedding is refused, or passed over where `added`. */
int hf_vocab_put(struct hf_vocab *v, int64_t id, const char *text, float score, enum hf_kind kind, bool added,
                 struct error *e);
/* The number of the token with this text, or -1. */
int64_t hf_vocab_find(const struct hf_vocab *v, const char *text);
/* Special by its flag or, because some models forget to set that, by its looks. */
bool hf_vocab_special(const char *text, bool flag);
/* U+2581 becomes a blank: the user's own tokens are looked for in the text as it is. */
const char *hf_vocab_with_blanks(struct hf_vocab *v, const char *text);

/* tokenizer.json: tokens and merges of byte-level BPE; tokens of a SentencePiece vocabulary; tokens added
 * to either. */
int hf_json_bpe(struct hf_vocab *v, struct error *e);
int hf_json_added(struct hf_vocab *v, struct error *e);
/* {"added_tokens_decoder": {"number": {"content", "special", …}}} of tokenizer_config.json; `missing`:
 * only those that nothing else has. */
int hf_json_decoder(struct hf_vocab *v, bool missing, struct error *e);

/* tekken.json, in the form of a tokenizer.json; nothing happens where there is none. */
int hf_tekken_read(struct hf_vocab *v, struct error *e);
/* SentencePiece vocabularies, from tokenizer.model or from tokenizer.json. */
int hf_spm_model(struct hf_vocab *v, struct error *e);
int hf_spm_json(struct hf_vocab *v, struct error *e);
int hf_unigram_json(struct hf_vocab *v, struct error *e);

/* tokenizer.json's rules beyond GGUF: normalizer, added tokens; for SentencePiece the pre-tokenizer too. */
void hf_rules_read(struct hf_vocab *v);
void hf_rules_write(const struct hf_vocab *v, struct gguf_writer *w);
void hf_rules_done(struct hf_rules *r);
/* Byte-level BPE: letters of the vocabulary stand for bytes. */
bool hf_rules_bytes(const struct hf_vocab *v);

/* Names the pre-tokenizer of tokenizer.json, and keeps its patterns as rules; NULL with an error. */
const char *hf_pretokenizer_name(struct hf_vocab *v, struct error *e);

/* Special tokens, what is added in front and behind, the chat template. */
void hf_special_find(struct hf_vocab *v);
int hf_special_write(const struct hf_vocab *v, struct gguf_writer *w, struct error *e);

#endif
