/* Token ids are those of llama.cpp for the same file and text; the words of the pre-tokenizers are cut as it cuts them
 * (checked there with a vocabulary of all pairs of bytes). */
#include "tests/unit/unit.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "model/hf_vocab.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include "tests/unit/gguf_build.h"

/* ------------------------------------------------------------- vocabularies */

struct fixture {
    struct model *model;
    struct tokenizer *tokenizer;
    char *path; /* of a file made for the test, removed with it */
};

static void open_fixture(struct fixture *f, const char *path)
{
    struct error e = {0};
    assert_ok(model_open(&f->model, path, MODEL_HEADER_ONLY, &e), &e);
    assert_ok(tokenizer_open(&f->tokenizer, f->model, NULL, &e), &e);
}

static void close_fixture(struct fixture *f)
{
    tokenizer_free(f->tokenizer);
    model_close(f->model);
    if (f->path)
        unlink(f->path);
    free(f->path);
}

static struct fixture demo(void)
{
    struct fixture f = {0};
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    open_fixture(&f, path);
    free(path);
    return f;
}

static char *temporary(const char *what)
{
    return xasprintf("test_tokenizer.%d.%s.gguf", (int)getpid(), what);
}

struct vocabulary {
    char *texts[512];
    float scores[512];
    int32_t types[512];
    int count;
};

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

static void add_token(struct vocabulary *v, int32_t type, float score, const char *text)
{
    v->texts[v->count] = xstrdup(text);
    v->types[v->count] = type;
    v->scores[v->count++] = score;
}

static struct gguf_writer *write_vocabulary(struct vocabulary *v, const char *kind)
{
    static const struct gguf_shape shape = {.layers = 1, .embd = 32, .heads = 1, .kv_heads = 1, .ffn = 32, .context = 64};
    struct gguf_writer *w = gguf_build_metadata(&shape);
    gguf_writer_text(w, "tokenizer.ggml.model", kind);
    gguf_writer_texts(w, "tokenizer.ggml.tokens", (const char *const *)v->texts, v->count);
    gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, v->scores, v->count);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, v->types, v->count);
    while (v->count > 0)
        free(v->texts[--v->count]);
    return w;
}

/* SentencePiece: special tokens, the bytes, and pieces whose scores fall with their place. */
static struct gguf_writer *sentencepiece(const char *crossing)
{
    static const char *const pieces[] = {
        "\u2581", "e", "t", "h", "o", "l", "w", "r", "d", "a", "\u2581t", "he", "\u2581the", "ll", "hell", "\u2581hell",
        "\u2581hello", "hello", "\u2581w", "\u2581wo", "rl", "rld", "\u2581world", "or", "\u2581\u2581", "\u2581\u2581\u2581\u2581",
        "\u65e5", "\u65e5\u672c", "el", "lo", "wor", "th", "\u2581a", "ld",
    };
    struct vocabulary v = {.count = 0};
    char byte[8];
    add_token(&v, UNKNOWN, 0, "<unk>");
    add_token(&v, CONTROL, 0, "<s>");
    add_token(&v, CONTROL, 0, "</s>");
    for (int i = 0; i < 256; i++) {
        snprintf(byte, sizeof byte, "<0x%02X>", i);
        add_token(&v, BYTE, 0, byte);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++)
        add_token(&v, NORMAL, -(float)i, pieces[i]);
    add_token(&v, USER, 0, "<|turn|>");
    add_token(&v, USER, 0, "<|turn|>\n");
    if (crossing)
        add_token(&v, NORMAL, 10, crossing);
    return write_vocabulary(&v, "llama");
}

static struct fixture write_fixture(struct gguf_writer *w, const char *what)
{
    struct fixture f = {.path = temporary(what)};
    gguf_build_file(w, f.path, 0);
    open_fixture(&f, f.path);
    return f;
}

/* ------------------------------------------------------------------- cases */

#define TEXT(s) s, sizeof s - 1

struct expected {
    const char *what, *text;
    size_t length;
    int flags;
    int32_t ids[96]; /* zeros behind the last */
};

