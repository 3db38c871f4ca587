#include "model/safetensors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

/* The reference reader takes headers of up to 100 MB; those of real files stay below 10. A tree of JSON
 * values takes many times its text, so a lie should cost less. */
enum { HEADER_MAX = 32 << 20, NAME_MAX_LENGTH = 512 };

struct reader {
    struct safetensors *file;
    uint64_t data_bytes;
    struct error *e;
};

/* ------------------------------------------------------------------- errors */

static int damaged(const struct reader *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "cannot read FILE: the tensor NAME: TEXT". */
static int damaged(const struct reader *r, const char *name, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_set(r->e, ERROR_FAILED, "cannot read %s: %s%.100s%s%s; the file is damaged, get it again",
                     r->file->map.path, name ? "the tensor " : "", name ? name : "", name ? ": " : "", text);
}

/* ------------------------------------------------------------------ one tensor */

static int read_dtype(const struct reader *r, const json_t *value, struct stored_tensor *t)
{
    const char *name = json_string_value(json_object_get(value, "dtype"));
    if (!name)
        return damaged(r, t->name, "it has no dtype");
    t->dtype = dtype_named(name);
    if (t->dtype)
        return 0;
    return error_set(r->e, ERROR_FAILED,
                     "cannot read %s: the tensor %.100s has the number format %.40s, which this version"
                     " does not know; start from the original checkpoint in BF16, F16 or F32",
                     r->file->map.path, t->name, name);
}

static int read_shape(const struct reader *r, const json_t *value, struct stored_tensor *t)
{
    const json_t *shape = json_object_get(value, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > STORED_DIMS_MAX)
        return damaged(r, t->name, "its shape is no list of at most %d numbers", STORED_DIMS_MAX);
    t->dims = (int)json_array_size(shape);
    t->elements = 1;
    for (int i = 0; i < STORED_DIMS_MAX; i++) {
        const json_t *length = i < t->dims ? json_array_get(shape, i) : NULL;
        t->shape[i] = length ? (int64_t)json_integer_value(length) : 1;
        if (length && (!json_is_integer(length) || t->shape[i] < 0))
            return damaged(r, t->name, "dimension %d is no length", i);
        if (__builtin_mul_overflow(t->elements, t->shape[i], &t->elements))
            return damaged(r, t->name, "it would have more than 2^63 elements");
    }
    return 0;
}

static int read_offsets(const struct reader *r, const json_t *value, struct stored_tensor *t)
{
    const json_t *offsets = json_object_get(value, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return damaged(r, t->name, "its data_offsets are not two numbers");
    int64_t begin = json_integer_value(first), end = json_integer_value(last), bytes;
    if (begin < 0 || end < begin)
        return damaged(r, t->name, "its data_offsets %" PRId64 " and %" PRId64 " cannot be", begin, end);
    if ((uint64_t)end > r->data_bytes)
        return damaged(r, t->name,
                       "its data ends at %" PRId64 ", but the file holds %" PRIu64 " bytes of data", end,
                       r->data_bytes);
    if (__builtin_mul_overflow(t->elements, (int64_t)t->dtype->bytes, &bytes) || bytes != end - begin)
        return damaged(r, t->name, "%" PRId64 " elements of %s do not fill its %" PRId64 " bytes",
                       t->elements, t->dtype->name, end - begin);
    t->bytes = (uint64_t)bytes;
    t->data = r->file->map.data + r->file->data_offset + begin;
    return 0;
}

static int read_tensor(const struct reader *r, const char *name, const json_t *value)
{
    struct safetensors *s = r->file;
    struct stored_tensor *t = &s->tensors[s->count];
    if (strlen(name) > NAME_MAX_LENGTH || !*name)
        return damaged(r, name, "a name of %zu bytes cannot be", strlen(name));
    *t = (struct stored_tensor){.name = arena_strdup(&s->arena, name), .path = s->map.path};
    if (!json_is_object(value))
        return damaged(r, name, "its entry is no object");
    if (read_dtype(r, value, t) || read_shape(r, value, t) || read_offsets(r, value, t))
        return r->e->code;
    s->count++;
    return 0;
}

/* ------------------------------------------------------------------ the header */

static int read_tensors(const struct reader *r, json_t *header)
{
    struct safetensors *s = r->file;
    const char *name;
    json_t *value;
    s->tensors = arena_alloc(&s->arena, (json_object_size(header) + 1) * sizeof *s->tensors);
    json_object_foreach(header, name, value)
        if (strcmp(name, "__metadata__") != 0 && read_tensor(r, name, value))
            return r->e->code;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct stored_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->name, y->name);
}

/* Each tensor must begin where the one before ends, and the last end with the file. */
static int check_cover(const struct reader *r)
{
    struct safetensors *s = r->file;
    const unsigned char *data = s->map.data + s->data_offset, *at = data;
    qsort(s->tensors, s->count, sizeof *s->tensors, by_place);
    for (int i = 0; i < s->count; i++) {
        const struct stored_tensor *t = &s->tensors[i];
        if (t->data < at)
            return damaged(r, t->name, "its data begins at %td, within that of %.100s, which ends at %td",
                           t->data - data, s->tensors[i - 1].name, at - data);
        if (t->data > at)
            return damaged(r, t->name, "its data begins at %td, but the data before it ends at %td",
                           t->data - data, at - data);
        at += t->bytes;
    }
    if ((uint64_t)(at - data) != r->data_bytes)
        return damaged(r, NULL, "its tensors take %td bytes, but %" PRIu64 " follow the header", at - data,
                       r->data_bytes);
    return 0;
}

/* Files that people take for safetensors ones. */
static const struct { const char *magic, *what; } strangers[] = {
    {"GGUF", "it is a GGUF file: open it by its own name, not as part of a folder"},
    {"PK\003\004", "it is a PyTorch file under another name"},
    {"vers", "it is a pointer of Git LFS, not the file itself: fetch it with 'git lfs pull'"},
    {"<!DO", "it is a web page; the download went wrong"},
    {"<htm", "it is a web page; the download went wrong"},
};

static int read_length(const struct reader *r, uint64_t *length)
{
    const struct file_map *map = &r->file->map;
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++)
        if (map->size >= 4 && memcmp(map->data, strangers[i].magic, 4) == 0)
            return error_set(r->e, ERROR_FAILED, "cannot read %s: %s", map->path, strangers[i].what);
    if (map->size < sizeof *length)
        return damaged(r, NULL, "it has %" PRIu64 " bytes, fewer than the length of a header takes",
                       map->size);
    memcpy(length, map->data, sizeof *length);
    if (*length > map->size - sizeof *length)
        return damaged(r, NULL, "offset 0: its header would take %" PRIu64 " bytes, but %" PRIu64 " follow",
                       *length, map->size - sizeof *length);
    if (*length > HEADER_MAX)
        return damaged(r, NULL, "offset 0: its header would take %" PRIu64 " bytes, at most %d can be",
                       *length, HEADER_MAX);
    return 0;
}

