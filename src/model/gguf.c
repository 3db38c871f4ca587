/* Reading GGUF. A cursor walks the file once, from the magic to the end of the tensor table:
 *
 *     magic "GGUF" | version u32 | tensors u64 | values u64
 *     values:  key | kind u32 | value                      a text is its length (u64) and its bytes;
 *     tensors: name | dimensions u32 | lengths u64... |    an array is item kind u32, count u64, items
 *              type u32 | offset u64
 *     padding to the alignment, then the data: tensor offsets count from here
 *
 * Every step goes through take(), which knows how much is left, so a lying length or count ends in an error
 * instead of a wild read. The tables grow with the entries really read, never with the counts claimed. */
#include "model/gguf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF values are read in place, as little-endian numbers");

enum {
    KEY_MAX = 65535,           /* gguf.md: "at most 2^16-1 bytes" */
    TENSOR_NAME_MAX = 63,      /* ggml: GGML_MAX_NAME with its NUL */
    DIMS_MAX = 4,              /* ggml: GGML_MAX_DIMS */
    ALIGNMENT_DEFAULT = 32,    /* gguf.md: general.alignment */
    ALIGNMENT_MAX = 1 << 20,   /* this and the next two bound what a lie can cost; real files have 32, */
    VALUES_MAX = 1 << 13,      /* under a hundred values, which are found by looking at one after the other, */
    TENSORS_MAX = 1 << 20,     /* and at most some ten thousand tensors */
};

struct cursor {
    struct gguf *g;
    struct error *e;
    uint64_t at;              /* offset of the next unread byte; never beyond the map's size */
    uint64_t value_capacity, tensor_capacity;
    char entry[128];          /* what is being read, for errors: "metadata entry 3 (llama.block_count)" */
};

/* ------------------------------------------------------------------- errors */

static int damaged(struct cursor *c, uint64_t offset, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "FILE: offset N, ENTRY: TEXT". */
static int damaged(struct cursor *c, uint64_t offset, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_set(c->e, ERROR_FAILED, "cannot read %s: offset %llu, %s: %s; the file is damaged, get it again",
                     c->g->map.path, (unsigned long long)offset, c->entry, text);
}

/* What a file that is no GGUF most likely is, by its first bytes, and what to try. */
static const struct { const char *magic; const char *what; } strangers[] = {
    {"tjgg", "it is a GGJT file of llama.cpp before August 2023; convert the original checkpoint again"},
    {"lmgg", "it is a GGML file of llama.cpp before August 2023; convert the original checkpoint again"},
    {"fmgg", "it is a GGMF file of llama.cpp before August 2023; convert the original checkpoint again"},
    {"PK\3\4", "it is a ZIP archive, perhaps a PyTorch checkpoint; a GGUF file is needed"},
    {"vers", "it is perhaps a Git LFS pointer instead of the file; fetch it with git lfs pull"},
    {"<!do", "it is a web page; the download went wrong"},
    {"<!DO", "it is a web page; the download went wrong"},
    {"<htm", "it is a web page; the download went wrong"},
};

static int not_gguf(struct cursor *c, const unsigned char *magic)
{
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++)
        if (memcmp(magic, strangers[i].magic, 4) == 0)
            return error_set(c->e, ERROR_FAILED, "cannot read %s: %s", c->g->map.path, strangers[i].what);
    return error_set(c->e, ERROR_FAILED, "cannot read %s: it is not a GGUF file (it starts with %02x %02x %02x %02x, "
                     "not with \"GGUF\")", c->g->map.path, magic[0], magic[1], magic[2], magic[3]);
}

/* ------------------------------------------------------------------- pieces */

