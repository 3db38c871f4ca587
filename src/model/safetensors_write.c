#include "model/safetensors_write.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { ALIGNMENT = 8 };

struct written {
    char *name;
    const struct dtype *dtype;
    int dims;
    int64_t shape[STORED_DIMS_MAX];
    uint64_t bytes, offset;     /* offset within the data */
};

struct safetensors_writer {
    struct written *tensors;
    int count, capacity;
    struct str header;          /* empty until it is asked for */
    uint64_t data_bytes;
};

struct safetensors_writer *safetensors_writer_new(void)
{
    return xcalloc(1, sizeof(struct safetensors_writer));
}

void safetensors_writer_free(struct safetensors_writer *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->count; i++)
        free(w->tensors[i].name);
    free(w->tensors);
    str_done(&w->header);
    free(w);
}

int safetensors_writer_add(struct safetensors_writer *w, const char *name, const struct dtype *dtype, int dims,
                           const int64_t *shape)
{
    struct written t = {.name = xstrdup(name), .dtype = dtype, .dims = dims, .bytes = (uint64_t)dtype->bytes};
    for (int i = 0; i < dims; i++) {
        t.shape[i] = shape[i];
        t.bytes *= (uint64_t)shape[i];
    }
    array_push(w->tensors, w->count, w->capacity) = t;
    return w->count - 1;
}

static int by_place(const void *a, const void *b)
{
    const struct written *x = *(struct written *const *)a, *y = *(struct written *const *)b;
    if (x->dtype->bytes != y->dtype->bytes)
        return y->dtype->bytes - x->dtype->bytes;
    return strcmp(x->name, y->name);
}

/* Sets the offsets; returns the tensors in their order, which the caller frees. */
static struct written **place(struct safetensors_writer *w)
{
    struct written **order = xcalloc(w->count + 1, sizeof *order);
    w->data_bytes = 0;
    for (int i = 0; i < w->count; i++)
        order[i] = &w->tensors[i];
    qsort(order, w->count, sizeof *order, by_place);
    for (int i = 0; i < w->count; i++) {
        order[i]->offset = w->data_bytes;
        w->data_bytes += order[i]->bytes;
    }
    return order;
}

static json_t *entry_of(const struct written *t)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->dims; i++)
        json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype->name, "shape", shape, "data_offsets",
                     (json_int_t)t->offset, (json_int_t)(t->offset + t->bytes));
}

static int digits(uint64_t n)
{
    int count = 1;
    while (n /= 10)
        count++;
    return count;
}

/* As json_dumps writes it; 0 where the name has characters that it would escape. */
static uint64_t entry_length(const struct written *t)
{
    uint64_t length = strlen(",\"\":{\"dtype\":\"\",\"shape\":[],\"data_offsets\":[,]}") + strlen(t->name) +
                      strlen(t->dtype->name) + digits(t->offset) + digits(t->offset + t->bytes);
    for (int i = 0; i < t->dims; i++)
        length += digits((uint64_t)t->shape[i]) + (i > 0);
    for (const char *c = t->name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\')
            return 0;
    return length;
}

static const char metadata[] = "{\"__metadata__\":{\"format\":\"pt\"}}";

/* How long the header's text will be, without writing it; 0: unknown. */
static uint64_t text_length(struct safetensors_writer *w)
{
    uint64_t length = strlen(metadata);
    free(place(w));
    for (int i = 0; i < w->count; i++) {
        uint64_t more = entry_length(&w->tensors[i]);
        if (!more)
            return 0;
        length += more;
    }
    return length;
}

/* transformers asks for the metadata "format". */
static char *text_of(struct safetensors_writer *w)
{
    json_t *all = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    struct written **order = place(w);
    for (int i = 0; i < w->count; i++)
        json_object_set_new(all, order[i]->name, entry_of(order[i]));
    char *text = json_dumps(all, JSON_COMPACT);
    free(order);
    json_decref(all);
    return text;
}

const void *safetensors_writer_header(struct safetensors_writer *w, uint64_t *bytes)
{
    if (!w->header.length) {
        char *text = text_of(w);
        uint64_t length = (strlen(text) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        str_add_bytes(&w->header, &length, sizeof length);
        str_add(&w->header, text);
        while (w->header.length < length + sizeof length)
            str_add_char(&w->header, ' ');
        free(text);
    }
    *bytes = w->header.length;
    return w->header.data;
}

uint64_t safetensors_writer_offset(struct safetensors_writer *w, int index)
{
    uint64_t header;
    safetensors_writer_header(w, &header);
    return header + w->tensors[index].offset;
}

uint64_t safetensors_writer_bytes(const struct safetensors_writer *w, int index)
{
    return w->tensors[index].bytes;
}

uint64_t safetensors_writer_size(struct safetensors_writer *w)
{
    uint64_t header = w->header.length, text = header ? 0 : text_length(w);
    if (text)
        header = sizeof(uint64_t) + (text + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    else
        safetensors_writer_header(w, &header);
    return header + w->data_bytes;
}
