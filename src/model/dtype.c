#include "model/dtype.h"

#include <string.h>

#include "base/mem.h"
#include "quant/half.h"

/* One loop per format: each element is copied out first, because it may stand at any address. */
#define DECODER(name, stored_type, expression)                                  \
    static void name(const unsigned char *stored, float *x, int64_t n)          \
    {                                                                           \
        for (int64_t i = 0; i < n; i++) {                                       \
            stored_type v;                                                      \
            memcpy(&v, stored + i * sizeof v, sizeof v);                        \
            x[i] = (expression);                                                \
        }                                                                       \
    }

DECODER(decode_f64, double, (float)v)
DECODER(decode_f32, float, v)
DECODER(decode_f16, uint16_t, half_to_float(v))
DECODER(decode_bf16, uint16_t, bf16_to_float(v))
DECODER(decode_e4m3, uint8_t, e4m3_to_float(v))
DECODER(decode_e5m2, uint8_t, half_to_float((uint16_t)(v << 8))) /* the upper half of a half */
DECODER(decode_e8m0, uint8_t, e8m0_to_float(v))
DECODER(decode_i64, int64_t, (float)v)
DECODER(decode_u64, uint64_t, (float)v)
DECODER(decode_i32, int32_t, (float)v)
DECODER(decode_u32, uint32_t, (float)v)
DECODER(decode_i16, int16_t, v)
DECODER(decode_u16, uint16_t, v)
DECODER(decode_i8, int8_t, v)
DECODER(decode_u8, uint8_t, v)
DECODER(decode_bool, uint8_t, v != 0)

static const struct dtype dtypes[] = {
    {"F64", 8, -1, false, decode_f64},
    {"F32", 4, QUANT_F32, false, decode_f32},
    {"F16", 2, QUANT_F16, false, decode_f16},
    {"BF16", 2, QUANT_BF16, false, decode_bf16},
    {"F8_E4M3", 1, -1, false, decode_e4m3},
    {"F8_E5M2", 1, -1, false, decode_e5m2},
    {"F8_E8M0", 1, -1, false, decode_e8m0},
    {"I64", 8, -1, true, decode_i64},
    {"U64", 8, -1, true, decode_u64},
    {"I32", 4, -1, true, decode_i32},
    {"U32", 4, -1, true, decode_u32},
    {"I16", 2, -1, true, decode_i16},
    {"U16", 2, -1, true, decode_u16},
    {"I8", 1, -1, true, decode_i8},
    {"U8", 1, -1, true, decode_u8},
    {"BOOL", 1, -1, true, decode_bool},
};

const struct dtype *dtype_at(int i)
{
    return i >= 0 && (size_t)i < ARRAY_LENGTH(dtypes) ? &dtypes[i] : NULL;
}

const struct dtype *dtype_named(const char *name)
{
    const struct dtype *d;
    for (int i = 0; (d = dtype_at(i)); i++)
        if (strcmp(d->name, name) == 0)
            return d;
    return NULL;
}

const struct quant_type *dtype_type(const struct dtype *d)
{
    return d->gguf < 0 ? NULL : quant_type((enum quant_id)d->gguf);
}