static void check(const struct fixture *f, const struct expected *c)
{
    struct tokens t = {0};
    tokenizer_encode(f->tokenizer, c->text, c->length, c->flags, &t);
    for (size_t i = 0; i < t.count; i++)
        if (i >= ARRAY_LENGTH(c->ids) || t.ids[i] != c->ids[i])
            fail_msg("%s: token %zu is %d, expected %d", c->what, i, t.ids[i], c->ids[i]);
    if (t.count < ARRAY_LENGTH(c->ids) && c->ids[t.count] != 0)
        fail_msg("%s: %zu tokens, but %d should follow", c->what, t.count, c->ids[t.count]);
    tokens_done(&t);
}

static void byte_level(void **state)
{
    static const struct expected cases[] = {
        {"words and punctuation", TEXT("Hello,  World! It's the king's; they'll say 'Tis."), TOKENIZE_BOS,
         {41, 541, 80, 13, 222, 720, 280, 330, 2, 1097, 413, 261, 460, 413, 28, 365, 1030, 491, 1014, 2743, 15}},
        {"numbers", TEXT("1 22 333 4444 3.14159 1e-9 0x7f 2024-11-21"), TOKENIZE_BOS,
         {18, 1717, 19, 2403, 20, 20, 3217, 21, 21, 21, 2403, 15, 18, 21, 18, 22, 26, 757, 70, 14, 26, 2692, 89, 24,
          71, 1717, 17, 19, 21, 14, 2540, 14, 19, 18}},
        {"white space", TEXT(" a  b   c\t\td\n\n  e\r\n\r\nf \n \n   g   "), TOKENIZE_BOS,
         {260, 222, 270, 4053, 281, 199, 199, 69, 200, 200, 222, 319, 203, 200, 203, 200, 71, 222, 200, 222, 200,
          4053, 310, 4053, 222}},
        {"code", TEXT("int main(void)\n{\n    return x[i++] == '\\0' \077 1 : -1; /* ok */\n}\n"), TOKENIZE_BOS,
         {774, 1739, 9, 87, 3125, 10, 200, 92, 200, 4053, 222, 1101, 222, 89, 60, 74, 12, 12, 62, 222, 30, 30, 1014,
          61, 17, 8, 222, 32, 757, 222, 27, 222, 14, 18, 28, 2510, 11, 265, 76, 4091, 16, 200, 94, 200}},
        {"emoji", TEXT("\360\237\230\200 \360\237\221\251\342\200\215\360\237\221\247 \360\237\207\251\360\237\207\252\342\235\244\357\270\217"), TOKENIZE_BOS,
         {174, 255, 248, 224, 222, 174, 255, 241, 104, 379, 237, 174, 255, 241, 102, 222, 174, 255, 231, 104, 174,
          255, 231, 105, 160, 253, 99, 173, 118, 239}},
        {"CJK and others", TEXT("\346\227\245\346\234\254\350\252\236\343\201\256\343\203\206\343\202\255\343\202\271\343\203\210\343\200\202\344\270\255\346\226\207\357\274\214\355\225\234\352\265\255\354\226\264 \303\234n\303\257c\303\266d\303\251 \304\263\305\277"), TOKENIZE_BOS,
         {164, 247, 100, 164, 252, 107, 166, 105, 254, 161, 225, 108, 161, 227, 230, 161, 226, 257, 161, 226, 119,
          161, 227, 232, 161, 224, 226, 162, 118, 257, 164, 246, 231, 173, 122, 236, 171, 245, 252, 168, 115, 257,
          170, 246, 114, 222, 129, 252, 79, 129, 109, 68, 129, 116, 69, 129, 104, 222, 130, 113, 131, 125}},
        {"control characters", TEXT("\000\001a\007\033[0m\177\302\205\302\240"), TOKENIZE_BOS,
         {190, 191, 66, 197, 217, 60, 17, 78, 223, 128, 229, 548}},
        {"invalid UTF-8", TEXT("a\377\376 b\303( \342\202 \360\237\230 \200\277"), TOKENIZE_BOS,
         {66, 173, 125, 123, 173, 125, 123, 270, 173, 125, 123, 9, 222, 173, 125, 123, 173, 125, 123, 222, 173, 125,
          123, 173, 125, 123, 173, 125, 123, 222, 173, 125, 123, 173, 125, 123}},
        {"overlong and surrogates", TEXT("\300\257 \340\200\257 \355\240\200\355\260\200x"), TOKENIZE_BOS,
         {16, 2510, 222, 171, 256, 224, 171, 110, 224, 89}},
        {"special tokens", TEXT("<s>a</s> <s"), 0,
         {29, 84, 31, 66, 29, 16, 84, 31, 3142, 84}},
        {"special tokens, parsed", TEXT("<s>a</s> <s"), TOKENIZE_SPECIAL,
         {0, 66, 1, 3142, 84}},
    };
    struct fixture f = demo();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        check(&f, &cases[i]);
    close_fixture(&f);
}

