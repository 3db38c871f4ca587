/* Texts to calibrate by: files, folders and records as samples; messages by chat templates; samples as chunks. */
#include "tests/unit/unit.h"

#include <math.h>
#include <unistd.h>

#include "model/model.h"
#include "tests/unit/tree.h"
#include "text/calibration.h"
#include "text/chat_template.h"
#include "text/chunks.h"
#include "text/overlap.h"
#include "text/samples.h"

/* -------------------------------------------------------------------- records */

static const char *const chatml = "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + "
                                  "'<|im_end|>\\n'}}{% endfor %}";

static void check_record(const char *line, const char *want)
{
    struct error e = {0};
    struct samples s;
    assert_ok(samples_parse(&s, line, strlen(line), "x.jsonl", NULL, &e), &e);
    assert_int_equal(s.count, 1);
    if (s.items[0].length != strlen(want) || memcmp(s.items[0].text, want, strlen(want)) != 0)
        fail_msg("%s: '%.*s' instead of '%s'", line, (int)s.items[0].length, s.items[0].text, want);
    samples_done(&s);
}

static void records_by_their_keys(void **state)
{
    static const struct { const char *line, *want; } records[] = {
        {"\"a plain string\"", "a plain string"},
        {"{\"text\": \"the text\", \"id\": \"not this\"}", "the text"},
        {"{\"instruction\": \"Do\", \"input\": \"this\", \"output\": \"Done\"}", "Do\n\nthis\nDone"},
        {"{\"instruction\": \"Do\", \"input\": \"\"}", "Do"},
        {"{\"prompt\": \"One, two\", \"completion\": \", three\"}", "One, two, three"},
        {"{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"}], \"completion\": [{\"role\": \"assistant\", "
         "\"content\": \"a\"}]}", "q\na"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}", "q\na"},
        {"{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", \"value\": \"a\"}]}", "q\na"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"q\"}, {\"type\": \"image\"}]}]}",
         "q"},
        {"{\"question\": \"q\", \"more\": {\"answers\": [\"a\", \"b\"]}, \"n\": 1}", "q\na\nb"},
        {"[{\"text\": \"in a list\"}]", "in a list"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(records); i++)
        check_record(records[i].line, records[i].want);
}

static void check_refused(const char *path, const char *text, size_t length, const char *why)
{
    struct error e = {0};
    struct samples s;
    assert_int_equal(samples_parse(&s, text, length, path, NULL, &e), ERROR_USAGE);
    assert_says(&e, why);
    samples_done(&s);
}

static void hostile_texts_are_refused(void **state)
{
    static const struct { const char *path, *text, *why; } texts[] = {
        {"x.jsonl", "{\"text\": \"fine\"}\n\n{\"text\": ", "x.jsonl:3: not JSON"},
        {"x.jsonl", "{\"text\": \"a\\u0000b\"}", "x.jsonl:1: not JSON"},
        {"x.json", "[{\"text\": \"fine\"},\n{]", "x.json:2: not JSON"},
        {"x.txt", "one\ntwo\nthr\xE9\n", "x.txt:3: byte 0xE9 at offset 11 is no UTF-8"},
        {"x.txt", " \n \n", "x.txt: no text in it"},
        {"x.jsonl", "{}\n{\"n\": 1}\n", "x.jsonl: no text in it"},
        {"x.jsonl", "", "x.jsonl: no text in it"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        check_refused(texts[i].path, texts[i].text, strlen(texts[i].text), texts[i].why);
    size_t huge = (1 << 24) + 8;
    char *line = xmalloc(huge + 1);
    memset(line, 'a', huge);
    line[0] = line[huge - 1] = '"';
    line[huge] = 0;
    check_refused("x.jsonl", line, huge, "x.jsonl:1: a line of 16777224 bytes");
    free(line);
}

/* What a file holds is said by its name first: prose may begin with a quotation mark. */
static void names_decide(void **state)
{
    struct error e = {0};
    struct samples s;
    const char *text = "\"Well,\" she said.\n\nHe said nothing.\r\n  \r\nNothing at all.\n";
    (void)state;
    assert_ok(samples_parse(&s, text, strlen(text), "x.txt", NULL, &e), &e);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.items[1].line, 3);
    assert_int_equal(s.items[2].line, 5);
    assert_false(s.files[0].records);
    samples_done(&s);
    text = "\xEF\xBB\xBF\"one\"\n\"two\"\n\"one\"\n";
    assert_ok(samples_parse(&s, text, strlen(text), "x", NULL, &e), &e);
    assert_true(s.files[0].records);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.duplicates, 1);
    samples_done(&s);
}

