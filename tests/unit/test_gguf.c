/* Reading and writing GGUF. Files are built by hand, byte by byte, one per way to be corrupt; each is read from
 * memory that ends at an inaccessible page, so that a read past the end crashes the test. */
#include "tests/unit/unit.h"

#include <math.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "model/gguf.h"
#include "tests/unit/gguf_build.h"

/* ------------------------------------------------------------- memory with a fence */

struct fenced {
    unsigned char *pages, *bytes;
    size_t mapped;
};

static struct fenced fence(const void *data, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
    struct fenced f = {.mapped = room + page};
    f.pages = mmap(NULL, f.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f.pages != MAP_FAILED);
    assert_int_equal(mprotect(f.pages + room, page, PROT_NONE), 0);
    f.bytes = f.pages + room - size;
    if (size)
        memcpy(f.bytes, data, size);
    return f;
}

static void unfence(struct fenced *f)
{
    munmap(f->pages, f->mapped);
}

/* Reads `size` bytes behind a fence; the code, with the error in *e. */
static int read_bytes(const void *data, size_t size, int flags, struct error *e)
{
    struct fenced f = fence(data, size);
    struct gguf g;
    int rc = gguf_parse(&g, f.bytes, size, "test.gguf", flags, e);
    gguf_close(&g);
    unfence(&f);
    return rc;
}

/* --------------------------------------------------------------- files by hand */

static void u32(struct str *s, uint32_t v)
{
    str_add_bytes(s, &v, sizeof v);
}

static void u64(struct str *s, uint64_t v)
{
    str_add_bytes(s, &v, sizeof v);
}

static void text(struct str *s, const char *t)
{
    u64(s, strlen(t));
    str_add(s, t);
}

static void head(struct str *s, uint32_t version, uint64_t tensors, uint64_t values)
{
    str_add(s, "GGUF");
    u32(s, version);
    u64(s, tensors);
    u64(s, values);
}

static void value_u32(struct str *s, const char *key, uint32_t v)
{
    text(s, key);
    u32(s, GGUF_U32);
    u32(s, v);
}

static void tensor(struct str *s, const char *name, int dims, const uint64_t *shape, uint32_t type, uint64_t offset)
{
    text(s, name);
    u32(s, dims);
    for (int i = 0; i < dims; i++)
        u64(s, shape[i]);
    u32(s, type);
    u64(s, offset);
}

static void pad(struct str *s, size_t alignment)
{
    while (s->length % alignment)
        str_add_char(s, 0);
}

static const uint64_t row8[] = {8}, matrix[] = {32, 2};

/* A head for one tensor without metadata: what most tests of the tensor table start with. */
static void one_tensor(struct str *s)
{
    head(s, 3, 1, 0);
}

/* A small file with one of everything: scalars, a text, arrays, two tensors with data. */
static struct str valid(uint32_t version)
{
    struct str s = {0};
    head(&s, version, 2, 5);
    text(&s, "general.architecture"), u32(&s, GGUF_STRING), text(&s, "llama");
    value_u32(&s, "llama.block_count", 2);
    text(&s, "flags"), u32(&s, GGUF_ARRAY), u32(&s, GGUF_BOOL), u64(&s, 3), str_add_bytes(&s, "\1\0\1", 3);
    text(&s, "words"), u32(&s, GGUF_ARRAY), u32(&s, GGUF_STRING), u64(&s, 2), text(&s, "a"), text(&s, "");
    text(&s, "numbers"), u32(&s, GGUF_ARRAY), u32(&s, GGUF_U32), u64(&s, 2), u32(&s, 7), u32(&s, 9);
    tensor(&s, "a.weight", 1, row8, QUANT_F32, 0);
    tensor(&s, "b.weight", 2, matrix, QUANT_Q8_0, 32);
    pad(&s, 32);
    for (int i = 0; i < 32 + 68; i++)
        str_add_char(&s, (char)i);
    return s;
}

/* ------------------------------------------------------------ one lie per file */