static void sentencepiece_bpe(void **state)
{
    static const struct expected cases[] = {
        {"words", TEXT("hello world the hello"), TOKENIZE_BOS,
         {1, 275, 281, 271, 275}},
        {"blanks", TEXT("  hello    world  "), TOKENIZE_BOS,
         {1, 283, 275, 283, 259, 281, 283}},
        {"byte fallback", TEXT("hexa\tq\n\346\227\245\346\234\254\350\252\236\303\251\360\237\230\200"), TOKENIZE_BOS,
         {1, 259, 270, 123, 268, 12, 116, 13, 286, 235, 173, 161, 198, 172, 243, 162, 155, 131}},
        {"one blank", TEXT(" "), TOKENIZE_BOS,
         {1, 283}},
        {"nothing", TEXT(""), TOKENIZE_BOS,
         {1}},
        {"invalid UTF-8", TEXT("he\377\376l\303lo \342\202 \360\237"), TOKENIZE_BOS,
         {1, 259, 270, 258, 257, 111, 198, 288, 259, 229, 133, 229, 153, 132, 243, 162}},
        {"the blank's own letter", TEXT("a\342\226\201hello"), TOKENIZE_BOS,
         {1, 291, 275}},
        {"special tokens", TEXT("the<s> hello<|turn|>\nthe<|turn|> a</s>the"), 0,
         {271, 63, 118, 65, 275, 294, 271, 293, 283, 268, 63, 50, 118, 65, 261, 270}},
        {"special tokens, parsed", TEXT("the<s> hello<|turn|>\nthe<|turn|> a</s>the"), TOKENIZE_SPECIAL,
         {271, 1, 259, 275, 294, 271, 293, 283, 268, 2, 271}},
    };
    struct fixture f = write_fixture(sentencepiece(NULL), "spm");
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        check(&f, &cases[i]);
    close_fixture(&f);
}

/* A token that reaches over the end of a word: words can no longer be done one by one. */
static void sentencepiece_across_words(void **state)
{
    static const struct expected cases[] = {
        {"across", TEXT("hello world"), TOKENIZE_BOS,
         {1, 275, 281}},
        {"and not", TEXT("the hello o wo"), TOKENIZE_BOS,
         {1, 271, 275, 259, 295, 263}},
        {"twice", TEXT("hello worldo wo world"), TOKENIZE_BOS,
         {1, 275, 281, 295, 295, 263, 280}},
    };
    struct fixture f = write_fixture(sentencepiece("o\u2581w"), "across");
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        check(&f, &cases[i]);
    close_fixture(&f);
}

/* Unigram: the best sum of scores wins, not the longest token. `table`: SentencePiece's replacements, or NULL. */
static struct gguf_writer *unigram(bool merges_blanks, const void *table, size_t size)
{
    static const struct { const char *text; float score; } pieces[] = {
        {"\u2581", -3}, {"\u2581He", -2.5f}, {"l", -4}, {"lo", -3}, {"\u2581Hello", -9.75f}, {"o", -4.5f}, {"He", -4},
    };
    struct vocabulary v = {.count = 0};
    add_token(&v, CONTROL, 0, "<pad>");
    add_token(&v, CONTROL, 0, "</s>");
    add_token(&v, UNKNOWN, 0, "<unk>");
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++)
        add_token(&v, NORMAL, pieces[i].score, pieces[i].text);
    add_token(&v, USER, 0, "<x>");
    struct gguf_writer *w = write_vocabulary(&v, "t5");
    gguf_writer_bool(w, "tokenizer.ggml.remove_extra_whitespaces", merges_blanks);
    if (table)
        gguf_writer_array(w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, table, size);
    return w;
}