/* -------------------------------------------------------------------- folders */

static void folders_are_read_in_order(void **state)
{
    struct error e = {0};
    struct samples s;
    char hash[HASH_TEXT];
    char *root = tree_make((struct tree_file[]){{"b/two.txt", "two"},
                                                {"a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"one\"}\n"},
                                                {"b/again.txt", "two"},
                                                {".hidden.txt", "no"},
                                                {".git/x.txt", "no"},
                                                {"picture.png", "\x89PNG"},
                                                {"c.txt", "three"},
                                                {0}});
    (void)state;
    assert_ok(samples_read(&s, root, NULL, &e), &e);
    assert_int_equal(s.file_count, 3);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.duplicates, 2);
    const char *const wanted[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++)
        assert_memory_equal(s.items[i].text, wanted[i], strlen(wanted[i]));
    assert_non_null(strstr(s.files[1].path, "b/again.txt"));
    assert_ok(samples_hash(hash, root, &e), &e);
    assert_string_equal(hash, s.hash);
    samples_done(&s);
    tree_remove(root);
}

static void a_file_has_its_own_hash(void **state)
{
    struct error e = {0};
    char hash[HASH_TEXT];
    char *root = tree_make((struct tree_file[]){{"abc", "abc"}, {0}}), *path = path_join(root, "abc");
    struct calibration c = {.text = path, .hash = hash};
    (void)state;
    assert_ok(samples_hash(hash, path, &e), &e); /* FIPS 180-2, example B.1 */
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(calibration_check(&c, &e), &e);
    tree_put(root, "abc", "abd", 3);
    assert_int_equal(calibration_check(&c, &e), ERROR_FAILED);
    assert_says(&e, "is not the calibration text that the plan was made with");
    free(path);
    tree_remove(root);
}

static void empty_folders_are_refused(void **state)
{
    struct error e = {0};
    struct samples s;
    char *root = tree_make((struct tree_file[]){{"x.png", "no"}, {0}}), *loop = path_join(root, "loop");
    (void)state;
    assert_int_equal(samples_read(&s, root, NULL, &e), ERROR_USAGE);
    assert_says(&e, "has no text in it");
    samples_done(&s);
    assert_int_equal(symlink(".", loop), 0);
    assert_int_equal(samples_read(&s, root, NULL, &e), ERROR_USAGE);
    assert_says(&e, "a link to one above");
    samples_done(&s);
    free(loop);
    tree_remove(root);
}

/* ---------------------------------------------------------------------- chats */

static void check_chat(const char *program, const struct chat_message *messages, int count, const char *form,
                       const char *want)
{
    struct chat_template t;
    struct str out = {0};
    assert_true(chat_template_read(&t, program, "<s>", "</s>"));
    assert_string_equal(chat_template_name(&t), form);
    chat_render(&t, messages, count, &out);
    assert_string_equal(out.data, want);
    str_done(&out);
    chat_template_done(&t);
}

