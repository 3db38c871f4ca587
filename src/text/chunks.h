/* A text as chunks of equally many tokens: what a forward pass over a person's text goes through. */
#ifndef TEXT_CHUNKS_H
#define TEXT_CHUNKS_H

#include <stdint.h>

#include "base/error.h"
#include "text/tokenizer.h"

struct chunks {
    int32_t *tokens;   /* [count][length]; each starts with the BOS where the vocabulary wants one */
    int count, length;
    int random;        /* of `count`, the last ones: not of the text (calib/broaden.h) */
    int64_t found;     /* tokens in the text */
    int files, records;/* that it stands in; records: JSON lines */
    int chats, lines;  /* records that are messages: by the chat template, and without one */
    int drawn;         /* records that the chunks were made of */
    const char *form;  /* of the chat template (chat_template.h), static; NULL: none, or not known */
    int duplicates, too_short; /* left out: see samples.h */
};

/* `path`: as calibration_path() takes it. Running text is taken file by file; records are put one behind the other, a
 * blank line between two that are no chats. What does not fill a chunk at the end is left out. `at_most` chunks (0:
 * all), of running text and of records in the proportion of their tokens. Of running text they are evenly spread;
 * records, where there are more than needed, are drawn by their lengths: around `length`, from a quarter to four times
 * of it alike. The same text gives the same chunks. Fails where there is not one. Free with chunks_done whatever is
 * returned. */
int chunks_read(struct chunks *c, const char *path, const struct tokenizer *t, int length, int at_most,
                struct error *e);
/* The first chunks of a text, one behind the other, of all running text and then of all records: what is measured is the
 * text as it stands. */
int chunks_read_first(struct chunks *c, const char *path, const struct tokenizer *t, int length, int at_most,
                      struct error *e);
void chunks_done(struct chunks *c);
/* For people: "64 samples of 512 tokens, out of 65123; 40 of 53 records, as chats in the form of chatml". free()
 * it. */
char *chunks_describe(const struct chunks *c);

#endif