/* A table that replaces "A" by "He" and "AB" by "o": a double array of 1024 units, then the texts. */
static size_t replacements(uint32_t *out)
{
    enum { UNITS = 1024, CHILDREN = 256, OF_A = 512, OF_AB = 768 };
    const uint32_t nothing = UINT32_C(1) << 31, leaf = 1 << 8;
    uint32_t *units = out + 1;
    out[0] = UNITS * sizeof *units;
    for (int i = 0; i < UNITS; i++)
        units[i] = nothing;
    units[0] = CHILDREN << 10;
    size_t a = CHILDREN ^ 'A', ab = (a ^ OF_A) ^ 'B';
    units[a] = OF_A << 10 | leaf | 'A';
    units[a ^ OF_A] = nothing | 0;
    units[ab] = OF_AB << 10 | leaf | 'B';
    units[ab ^ OF_AB] = nothing | 3;
    memcpy(units + UNITS, "He\0o", 5);
    return sizeof *out + UNITS * sizeof *units + 5;
}

static void check_all(struct fixture f, const struct expected *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&f, &cases[i]);
    close_fixture(&f);
}

static void sentencepiece_unigram(void **state)
{
    static const struct expected merged[] = {
        {"the best sum", TEXT("Hello"), 0, {4, 5, 6}},
        {"blanks are merged", TEXT("  lo   He "), 0, {3, 6, 4}},
        {"unknown ones are one", TEXT("xyz lo\u00e9x"), 0, {3, 2, 3, 6, 2}},
        {"EOS behind", TEXT("lo"), TOKENIZE_BOS, {3, 6, 1}},
        {"the user's own", TEXT("lo<x>lo"), 0, {3, 6, 10, 3, 6}},
        {"nothing", TEXT(""), 0, {0}},
    }, kept[] = {
        {"blanks are kept", TEXT("  lo"), 0, {3, 3, 3, 6}},
    }, mapped[] = {
        {"the longest beginning", TEXT("AlABAC"), 0, {4, 6, 9, 2}},
    };
    uint32_t table[1 + 1024 + 2];
    size_t size = replacements(table);
    (void)state;
    check_all(write_fixture(unigram(true, NULL, 0), "unigram"), merged, ARRAY_LENGTH(merged));
    check_all(write_fixture(unigram(false, NULL, 0), "kept"), kept, ARRAY_LENGTH(kept));
    check_all(write_fixture(unigram(true, table, size), "mapped"), mapped, ARRAY_LENGTH(mapped));
}

/* ----------------------------------------------------------- pre-tokenizers */

static void collect(void *user, const char *text, size_t length)
{
    struct str *s = user;
    str_add(s, s->length ? "|" : "");
    str_add_bytes(s, text, length);
}