/* The next `bytes` bytes, or NULL with the error set. Everything that is read comes through here. */
static const unsigned char *take(struct cursor *c, uint64_t bytes, const char *field)
{
    uint64_t left = c->g->map.size - c->at;
    if (bytes > left) {
        damaged(c, c->at, "the %s takes %llu bytes, but the file ends after %llu", field, (unsigned long long)bytes,
                (unsigned long long)left);
        return NULL;
    }
    const unsigned char *p = c->g->map.data + c->at;
    c->at += bytes;
    return p;
}

static int take_u32(struct cursor *c, const char *field, uint32_t *value)
{
    const unsigned char *p = take(c, sizeof *value, field);
    if (!p)
        return ERROR_FAILED;
    memcpy(value, p, sizeof *value);
    return 0;
}

static int take_u64(struct cursor *c, const char *field, uint64_t *value)
{
    const unsigned char *p = take(c, sizeof *value, field);
    if (!p)
        return ERROR_FAILED;
    memcpy(value, p, sizeof *value);
    return 0;
}

static int take_text(struct cursor *c, const char *field, const unsigned char **text, uint64_t *length)
{
    if (take_u64(c, field, length))
        return ERROR_FAILED;
    *text = take(c, *length, field);
    return *text ? 0 : ERROR_FAILED;
}

/* A key or a tensor's name: copied, so that it ends in NUL. Printable ASCII only: gguf.md wants it for keys, and
 * nothing else can reach a terminal or break a table. */
static int take_name(struct cursor *c, const char *field, uint64_t limit, const char **name)
{
    uint64_t start = c->at, length;
    const unsigned char *text;
    if (take_text(c, field, &text, &length))
        return ERROR_FAILED;
    if (length == 0 || length > limit)
        return damaged(c, start, "the %s is %llu bytes long, allowed are 1 to %llu", field, (unsigned long long)length,
                       (unsigned long long)limit);
    for (uint64_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return damaged(c, start + 8 + i, "the %s holds the byte 0x%02x, which is not printable ASCII", field, text[i]);
    *name = arena_strndup(&c->g->arena, (const char *)text, length);
    return 0;
}

/* ----------------------------------------------------------------- metadata */

static int take_kind(struct cursor *c, const char *field, enum gguf_kind *kind)
{
    uint32_t stored;
    uint64_t start = c->at;
    if (take_u32(c, field, &stored))
        return ERROR_FAILED;
    if (stored >= GGUF_KINDS)
        return damaged(c, start, "the %s is %u, known are 0 to %d", field, stored, GGUF_KINDS - 1);
    *kind = stored;
    return 0;
}

static int skip_texts(struct cursor *c, uint64_t count)
{
    const unsigned char *text;
    uint64_t length;
    for (uint64_t i = 0; i < count; i++)
        if (take_text(c, "text", &text, &length))
            return ERROR_FAILED;
    return 0;
}

static int check_bools(struct cursor *c, const unsigned char *p, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (p[i] > 1)
            return damaged(c, p + i - c->g->map.data, "a bool is %u, neither 0 nor 1", p[i]);
    return 0;
}

static int skip_items(struct cursor *c, enum gguf_kind kind, uint64_t count)
{
    uint64_t bytes;
    if (kind == GGUF_STRING)
        return skip_texts(c, count);
    if (__builtin_mul_overflow(count, (uint64_t)gguf_kind_bytes(kind), &bytes))
        return damaged(c, c->at, "an array of %llu items cannot be", (unsigned long long)count);
    const unsigned char *p = take(c, bytes, "value");
    if (!p)
        return ERROR_FAILED;
    return kind == GGUF_BOOL ? check_bools(c, p, count) : 0;
}

static int read_array_head(struct cursor *c, struct gguf_value *v)
{
    uint64_t start = c->at;
    if (take_kind(c, "array's item kind", &v->item_kind) || take_u64(c, "array's count", &v->count))
        return ERROR_FAILED;
    if (v->item_kind == GGUF_ARRAY)
        return damaged(c, start, "it is an array of arrays, which no GGUF reader supports");
    return 0;
}

static int read_value(struct cursor *c, struct gguf_value *v)
{
    v->offset = c->at;
    if (take_name(c, "key", KEY_MAX, &v->key))
        return ERROR_FAILED;
    snprintf(c->entry + strlen(c->entry), sizeof c->entry - strlen(c->entry), " (%.80s)", v->key);
    if (take_kind(c, "kind", &v->kind))
        return ERROR_FAILED;
    v->item_kind = v->kind;
    v->count = 1;
    if (v->kind == GGUF_ARRAY && read_array_head(c, v))
        return ERROR_FAILED;
    uint64_t start = c->at;
    v->data = c->g->map.data + start;
    if (skip_items(c, v->item_kind, v->count))
        return ERROR_FAILED;
    v->bytes = c->at - start;
    return 0;
}

static int read_values(struct cursor *c, uint64_t count)
{
    struct gguf *g = c->g;
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_value v = {0};
        snprintf(c->entry, sizeof c->entry, "metadata entry %llu", (unsigned long long)i);
        if (read_value(c, &v))
            return ERROR_FAILED;
        array_push(g->values, g->value_count, c->value_capacity) = v;
    }
    return 0;
}

