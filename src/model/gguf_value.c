/* Metadata that was read: looked up by key, converted to what the caller wants. */
#include <math.h>
#include <string.h>

#include "model/gguf.h"

static const struct { const char *name; unsigned bytes; } kinds[GGUF_KINDS] = { /* 0 bytes: not of a fixed size */
    [GGUF_U8] = {"uint8", 1},   [GGUF_I8] = {"int8", 1},      [GGUF_U16] = {"uint16", 2}, [GGUF_I16] = {"int16", 2},
    [GGUF_U32] = {"uint32", 4}, [GGUF_I32] = {"int32", 4},    [GGUF_F32] = {"float32", 4}, [GGUF_BOOL] = {"bool", 1},
    [GGUF_STRING] = {"text", 0}, [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"uint64", 8}, [GGUF_I64] = {"int64", 8},
    [GGUF_F64] = {"float64", 8},
};

const char *gguf_kind_name(enum gguf_kind kind)
{
    return kinds[kind].name;
}

unsigned gguf_kind_bytes(enum gguf_kind kind)
{
    return kinds[kind].bytes;
}

const struct gguf_value *gguf_find(const struct gguf *g, const char *key)
{
    for (uint64_t i = 0; i < g->value_count; i++)
        if (strcmp(g->values[i].key, key) == 0)
            return &g->values[i];
    return NULL;
}

/* One number of a fixed-size kind: as a double, and as an integer where it is one. */
static bool number_at(enum gguf_kind kind, const unsigned char *p, double *value, int64_t *whole)
{
    union {
        uint8_t u8; int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32;
        uint64_t u64; int64_t i64; float f32; double f64;
    } x;
    memcpy(&x, p, kinds[kind].bytes);
    switch (kind) {
    case GGUF_BOOL:
    case GGUF_U8: *value = *whole = x.u8; return true;
    case GGUF_I8: *value = *whole = x.i8; return true;
    case GGUF_U16: *value = *whole = x.u16; return true;
    case GGUF_I16: *value = *whole = x.i16; return true;
    case GGUF_U32: *value = *whole = x.u32; return true;
    case GGUF_I32: *value = *whole = x.i32; return true;
    case GGUF_I64: *value = *whole = x.i64; return true;
    case GGUF_U64: *value = x.u64; *whole = (int64_t)x.u64; return x.u64 <= INT64_MAX;
    case GGUF_F32: *value = x.f32; break;
    default: *value = x.f64; break;
    }
    if (!(fabs(*value) < 0x1p63) || *value != floor(*value))
        return false;
    *whole = (int64_t)*value;
    return true;
}

bool gguf_integer(const struct gguf *g, const char *key, int64_t *value)
{
    const struct gguf_value *v = gguf_find(g, key);
    double number;
    int64_t whole;
    if (!v || !kinds[v->kind].bytes || !number_at(v->kind, v->data, &number, &whole))
        return false;
    *value = whole;
    return true;
}

double gguf_item(const struct gguf_value *v, uint64_t i)
{
    unsigned bytes = kinds[v->item_kind].bytes;
    double value;
    int64_t whole;
    if (v->kind != GGUF_ARRAY)
        i = 0;
    if (!bytes || i >= v->count)
        return NAN;
    number_at(v->item_kind, v->data + i * bytes, &value, &whole);
    return value;
}

const char *gguf_next_string(const unsigned char **at, uint64_t *length)
{
    memcpy(length, *at, sizeof *length);
    const char *text = (const char *)*at + sizeof *length;
    *at += sizeof *length + *length;
    return text;
}

const char *gguf_text(struct gguf *g, const char *key)
{
    const struct gguf_value *v = gguf_find(g, key);
    uint64_t length;
    if (!v || v->kind != GGUF_STRING)
        return NULL;
    const unsigned char *at = v->data;
    const char *text = gguf_next_string(&at, &length);
    return arena_strndup(&g->arena, text, length);
}