static void lie_magic(struct str *s) { str_add(s, "GGMF"), u32(s, 3), u64(s, 0), u64(s, 0); }
static void lie_zip(struct str *s) { str_add(s, "PK\3\4 and more bytes"); }
static void lie_big_endian(struct str *s) { head(s, 0x03000000, 0, 0); }
static void lie_version_0(struct str *s) { head(s, 0, 0, 0); }
static void lie_version_1(struct str *s) { head(s, 1, 0, 0); }
static void lie_version_4(struct str *s) { head(s, 4, 0, 0); }
static void lie_values(struct str *s) { head(s, 3, 0, UINT64_MAX); }
static void lie_tensors(struct str *s) { head(s, 3, UINT64_MAX, 0); }
static void lie_more_values(struct str *s) { head(s, 3, 0, 8192); }
static void lie_too_many_values(struct str *s) { head(s, 3, 0, 8193); }
static void lie_more_tensors(struct str *s) { head(s, 3, 1000000, 0); }
static void lie_key_length(struct str *s) { head(s, 3, 0, 1), u64(s, 1000); }
static void lie_key_wraps(struct str *s) { head(s, 3, 0, 1), u64(s, UINT64_MAX - 8), str_add(s, "key"); }
static void lie_key_empty(struct str *s) { head(s, 3, 0, 1), value_u32(s, "", 1); }
static void lie_key_nul(struct str *s) { head(s, 3, 0, 1), u64(s, 3), str_add_bytes(s, "a\0b", 3), u32(s, 4), u32(s, 4); }
static void lie_key_escape(struct str *s) { head(s, 3, 0, 1), value_u32(s, "a\033[2J", 1); }
static void lie_kind(struct str *s) { head(s, 3, 0, 1), text(s, "k"), u32(s, 13), u64(s, 0); }
static void lie_key_twice(struct str *s) { head(s, 3, 0, 3), value_u32(s, "k", 1), value_u32(s, "j", 1), value_u32(s, "k", 1); }
static void lie_text(struct str *s) { head(s, 3, 0, 1), text(s, "k"), u32(s, GGUF_STRING), u64(s, 9), str_add(s, "short"); }
static void lie_bool(struct str *s) { head(s, 3, 0, 1), text(s, "k"), u32(s, GGUF_BOOL), str_add_char(s, 2); }

static void lie_key_long(struct str *s)
{
    head(s, 3, 0, 1);
    u64(s, 65536);
    for (int i = 0; i < 65536; i++)
        str_add_char(s, 'k');
    u32(s, GGUF_U32), u32(s, 0);
}

static void array(struct str *s, uint32_t item, uint64_t count)
{
    head(s, 3, 0, 1);
    text(s, "k");
    u32(s, GGUF_ARRAY), u32(s, item), u64(s, count);
}

static void lie_array_kind(struct str *s) { array(s, 99, 0); }
static void lie_array_nested(struct str *s) { array(s, GGUF_ARRAY, 1), u32(s, GGUF_U8), u64(s, 0); }
static void lie_array_count(struct str *s) { array(s, GGUF_U64, 3), u64(s, 1), u64(s, 2); }
static void lie_array_wraps(struct str *s) { array(s, GGUF_U64, (uint64_t)1 << 61), u64(s, 1); }
static void lie_array_texts(struct str *s) { array(s, GGUF_STRING, UINT64_MAX), text(s, "one"); }
static void lie_array_text(struct str *s) { array(s, GGUF_STRING, 2), text(s, "one"), u64(s, UINT64_MAX), str_add(s, "two"); }
static void lie_array_bool(struct str *s) { array(s, GGUF_BOOL, 2), str_add_bytes(s, "\1\7", 2); }

static void lie_alignment_0(struct str *s) { head(s, 3, 0, 1), value_u32(s, "general.alignment", 0); }
static void lie_alignment_4(struct str *s) { head(s, 3, 0, 1), value_u32(s, "general.alignment", 4); }
static void lie_alignment_48(struct str *s) { head(s, 3, 0, 1), value_u32(s, "general.alignment", 48); }
static void lie_alignment_huge(struct str *s) { head(s, 3, 0, 1), value_u32(s, "general.alignment", 1u << 31); }
static void lie_alignment_kind(struct str *s) { head(s, 3, 0, 1), text(s, "general.alignment"), u32(s, GGUF_STRING), text(s, "32"); }