static int read_alignment(struct cursor *c)
{
    struct gguf *g = c->g;
    const struct gguf_value *v = gguf_find(g, "general.alignment");
    int64_t a;
    g->alignment = ALIGNMENT_DEFAULT;
    if (!v)
        return 0;
    snprintf(c->entry, sizeof c->entry, "general.alignment");
    /* gguf.md: a multiple of 8; ggml: a power of two. */
    if (v->kind != GGUF_U32 || !gguf_integer(g, v->key, &a))
        return damaged(c, v->offset, "it is of kind %s, not uint32", gguf_kind_name(v->kind));
    if (a < 8 || a > ALIGNMENT_MAX || (a & (a - 1)))
        return damaged(c, v->offset, "%lld is not a power of two from 8 to %d", (long long)a, ALIGNMENT_MAX);
    g->alignment = (uint32_t)a;
    return 0;
}

/* ------------------------------------------------------------- tensor table */

static int read_shape(struct cursor *c, struct gguf_tensor *t)
{
    uint64_t start = c->at, length;
    uint32_t dims;
    int64_t elements = 1;
    if (take_u32(c, "number of dimensions", &dims))
        return ERROR_FAILED;
    if (dims > DIMS_MAX)
        return damaged(c, start, "it has %u dimensions, at most %d can be", dims, DIMS_MAX);
    t->dims = (int)dims;
    for (int i = 0; i < DIMS_MAX; i++) {
        start = c->at;
        length = 1;
        if (i < t->dims && take_u64(c, "dimension", &length))
            return ERROR_FAILED;
        if (length == 0 || __builtin_mul_overflow(elements, length, &elements))
            return damaged(c, start, "dimension %d is %llu, which cannot be", i, (unsigned long long)length);
        t->shape[i] = (int64_t)length;
    }
    return 0;
}

static int read_type(struct cursor *c, struct gguf_tensor *t)
{
    uint64_t start = c->at, rows = (uint64_t)t->shape[1] * t->shape[2] * t->shape[3];
    uint32_t id;
    if (take_u32(c, "type", &id))
        return ERROR_FAILED;
    t->type = quant_type((enum quant_id)id);
    if (!t->type)
        return damaged(c, start, "tensor type %u is none that this version knows", id);
    if (t->shape[0] % t->type->block)
        return damaged(c, start, "a row of %lld elements does not divide into the blocks of %d that %s has",
                       (long long)t->shape[0], t->type->block, t->type->name);
    uint64_t row_bytes;
    if (__builtin_mul_overflow((uint64_t)t->shape[0] / t->type->block, (uint64_t)t->type->block_bytes, &row_bytes) ||
        __builtin_mul_overflow(rows, row_bytes, &t->bytes))
        return damaged(c, start, "its size is beyond 64 bits");
    return 0;
}

