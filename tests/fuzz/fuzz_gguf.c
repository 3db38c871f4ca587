/* The GGUF reader and what is understood from it, on any bytes. Two modes: the whole file, and the header alone. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is folded into this, so that no read is optimized away. */
static volatile uint64_t sink;

static void read_texts(const struct gguf_value *v)
{
    const unsigned char *at = v->data;
    for (uint64_t i = 0; i < v->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        for (uint64_t k = 0; k < length; k++)
            sink += (unsigned char)text[k];
    }
}

static void read_numbers(const struct gguf_value *v)
{
    for (uint64_t i = 0; i < v->count; i++)
        sink += gguf_item(v, i) > 0;
}

static void read_values(struct gguf *g)
{
    for (uint64_t i = 0; i < g->value_count; i++) {
        const struct gguf_value *v = &g->values[i];
        int64_t n;
        if (v->item_kind == GGUF_STRING)
            read_texts(v);
        else
            read_numbers(v);
        sink += gguf_integer(g, v->key, &n) + (gguf_text(g, v->key) != NULL);
    }
}

/* The first and the last byte of each tensor lie in the file, or there is no data. */
static void read_tensors(const struct model *m)
{
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        if (t->data)
            sink += t->data[0] + t->data[t->bytes - 1];
        sink += model_tensor(m, t->name) == t;
        if (model_tensor(m, t->name) != t)
            abort();
    }
}

/* What was read, written again, must be readable. */
static void write_again(const struct gguf *g)
{
    struct gguf_writer *w = gguf_writer_new();
    struct gguf copy;
    struct error e;
    uint64_t bytes;
    for (uint64_t i = 0; i < g->value_count; i++)
        gguf_writer_copy(w, &g->values[i]);
    const void *header = gguf_writer_header(w, &bytes);
    if (gguf_parse(&copy, header, bytes, "copy", GGUF_HEADER_ONLY, &e) || copy.value_count != g->value_count)
        abort();
    gguf_close(&copy);
    gguf_writer_free(w);
}

static void try_reading(const uint8_t *data, size_t size, int flags)
{
    struct error e = {0};
    struct model *m;
    struct gguf g;
    if (gguf_parse(&g, data, size, "input", flags & MODEL_HEADER_ONLY ? GGUF_HEADER_ONLY : 0, &e) == 0) {
        read_values(&g);
        write_again(&g);
    } else if (!*e.text) {
        abort();
    }
    gguf_close(&g);
    if (model_parse(&m, data, size, "input", flags, &e) == 0) {
        read_tensors(m);
        model_close(m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_reading(data, size, 0);
    try_reading(data, size, MODEL_HEADER_ONLY);
    return 0;
}