static void words_of_each_pretokenizer(void **state)
{
    static const char text[] =
        "I'M ok's 1234567 x1930s\r\n\r\n  \tif(a<=b) {~y++}\u3000\u4e2d\u6587\u30ab\u30ca\uff0c\ud55c "
        "E\u0301t\u00e9 HTTPServer\u2026  \u00bd \U0001F600!?\n";
    static const struct { const char *name, *words; } cases[] = {
        {"default",
         "I|'|M| ok|'|s| |123|456|7| x|193|0|s|\r\n\r\n  |\t|if|(|a|<=|b|)| |{~|y|++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E|\u0301|t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600|!?|\n"},
        {"gpt-2",
         "I|'|M| ok|'s| 1234567| x|1930|s|\r\n\r\n  |\t|if|(|a|<=|b|)| {~|y|++}|\u3000|\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c|\ud55c| E|\u0301|t\u00e9| HTTPServer|\u2026| | \u00bd| \U0001f600!?|\n"},
        {"smollm",
         "I|'|M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n  |\t|if|(|a|<=|b|)| {~|y|++}|\u3000|\u4e2d"
         "\u6587\u30ab\u30ca|\uff0c|\ud55c| E|\u0301|t\u00e9| HTTPServer|\u2026|  |\u00bd| \U0001f600!?|\n"},
        {"llama-bpe",
         "I|'M| ok|'s| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"minicpm5",
         "I|'M| ok|'s| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026|  |\u00bd| \U0001f600!?\n"},
        {"qwen2",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"qwen35",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c| E\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"ufakzeka",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"laguna",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r|\n|\r|\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d"
         "\u6587\u30ab\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?|\n"},
        {"seed-coder",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?|\n"},
        {"bailingmoe",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"jais-2",
         "I|'M| ok|'s| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"exaone-moe",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c E\u0301t\u00e9 HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"tekken",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"gpt-4o",
         "I'M| ok's| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"granite-embed-multi-97m",
         "I'M| ok's| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c\ud55c| E\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"tiny_aya",
         "I'M| ok's| |1|234|567| x|1|930|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000\u4e2d\u6587\u30ab"
         "\u30ca|\uff0c\ud55c| E\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"youtu",
         "I'M| ok's| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"deepseek-llm",
         "I|'|M| ok|'|s| |1234567| x|1930|s|\r|\n|\r|\n|  |\tif|(|a|<=|b|)| {~|y|++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E|\u0301|t|\u00e9| HTTPServer|\u2026|  |\u00bd| \U0001f600|!?|\n"},
        {"deepseek-coder",
         "I|'|M| ok|'|s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r|\n|\r|\n|  |\tif|(|a|<=|b|)| {|~|y|++|}|\u3000|"
         "\u4e2d\u6587\u30ab\u30ca|\uff0c|\ud55c| E|\u0301|t\u00e9| HTTPServer|\u2026|  |\u00bd| "
         "\U0001f600|!?|\n"},
        {"deepseek-v3",
         "I|'M| ok|'s| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E\u0301t\u00e9| HTTPServer|\u2026|  |\u00bd| \U0001f600!?\n"},
        {"spark2_5",
         "I|'M| ok|'s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r|\n|\r|\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000|\u4e2d"
         "\u6587\u30ab\u30ca|\uff0c|\ud55c| E\u0301t\u00e9| HTTPServer|\u2026|  |\u00bd| \U0001f600!?|\n"},
        {"afmoe",
         "I|'M| ok|'s| |1|234|567| x|1|930|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"kimi-k2",
         "I'M| ok's| |123|456|7| x|193|0|s|\r\n\r\n|  |\tif|(a|<=|b|)| {~|y|++}|\u3000|\u4e2d\u6587|\u30ab"
         "\u30ca|\uff0c\ud55c| E|\u0301t\u00e9| HTTPServer|\u2026| | |\u00bd| \U0001f600!?\n"},
        {"falcon",
         "I|'|M| ok|'|s| |123|456|7| x|193|0|s|\r\n\r\n  |\t|if|(|a|<=|b|)| |{~|y|++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E|\u0301|t\u00e9| HTTPServer|\u2026| | \u00bd| \U0001f600|!?|\n"},
        {"bloom",
         "I'M| ok's| 1234567| x1930s|\r\n\r\n  \t|if|(|a<=b|)| {~y++}|\u3000|\u4e2d\u6587\u30ab\u30ca|"
         "\uff0c|\ud55c| E\u0301t\u00e9| HTTPServer|\u2026 | \u00bd| \U0001f600|!?\n"},
        {"viking",
         "I'M| ok's| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r\n\r\n  \t|if|(|a<=b|)| {~y++}|\u3000|\u4e2d\u6587"
         "\u30ab\u30ca|\uff0c|\ud55c| E\u0301t\u00e9| HTTPServer|\u2026 | |\u00bd| \U0001f600|!?\n"},
        {"superbpe",
         "I'M ok's |1|234|567| x|1|930|s\r\n\r\n  \tif(a<=b) {~y++}\u3000\u4e2d\u6587\u30ab\u30ca\uff0c"
         "\ud55c E\u0301t\u00e9 HTTPServer\u2026  |\u00bd| \U0001f600!?\n"},
        {"chameleon",
         "I|'|M| ok|'|s| |1|2|3|4|5|6|7| x|1|9|3|0|s|\r|\n|\r|\n|  |\t|if|(|a|<|=|b|)| |{|~|y|+|+|}|\u3000"
         "|\u4e2d\u6587\u30ab\u30ca|\uff0c|\ud55c| E|\u0301|t\u00e9| HTTPServer|\u2026|  |\u00bd| "
         "\U0001f600|!|?|\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error e = {0};
        struct pretokenizer *p;
        struct str words = {0};
        assert_ok(pretokenizer_open(&p, pretokenizer_named(cases[i].name), &e), &e);
        pretokenizer_split(p, text, sizeof text - 1, collect, &words);
        if (strcmp(words.data, cases[i].words) != 0)
            fail_msg("%s: '%s', expected '%s'", cases[i].name, words.data, cases[i].words);
        str_done(&words);
        pretokenizer_free(p);
    }
}

static void every_name_opens(void **state)
{
    char *names = pretokenizer_names(), *rest = names, *name;
    int count = 0;
    (void)state;
    while ((name = strsep(&rest, " "))) {
        struct error e = {0};
        struct pretokenizer *p;
        assert_non_null(pretokenizer_named(name));
        assert_ok(pretokenizer_open(&p, pretokenizer_named(name), &e), &e);
        pretokenizer_free(p);
        count++;
    }
    assert_true(count > 60);
    assert_null(pretokenizer_named("gpt"));
    assert_null(pretokenizer_named(""));
    free(names);
}

static void count_bytes(void *user, const char *text, size_t length)
{
    (void)text;
    *(size_t *)user += length;
}

/* A million digits, and as many blanks: counting them anew for every word would take minutes. */
static void patterns_take_linear_time(void **state)
{
    enum { LENGTH = 1 << 20 };
    char *names = pretokenizer_names(), *rest = names, *name, *text = xmalloc(LENGTH);
    const struct pretokenizer_traits *last = NULL;
    (void)state;
    while ((name = strsep(&rest, " "))) {
        struct error e = {0};
        struct pretokenizer *p;
        if (pretokenizer_named(name) == last)
            continue;
        last = pretokenizer_named(name);
        assert_ok(pretokenizer_open(&p, last, &e), &e);
        for (const char *unit = "7 "; *unit; unit++) {
            size_t bytes = 0;
            clock_t start = clock();
            memset(text, *unit, LENGTH);
            pretokenizer_split(p, text, LENGTH, count_bytes, &bytes);
            assert_int_equal(bytes, LENGTH);
            assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
        }
        pretokenizer_free(p);
    }
    free(text);
    free(names);
}

/* Patterns as tokenizer.json spells them: Oniguruma's white space, Unicode 16, and no more than linear time. */
static void patterns_of_folders(void **state)
{
    static const char *const llama3 =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
        "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static const struct { const char *text, *words; } cases[] = {
        {"It'\u017F 12345\u3000\u3000x", "It|'\u017F| |123|45|\u3000|\u3000x"},
        {"a\u180Eb\302\205\302\205c", "a|\u180Eb|\302\205|\302\205c"}, /* U+180E was white space once */
        {"!\U00013631", "!\U00013631"},                          /* a letter since Unicode 16 */
        {"  \r\n \n\tx", "  \r\n \n|\tx"},
    };
    enum { LENGTH = 1 << 20 };
    struct pretokenizer *p;
    struct error e = {0};
    char *text = xmalloc(LENGTH);
    (void)state;
    assert_ok(pretokenizer_open_patterns(&p, &llama3, 1, &e), &e);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct str words = {0};
        pretokenizer_split(p, cases[i].text, strlen(cases[i].text), collect, &words);
        assert_string_equal(words.data, cases[i].words);
        str_done(&words);
    }
    for (const char *unit = "7 x!"; *unit; unit++) {
        size_t bytes = 0;
        clock_t start = clock();
        memset(text, *unit, LENGTH);
        pretokenizer_split(p, text, LENGTH, count_bytes, &bytes);
        assert_int_equal(bytes, LENGTH);
        assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
    }
    pretokenizer_free(p);
    static const char *const broken = "(";
    assert_int_not_equal(pretokenizer_open_patterns(&p, &broken, 1, &e), 0);
    assert_says(&e, "pre-tokenizer pattern '('");
    free(text);
}