static void lie_name_empty(struct str *s) { one_tensor(s), tensor(s, "", 1, row8, QUANT_F32, 0); }
static void lie_dims(struct str *s) { one_tensor(s), text(s, "t"), u32(s, 5); }
static void lie_shape_0(struct str *s) { one_tensor(s), tensor(s, "t", 2, (uint64_t[]){32, 0}, QUANT_F32, 0); }
static void lie_shape_negative(struct str *s) { one_tensor(s), tensor(s, "t", 1, (uint64_t[]){UINT64_MAX}, QUANT_I8, 0); }
static void lie_shape_wraps(struct str *s)
{
    one_tensor(s), tensor(s, "t", 3, (uint64_t[]){(uint64_t)1 << 32, (uint64_t)1 << 31, 2}, QUANT_F32, 0);
}
static void lie_bytes_wrap(struct str *s)
{
    one_tensor(s), tensor(s, "t", 2, (uint64_t[]){(uint64_t)1 << 31, (uint64_t)1 << 30}, QUANT_F64, 0);
}
static void lie_end_wraps(struct str *s)
{
    one_tensor(s), tensor(s, "t", 1, (uint64_t[]){(uint64_t)1 << 62}, QUANT_I8, UINT64_MAX - 31);
}
static void lie_type_removed(struct str *s) { one_tensor(s), tensor(s, "t", 1, row8, 4, 0); }
static void lie_type(struct str *s) { one_tensor(s), tensor(s, "t", 1, row8, 0xffffffff, 0); }
static void lie_block(struct str *s) { one_tensor(s), tensor(s, "t", 2, (uint64_t[]){33, 32}, QUANT_Q8_0, 0); }
static void lie_offset(struct str *s) { one_tensor(s), tensor(s, "t", 1, row8, QUANT_F32, 8), pad(s, 32), str_add(s, "data"); }
static void lie_data(struct str *s) { one_tensor(s), tensor(s, "t", 1, row8, QUANT_F32, 0), pad(s, 32), str_add(s, "data"); }

static void lie_name_long(struct str *s)
{
    char name[65];
    memset(name, 'n', 64);
    name[64] = 0;
    one_tensor(s), tensor(s, name, 1, row8, QUANT_F32, 0);
}

static void two_tensors(struct str *s, const char *second, uint64_t offset)
{
    head(s, 3, 2, 0);
    tensor(s, "t", 1, (uint64_t[]){16}, QUANT_F32, 0);
    tensor(s, second, 1, (uint64_t[]){16}, QUANT_F32, offset);
    pad(s, 32);
    for (int i = 0; i < 128; i++)
        str_add_char(s, 0);
}

static void lie_name_twice(struct str *s) { two_tensors(s, "t", 64); }
static void lie_overlap(struct str *s) { two_tensors(s, "u", 32); }
static void lie_same_offset(struct str *s) { two_tensors(s, "u", 0); }