static int read_header(struct reader *r)
{
    struct safetensors *s = r->file;
    uint64_t length = 0;
    if (read_length(r, &length))
        return r->e->code;
    s->data_offset = sizeof length + length;
    r->data_bytes = s->map.size - s->data_offset;
    json_error_t je;
    json_t *header =
        json_loadb((const char *)s->map.data + sizeof length, length, JSON_REJECT_DUPLICATES, &je);
    if (!header)
        return damaged(r, NULL, "its header is no JSON: offset %zu: %s", sizeof length + je.position,
                       je.text);
    int rc =
        json_is_object(header) ? read_tensors(r, header) : damaged(r, NULL, "its header is no JSON object");
    json_decref(header);
    return rc ? rc : check_cover(r);
}

int safetensors_open(struct safetensors *s, const char *path, struct error *e)
{
    *s = (struct safetensors){0};
    if (file_map_open(&s->map, path, e))
        return e->code;
    struct reader r = {.file = s, .e = e};
    return read_header(&r);
}

int safetensors_parse(struct safetensors *s, const void *bytes, uint64_t size, const char *name,
                      struct error *e)
{
    *s = (struct safetensors){0};
    s->map = (struct file_map){.data = bytes, .size = size, .path = arena_strdup(&s->arena, name)};
    s->borrowed = true;
    struct reader r = {.file = s, .e = e};
    return read_header(&r);
}

void safetensors_close(struct safetensors *s)
{
    if (!s->borrowed)
        file_map_close(&s->map);
    arena_done(&s->arena);
    *s = (struct safetensors){0};
}