/* -------------------------------------------------------------- properties */

static uint32_t next_random(uint32_t *s)
{
    return *s = *s * 1664525 + 1013904223;
}

/* All bytes come back, but what is no UTF-8, which comes back as U+FFFD. */
static void random_bytes_come_back(void **state)
{
    struct fixture f = demo();
    uint32_t seed = 1;
    (void)state;
    for (int round = 0; round < 400; round++) {
        char text[97];
        size_t n = next_random(&seed) >> 8 & 63;
        struct str clean = {0}, back = {0};
        struct tokens t = {0};
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(next_random(&seed) >> (round % 3 ? 16 : 17 + 8));
        tokenizer_encode(f.tokenizer, text, n, 0, &t);
        for (size_t i = 0; i < t.count; i++) {
            size_t length;
            const char *piece = tokenizer_piece(f.tokenizer, t.ids[i], true, &length);
            str_add_bytes(&back, piece, length);
        }
        utf8_clean(&clean, text, n);
        assert_int_equal(back.length, clean.length);
        assert_memory_equal(back.data ? back.data : "", clean.data ? clean.data : "", clean.length);
        str_done(&clean);
        str_done(&back);
        tokens_done(&t);
    }
    close_fixture(&f);
}

/* A word of a million letters: quadratic merging would take hours. */
static void a_long_word_takes_no_longer(void **state)
{
    enum { LENGTH = 1 << 20 };
    struct fixture fixtures[] = {demo(), write_fixture(sentencepiece("o\u2581w"), "long")};
    char *text = xmalloc(LENGTH);
    (void)state;
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = "hello"[i % 5];
    for (size_t i = 0; i < ARRAY_LENGTH(fixtures); i++) {
        struct tokens t = {0};
        clock_t start = clock();
        tokenizer_encode(fixtures[i].tokenizer, text, LENGTH, 0, &t);
        assert_true(t.count > LENGTH / 20);
        assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
        tokens_done(&t);
        close_fixture(&fixtures[i]);
    }
    free(text);
}

