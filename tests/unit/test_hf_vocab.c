/* Vocabularies of Hugging Face folders: what is written for GGUF, and what tokens come out of texts. The
 * tokens in tests/data/tokenizers are those of the tokenizers library (tests/clients/checks.py compares
 * them again). */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <jansson.h>

#include "base/str.h"
#include "model/hf_vocab.h"
#include "model/sentencepiece.h"
#include "tests/unit/tree.h"
#include "text/tokenizer.h"

/* ------------------------------------------------------------------- helpers */

struct written { /* a folder's vocabulary as a model in memory */
    struct gguf_writer *writer;
    struct model *model;
    struct error e;
    int rc;
};

static struct written write_vocabulary(const char *folder, int64_t size, const char *pre)
{
    struct written w = {.writer = gguf_writer_new()};
    uint64_t bytes;
    gguf_writer_text(w.writer, "general.architecture", "llama");
    w.rc = hf_vocab_write(w.writer, folder, size, "llama", pre, &w.e);
    if (w.rc == 0) {
        const void *header = gguf_writer_header(w.writer, &bytes);
        assert_ok(model_parse(&w.model, header, bytes, folder, MODEL_HEADER_ONLY, &w.e), &w.e);
    }
    return w;
}

static void written_done(struct written *w)
{
    model_close(w->model);
    gguf_writer_free(w->writer);
}

static struct gguf *metadata(const struct written *w)
{
    return &w->model->shards[0];
}

static int64_t integer(const struct written *w, const char *key)
{
    int64_t value = -1;
    gguf_integer(metadata(w), key, &value);
    return value;
}

static void assert_item(const struct written *w, const char *key, uint64_t i, const char *text)
{
    const struct gguf_value *v = gguf_find(metadata(w), key);
    assert_non_null(v);
    assert_true(i < v->count);
    const unsigned char *at = v->data;
    uint64_t length = 0;
    const char *found = NULL;
    for (uint64_t k = 0; k <= i; k++)
        found = gguf_next_string(&at, &length);
    if (length != strlen(text) || memcmp(found, text, length) != 0)
        fail_msg("%s[%d] is '%.*s', not '%s'", key, (int)i, (int)length, found, text);
}

static double number_item(const struct written *w, const char *key, uint64_t i)
{
    const struct gguf_value *v = gguf_find(metadata(w), key);
    assert_non_null(v);
    return gguf_item(v, i);
}