/* `offset` stays relative to the data until place_tensors knows where that starts. */
static int read_tensor(struct cursor *c, struct gguf_tensor *t)
{
    t->entry = c->at;
    if (take_name(c, "name", TENSOR_NAME_MAX, &t->name))
        return ERROR_FAILED;
    snprintf(c->entry, sizeof c->entry, "tensor %s", t->name);
    if (read_shape(c, t) || read_type(c, t))
        return ERROR_FAILED;
    uint64_t start = c->at;
    if (take_u64(c, "offset", &t->offset))
        return ERROR_FAILED;
    if (t->offset % c->g->alignment)
        return damaged(c, start, "its offset %llu is no multiple of the alignment %u", (unsigned long long)t->offset,
                       c->g->alignment);
    return 0;
}

static int read_tensors(struct cursor *c, uint64_t count)
{
    struct gguf *g = c->g;
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_tensor t = {0};
        snprintf(c->entry, sizeof c->entry, "tensor %llu", (unsigned long long)i);
        if (read_tensor(c, &t))
            return ERROR_FAILED;
        array_push(g->tensors, g->tensor_count, c->tensor_capacity) = t;
    }
    return 0;
}

/* Makes offsets absolute; all ends fit in 63 bits, and within the file unless only the header is wanted. */
static int place_tensors(struct cursor *c, int flags)
{
    struct gguf *g = c->g;
    g->complete = true;
    g->data_offset = (c->at + g->alignment - 1) / g->alignment * g->alignment;
    for (uint64_t i = 0; i < g->tensor_count; i++) {
        struct gguf_tensor *t = &g->tensors[i];
        uint64_t end;
        snprintf(c->entry, sizeof c->entry, "tensor %s", t->name);
        if (__builtin_add_overflow(t->offset, g->data_offset, &t->offset) ||
            __builtin_add_overflow(t->offset, t->bytes, &end) || end > INT64_MAX)
            return damaged(c, t->entry, "it would end beyond 63 bits");
        if (end <= g->map.size)
            continue;
        g->complete = false;
        if (!(flags & GGUF_HEADER_ONLY))
            return damaged(c, t->entry, "its data takes bytes %llu to %llu, but the file ends at %llu",
                           (unsigned long long)t->offset, (unsigned long long)end, (unsigned long long)g->map.size);
    }
    return 0;
}

