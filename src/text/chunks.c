#include "text/chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "text/samples.h"

enum { FILE_LIMIT = 1 << 28 };

static int encode_samples(struct tokens *all, const char *text, const char *path, const struct tokenizer *t,
                          struct error *e)
{
    struct samples s;
    int rc = samples_parse(&s, text, path, e);
    for (int i = 0; i < s.count && !rc; i++) {
        tokenizer_encode(t, s.items[i], strlen(s.items[i]), i ? 0 : TOKENIZE_BOS, all);
        tokenizer_encode(t, "\n\n", 2, 0, all);
    }
    samples_done(&s);
    return rc;
}

static int encode_file(struct tokens *all, const char *path, const struct tokenizer *t, struct error *e)
{
    char *text;
    size_t length;
    int rc = file_read(path, FILE_LIMIT, &text, &length, e);
    if (rc)
        return rc;
    if (samples_are_json(text))
        rc = encode_samples(all, text, path, t, e);
    else
        tokenizer_encode(t, text, length, TOKENIZE_BOS, all);
    free(text);
    return rc;
}

/* Chunk i of c->count, of the `whole` ones that the text has. */
static void take(struct chunks *c, int i, int whole, const struct tokens *all, const struct tokenizer *t)
{
    int32_t *to = c->tokens + (size_t)i * c->length;
    int64_t from = (int64_t)i * whole / c->count;
    memcpy(to, all->ids + from * c->length, c->length * sizeof *to);
    if (tokenizer_adds_bos(t))
        *to = tokenizer_bos(t);
}

int chunks_read(struct chunks *c, const char *path, const struct tokenizer *t, int length, int at_most,
                struct error *e)
{
    struct tokens all = {0};
    *c = (struct chunks){.length = length};
    int rc = encode_file(&all, path, t, e), whole = (int)(all.count / length);
    c->found = (int64_t)all.count;
    if (!rc && whole < 1)
        rc = error_set(e, ERROR_USAGE, "%s has %zu tokens, and a chunk takes %d: use a longer text, or shorter"
                       " chunks (-c)", path, all.count, length);
    if (!rc) {
        c->count = at_most && at_most < whole ? at_most : whole;
        c->tokens = xmalloc((size_t)c->count * length * sizeof *c->tokens);
        for (int i = 0; i < c->count; i++)
            take(c, i, whole, &all, t);
    }
    tokens_done(&all);
    return rc;
}

void chunks_done(struct chunks *c)
{
    free(c->tokens);
    *c = (struct chunks){0};
}