/* A small byte-level vocabulary: three letters, one merge, two added tokens. */
#define SMALL(pre) "{\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true}," \
    "{\"id\":5,\"content\":\"\u2581tag\",\"special\":false}],\"normalizer\":null,\"pre_tokenizer\":" pre "," \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}}," \
    "{\"Sequence\":{\"id\":\"A\"}}]},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\u0120\":2,\"ab\":3}," \
    "\"merges\":[[\"a\",\"b\"]]}}"
#define GPT2 "{\"type\":\"ByteLevel\"}"

static char *small_folder(const char *config, const char *more, const char *more_text)
{
    const struct tree_file files[] = {
        {"tokenizer.json", SMALL(GPT2)}, {"tokenizer_config.json", config}, {more, more_text}, {0}};
    return tree_make(files);
}

/* ------------------------------------------------------------------ metadata */

static void byte_level_vocabulary(void **state)
{
    char *folder = small_folder("{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"<s>\"},"
                                "\"model_max_length\":1000000000000000019884624838656,\"chat_template\":\"T\"}",
                                NULL, NULL);
    struct written w = write_vocabulary(folder, 8, NULL);
    (void)state;
    assert_int_equal(w.rc, 0);
    assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.model"), "gpt2");
    assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.pre"), "gpt-2");
    assert_string_equal(gguf_text(metadata(&w), "tokenizer.chat_template"), "T");
    assert_item(&w, "tokenizer.ggml.tokens", 3, "ab");
    assert_item(&w, "tokenizer.ggml.tokens", 5, " tag"); /* looked for in the text as it is */
    assert_item(&w, "tokenizer.ggml.tokens", 7, "[PAD7]");
    assert_item(&w, "tokenizer.ggml.merges", 0, "a b");
    static const int kinds[] = {1, 1, 1, 1, 3, 4, 5, 5}; /* normal, control, user's, unused */
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        assert_int_equal(number_item(&w, "tokenizer.ggml.token_type", i), kinds[i]);
    assert_int_equal(integer(&w, "tokenizer.ggml.bos_token_id"), 4);
    assert_int_equal(integer(&w, "tokenizer.ggml.eos_token_id"), 4);
    assert_int_equal(integer(&w, "tokenizer.ggml.add_bos_token"), 1);
    assert_int_equal(integer(&w, "tokenizer.ggml.add_eos_token"), 0);
    written_done(&w);
    tree_remove(folder);
}

static void the_config_overrules_the_template(void **state)
{
    char *folder = small_folder("{\"bos_token\":\"<s>\",\"add_bos_token\":false,\"add_eos_token\":true}", NULL, NULL);
    struct written w = write_vocabulary(folder, 0, NULL);
    (void)state;
    assert_int_equal(w.rc, 0);
    assert_int_equal(gguf_find(metadata(&w), "tokenizer.ggml.tokens")->count, 6); /* as many as there are */
    assert_int_equal(integer(&w, "tokenizer.ggml.add_bos_token"), 0);
    assert_int_equal(integer(&w, "tokenizer.ggml.add_eos_token"), 0); /* there is no EOS */
    written_done(&w);
    tree_remove(folder);
}

/* Tokens that tokenizer_config.json alone has, as transformers adds them; what tokenizer.json has stays. */
static void tokens_of_the_config(void **state)
{
    char *folder = small_folder("{\"added_tokens_decoder\":{\"5\":{\"content\":\"other\"},\"6\":{\"content\":\"<new>\","
                                "\"special\":true},\"700\":{\"content\":\"<far>\"}}}", NULL, NULL);
    struct written w = write_vocabulary(folder, 8, NULL);
    struct tokens t = {0};
    struct tokenizer *tokenizer;
    (void)state;
    assert_int_equal(w.rc, 0);
    assert_item(&w, "tokenizer.ggml.tokens", 5, " tag");
    assert_item(&w, "tokenizer.ggml.tokens", 6, "<new>");
    assert_int_equal(number_item(&w, "tokenizer.ggml.token_type", 6), 3);
    assert_ok(tokenizer_open(&tokenizer, w.model, NULL, &w.e), &w.e);
    tokenizer_encode(tokenizer, "a<new>b", 7, TOKENIZE_SPECIAL, &t);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.ids[1], 6);
    tokens_done(&t);
    tokenizer_free(tokenizer);
    written_done(&w);
    tree_remove(folder);
}

static void numbers_of_special_tokens(void **state)
{
    const struct tree_file files[] = {
        {"tokenizer.json", SMALL(GPT2)},
        {"special_tokens_map.json", "{\"pad_token\":{\"content\":\"ab\"}}"},
        {"config.json", "{\"text_config\":{\"bos_token_id\":2},\"eos_token_id\":[1,0]}"},
        {"generation_config.json", "{\"eos_token_id\":[1,5,99,0]}"},
        {0}};
    char *folder = tree_make(files);
    struct written w = write_vocabulary(folder, 6, NULL);
    (void)state;
    assert_int_equal(w.rc, 0);
    assert_int_equal(integer(&w, "tokenizer.ggml.bos_token_id"), 2);
    assert_int_equal(integer(&w, "tokenizer.ggml.eos_token_id"), 1);
    assert_int_equal(integer(&w, "tokenizer.ggml.padding_token_id"), 3);
    assert_int_equal(integer(&w, "tokenizer.ggml.eot_token_id"), 5); /* the next that ends generation */
    assert_int_equal(integer(&w, "tokenizer.ggml.eom_token_id"), 0); /* 99 is no token */
    written_done(&w);
    tree_remove(folder);
}

