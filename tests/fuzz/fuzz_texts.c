/* A text of any bytes, as records and as running text; and, in front of a byte 0x1E, a chat template of any bytes, by
 * which a chat is rendered whose messages are the text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/chat_template.h"
#include "text/overlap.h"
#include "text/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct samples *s, const char *text)
{
    double share = samples_overlap(s, s);
    for (int i = 0; i < s->count; i++)
        if (s->items[i].length == 0 || s->items[i].line < 1 || s->items[i].file >= s->file_count)
            abort();
    if (!isnan(share) && share != 1)
        abort();
    if (!s->count || !*text)
        abort();
}

static void read_as(const char *path, const char *text, size_t length)
{
    struct samples s;
    struct error e = {0};
    if (samples_parse(&s, text, length, path, NULL, &e) == 0)
        look_at(&s, text);
    else if (!*e.text)
        abort();
    samples_done(&s);
}

static void render(const char *program, const char *text)
{
    const struct chat_message chat[] = {{"system", text}, {"user", text}, {"assistant", text}, {"user", ""},
                                        {"assistant", text}};
    struct chat_template t;
    struct str out = {0};
    if (chat_template_read(&t, program, "<s>", "</s>"))
        for (int first = 0; first < 2; first++)
            for (int count = 1; count + first <= (int)ARRAY_LENGTH(chat); count++)
                chat_render(&t, chat + first, count, &out);
    str_done(&out);
    chat_template_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { BETWEEN = 0x1E };
    const uint8_t *between = size ? memchr(data, BETWEEN, size) : NULL;
    size_t first = between ? (size_t)(between - data) : 0;
    char *program = xstrndup((const char *)data, first);
    char *text = xstrndup(between ? (const char *)between + 1 : (const char *)data, size - first - (between != NULL));
    read_as("x.jsonl", text, strlen(text));
    read_as("x.txt", text, strlen(text));
    read_as("x", text, strlen(text));
    render(program, text);
    free(program);
    free(text);
    return 0;
}