/* The error must name the place: header bytes count from 0, a head has 24. */
static const struct lie {
    const char *name;
    void (*build)(struct str *s);
    const char *says;
} lies[] = {
    {"magic", lie_magic, "it is not a GGUF file (it starts with 47 47 4d 46"},
    {"zip", lie_zip, "it is a ZIP archive"},
    {"big endian", lie_big_endian, "offset 4: it is big-endian"},
    {"version 0", lie_version_0, "offset 4: it has GGUF version 0"},
    {"version 1", lie_version_1, "offset 4: it has GGUF version 1"},
    {"version 4", lie_version_4, "offset 4: it has GGUF version 4"},
    {"value count", lie_values, "offset 16, header: the metadata count is 18446744073709551615"},
    {"value count over the limit", lie_too_many_values, "offset 16, header: the metadata count is 8193, at most 8192 can be"},
    {"tensor count", lie_tensors, "offset 8, header: the tensor count is 18446744073709551615"},
    {"more values", lie_more_values, "offset 24, metadata entry 0: the key takes 8 bytes, but the file ends after 0"},
    {"more tensors", lie_more_tensors, "offset 24, tensor 0: the name takes 8 bytes, but the file ends after 0"},
    {"key length", lie_key_length, "offset 32, metadata entry 0: the key takes 1000 bytes, but the file ends after 0"},
    {"key length that wraps", lie_key_wraps, "offset 32, metadata entry 0: the key takes 18446744073709551607 bytes"},
    {"empty key", lie_key_empty, "offset 24, metadata entry 0: the key is 0 bytes long"},
    {"long key", lie_key_long, "offset 24, metadata entry 0: the key is 65536 bytes long"},
    {"NUL in a key", lie_key_nul, "offset 33, metadata entry 0: the key holds the byte 0x00"},
    {"escape in a key", lie_key_escape, "offset 33, metadata entry 0: the key holds the byte 0x1b"},
    {"kind", lie_kind, "offset 33, metadata entry 0 (k): the kind is 13"},
    {"key twice", lie_key_twice, "offset 58, metadata: the key k is there twice"},
    {"text length", lie_text, "offset 45, metadata entry 0 (k): the text takes 9 bytes, but the file ends after 5"},
    {"bool", lie_bool, "offset 37, metadata entry 0 (k): a bool is 2"},
    {"array's kind", lie_array_kind, "offset 37, metadata entry 0 (k): the array's item kind is 99"},
    {"array of arrays", lie_array_nested, "offset 37, metadata entry 0 (k): it is an array of arrays"},
    {"array's count", lie_array_count, "offset 49, metadata entry 0 (k): the value takes 24 bytes, but the file ends after 16"},
    {"array's count that wraps", lie_array_wraps, "offset 49, metadata entry 0 (k): an array of 2305843009213693952 items"},
    {"count of texts", lie_array_texts, "offset 60, metadata entry 0 (k): the text takes 8 bytes"},
    {"length of a text", lie_array_text, "offset 68, metadata entry 0 (k): the text takes 18446744073709551615 bytes"},
    {"bool in an array", lie_array_bool, "offset 50, metadata entry 0 (k): a bool is 7"},
    {"alignment 0", lie_alignment_0, "offset 24, general.alignment: 0 is not a power of two"},
    {"alignment 4", lie_alignment_4, "offset 24, general.alignment: 4 is not a power of two"},
    {"alignment 48", lie_alignment_48, "offset 24, general.alignment: 48 is not a power of two"},
    {"huge alignment", lie_alignment_huge, "offset 24, general.alignment: 2147483648 is not a power of two"},
    {"alignment's kind", lie_alignment_kind, "offset 24, general.alignment: it is of kind text"},
    {"empty name", lie_name_empty, "offset 24, tensor 0: the name is 0 bytes long"},
    {"long name", lie_name_long, "offset 24, tensor 0: the name is 64 bytes long"},
    {"dimensions", lie_dims, "offset 33, tensor t: it has 5 dimensions"},
    {"dimension 0", lie_shape_0, "offset 45, tensor t: dimension 1 is 0"},
    {"negative dimension", lie_shape_negative, "offset 37, tensor t: dimension 0 is 18446744073709551615"},
    {"elements that wrap", lie_shape_wraps, "offset 45, tensor t: dimension 1 is 2147483648"},
    {"bytes that wrap", lie_bytes_wrap, "offset 53, tensor t: its size is beyond 64 bits"},
    {"end that wraps", lie_end_wraps, "offset 24, tensor t: it would end beyond 63 bits"},
    {"removed type", lie_type_removed, "offset 45, tensor t: tensor type 4 is none"},
    {"type", lie_type, "offset 45, tensor t: tensor type 4294967295 is none"},
    {"block", lie_block, "offset 53, tensor t: a row of 33 elements does not divide into the blocks of 32 that Q8_0 has"},
    {"misaligned offset", lie_offset, "offset 49, tensor t: its offset 8 is no multiple of the alignment 32"},
    {"data past the end", lie_data, "offset 24, tensor t: its data takes bytes 64 to 96, but the file ends at 68"},
    {"name twice", lie_name_twice, "offset 57, tensor t: the name is there twice"},
    {"overlap", lie_overlap, "offset 57, tensor u: its data at 128 overlaps that of t, which ends at 160"},
    {"same offset", lie_same_offset, "overlaps that of"},
};

