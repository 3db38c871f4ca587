#include "unit.h"

#include <math.h>

#include "noise.h"
#include "pack/bits.h"
#include "pack/codes.h"
#include "quant/half.h"

/* ------------------------------------------------------------------------- names */

static void names_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *name, *again;   /* NULL: the same */
        int bits, group;
        bool symmetric, act, nested, smooth;
    } cases[] = {
        {"gptq-int4", NULL, 4, 128, true, false, false, false},
        {"gptq-int4-g128", "gptq-int4", 4, 128, true, false, false, false},
        {"gptq-int3-grow-act-asym", "gptq-int3-grow-asym-act", 3, 0, false, true, false, false},
        {"gptq-int8-g32-act", NULL, 8, 32, true, true, false, false},
        {"awq-int4-g64-sym", NULL, 4, 64, true, false, false, false},
        {"awq-int4", NULL, 4, 128, false, false, false, false},
        {"nf4", NULL, 4, 64, true, false, true, false},
        {"fp4-single", NULL, 4, 64, true, false, false, false},
        {"bnb-int8", NULL, 8, 0, true, false, false, false},
        {"fp8", NULL, 8, 0, true, false, false, false},
        {"w8a8-smooth", NULL, 8, 0, true, false, false, true},
        {"w4a16-g64-asym", NULL, 4, 64, false, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct scheme s;
        struct error e = {0};
        char name[SCHEME_NAME];
        assert_ok(scheme_parse(&s, cases[i].name, &e), &e);
        assert_int_equal(s.bits, cases[i].bits);
        assert_int_equal(s.group, cases[i].group);
        assert_int_equal(s.symmetric, cases[i].symmetric);
        assert_int_equal(s.act_order, cases[i].act);
        assert_int_equal(s.double_quant, cases[i].nested);
        assert_int_equal(s.smooth, cases[i].smooth);
        scheme_name(&s, name);
        assert_string_equal(name, cases[i].again ? cases[i].again : cases[i].name);
        assert_true(scheme_is_name(cases[i].name));
    }
    assert_false(scheme_is_name("Q4_K_M"));
    assert_false(scheme_is_name("nf44"));
}

