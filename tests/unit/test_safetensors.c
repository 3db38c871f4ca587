/* The safetensors reader: what it reads, and every way in which a header can lie. */
#include "unit.h"

#include <math.h>

#include "folder_build.h"
#include "model/safetensors.h"

static struct error e;

/* --------------------------------------------------------------------- reading */

static void reads_names_shapes_and_data(void **state)
{
    (void)state;
    struct stored_file f = {0};
    struct safetensors s;
    size_t bytes;
    stored_count_up(&f, "b", 2, (int64_t[]){2, 3}, 10);
    stored_add(&f, "a", "BF16", 1, (int64_t[]){4}, (uint16_t[]){0x3f80, 0x4000, 0xbf80, 0}, 8);
    stored_add(&f, "empty", "I64", 2, (int64_t[]){0, 7}, "", 0);
    stored_add(&f, "scalar", "F64", 0, NULL, &(double){2.5}, 8);
    void *file = stored_take(&f, &bytes);
    assert_ok(safetensors_parse(&s, file, bytes, "x.safetensors", &e), &e);
    assert_int_equal(s.count, 4);
    assert_string_equal(s.tensors[0].name, "b");
    assert_int_equal(s.tensors[0].dims, 2);
    assert_int_equal(s.tensors[0].shape[1], 3);
    assert_int_equal(s.tensors[0].elements, 6);
    assert_string_equal(s.tensors[0].path, "x.safetensors");
    float x[6];
    s.tensors[0].dtype->decode(s.tensors[0].data, x, 6);
    assert_true(x[0] == 10 && x[5] == 15);
    s.tensors[1].dtype->decode(s.tensors[1].data, x, 4);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == -1 && x[3] == 0);
    assert_string_equal(s.tensors[2].name, "empty"); /* begins where "scalar" does, and takes nothing */
    assert_int_equal(s.tensors[3].elements, 1);
    safetensors_close(&s);
    free(file);
}

/* ------------------------------------------------------------------- number formats */

static void decodes_eight_bits(void **state)
{
    (void)state;
    /* OCP 8-bit Floating Point Specification, table 2: 448 is the largest, 2^-6 the smallest normal, 2^-9 the
     * smallest. */
    const unsigned char e4m3[] = {0x00, 0x80, 0x38, 0xb8, 0x7e, 0x08, 0x07, 0x01, 0x7f, 0xff};
    const unsigned char e5m2[] = {0x3c, 0xc0, 0x7b, 0x04, 0x01};
    const unsigned char e8m0[] = {127, 128, 0, 255};
    float x[10];
    dtype_named("F8_E4M3")->decode(e4m3, x, 10);
    assert_true(x[0] == 0 && signbit(x[1]) && x[2] == 1 && x[3] == -1 && x[4] == 448);
    assert_true(x[5] == 0x1p-6f && x[6] == 7 * 0x1p-9f && x[7] == 0x1p-9f && isnan(x[8]) && isnan(x[9]));
    dtype_named("F8_E5M2")->decode(e5m2, x, 5);
    assert_true(x[0] == 1 && x[1] == -2 && x[2] == 57344 && x[3] == 0x1p-14f && x[4] == 0x1p-16f);
    dtype_named("F8_E8M0")->decode(e8m0, x, 4);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == 0x1p-127f && isnan(x[3]));
}

static void decodes_at_any_address(void **state)
{
    (void)state;
    const struct dtype *d;
    for (int i = 0; (d = dtype_at(i)); i++) {
        unsigned char aligned[64] __attribute__((aligned(8))), shifted[65];
        float x[8], y[8];
        for (int k = 0; k < 64; k++)
            aligned[k] = (unsigned char)(k % 4 + 1);
        memcpy(shifted + 1, aligned, 64);
        d->decode(aligned, x, 8);
        d->decode(shifted + 1, y, 8);
        assert_memory_equal(x, y, sizeof x);
        assert_true(isfinite(x[7]));
        assert_ptr_equal(dtype_named(d->name), d);
        assert_true(!dtype_type(d) || dtype_type(d)->block_bytes == d->bytes);
    }
}

static void decodes_integers(void **state)
{
    (void)state;
    float x[2];
    dtype_named("I8")->decode((const unsigned char *)"\xff\x7f", x, 2);
    assert_true(x[0] == -1 && x[1] == 127);
    dtype_named("U8")->decode((const unsigned char *)"\xff\x01", x, 2);
    assert_true(x[0] == 255 && x[1] == 1);
    dtype_named("I32")->decode((const unsigned char *)(int32_t[]){-70000, 1 << 24}, x, 2);
    assert_true(x[0] == -70000 && x[1] == 1 << 24);
    dtype_named("BOOL")->decode((const unsigned char *)"\x00\x01", x, 2);
    assert_true(x[0] == 0 && x[1] == 1);
}