static void tell_lie(void **state)
{
    const struct lie *l = *state;
    struct error e = {0};
    struct str s = {0};
    l->build(&s);
    gguf_build_keep(l->name, s.data, s.length);
    assert_int_equal(read_bytes(s.data, s.length, 0, &e), ERROR_FAILED);
    assert_says(&e, "cannot read test.gguf: ");
    assert_says(&e, l->says);
    str_done(&s);
}

/* ---------------------------------------------------------- many damaged files */

static void cut_anywhere(void **state)
{
    (void)state;
    struct str s = valid(3);
    struct error e = {0};
    for (size_t n = 0; n < s.length; n++) {
        assert_int_equal(read_bytes(s.data, n, 0, &e), ERROR_FAILED);
        assert_says(&e, "cannot read test.gguf");
    }
    assert_ok(read_bytes(s.data, s.length, 0, &e), &e);
    gguf_build_keep("valid", s.data, s.length);
    str_done(&s);
}

/* The data may be missing in this mode, the header not. */
static void cut_header_only(void **state)
{
    (void)state;
    struct str s = valid(3);
    struct error e = {0};
    size_t data = s.length - 100, table = data;
    while (s.data[table - 1] == 0 && table > data - 31)
        table--;
    for (size_t n = 0; n <= s.length; n++)
        assert_int_equal(read_bytes(s.data, n, GGUF_HEADER_ONLY, &e) == 0, n >= table + 7); /* 7 zeros of an offset */
    str_done(&s);
}

/* Whatever byte is wrong: an error or another valid file, never a crash. */
static void any_byte_wrong(void **state)
{
    (void)state;
    static const unsigned char wrong[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct str s = valid(3);
    struct error e;
    int refused = 0;
    for (size_t i = 0; i < s.length - 100; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(wrong); k++) {
            char right = s.data[i];
            s.data[i] = (char)wrong[k];
            refused += read_bytes(s.data, s.length, 0, &e) != 0;
            s.data[i] = right;
        }
    assert_in_range(refused, 500, 5 * s.length);
    str_done(&s);
}

/* A file of a hundred bytes that claims billions of entries must not cost memory first. */
static void no_memory_for_claims(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* its shadow memory does not live with a limit */
#else
    static void (*const claims[])(struct str *) = {lie_values, lie_tensors, lie_more_values, lie_more_tensors, lie_key_length, lie_key_wraps, lie_array_texts,
                                                   lie_array_text, lie_array_count, lie_shape_wraps};
    struct rlimit old, small = {.rlim_cur = 512 << 20};
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(claims); i++) {
        struct str s = {0};
        struct error e;
        claims[i](&s);
        assert_int_equal(read_bytes(s.data, s.length, 0, &e), ERROR_FAILED);
        str_done(&s);
    }
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
#endif
}

/* --------------------------------------------------------------- what is read */

static void reads_all(void **state)
{
    (void)state;
    struct str s = valid(3);
    struct error e = {0};
    struct gguf g;
    int64_t n;
    assert_ok(gguf_parse(&g, s.data, s.length, "test.gguf", 0, &e), &e);
    assert_int_equal(g.version, 3);
    assert_int_equal(g.alignment, 32);
    assert_int_equal(g.value_count, 5);
    assert_true(g.complete);
    assert_string_equal(gguf_text(&g, "general.architecture"), "llama");
    assert_true(gguf_integer(&g, "llama.block_count", &n) && n == 2);
    assert_null(gguf_text(&g, "llama.block_count"));
    assert_false(gguf_integer(&g, "words", &n));
    assert_false(gguf_integer(&g, "general.architecture", &n));
    assert_false(gguf_integer(&g, "nowhere", &n));
    assert_true(isnan(gguf_item(gguf_find(&g, "general.architecture"), 0)));
    const struct gguf_value *v = gguf_find(&g, "numbers");
    assert_true(gguf_item(v, 0) == 7 && gguf_item(v, 1) == 9 && isnan(gguf_item(v, 2)));
    assert_true(gguf_item(gguf_find(&g, "flags"), 2) == 1);
    assert_true(gguf_item(gguf_find(&g, "llama.block_count"), 99) == 2);
    assert_int_equal(g.tensor_count, 2);
    assert_string_equal(g.tensors[1].name, "b.weight");
    assert_int_equal(g.tensors[1].type->id, QUANT_Q8_0);
    assert_int_equal(g.tensors[1].shape[0], 32);
    assert_int_equal(g.tensors[1].shape[3], 1);
    assert_int_equal(g.tensors[1].bytes, 68);
    assert_int_equal(g.tensors[1].offset, s.length - 68);
    gguf_close(&g);
    str_done(&s);
}

