/* Writing GGUF, version 3. The header grows in memory: magic, version, counts, values, tensor table, padding;
 * layout as in gguf.c. Tensor data is the caller's: it goes to the offsets that the table promises. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/gguf.h"

struct entry {
    char *key;
    struct str value; /* as stored after the key: kind, for an array item kind and count, then the data */
};

struct planned { /* a tensor */
    char *name;
    const struct quant_type *type;
    int dims;
    int64_t shape[4];
    uint64_t bytes, offset; /* offset from the start of the data */
};

struct gguf_writer {
    struct entry *entries;
    int entry_count, entry_capacity;
    struct planned *tensors;
    int tensor_count, tensor_capacity;
    uint32_t alignment;
    struct str header;
};

struct gguf_writer *gguf_writer_new(void)
{
    struct gguf_writer *w = xcalloc(1, sizeof *w);
    w->alignment = 32;
    return w;
}

static void entry_done(struct entry *e)
{
    free(e->key);
    str_done(&e->value);
}

void gguf_writer_free(struct gguf_writer *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->entry_count; i++)
        entry_done(&w->entries[i]);
    for (int i = 0; i < w->tensor_count; i++)
        free(w->tensors[i].name);
    free(w->entries);
    free(w->tensors);
    str_done(&w->header);
    free(w);
}

/* -------------------------------------------------------------------- values */

static void put_u32(struct str *s, uint32_t value)
{
    str_add_bytes(s, &value, sizeof value);
}

static void put_u64(struct str *s, uint64_t value)
{
    str_add_bytes(s, &value, sizeof value);
}

static void put_text(struct str *s, const char *text)
{
    put_u64(s, strlen(text));
    str_add(s, text);
}

static struct entry *find_entry(const struct gguf_writer *w, const char *key)
{
    for (int i = 0; i < w->entry_count; i++)
        if (strcmp(w->entries[i].key, key) == 0)
            return &w->entries[i];
    return NULL;
}

/* The value of the key's entry, new or emptied, with the kind put in. */
static struct str *begin_value(struct gguf_writer *w, const char *key, enum gguf_kind kind)
{
    struct entry *e = find_entry(w, key);
    if (!e) {
        array_push(w->entries, w->entry_count, w->entry_capacity) = (struct entry){.key = xstrdup(key)};
        e = &w->entries[w->entry_count - 1];
    }
    str_done(&e->value);
    put_u32(&e->value, kind);
    return &e->value;
}

void gguf_writer_copy(struct gguf_writer *w, const struct gguf_value *v)
{
    struct str *s = begin_value(w, v->key, v->kind);
    if (v->kind == GGUF_ARRAY) {
        put_u32(s, v->item_kind);
        put_u64(s, v->count);
    }
    str_add_bytes(s, v->data, v->bytes);
    if (strcmp(v->key, "general.alignment") == 0 && v->kind == GGUF_U32)
        memcpy(&w->alignment, v->data, sizeof w->alignment);
}

void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t value)
{
    put_u32(begin_value(w, key, GGUF_U32), value);
    if (strcmp(key, "general.alignment") == 0)
        w->alignment = value;
}

void gguf_writer_u16(struct gguf_writer *w, const char *key, uint16_t value)
{
    str_add_bytes(begin_value(w, key, GGUF_U16), &value, sizeof value);
}

void gguf_writer_i32(struct gguf_writer *w, const char *key, int32_t value)
{
    str_add_bytes(begin_value(w, key, GGUF_I32), &value, sizeof value);
}

void gguf_writer_f32(struct gguf_writer *w, const char *key, float value)
{
    str_add_bytes(begin_value(w, key, GGUF_F32), &value, sizeof value);
}

void gguf_writer_bool(struct gguf_writer *w, const char *key, bool value)
{
    str_add_char(begin_value(w, key, GGUF_BOOL), value);
}

void gguf_writer_text(struct gguf_writer *w, const char *key, const char *value)
{
    put_text(begin_value(w, key, GGUF_STRING), value);
}

static struct str *begin_array(struct gguf_writer *w, const char *key, enum gguf_kind item, uint64_t count)
{
    struct str *s = begin_value(w, key, GGUF_ARRAY);
    put_u32(s, item);
    put_u64(s, count);
    return s;
}

void gguf_writer_texts(struct gguf_writer *w, const char *key, const char *const *values, uint64_t count)
{
    struct str *s = begin_array(w, key, GGUF_STRING, count);
    for (uint64_t i = 0; i < count; i++)
        put_text(s, values[i]);
}

void gguf_writer_array(struct gguf_writer *w, const char *key, enum gguf_kind item, const void *items, uint64_t count)
{
    str_add_bytes(begin_array(w, key, item, count), items, count * gguf_kind_bytes(item));
}

void gguf_writer_remove(struct gguf_writer *w, const char *key)
{
    struct entry *e = find_entry(w, key);
    if (!e)
        return;
    entry_done(e);
    memmove(e, e + 1, (w->entries + w->entry_count - e - 1) * sizeof *e);
    w->entry_count--;
    if (strcmp(key, "general.alignment") == 0)
        w->alignment = 32;
}

/* ------------------------------------------------------------------- tensors */

int gguf_writer_tensor(struct gguf_writer *w, const char *name, const struct quant_type *type, int dims,
                       const int64_t *shape)
{
    struct planned t = {.name = xstrdup(name), .type = type, .dims = dims, .shape = {1, 1, 1, 1}};
    memcpy(t.shape, shape, dims * sizeof *shape);
    t.bytes = quant_bytes(type, t.shape[0] * t.shape[1] * t.shape[2] * t.shape[3]);
    array_push(w->tensors, w->tensor_count, w->tensor_capacity) = t;
    return w->tensor_count - 1;
}

static uint64_t aligned(const struct gguf_writer *w, uint64_t offset)
{
    return (offset + w->alignment - 1) / w->alignment * w->alignment;
}

static void put_table(struct gguf_writer *w)
{
    uint64_t offset = 0;
    for (int i = 0; i < w->tensor_count; i++) {
        struct planned *t = &w->tensors[i];
        put_text(&w->header, t->name);
        put_u32(&w->header, t->dims);
        for (int d = 0; d < t->dims; d++)
            put_u64(&w->header, t->shape[d]);
        put_u32(&w->header, t->type->id);
        put_u64(&w->header, offset);
        t->offset = offset;
        offset = aligned(w, offset + t->bytes);
    }
}

const void *gguf_writer_header(struct gguf_writer *w, uint64_t *bytes)
{
    str_done(&w->header);
    str_add(&w->header, "GGUF");
    put_u32(&w->header, 3);
    put_u64(&w->header, w->tensor_count);
    put_u64(&w->header, w->entry_count);
    for (int i = 0; i < w->entry_count; i++) {
        put_text(&w->header, w->entries[i].key);
        str_add_bytes(&w->header, w->entries[i].value.data, w->entries[i].value.length);
    }
    put_table(w);
    while (w->header.length % w->alignment)
        str_add_char(&w->header, 0);
    *bytes = w->header.length;
    return w->header.data;
}

uint64_t gguf_writer_offset(const struct gguf_writer *w, int tensor)
{
    return w->header.length + w->tensors[tensor].offset;
}

uint64_t gguf_writer_size(const struct gguf_writer *w)
{
    if (w->tensor_count == 0)
        return w->header.length;
    const struct planned *last = &w->tensors[w->tensor_count - 1];
    return w->header.length + aligned(w, last->offset + last->bytes);
}
