/* A text as samples: what calibration and evaluation take from a person's file. */
#ifndef TEXT_SAMPLES_H
#define TEXT_SAMPLES_H

#include <stdbool.h>

#include "base/error.h"
#include "text/tokenizer.h"

struct samples {
    char **items;        /* UTF-8, as they stand in the file */
    int *tokens;         /* length of each; NULL until samples_count_tokens */
    int count, capacity;
    bool json;           /* one sample a line, else one a paragraph */
    double code_share;   /* of characters that are brackets, semicolons and the like: prose has under 1 % */
};

/* JSON lines (every text of an object, joined by newlines, is a sample; a line may also be a plain JSON
 * string), or plain text whose paragraphs are separated by blank lines. An error names the file and the
 * line. Free with samples_done whatever is returned. */
int samples_read(struct samples *s, const char *path, struct error *e);
/* The same of a text in memory; `path` is what errors call it. */
int samples_parse(struct samples *s, const char *text, const char *path, struct error *e);
/* Whether a text would be taken as JSON lines. */
bool samples_are_json(const char *text);
void samples_done(struct samples *s);
void samples_count_tokens(struct samples *s, const struct tokenizer *t);
/* The sample at this share (0.5: the median) of the samples ordered by tokens. 0 without samples. */
int samples_quantile(const struct samples *s, double share);

#endif