static void reads_texts(void **state)
{
    (void)state;
    struct str s = valid(2);
    struct error e = {0};
    struct gguf g;
    uint64_t length;
    assert_ok(gguf_parse(&g, s.data, s.length, "test.gguf", 0, &e), &e);
    assert_int_equal(g.version, 2);
    const unsigned char *at = gguf_find(&g, "words")->data;
    const char *first = gguf_next_string(&at, &length);
    assert_int_equal(length, 1);
    assert_memory_equal(first, "a", 1);
    gguf_next_string(&at, &length);
    assert_int_equal(length, 0);
    gguf_close(&g);
    str_done(&s);
}

static void numbers_of_every_kind(void **state)
{
    (void)state;
    struct str s = {0};
    struct error e = {0};
    struct gguf g;
    int64_t n;
    float half = 0.5f, three = 3;
    head(&s, 3, 0, 7);
    text(&s, "i8"), u32(&s, GGUF_I8), str_add_char(&s, -5);
    text(&s, "u64"), u32(&s, GGUF_U64), u64(&s, UINT64_MAX);
    text(&s, "i64"), u32(&s, GGUF_I64), u64(&s, (uint64_t)INT64_MIN);
    text(&s, "half"), u32(&s, GGUF_F32), str_add_bytes(&s, &half, 4);
    text(&s, "three"), u32(&s, GGUF_F32), str_add_bytes(&s, &three, 4);
    text(&s, "nan"), u32(&s, GGUF_F64), u64(&s, UINT64_MAX);
    text(&s, "yes"), u32(&s, GGUF_BOOL), str_add_char(&s, 1);
    assert_ok(gguf_parse(&g, s.data, s.length, "test.gguf", 0, &e), &e);
    assert_true(gguf_integer(&g, "i8", &n) && n == -5);
    assert_true(gguf_integer(&g, "i64", &n) && n == INT64_MIN);
    assert_true(gguf_integer(&g, "three", &n) && n == 3);
    assert_true(gguf_integer(&g, "yes", &n) && n == 1);
    assert_true(gguf_item(gguf_find(&g, "u64"), 0) == 0x1p64);
    assert_true(gguf_item(gguf_find(&g, "half"), 0) == 0.5);
    assert_true(isnan(gguf_item(gguf_find(&g, "nan"), 0)));
    assert_false(gguf_integer(&g, "u64", &n)); /* int64_t cannot hold it */
    assert_false(gguf_integer(&g, "half", &n));
    assert_false(gguf_integer(&g, "nan", &n));
    gguf_close(&g);
    str_done(&s);
}

/* ---------------------------------------------------------------------- writing */

static struct gguf_writer *small_writer(void)
{
    struct gguf_writer *w = gguf_writer_new();
    gguf_writer_text(w, "general.architecture", "llama");
    gguf_writer_u32(w, "general.file_type", 1);
    gguf_writer_f32(w, "eps", 1e-5f);
    gguf_writer_bool(w, "flag", true);
    gguf_writer_texts(w, "words", (const char *const[]){"one", "", "three"}, 3);
    gguf_writer_array(w, "numbers", GGUF_I16, (int16_t[]){-1, 2, 300}, 3);
    gguf_writer_tensor(w, "a", quant_type(QUANT_F32), 1, (int64_t[]){5});
    gguf_writer_tensor(w, "b", quant_type(QUANT_Q4_K), 2, (int64_t[]){256, 3});
    return w;
}