static void wrong_names_say_what_is_right(void **state)
{
    (void)state;
    static const struct { const char *name, *says; } cases[] = {
        {"gptq-int5", "known are gptq-int2, gptq-int3"}, {"gptq", "known are"}, {"awq-int8", "gptq-int8 or w8a8"},
        {"gptq-int4-g48", "takes -g32, -g64, -g128, -grow, -asym, -act"}, {"nf4-g32", "nf4 takes -single"},
        {"fp8-", "fp8 takes no further marks"}, {"bnb-int8-act", "takes no further"}, {"", "no format"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct scheme s;
        struct error e = {0};
        assert_int_equal(scheme_parse(&s, cases[i].name, &e), ERROR_USAGE);
        assert_says(&e, cases[i].says);
    }
}

/* ------------------------------------------------------------------------ layouts */

static const char *const every_format[] = {
    "gptq-int2-g32", "gptq-int3-g32-asym", "gptq-int4-grow", "gptq-int8-g64-asym", "awq-int4-g32", "awq-int4-g64-sym",
    "nf4", "nf4-single", "fp4", "fp4-single", "bnb-int8", "fp8", "w8a8", "w4a16-g32", "w4a16-g64-asym", "w4a16-grow",
};

static struct scheme scheme_of(const char *name)
{
    struct scheme s;
    struct error e = {0};
    assert_ok(scheme_parse(&s, name, &e), &e);
    return s;
}

/* A packed weight with room for its parts; packed_free. */
static struct packed packed_new(const struct scheme *s, int64_t rows, int64_t columns)
{
    struct packed p;
    packed_init(&p, s, rows, columns);
    for (int i = 0; i < p.count; i++)
        p.data[i] = xcalloc(pack_part_bytes(&p.parts[i]) + 1, 1);
    if (s->format->scratch)
        p.scratch = xcalloc(s->format->scratch(&p), sizeof *p.scratch);
    return p;
}

static void packed_free(struct packed *p)
{
    for (int i = 0; i < p->count; i++)
        free(p->data[i]);
    free(p->scratch);
}

static uint32_t word(const struct packed *p, int part, int64_t i)
{
    uint32_t value;
    memcpy(&value, p->data[part] + 4 * i, sizeof value);
    return value;
}

static float half_at(const struct packed *p, int part, int64_t i)
{
    uint16_t value;
    memcpy(&value, p->data[part] + 2 * i, sizeof value);
    return half_to_float(value);
}

/* 3 bits: numbers 10 and 21 of 32 lie in two words. */
static void numbers_of_three_bits_cross_words(void **state)
{
    (void)state;
    uint8_t numbers[64], again[64];
    unsigned char words[6 * 8] = {0};
    for (int i = 0; i < 64; i++)
        numbers[i] = (uint8_t)(i * 5 % 8);
    const struct bit_stream s = {.words = words, .stride = 8, .bits = 3};
    bits_put(&s, 0, 64, numbers, 1);
    for (int i = 0; i < 64; i++) {
        int value = 0;
        for (int b = 0; b < 3; b++) {
            int bit = i * 3 + b;
            value |= (words[bit / 32 * 8 + bit % 32 / 8] >> bit % 8 & 1) << b;
        }
        assert_int_equal(value, numbers[i]);
    }
    for (int i = 4; i < 8; i++)
        assert_int_equal(words[i], 0); /* between the words */
    bits_get(&s, 0, 64, again, 1);
    assert_memory_equal(again, numbers, 64);
    bits_get(&s, 32, 7, again, 1);
    assert_memory_equal(again, numbers + 32, 7);
}

/* Codes that tell where they came from: [rows][columns], groups of 32, zero points by row. */
static void make_codes(struct codes *c, const struct scheme *s, int64_t rows, int64_t columns)
{
    codes_init(c, s, rows, columns);
    for (int64_t i = 0; i < rows * columns; i++)
        c->codes[i] = (uint8_t)((i * 7 + i / columns * 3) % 16);
    for (int64_t i = 0; i < rows * scheme_groups(s, columns); i++) {
        c->scales[i] = (float)(i + 1) / 64;
        c->zeros[i] = (uint8_t)(1 + i % 15);
    }
}

/* The first version stores zero points less 1; with zero points of its own a weight is stored in the second. */
static void gptq_by_hand_as(const char *name, int less)
{
    struct scheme s = scheme_of(name);
    struct packed p = packed_new(&s, 16, 64);
    struct codes c;
    make_codes(&c, &s, 16, 64);
    s.format->pack(&p, 0, &c);
    assert_string_equal(p.parts[0].suffix, ".qweight");
    assert_int_equal(p.parts[0].shape[0], 8);
    assert_int_equal(p.parts[0].shape[1], 16);
    for (int column = 0; column < 64; column++)
        for (int row = 0; row < 16; row++)
            assert_int_equal(word(&p, 0, column / 8 * 16 + row) >> column % 8 * 4 & 15, c.codes[row * 64 + column]);
    for (int group = 0; group < 2; group++)
        for (int row = 0; row < 16; row++) {
            assert_int_equal(word(&p, 1, group * 2 + row / 8) >> row % 8 * 4 & 15, c.zeros[row * 2 + group] - less);
            assert_true(half_at(&p, 2, group * 16 + row) == c.scales[row * 2 + group]);
        }
    for (int column = 0; column < 64; column++)
        assert_int_equal(word(&p, 3, column), column / 32);
    codes_done(&c);
    packed_free(&p);
}

static void gptq_by_hand(void **state)
{
    (void)state;
    gptq_by_hand_as("gptq-int4-g32", 1);
    gptq_by_hand_as("gptq-int4-g32-asym", 0);
}

/* Act order: the group of each column is what g_idx says, read back as it was written. */
static void gptq_out_of_order(void **state)
{
    (void)state;
    struct scheme s = scheme_of("gptq-int4-g32-act");
    struct packed p = packed_new(&s, 8, 64);
    struct codes c;
    int32_t group_of[64];
    float w[8 * 64], again[8 * 64];
    make_codes(&c, &s, 8, 64);
    for (int i = 0; i < 64; i++)
        group_of[i] = i % 2;
    c.group_of = group_of;
    s.format->pack(&p, 0, &c);
    for (int i = 0; i < 64; i++)
        assert_int_equal(word(&p, 3, i), i % 2);
    p.group_of = group_of;
    codes_floats(&c, w);
    s.format->decode(&p, 0, 8, again);
    assert_memory_equal(w, again, sizeof w);
    assert_true(w[64 + 3] == (float)(c.codes[64 + 3] - c.zeros[3]) * c.scales[3]);
    codes_done(&c);
    packed_free(&p);
}

static void awq_by_hand(void **state)
{
    (void)state;
    static const int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    struct scheme s = scheme_of("awq-int4-g32");
    struct packed p = packed_new(&s, 16, 64);
    struct codes c;
    make_codes(&c, &s, 16, 64);
    s.format->pack(&p, 0, &c);
    for (int column = 0; column < 64; column++)
        for (int of = 0; of < 2; of++)
            for (int nibble = 0; nibble < 8; nibble++)
                assert_int_equal(word(&p, 0, column * 2 + of) >> 4 * nibble & 15,
                                 c.codes[(of * 8 + order[nibble]) * 64 + column]);
    for (int group = 0; group < 2; group++)
        for (int nibble = 0; nibble < 8; nibble++)
            assert_int_equal(word(&p, 1, group * 2) >> 4 * nibble & 15, c.zeros[order[nibble] * 2 + group]);
    codes_done(&c);
    packed_free(&p);
}

static void packed_integers_by_hand(void **state)
{
    (void)state;
    struct scheme s = scheme_of("w4a16-g32-asym");
    struct packed p = packed_new(&s, 16, 64);
    struct codes c;
    make_codes(&c, &s, 16, 64);
    s.format->pack(&p, 0, &c);
    s.format->finish(&p);
    for (int row = 0; row < 16; row++) {
        for (int column = 0; column < 64; column++)
            assert_int_equal(word(&p, 0, row * 8 + column / 8) >> column % 8 * 4 & 15, c.codes[row * 64 + column]);
        for (int group = 0; group < 2; group++)
            assert_int_equal(word(&p, 3, row / 8 * 2 + group) >> row % 8 * 4 & 15, c.zeros[row * 2 + group]);
    }
    assert_int_equal(word(&p, 2, 0), 16);
    assert_int_equal(word(&p, 2, 2), 64);
    codes_done(&c);
    packed_free(&p);
}

/* Values of bitsandbytes' own tables and of a block that holds them. */
static void nf4_by_hand(void **state)
{
    (void)state;
    struct scheme s = scheme_of("nf4");
    struct packed p = packed_new(&s, 2, 64);
    float w[128], map[256], mean = (3 + 0.5f) / 2;
    for (int i = 0; i < 128; i++)
        w[i] = i < 64 ? 3.0f * (float)(i % 3 - 1) : 0.5f;
    s.format->encode(&p, 0, 2, w);
    s.format->finish(&p);
    assert_int_equal(p.data[0][0], 0x07);      /* -3, 0: the lowest value, then zero */
    assert_int_equal(p.data[0][1], 0xf0);
    assert_int_equal(p.data[0][32], 0xff);
    memcpy(map, p.data[5], sizeof map);
    assert_true(map[127] == 0 && map[255] == 1);
    assert_true(map[128] == 0x1.27476ep-21f && map[126] == -0x1.27476ep-21f);
    assert_true(map[135] == 0x1.47ae16p-13f && map[120] == -0x1.743e96p-14f);
    float largest;
    memcpy(&largest, p.data[4], sizeof largest);
    assert_true(largest == 3 - mean);
    assert_int_equal(p.data[1][0], 255);
    assert_int_equal(p.data[1][1], 0);
    assert_non_null(strstr((char *)p.data[3], "\"nested_offset\": 1.75"));
    assert_non_null(strstr((char *)p.data[3], "\"shape\": [2, 64]"));
    packed_free(&p);
}

/* -------------------------------------------------------------------- all formats */

/* Half the distance of neighbouring codes, for each format's largest weight of a row. */
static double worst_of(const struct scheme *s)
{
    if (s->format == &pack_nf4 || s->format == &pack_fp4)
        return 0.18;
    return s->format == &pack_fp8 ? 0.04 : s->bits == 8 ? 0.006 : 1.2 / ((1 << s->bits) - 1);
}

static void every_format_comes_back(void **state)
{
    (void)state;
    enum { ROWS = 96, COLUMNS = 192 };
    struct noise n = {.state = 7};
    float *w = xmalloc(ROWS * COLUMNS * sizeof *w), *y = xmalloc(ROWS * COLUMNS * sizeof *y), row[3 * COLUMNS];
    noise_fill(&n, w, ROWS * COLUMNS, 0.05);
    memset(w + 5 * COLUMNS, 0, COLUMNS * sizeof *w); /* zeros only */
    for (size_t i = 0; i < ARRAY_LENGTH(every_format); i++) {
        struct scheme s = scheme_of(every_format[i]);
        struct packed p = packed_new(&s, ROWS, COLUMNS);
        assert_true(scheme_fits(&s, ROWS, COLUMNS, NULL));
        s.format->encode(&p, PACK_ROWS, ROWS - PACK_ROWS, w + PACK_ROWS * COLUMNS); /* in any order */
        s.format->encode(&p, 0, PACK_ROWS, w);
        if (s.format->finish)
            s.format->finish(&p);
        const char *offset = p.count > 3 ? strstr((char *)p.data[3], "nested_offset\": ") : NULL;
        p.nested_offset = offset ? strtof(offset + strlen("nested_offset\": "), NULL) : 0;
        s.format->decode(&p, 0, ROWS, y);
        for (int k = 0; k < ROWS * COLUMNS; k++) {
            double largest = 0;
            for (int c = 0; c < COLUMNS; c++)
                largest = fmax(largest, fabs(w[k / COLUMNS * COLUMNS + c]));
            if (fabs(w[k] - y[k]) > worst_of(&s) * largest + 1e-3 * s.double_quant)
                fail_msg("%s: row %d, column %d: %g became %g", every_format[i], k / COLUMNS, k % COLUMNS, w[k], y[k]);
        }
        s.format->decode(&p, 33, 3, row); /* from within a word */
        assert_memory_equal(row, y + 33 * COLUMNS, sizeof row);
        uint64_t bytes = 0;
        for (int k = 0; k < p.count; k++)
            bytes += pack_part_bytes(&p.parts[k]);
        assert_int_equal(scheme_bytes(&s, ROWS, COLUMNS), bytes);
        packed_free(&p);
    }
    free(w);
    free(y);
}

/* Codes that are read are the codes that were written. */
static void codes_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(every_format); i++) {
        struct scheme s = scheme_of(every_format[i]);
        if (!s.format->unpack || s.format == &pack_w8a8 || s.bits < 4)
            continue;
        struct packed p = packed_new(&s, 64, 64);
        struct codes c, again;
        make_codes(&c, &s, 64, 64);
        codes_init(&again, &s, 64, 64);
        if (s.symmetric && s.format == &pack_w4a16)
            memset(c.zeros, 8, 64 * scheme_groups(&s, 64));
        s.format->pack(&p, 0, &c);
        s.format->unpack(&p, 0, &again);
        assert_memory_equal(again.codes, c.codes, 64 * 64);
        assert_memory_equal(again.zeros, c.zeros, 64 * scheme_groups(&s, 64));
        assert_memory_equal(again.scales, c.scales, 64 * scheme_groups(&s, 64) * sizeof *c.scales);
        codes_done(&c);
        codes_done(&again);
        packed_free(&p);
    }
}