static void chat_templates(void **state)
{
    static const struct { const char *config, *file, *text, *plain, *named; } cases[] = {
        {"{}", "chat_template.jinja", "from jinja", "from jinja", NULL},
        {"{}", "chat_template.json", "{\"chat_template\":\"from json\"}", "from json", NULL},
        {"{\"chat_template\":\"from config\"}", "chat_template.jinja", "from jinja", "from config", NULL},
        {"{\"chat_template\":[{\"name\":\"tools\",\"template\":\"X\"},{\"name\":\"default\",\"template\":\"D\"}]}",
         NULL, NULL, "D", "X"},
        {"{}", NULL, NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *folder = small_folder(cases[i].config, cases[i].file, cases[i].text);
        struct written w = write_vocabulary(folder, 6, NULL);
        assert_int_equal(w.rc, 0);
        const char *plain = gguf_text(metadata(&w), "tokenizer.chat_template");
        const char *named = gguf_text(metadata(&w), "tokenizer.chat_template.tools");
        assert_true(!plain == !cases[i].plain && (!plain || strcmp(plain, cases[i].plain) == 0));
        assert_true(!named == !cases[i].named && (!named || strcmp(named, cases[i].named) == 0));
        if (named)
            assert_item(&w, "tokenizer.chat_templates", 0, "tools");
        written_done(&w);
        tree_remove(folder);
    }
}

static void scores_from_merges(void **state)
{
    char *folder = unit_source("tests/data/tokenizers/llama-2");
    struct written w = write_vocabulary(folder, 24, NULL);
    (void)state;
    assert_int_equal(w.rc, 0);
    assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.model"), "llama");
    assert_null(gguf_find(metadata(&w), "tokenizer.ggml.merges"));
    assert_true(number_item(&w, "tokenizer.ggml.scores", 9) == 0);   /* U+2581 H, the first merge */
    assert_true(number_item(&w, "tokenizer.ggml.scores", 13) == -4); /* the fifth */
    assert_true(number_item(&w, "tokenizer.ggml.scores", 4) < -1000); /* a letter: no merge makes it */
    assert_int_equal(number_item(&w, "tokenizer.ggml.token_type", 0), 2);  /* unknown */
    assert_int_equal(number_item(&w, "tokenizer.ggml.token_type", 17), 6); /* a byte */
    assert_int_equal(integer(&w, "tokenizer.ggml.add_space_prefix"), 1);
    written_done(&w);
    free(folder);
    folder = unit_source("tests/data/tokenizers/gemma");
    w = write_vocabulary(folder, 0, NULL);
    assert_int_equal(w.rc, 0);
    assert_int_equal(integer(&w, "tokenizer.ggml.add_space_prefix"), 0);
    assert_item(&w, "tokenizer.ggml.tokens", 14, "  "); /* the user's own: looked for in the text as it is */
    written_done(&w);
    free(folder);
}

/* ------------------------------------------------------------- pre-tokenizers */

#define WORDS(contraction, digits) contraction "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define SPLIT(regex, behavior, invert) "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":" \
    "{\"Regex\":\"" regex "\"},\"behavior\":\"" behavior "\",\"invert\":" invert "}," \
    "{\"type\":\"ByteLevel\",\"use_regex\":false}]}"
#define ANY_CASE "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPELLED "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"

static void patterns_have_names(void **state)
{
    static const struct { const char *json, *name; } cases[] = {
        {SMALL(GPT2), "gpt-2"},
        {SMALL("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true}," GPT2 "]}"),
         "smollm"},
        {SMALL(SPLIT(WORDS(ANY_CASE, "\\\\p{N}{1,3}"), "Isolated", "false")), "dbrx"},
        {SMALL(SPLIT(WORDS(SPELLED, "\\\\p{N}{1,3}"), "Removed", "true")), "dbrx"},
        {SMALL(SPLIT(WORDS(ANY_CASE, "\\\\p{N}"), "Isolated", "false")), "qwen2"},
        {SMALL(SPLIT(WORDS("'s|'t|'re|'ve|'m|'ll|'d", "\\\\p{N}"), "Isolated", "false")), NULL}, /* lower case alone */
        {SMALL(SPLIT(WORDS(ANY_CASE, "\\\\p{N}"), "Removed", "false")), NULL},
        {SMALL(SPLIT("[a-z]+", "Isolated", "false")), NULL},
        {SMALL("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Punctuation\"}," GPT2 "]}"), NULL},
        {SMALL("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *folder = tree_make((const struct tree_file[]){{"tokenizer.json", cases[i].json}, {0}});
        struct written w = write_vocabulary(folder, 6, NULL);
        if (cases[i].name) {
            assert_int_equal(w.rc, 0);
            assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.pre"), cases[i].name);
        } else {
            assert_int_not_equal(w.rc, 0);
            assert_says(&w.e, "no name in GGUF is known");
            assert_says(&w.e, "--pre NAME");
        }
        written_done(&w);
        w = write_vocabulary(folder, 6, "falcon"); /* named by hand: taken as it is */
        assert_int_equal(w.rc, 0);
        assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.pre"), "falcon");
        assert_null(gguf_find(metadata(&w), HF_VOCAB_PRIVATE "split"));
        written_done(&w);
        tree_remove(folder);
    }
}

/* -------------------------------------------------------------------- tokens */

static void compare(const struct tokenizer *t, const char *where, const char *line)
{
    json_t *j = json_loads(line, 0, NULL), *text = json_object_get(j, "text"), *ids = json_object_get(j, "tokens");
    struct tokens tokens = {0};
    assert_non_null(j);
    tokenizer_encode(t, json_string_value(text), json_string_length(text), TOKENIZE_SPECIAL, &tokens);
    for (size_t i = 0; i < tokens.count || i < json_array_size(ids); i++)
        if (i >= tokens.count || i >= json_array_size(ids) ||
            tokens.ids[i] != json_integer_value(json_array_get(ids, i)))
            fail_msg("%s: %s: token %zu is %d", where, line, i, i < tokens.count ? tokens.ids[i] : -1);
    tokens_done(&tokens);
    json_decref(j);
}

static void compare_folder(const char *folder)
{
    struct written w = write_vocabulary(folder, 40, NULL);
    struct tokenizer *t;
    char *path = path_join(folder, "tokens.jsonl"), *text, *rest, *line;
    size_t length;
    if (w.rc)
        fail_msg("%s", w.e.text);
    assert_ok(tokenizer_open(&t, w.model, NULL, &w.e), &w.e);
    assert_ok(file_read(path, 1 << 20, &text, &length, &w.e), &w.e);
    for (rest = text; (line = strsep(&rest, "\n")) && *line;)
        compare(t, folder, line);
    tokenizer_free(t);
    written_done(&w);
    free(path);
    free(text);
}

static void tokens_of_folders(void **state)
{
    char *top = unit_source("tests/data/tokenizers");
    DIR *dir = opendir(top);
    struct dirent *entry;
    int count = 0;
    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            char *folder = path_join(top, entry->d_name);
            compare_folder(folder);
            free(folder);
            count++;
        }
    assert_true(count >= 11);
    closedir(dir);
    free(top);
}

/* ------------------------------------------------------------- SentencePiece */

static void put_field(struct str *s, int number, int wire, uint64_t value)
{
    str_add_char(s, (char)(number << 3 | wire));
    if (wire == 5)
        str_add_bytes(s, &value, 4);
    for (bool more = wire != 5; more; value >>= 7) {
        more = value > 0x7F;
        str_add_char(s, (char)((value & 0x7F) | (more ? 0x80 : 0)));
    }
}

static void put_bytes(struct str *s, int number, const void *bytes, size_t size)
{
    put_field(s, number, 2, size);
    str_add_bytes(s, bytes, size);
}

static void put_piece(struct str *s, const char *text, float score, int type)
{
    struct str piece = {0};
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    put_bytes(&piece, 1, text, strlen(text));
    put_field(&piece, 2, 5, bits);
    if (type != PIECE_NORMAL)
        put_field(&piece, 3, 0, type);
    put_bytes(s, 1, piece.data, piece.length);
    str_done(&piece);
}

/* Unknown, the ends of texts, a byte, a user's own piece, and a few more; BPE unless told otherwise. */
static struct str model_file(int algorithm)
{
    struct str s = {0}, trainer = {0}, normalizer = {0};
    put_piece(&s, "<unk>", 0, PIECE_UNKNOWN);
    put_piece(&s, "<s>", 0, PIECE_CONTROL);
    put_piece(&s, "</s>", 0, PIECE_CONTROL);
    put_piece(&s, "<0x41>", 0, PIECE_BYTE);
    put_piece(&s, "\u2581\u2581", 0, PIECE_USER);
    put_piece(&s, "\u2581a", -1, PIECE_NORMAL);
    put_piece(&s, "b", -2.5, PIECE_UNUSED);
    put_field(&trainer, 3, 0, algorithm);
    put_field(&normalizer, 3, 0, 0); /* add_dummy_prefix */
    put_bytes(&s, 2, trainer.data, trainer.length);
    put_bytes(&s, 3, normalizer.data, normalizer.length);
    str_done(&trainer);
    str_done(&normalizer);
    return s;
}

static void sentencepiece_model(void **state)
{
    struct str bytes = model_file(PIECES_BPE);
    char *folder = tree_make((const struct tree_file[]){
        {"added_tokens.json", "{\"<x>\":8}"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"7\":{\"content\":\"<|end|>\",\"special\":false}}}"},
        {0}});
    (void)state;
    tree_put(folder, "tokenizer.model", bytes.data, bytes.length);
    struct written w = write_vocabulary(folder, 10, NULL);
    if (w.rc)
        fail_msg("%s", w.e.text);
    assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.model"), "llama");
    static const int kinds[] = {2, 3, 3, 6, 4, 1, 5, 3, 4, 5}; /* <|end|> looks special */
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        assert_int_equal(number_item(&w, "tokenizer.ggml.token_type", i), kinds[i]);
    assert_item(&w, "tokenizer.ggml.tokens", 4, "  ");
    assert_item(&w, "tokenizer.ggml.tokens", 8, "<x>");
    assert_true(number_item(&w, "tokenizer.ggml.scores", 6) == -2.5);
    assert_int_equal(integer(&w, "tokenizer.ggml.add_space_prefix"), 0);
    assert_int_equal(integer(&w, "tokenizer.ggml.bos_token_id"), 1);
    assert_int_equal(integer(&w, "tokenizer.ggml.unknown_token_id"), 0);
    written_done(&w);
    tree_remove(folder);
    str_done(&bytes);
}

static void damaged_sentencepiece_models(void **state)
{
    static const struct { const char *bytes; size_t size; const char *why; } cases[] = {
        {"\x0a\x7f", 2, "claims more bytes than are left"},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f", 12, "more than ten bytes"},
        {"\x0a", 1, "ends within a number"},
        {"\x0d\x01", 2, "ends within a number"},
        {"\x0b", 1, "stored in an unknown way"},
        {"\x02\x00", 2, "the number 0"},
        {"\x12\x02\x18\x09", 4, "kind of model is unknown"},
        {"\x0a\x02\x18\x09", 4, "unknown type"},
        {"\x0a\x02\x0a\x00", 4, "empty or has a zero byte"},
        {"\x0a\x00", 2, "no text"},
        {"\x12\x00", 2, "there are no pieces"},
        {"", 0, "there are no pieces"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct sentencepiece s;
        struct error e = {0};
        char *exact = malloc(cases[i].size + !cases[i].size); /* a sanitizer sees a byte too many */
        memcpy(exact, cases[i].bytes, cases[i].size);
        assert_int_not_equal(sentencepiece_parse(&s, exact, cases[i].size, "m", &e), 0);
        assert_says(&e, cases[i].why);
        assert_says(&e, "cannot read m: offset");
        sentencepiece_done(&s);
        free(exact);
    }
}

/* --------------------------------------------------------------------- tekken */

#define TEKKEN(size, tokens) "{\"config\":{\"pattern\":\"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}" \
    "\\\\p{Lo}\\\\p{M}]*[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}" \
    "\\\\p{Lo}\\\\p{M}]+[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|" \
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\",\"default_vocab_size\":" size ",\"default_num_special_tokens\":4}," \
    "\"vocab\":[" tokens "]}"
#define RANK(base64) "{\"rank\":0,\"token_bytes\":\"" base64 "\"}"

/* " ", "a", "b", 0xFF, "ab", " ab", "aba": the last is "ab" and "a", not "a" and "ba". */
static void tekken(void **state)
{
    static const char *const merges[] = {"a b", "\u0120 ab", "ab a"};
    char *folder = tree_make((const struct tree_file[]){
        {"tekken.json", TEKKEN("11", RANK("IA==") "," RANK("YQ==") "," RANK("Yg==") "," RANK("/w==") "," RANK("YWI=") ","
                               RANK("IGFi") "," RANK("YWJh") "," RANK("YmI="))}, {0}});
    struct written w = write_vocabulary(folder, 12, NULL);
    (void)state;
    if (w.rc)
        fail_msg("%s", w.e.text);
    assert_string_equal(gguf_text(metadata(&w), "tokenizer.ggml.pre"), "tekken");
    assert_item(&w, "tokenizer.ggml.tokens", 1, "<s>");
    assert_item(&w, "tokenizer.ggml.tokens", 4, "\u0120");
    assert_item(&w, "tokenizer.ggml.tokens", 7, "\u00ff");
    assert_item(&w, "tokenizer.ggml.tokens", 11, "[PAD11]"); /* "bb" is beyond the vocabulary's size */
    for (size_t i = 0; i < ARRAY_LENGTH(merges); i++)
        assert_item(&w, "tokenizer.ggml.merges", i, merges[i]);
    assert_int_equal(integer(&w, "tokenizer.ggml.bos_token_id"), 1);
    assert_int_equal(integer(&w, "tokenizer.ggml.add_bos_token"), 1);
    written_done(&w);
    tree_remove(folder);
}

static void damaged_tekken(void **state)
{
    static const struct { const char *json, *why; } cases[] = {
        {"{}", "config does not say"},
        {TEKKEN("6", RANK("YQ==")), "config does not say"}, /* more tokens than there are */
        {TEKKEN("3", RANK("YQ==")), "config does not say"}, /* fewer than special ones */
        {TEKKEN("5", RANK("%%%%")), "not base64"},
        {TEKKEN("5", "{}"), "no token_bytes"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *folder = tree_make((const struct tree_file[]){{"tekken.json", cases[i].json}, {0}});
        struct written w = write_vocabulary(folder, 12, NULL);
        assert_int_not_equal(w.rc, 0);
        assert_says(&w.e, cases[i].why);
        assert_says(&w.e, "tekken.json");
        written_done(&w);
        tree_remove(folder);
    }
}

/* -------------------------------------------------------------------- errors */

#define BPE(vocab, merges) \
    "{\"pre_tokenizer\":" GPT2 ",\"model\":{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":" merges "}}"

static void refuses_what_it_cannot_read(void **state)
{
    static const struct { const char *json, *why; } cases[] = {
        {"{\"model\":", "tokenizer.json: line 1"},
        {"{}", "type 'none'"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", "type 'WordPiece'; known are BPE and Unigram"},
        {BPE("{\"a\":7}", "[]"), "the token 'a' has the number 7, but the model has 6 tokens"},
        {BPE("{\"a\":-1}", "[]"), "the number -1"},
        {BPE("{\"a\":\"b\"}", "[]"), "a token without a number"},
        {BPE("{\"a\\u0000b\":1}", "[]"), "NUL byte"},
        {BPE("[]", "[]"), "no table of tokens"},
        {BPE("{\"a\":0}", "[[\"a\"]]"), "no pair of texts"},
        {BPE("{\"a\":0}", "[[\"\",\"a\"]]"), "no pair of texts"},
        {BPE("{\"a\":0}", "[\"\"]"), "no pair of texts"},
        {BPE("{\"a\":0}", "[\" a\"]"), "no pair of texts"},
        {BPE("{\"a\":0}", "[\"a \"]"), "no pair of texts"},
        {BPE("{\"a\":0}", "7"), "model.merges is no list"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"b\"]]}}", "item 1 of model.vocab"},
        {"{\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "--pre default"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *folder = tree_make((const struct tree_file[]){{"tokenizer.json", cases[i].json}, {0}});
        struct written w = write_vocabulary(folder, 6, NULL);
        assert_int_not_equal(w.rc, 0);
        assert_says(&w.e, cases[i].why);
        assert_says(&w.e, folder);
        written_done(&w);
        tree_remove(folder);
    }
    char *folder = tree_make((const struct tree_file[]){{"config.json", "{}"}, {0}});
    struct written w = write_vocabulary(folder, 6, NULL);
    assert_says(&w.e, "neither tokenizer.json nor tokenizer.model");
    written_done(&w);
    tree_remove(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_vocabulary),
        cmocka_unit_test(the_config_overrules_the_template),
        cmocka_unit_test(tokens_of_the_config),
        cmocka_unit_test(numbers_of_special_tokens),
        cmocka_unit_test(chat_templates),
        cmocka_unit_test(scores_from_merges),
        cmocka_unit_test(patterns_have_names),
        cmocka_unit_test(tokens_of_folders),
        cmocka_unit_test(sentencepiece_model),
        cmocka_unit_test(damaged_sentencepiece_models),
        cmocka_unit_test(tekken),
        cmocka_unit_test(damaged_tekken),
        cmocka_unit_test(refuses_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