static void writes_what_reads_back(void **state)
{
    (void)state;
    struct gguf_writer *w = small_writer();
    struct error e = {0};
    struct gguf g;
    uint64_t bytes;
    const void *header = gguf_writer_header(w, &bytes);
    assert_ok(gguf_parse(&g, header, bytes, "test.gguf", GGUF_HEADER_ONLY, &e), &e);
    assert_int_equal(bytes % 32, 0);
    assert_int_equal(g.data_offset, bytes);
    assert_int_equal(g.tensors[0].offset, gguf_writer_offset(w, 0));
    assert_int_equal(g.tensors[1].offset, gguf_writer_offset(w, 1));
    assert_int_equal(gguf_writer_offset(w, 1), bytes + 32);
    assert_int_equal(gguf_writer_size(w), bytes + 32 + 448); /* 20 -> 32; 3 × 144 = 432 -> 448 */
    assert_true(gguf_item(gguf_find(&g, "numbers"), 2) == 300);
    assert_int_equal(gguf_find(&g, "words")->count, 3);
    gguf_close(&g);
    gguf_writer_free(w);
}

/* Copied through a second writer, a header comes out byte for byte. */
static void copies_exactly(void **state)
{
    (void)state;
    struct gguf_writer *w = small_writer(), *copy = gguf_writer_new();
    struct error e = {0};
    struct gguf g;
    uint64_t bytes, copied;
    const void *header = gguf_writer_header(w, &bytes);
    assert_ok(gguf_parse(&g, header, bytes, "test.gguf", GGUF_HEADER_ONLY, &e), &e);
    for (uint64_t i = 0; i < g.value_count; i++)
        gguf_writer_copy(copy, &g.values[i]);
    for (uint64_t i = 0; i < g.tensor_count; i++)
        gguf_writer_tensor(copy, g.tensors[i].name, g.tensors[i].type, g.tensors[i].dims, g.tensors[i].shape);
    const void *again = gguf_writer_header(copy, &copied);
    assert_int_equal(copied, bytes);
    assert_memory_equal(again, header, bytes);
    gguf_close(&g);
    gguf_writer_free(copy);
    gguf_writer_free(w);
}

static void replaces_and_removes(void **state)
{
    (void)state;
    struct gguf_writer *w = small_writer();
    struct error e = {0};
    struct gguf g;
    uint64_t bytes;
    int64_t n;
    gguf_writer_u32(w, "general.file_type", 15);
    gguf_writer_u32(w, "general.alignment", 64);
    gguf_writer_remove(w, "words");
    gguf_writer_remove(w, "nowhere");
    const void *header = gguf_writer_header(w, &bytes);
    assert_ok(gguf_parse(&g, header, bytes, "test.gguf", GGUF_HEADER_ONLY, &e), &e);
    assert_true(gguf_integer(&g, "general.file_type", &n) && n == 15);
    assert_string_equal(g.values[1].key, "general.file_type"); /* in its place */
    assert_null(gguf_find(&g, "words"));
    assert_int_equal(g.alignment, 64);
    assert_int_equal(bytes % 64, 0);
    assert_int_equal(gguf_writer_offset(w, 1), bytes + 64);
    gguf_close(&g);
    gguf_writer_free(w);
}

int main(void)
{
    enum { LIES = ARRAY_LENGTH(lies) };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(cut_header_only),
        cmocka_unit_test(any_byte_wrong),
        cmocka_unit_test(no_memory_for_claims),
        cmocka_unit_test(reads_all),
        cmocka_unit_test(reads_texts),
        cmocka_unit_test(numbers_of_every_kind),
        cmocka_unit_test(writes_what_reads_back),
        cmocka_unit_test(copies_exactly),
        cmocka_unit_test(replaces_and_removes),
    };
    struct CMUnitTest each_lie[LIES];
    for (int i = 0; i < LIES; i++)
        each_lie[i] = (struct CMUnitTest){.name = lies[i].name, .test_func = tell_lie, .initial_state = (void *)&lies[i]};
    int failed = cmocka_run_group_tests(each_lie, NULL, NULL);
    return failed + cmocka_run_group_tests(others, NULL, NULL);
}