/* Every number of E4M3 is its own nearest one, halves go to even, and what is too large stays finite. */
static void e4m3_rounds(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++)
        if ((i & 0x7f) != 0x7f)
            assert_int_equal(e4m3_from_float(e4m3_to_float((uint8_t)i)), i);
    for (int i = 0; i < 0x7e; i++) {
        float low = e4m3_to_float((uint8_t)i), high = e4m3_to_float((uint8_t)(i + 1));
        assert_int_equal(e4m3_from_float((low + high) / 2), i % 2 ? i + 1 : i);
        assert_int_equal(e4m3_from_float(low + (high - low) * 0.51f), i + 1);
    }
    assert_int_equal(e4m3_from_float(1e9f), 0x7e);
    assert_int_equal(e4m3_from_float(NAN) & 0x7f, 0x7f);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    const char *why = NULL;
    struct scheme s = scheme_of("gptq-int4");
    assert_false(scheme_fits(&s, 576, 576, &why));
    assert_non_null(strstr(why, "group"));
    s = scheme_of("gptq-int3-g32");
    assert_false(scheme_fits(&s, 40, 64, &why));
    assert_non_null(strstr(why, "rows"));
    s = scheme_of("awq-int4-grow");
    assert_false(scheme_fits(&s, 12, 50, &why));
    s = scheme_of("nf4");
    assert_true(scheme_fits(&s, 3, 50, &why)); /* blocks run over the ends of rows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(wrong_names_say_what_is_right),
        cmocka_unit_test(numbers_of_three_bits_cross_words),
        cmocka_unit_test(gptq_by_hand),
        cmocka_unit_test(gptq_out_of_order),
        cmocka_unit_test(awq_by_hand),
        cmocka_unit_test(packed_integers_by_hand),
        cmocka_unit_test(nf4_by_hand),
        cmocka_unit_test(every_format_comes_back),
        cmocka_unit_test(codes_come_back),
        cmocka_unit_test(e4m3_rounds),
        cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
