/* JSON lines as samples of text. What a record's keys mean, the first that is there:
 *
 *     messages, conversations     a chat: [{"role", "content"}] or [{"from", "value"}], by the model's chat template
 *     text                        as it stands
 *     instruction, input, output  a question and its answer: a chat of two where the model has a template
 *     prompt, completion          the one behind the other, or a chat where `prompt` is a list of messages
 *
 * Of other objects all texts count, a line each; a line may also be a plain JSON string. A list (a .json file) holds
 * such records one after another. */
#ifndef TEXT_RECORDS_H
#define TEXT_RECORDS_H

#include <stddef.h>

#include "base/error.h"
#include "text/tokenizer.h"

enum record_kind {
    RECORD_TEXT,
    RECORD_CHAT,  /* messages, by the chat template: its special tokens are meant as such */
    RECORD_LINES, /* messages whose contents follow each other, for want of a template */
};
struct record_taker {
    void (*take)(void *user, const char *text, size_t length, enum record_kind kind, int line);
    void *user;
};

/* Calls the taker for every record of the text; `path` is for errors. `t` NULL: no chat template. */
int records_read(const char *text, size_t length, const char *path, const struct tokenizer *t,
                 const struct record_taker *taker, struct error *e);

#endif