/* ------------------------------------------------------------------------ lies */

#define ENTRY(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

/* A file of this header and so many bytes of data. */
static void refuse(const char *header, size_t data, const char *why)
{
    struct safetensors s;
    uint64_t length = strlen(header);
    unsigned char *file = xcalloc(1, 8 + length + data + 1);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    assert_int_equal(safetensors_parse(&s, file, 8 + length + data, "x.safetensors", &e), ERROR_FAILED);
    assert_says(&e, why);
    assert_says(&e, "x.safetensors");
    safetensors_close(&s);
    free(file);
}

static void headers_that_lie(void **state)
{
    (void)state;
    static const struct { const char *header; size_t data; const char *why; } lies[] = {
        {"{", 0, "its header is no JSON: offset"},
        {"[]", 0, "its header is no JSON object"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("a", "F32", "[1]", 4, 8) "}", 8, "duplicate"},
        {"{\"a\":1}", 0, "the tensor a: its entry is no object"},
        {"{\"a\":{}}", 0, "the tensor a: it has no dtype"},
        {"{" ENTRY("a", "F4", "[1]", 0, 4) "}", 4, "number format F4, which this version does not know"},
        {"{" ENTRY("a", "F32", "3", 0, 4) "}", 4, "its shape is no list"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "its shape is no list of at most 8"},
        {"{" ENTRY("a", "F32", "[-1]", 0, 4) "}", 4, "dimension 0 is no length"},
        {"{" ENTRY("a", "F32", "[1.5]", 0, 4) "}", 4, "dimension 0 is no length"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", 0, 4) "}", 4, "more than 2^63 elements"},
        {"{" ENTRY("a", "F64", "[2305843009213693952]", 0, 4) "}", 4, "do not fill its 4 bytes"},
        {"{" ENTRY("a", "F32", "[2]", 0, 4) "}", 4, "2 elements of F32 do not fill its 4 bytes"},
        {"{" ENTRY("a", "F32", "[1]", 4, 0) "}", 4, "its data_offsets 4 and 0 cannot be"},
        {"{" ENTRY("a", "F32", "[1]", -4, 0) "}", 4, "its data_offsets -4 and 0 cannot be"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "}", 3, "its data ends at 4, but the file holds 3 bytes"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "}", 5, "its tensors take 4 bytes, but 5 follow"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("b", "F32", "[1]", 2, 6) "}", 6, "within that of a"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("b", "F32", "[1]", 8, 12) "}", 12, "ends at 4"},
        {"{" ENTRY("", "F32", "[1]", 0, 4) "}", 4, "a name of 0 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "are not two numbers"},
        {"{\"a\\u0000b\":{}}", 0, "its header is no JSON"},
        {"{" ENTRY("a\x1b[31m", "F32", "[1]", 0, 4) "}", 0, "its header is no JSON"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lies); i++)
        refuse(lies[i].header, lies[i].data, lies[i].why);
}

static void nests_too_deep(void **state)
{
    (void)state;
    char *deep = xmalloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = 0;
    refuse(deep, 0, "its header is no JSON");
    free(deep);
}

/* The bytes as they are. */
static void refuse_bytes(const char *bytes, size_t size, const char *why)
{
    struct safetensors s;
    assert_int_equal(safetensors_parse(&s, bytes, size, "x.safetensors", &e), ERROR_FAILED);
    assert_says(&e, why);
    safetensors_close(&s);
}

static void lengths_that_lie(void **state)
{
    (void)state;
    refuse_bytes("\x02", 1, "fewer than the length of a header takes");
    refuse_bytes("\x03\0\0\0\0\0\0\0{}", 10, "its header would take 3 bytes, but 2 follow");
    refuse_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "but 2 follow");
    refuse_bytes("GGUF\3\0\0\0{}", 10, "it is a GGUF file");
    refuse_bytes("version https://git-lfs", 23, "a pointer of Git LFS");
}

static void a_header_of_gigabytes(void **state)
{
    (void)state;
    size_t size = 40 << 20;
    unsigned char *file = xcalloc(1, size);
    uint64_t length = size - 8;
    memcpy(file, &length, 8);
    refuse_bytes((const char *)file, size, "at most 33554432 can be");
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_shapes_and_data), cmocka_unit_test(decodes_eight_bits),
        cmocka_unit_test(decodes_at_any_address),      cmocka_unit_test(decodes_integers),
        cmocka_unit_test(headers_that_lie),            cmocka_unit_test(nests_too_deep),
        cmocka_unit_test(lengths_that_lie),            cmocka_unit_test(a_header_of_gigabytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