/* Whole templates are compared with transformers in tests/clients; here the rules one by one. */
static void chats_by_templates(void **state)
{
    const struct chat_message chat[] = {{"system", "S"}, {"user", " u "}, {"assistant", "a"}, {"user", "v"}};
    (void)state;
    check_chat(chatml, chat + 1, 2, "chatml",
               "<|im_start|>user\n u <|im_end|>\n<|im_start|>assistant\na<|im_end|>\n");
    check_chat(chatml, chat, 2, "chatml",
               "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n u <|im_end|>\n<|im_start|>assistant\n");
    check_chat("{{ '<|im_start|>system\\n' }}{{ '<|im_start|>system\\nBe good.<|im_end|>\\n' }}", chat + 3, 1, "chatml",
               "<|im_start|>system\nBe good.<|im_end|>\n<|im_start|>user\nv<|im_end|>\n<|im_start|>assistant\n");
    check_chat("{{ bos_token }}<start_of_turn>{{ message['content'] | trim }}", chat, 3, "gemma",
               "<s><start_of_turn>user\nS\n\nu<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n");
    check_chat("<<SYS>>{{ bos_token + '[INST] ' + content.strip() }}", chat, 4, "llama-2",
               "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nu [/INST] a </s><s>[INST] v [/INST]");
    check_chat("{{ bos_token }}[AVAILABLE_TOOLS]{{ \"[INST]\" }}", chat, 4, "mistral-v3-tekken",
               "<s>[INST] u [/INST]a</s>[INST]S\n\nv[/INST]");
    check_chat("<|start_header_id|>Cutting Knowledge Date<|eot_id|>", chat + 3, 1, "llama-3.1",
               "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul "
               "2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nv<|eot_id|>"
               "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

static void thoughts_in_chats(void **state)
{
    const struct chat_message chat[] = {{"user", "u"}, {"assistant", "<think>\nhm\n</think>\n\na"},
                                        {"user", "v"}, {"assistant", "b"}};
    static const char qwen3[] = "<|im_start|> last_query_index '\\n<think>\\n'";
    (void)state;
    check_chat(qwen3, chat, 4, "chatml",
               "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n<|im_start|>user\nv<|im_end|>\n"
               "<|im_start|>assistant\n<think>\n\n</think>\n\nb<|im_end|>\n");
    check_chat(qwen3, chat, 2, "chatml",
               "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\na<|im_end|>\n");
    check_chat("<\uFF5CAssistant\uFF5C> content.split('</think>')[-1]", chat, 2, "deepseek-2.5",
               "<\uFF5CUser\uFF5C>u<\uFF5CAssistant\uFF5C>\n\na</s>");
}

static void unknown_templates_are_said_to_be(void **state)
{
    struct chat_template t;
    (void)state;
    assert_false(chat_template_read(&t, "{% for m in messages %}{{ m.content }}{% endfor %}", "", ""));
    chat_template_done(&t);
}

/* --------------------------------------------------------------------- chunks */

struct demo {
    struct model *model;
    struct tokenizer *tokenizer;
};

static void demo_open(struct demo *d)
{
    struct error e = {0};
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    assert_ok(model_open(&d->model, path, 0, &e), &e);
    assert_ok(tokenizer_open(&d->tokenizer, d->model, NULL, &e), &e);
    free(path);
}

static void demo_close(struct demo *d)
{
    tokenizer_free(d->tokenizer);
    model_close(d->model);
}

/* Chunk i of n of running text is chunk i × whole / n of all its tokens, as published figures were made. */
static void running_text_is_cut_evenly(void **state)
{
    enum { LENGTH = 512, COUNT = 7 };
    struct error e = {0};
    struct demo d;
    struct chunks c;
    struct tokens all = {0};
    char *path = unit_source("demo/eval.txt"), *text;
    size_t length;
    (void)state;
    demo_open(&d);
    assert_false(tokenizer_adds_bos(d.tokenizer));
    assert_ok(file_read(path, 1 << 20, &text, &length, &e), &e);
    tokenizer_encode(d.tokenizer, text, length, TOKENIZE_BOS, &all);
    assert_ok(chunks_read(&c, path, d.tokenizer, LENGTH, COUNT, &e), &e);
    assert_int_equal(c.count, COUNT);
    assert_int_equal(c.found, all.count);
    for (size_t i = 0; i < COUNT; i++) {
        const int32_t *want = all.ids + i * (all.count / LENGTH) / COUNT * LENGTH;
        assert_memory_equal(c.tokens + i * LENGTH, want, LENGTH * sizeof *want);
    }
    tokens_done(&all);
    chunks_done(&c);
    free(text);
    free(path);
    demo_close(&d);
}

/* A record of so many words, all of its own. */
static void put_record(struct str *out, int number, int words)
{
    str_addf(out, "{\"text\": \"%d", number);
    for (int i = 0; i < words; i++)
        str_addf(out, " word%d", number * 7919 % 1000 + i);
    str_add(out, "\"}\n");
}

/* 400 short records and 40 long ones, drawn for chunks of 256 tokens: far more of the long than their share. */
static void records_are_drawn_by_length(void **state)
{
    struct error e = {0};
    struct demo d;
    struct chunks c, again;
    struct str lines = {0};
    (void)state;
    for (int i = 0; i < 440; i++)
        put_record(&lines, i, i % 11 ? 4 : 60);
    str_add(&lines, "{\"text\": \"a\"}\n{\"text\": \"a\"}\n");
    char *root = tree_make((struct tree_file[]){{"x.jsonl", lines.data}, {0}}), *path = path_join(root, "x.jsonl");
    demo_open(&d);
    assert_ok(chunks_read(&c, path, d.tokenizer, 256, 12, &e), &e);
    assert_int_equal(c.count, 12);
    assert_int_equal(c.records, 440);
    assert_int_equal(c.duplicates, 1);
    assert_int_equal(c.too_short, 1);
    assert_in_range(c.drawn, 12, 60);
    assert_ok(chunks_read(&again, root, d.tokenizer, 256, 12, &e), &e);
    assert_memory_equal(again.tokens, c.tokens, 12 * 256 * sizeof *c.tokens);
    chunks_done(&again);
    chunks_done(&c);
    assert_ok(chunks_read(&c, path, d.tokenizer, 256, 0, &e), &e);
    assert_int_equal(c.drawn, 440);
    chunks_done(&c);
    assert_int_equal(chunks_read(&c, path, d.tokenizer, 1 << 20, 1, &e), ERROR_USAGE);
    assert_says(&e, "use a longer text");
    chunks_done(&c);
    demo_close(&d);
    str_done(&lines);
    free(path);
    tree_remove(root);
}

/* Running text and records in one folder: each gives chunks in proportion. */
static void kinds_are_mixed(void **state)
{
    struct error e = {0};
    struct demo d;
    struct chunks all, some;
    struct str lines = {0}, prose = {0};
    (void)state;
    for (int i = 0; i < 100; i++) {
        put_record(&lines, i, 40);
        str_addf(&prose, "Sentence number %d is about the number %d and nothing else.\n\n", i, i * i);
    }
    char *root = tree_make((struct tree_file[]){{"a.jsonl", lines.data}, {"b.txt", prose.data}, {0}});
    demo_open(&d);
    assert_ok(chunks_read(&all, root, d.tokenizer, 64, 0, &e), &e);
    assert_ok(chunks_read(&some, root, d.tokenizer, 64, all.count / 2, &e), &e);
    assert_int_equal(some.count, all.count / 2);
    assert_int_equal(some.files, 2);
    assert_in_range(some.drawn, 45, 55);
    chunks_done(&all);
    chunks_done(&some);
    demo_close(&d);
    str_done(&lines);
    str_done(&prose);
    tree_remove(root);
}

static void samples_fit_the_prompts(void **state)
{
    static const struct { int prompt, context, length, samples; } cases[] = {
        {512, 0, 512, 128}, {512, 256, 256, 256}, {1024, 8192, 1024, 128}, {100, 8192, 128, 512},
        {90000, 0, 2048, 128}, {512, 64, 64, 512},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct calibration c = {0};
        calibration_suggest(&c, cases[i].prompt, cases[i].context);
        assert_int_equal(c.sample_length, cases[i].length);
        assert_int_equal(c.samples, cases[i].samples);
    }
}

/* -------------------------------------------------------------------- overlap */

static double overlap(const char *text, const char *other)
{
    struct error e = {0};
    struct samples a, b;
    assert_ok(samples_parse(&a, text, strlen(text), "a.txt", NULL, &e), &e);
    assert_ok(samples_parse(&b, other, strlen(other), "b.txt", NULL, &e), &e);
    double share = samples_overlap(&a, &b);
    samples_done(&a);
    samples_done(&b);
    return share;
}

static void overlap_counts_runs_of_words(void **state)
{
    static const char nine[] = "one two three four five six seven eight nine";
    (void)state;
    assert_true(overlap(nine, nine) == 1);
    assert_true(overlap(nine, "zero One, two three\nfour (five) six seven EIGHT 10") == 0.5);
    assert_true(overlap(nine, "one two three four five six seven 8 nine") == 0);
    assert_true(isnan(overlap("too few words", nine)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_by_their_keys),
        cmocka_unit_test(hostile_texts_are_refused),
        cmocka_unit_test(names_decide),
        cmocka_unit_test(folders_are_read_in_order),
        cmocka_unit_test(a_file_has_its_own_hash),
        cmocka_unit_test(empty_folders_are_refused),
        cmocka_unit_test(chats_by_templates),
        cmocka_unit_test(thoughts_in_chats),
        cmocka_unit_test(unknown_templates_are_said_to_be),
        cmocka_unit_test(running_text_is_cut_evenly),
        cmocka_unit_test(records_are_drawn_by_length),
        cmocka_unit_test(kinds_are_mixed),
        cmocka_unit_test(samples_fit_the_prompts),
        cmocka_unit_test(overlap_counts_runs_of_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
