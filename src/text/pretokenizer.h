/* Pre-tokenizers: how byte-level BPE cuts text into words before it merges.
 *
 * A pre-tokenizer is a row of patterns. The first cuts the text into its matches and what lies between them; the
 * next cuts each of those pieces again; and so on. tokenizer.ggml.pre in a GGUF file names the row. */
#ifndef TEXT_PRETOKENIZER_H
#define TEXT_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct pretokenizer_traits {
    const char *names;       /* separated by blanks: values of tokenizer.ggml.pre */
    const char *patterns[8]; /* PCRE2, NULL-terminated */
    bool whole_words;        /* a word that is a token as it stands is not merged */
    bool adds_bos;           /* where the file does not say */
    bool no_bos;             /* the vocabulary has no BOS where the file names none */
};

/* NULL for an unknown name. */
const struct pretokenizer_traits *pretokenizer_named(const char *name);
/* The error of an unknown name, which lists the known ones; `where` it stands. Returns `code`. */
int pretokenizer_unknown(const char *where, const char *name, int code, struct error *e);
/* All names, separated by blanks; free() it. */
char *pretokenizer_names(void);

struct pretokenizer; /* compiled patterns; used by any number of threads at once */
int pretokenizer_open(struct pretokenizer **out, const struct pretokenizer_traits *traits, struct error *e);
/* The same for regular expressions as tokenizer.json has them (Oniguruma's), each a step. */
int pretokenizer_open_patterns(struct pretokenizer **out, const char *const *patterns, int count, struct error *e);
void pretokenizer_free(struct pretokenizer *p);

/* Calls `word` for each word of the text, in order; the words cover the text. `text` must be what utf8_clean gives. */
void pretokenizer_split(const struct pretokenizer *p, const char *text, size_t length,
                        void (*word)(void *user, const char *text, size_t length), void *user);

#endif