static void special_tokens(void **state)
{
    struct fixture f = demo(), s = write_fixture(sentencepiece(NULL), "special");
    size_t length;
    (void)state;
    assert_int_equal(tokenizer_vocab(f.tokenizer), 4096);
    assert_int_equal(tokenizer_bos(f.tokenizer), 0);
    assert_false(tokenizer_adds_bos(f.tokenizer));
    assert_true(tokenizer_adds_bos(s.tokenizer)); /* SentencePiece's default */
    assert_true(tokenizer_ends(f.tokenizer, 1));
    assert_false(tokenizer_ends(f.tokenizer, 0));
    assert_false(tokenizer_ends(f.tokenizer, -1));
    assert_memory_equal(tokenizer_piece(f.tokenizer, 1, true, &length), "</s>", 4);
    assert_int_equal(length, 4);
    tokenizer_piece(f.tokenizer, 1, false, &length);
    assert_int_equal(length, 0);
    tokenizer_piece(f.tokenizer, 4096, true, &length);
    assert_int_equal(length, 0);
    assert_memory_equal(tokenizer_piece(s.tokenizer, 3 + 0xE6, true, &length), "\xe6", 1);
    close_fixture(&f);
    close_fixture(&s);
}

/* ------------------------------------------------------------------ errors */

