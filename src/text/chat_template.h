/* How a chat becomes text. Templates are programs (Jinja), but nearly all of them write the same few forms, so the
 * form is recognized by what only it contains, as llama.cpp does (src/llama-chat.cpp, llm_chat_detect_template), and
 * what it writes around each message stands in a table. The result is what transformers' apply_chat_template gives
 * for chats without tools; tests/clients compares them. */
#ifndef TEXT_CHAT_TEMPLATE_H
#define TEXT_CHAT_TEMPLATE_H

#include <stdbool.h>

#include "base/str.h"

struct chat_message {
    const char *role;      /* "system", "user", "assistant", … */
    const char *content;
};

struct chat_form;           /* a row of the table */

/* What becomes of the thoughts ("<think>…</think>") in answers. */
enum chat_thoughts { THOUGHTS_KEPT, THOUGHTS_DROPPED, THOUGHTS_LAST /* kept in the chat's last message alone */ };

struct chat_template {
    const struct chat_form *form;
    const char *bos, *eos;  /* texts of these tokens, borrowed; "" where there is none */
    char *preset;           /* the system message where the chat has none; NULL: none is written */
    bool trims;             /* white space around messages goes, where the form says so */
    bool begins, ends;      /* BOS in front of the chat, EOS behind an answer that ends it */
    enum chat_thoughts thoughts;
};

/* `text`: the program (tokenizer.chat_template). False where its form is not known. Free with chat_template_done. */
bool chat_template_read(struct chat_template *t, const char *text, const char *bos, const char *eos);
void chat_template_done(struct chat_template *t);
const char *chat_template_name(const struct chat_template *t); /* "chatml" */
/* Appends the chat. Roles but "system", "developer" and "assistant" count as the user's. Where the last message is not the
 * assistant's, what makes the model answer follows. */
void chat_render(const struct chat_template *t, const struct chat_message *messages, int count, struct str *out);

#endif