/* -------------------------------------------------- no name and no byte twice */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct gguf_value *const *)a)->key, (*(const struct gguf_value *const *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct gguf_tensor *const *)a)->name, (*(const struct gguf_tensor *const *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Pointers to the items of an array, sorted; free() it. */
static void *sorted(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    void **p = xcalloc(count, sizeof *p);
    for (size_t i = 0; i < count; i++)
        p[i] = (char *)items + i * size;
    qsort(p, count, sizeof *p, compare);
    return p;
}

static int check_keys(struct cursor *c)
{
    struct gguf *g = c->g;
    struct gguf_value **v = sorted(g->values, g->value_count, sizeof **v, by_key);
    int rc = 0;
    for (uint64_t i = 1; !rc && i < g->value_count; i++)
        if (strcmp(v[i - 1]->key, v[i]->key) == 0) {
            uint64_t second = v[i]->offset > v[i - 1]->offset ? v[i]->offset : v[i - 1]->offset;
            snprintf(c->entry, sizeof c->entry, "metadata");
            rc = damaged(c, second, "the key %.80s is there twice", v[i]->key);
        }
    free(v);
    return rc;
}

static int check_names(struct cursor *c)
{
    struct gguf *g = c->g;
    struct gguf_tensor **t = sorted(g->tensors, g->tensor_count, sizeof **t, by_name);
    int rc = 0;
    for (uint64_t i = 1; !rc && i < g->tensor_count; i++)
        if (strcmp(t[i - 1]->name, t[i]->name) == 0) {
            snprintf(c->entry, sizeof c->entry, "tensor %s", t[i]->name);
            rc = damaged(c, t[i]->entry > t[i - 1]->entry ? t[i]->entry : t[i - 1]->entry, "the name is there twice");
        }
    free(t);
    return rc;
}

static int check_overlaps(struct cursor *c)
{
    struct gguf *g = c->g;
    struct gguf_tensor **t = sorted(g->tensors, g->tensor_count, sizeof **t, by_offset);
    int rc = 0;
    for (uint64_t i = 1; !rc && i < g->tensor_count; i++)
        if (t[i - 1]->offset + t[i - 1]->bytes > t[i]->offset) {
            snprintf(c->entry, sizeof c->entry, "tensor %s", t[i]->name);
            rc = damaged(c, t[i]->entry, "its data at %llu overlaps that of %s, which ends at %llu",
                         (unsigned long long)t[i]->offset, t[i - 1]->name,
                         (unsigned long long)(t[i - 1]->offset + t[i - 1]->bytes));
        }
    free(t);
    return rc;
}

/* ------------------------------------------------------------ opening, closing */

static int read_version(struct cursor *c)
{
    struct gguf *g = c->g;
    const unsigned char *magic = take(c, 4, "magic");
    if (!magic)
        return ERROR_FAILED;
    if (memcmp(magic, "GGUF", 4) != 0)
        return not_gguf(c, magic);
    if (take_u32(c, "version", &g->version))
        return ERROR_FAILED;
    if (g->version == 2 || g->version == 3)
        return 0;
    if (g->version && !(g->version & 0xffff)) /* the magic is the same in both byte orders */
        return error_set(c->e, ERROR_FAILED, "cannot read %s: offset 4: it is big-endian, only little-endian files are"
                         " read; convert it with gguf_convert_endian.py of llama.cpp", g->map.path);
    return error_set(c->e, ERROR_FAILED, "cannot read %s: offset 4: it has GGUF version %u, versions 2 and 3 are read;"
                     " convert the original checkpoint again", g->map.path, g->version);
}

static int take_count(struct cursor *c, const char *field, int most, uint64_t *count)
{
    uint64_t start = c->at;
    if (take_u64(c, field, count))
        return ERROR_FAILED;
    if (*count > (uint64_t)most)
        return damaged(c, start, "the %s is %llu, at most %d can be", field, (unsigned long long)*count, most);
    return 0;
}

static int read_all(struct cursor *c, int flags)
{
    uint64_t tensors, values;
    if (read_version(c) || take_count(c, "tensor count", TENSORS_MAX, &tensors) ||
        take_count(c, "metadata count", VALUES_MAX, &values) || read_values(c, values) || check_keys(c) ||
        read_alignment(c) || read_tensors(c, tensors) || check_names(c) || place_tensors(c, flags) || check_overlaps(c))
        return ERROR_FAILED;
    return 0;
}

static int parse(struct gguf *g, int flags, struct error *e)
{
    struct cursor c = {.g = g, .e = e, .entry = "header"};
    return read_all(&c, flags);
}

int gguf_parse(struct gguf *g, const void *bytes, uint64_t size, const char *name, int flags, struct error *e)
{
    *g = (struct gguf){.map = {.data = bytes, .size = size, .path = xstrdup(name)}, .borrowed = true};
    return parse(g, flags, e);
}

int gguf_open(struct gguf *g, const char *path, int flags, struct error *e)
{
    *g = (struct gguf){0};
    if (file_map_open(&g->map, path, e))
        return e->code;
    return parse(g, flags, e);
}

void gguf_close(struct gguf *g)
{
    if (g->borrowed)
        g->map.data = NULL;
    file_map_close(&g->map);
    arena_done(&g->arena);
    free(g->values);
    free(g->tensors);
    *g = (struct gguf){0};
}