/* The keys of a folder's vocabulary: in memory their numbers are looked at like all others, in a file they are refused. */
static void added_tokens_without_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"hello", "world"}, *const numbers[] = {"7", "8"};
    struct error e = {0};
    struct tokens tokens = {0};
    struct tokenizer *t;
    struct model *m;
    uint64_t bytes;
    struct gguf_writer *w = sentencepiece(NULL);
    gguf_writer_texts(w, HF_VOCAB_PRIVATE "added", texts, 2);
    gguf_writer_texts(w, HF_VOCAB_PRIVATE "added_ids", numbers, 2);
    gguf_writer_array(w, HF_VOCAB_PRIVATE "added_flags", GGUF_F32, (float[]){NAN, 1e30f}, 2);
    const void *header = gguf_writer_header(w, &bytes);
    assert_ok(model_parse(&m, header, bytes, "memory", MODEL_HEADER_ONLY, &e), &e);
    assert_ok(tokenizer_open(&t, m, NULL, &e), &e);
    tokenizer_encode(t, "hello world", 11, 0, &tokens);
    assert_true(tokens.count > 0);
    for (size_t i = 0; i < tokens.count; i++)
        assert_in_range(tokens.ids[i], 0, tokenizer_vocab(t) - 1);
    tokens_done(&tokens);
    tokenizer_free(t);
    model_close(m);
    char *path = temporary("private");
    gguf_build_file(w, path, 0);
    assert_int_equal(model_open(&m, path, MODEL_HEADER_ONLY, &e), ERROR_FAILED);
    assert_says(&e, HF_VOCAB_PRIVATE "added: such keys are quantwiz's own");
    unlink(path);
    free(path);
}

static void refuse(struct gguf_writer *w, const char *pre, const char *why)
{
    char *path = temporary("bad");
    struct error e = {0};
    struct model *m;
    struct tokenizer *t;
    gguf_build_file(w, path, 0);
    assert_ok(model_open(&m, path, MODEL_HEADER_ONLY, &e), &e);
    assert_int_not_equal(tokenizer_open(&t, m, pre, &e), 0);
    assert_null(t);
    assert_says(&e, why);
    model_close(m);
    unlink(path);
    free(path);
}

static struct gguf_writer *two_tokens(const char *kind)
{
    struct vocabulary v = {.count = 0};
    add_token(&v, NORMAL, 0, "a");
    add_token(&v, NORMAL, 0, "b");
    return write_vocabulary(&v, kind);
}

static void refuses_what_it_cannot_read(void **state)
{
    struct gguf_writer *w;
    (void)state;
    refuse(two_tokens("rwkv"), NULL, "tokenizer is of the kind 'rwkv'");
    refuse(two_tokens("gpt2"), NULL, "no tokenizer.ggml.merges");
    refuse(two_tokens("llama"), "gpt-2", "has no pre-tokenizer");

    w = two_tokens("gpt2");
    gguf_writer_text(w, "tokenizer.ggml.pre", "unheard-of");
    refuse(w, NULL, "unknown pre-tokenizer 'unheard-of'");

    w = two_tokens("llama");
    gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, &(float){1}, 1);
    refuse(w, NULL, "has 1 items for 2 tokens");

    w = two_tokens("llama");
    gguf_writer_text(w, "tokenizer.ggml.tokens", "a");
    refuse(w, NULL, "is not a list of texts");

    w = two_tokens("gpt2");
    gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_texts(w, "tokenizer.ggml.merges", (const char *const[]){"a b"}, 1);
    refuse(w, NULL, "add_bos_token is true, but no such token");

    w = two_tokens("llama");
    gguf_writer_remove(w, "tokenizer.ggml.model");
    refuse(w, NULL, "no tokenizer.ggml.model");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level),
        cmocka_unit_test(sentencepiece_bpe),
        cmocka_unit_test(sentencepiece_across_words),
        cmocka_unit_test(sentencepiece_unigram),
        cmocka_unit_test(words_of_each_pretokenizer),
        cmocka_unit_test(every_name_opens),
        cmocka_unit_test(patterns_take_linear_time),
        cmocka_unit_test(patterns_of_folders),
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(a_long_word_takes_no_longer),
        cmocka_unit_test(special_tokens),
        cmocka_unit_test(added_tokens_without_number),
        cmocka_unit_test(refuses_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
