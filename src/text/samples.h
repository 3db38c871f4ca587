/* Texts as samples: what calibration and evaluation take from a person's files.
 *
 * A file holds either records (JSON lines, a sample each: records.h) or running text, which is taken as it stands and
 * whose paragraphs are its samples only where a person looks at them. A folder stands for the .txt, .jsonl and .json
 * files below it, in the order of their names. */
#ifndef TEXT_SAMPLES_H
#define TEXT_SAMPLES_H

#include <stdbool.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "text/records.h"
#include "text/tokenizer.h"

enum { SAMPLE_SHORTEST = 8 }; /* tokens of a record; a shorter one teaches nothing and is left out */

struct sample {
    const char *text;    /* UTF-8 */
    size_t length;       /* bytes */
    int tokens;          /* -1 until samples_count_tokens */
    int file, line;      /* where it begins */
    enum record_kind kind;
};

struct sample_file {
    char *path, *owned;  /* owned: the file as it was read */
    const char *text;    /* running text: all of it */
    size_t length;
    bool records;
    int first, count;    /* its samples */
};

struct samples {
    struct sample_file *files;
    struct sample *items;
    int file_count, file_capacity, count, capacity;
    int duplicates;      /* records, or whole files of running text, that stood there before: left out */
    int too_short;       /* records left out by samples_count_tokens, or without any text */
    double code_share;   /* of characters that are brackets, semicolons and the like: prose has under 1 % */
    char hash[HASH_TEXT];/* SHA-256 of the file; of a folder, of the lines "HASH  NAME" of its files */
    struct arena arena;
};

/* `t` has the chat template by which messages become text, and may be NULL: then their contents follow each other.
 * Errors name the file and the line. Free with samples_done whatever is returned. */
int samples_read(struct samples *s, const char *path, const struct tokenizer *t, struct error *e);
/* The same of one file in memory; `path` is what errors call it, and its suffix says what it holds. */
int samples_parse(struct samples *s, const char *text, size_t length, const char *path, const struct tokenizer *t,
                  struct error *e);
void samples_done(struct samples *s);

/* The hash alone, as samples_read makes it. */
int samples_hash(char hash[static HASH_TEXT], const char *path, struct error *e);

/* Appends the tokens of one sample. */
void sample_encode(const struct sample *x, const struct tokenizer *t, int flags, struct tokens *out);
/* Fills in `tokens`, and drops the records that have too few to learn anything from. */
void samples_count_tokens(struct samples *s, const struct tokenizer *t);
int64_t samples_tokens(const struct samples *s); /* of all together */
/* The length of the sample at this share (0.5: the median) of the samples ordered by tokens. 0 without samples. */
int samples_quantile(const struct samples *s, double share);

#endif
