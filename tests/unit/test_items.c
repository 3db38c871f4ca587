/* Questions in the layouts in which they are published: what the model is asked, and what counts as the right answer. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/file.h"
#include "eval/items.h"

static const char path[] = "test_items.jsonl";

static struct items read_one(const char *line)
{
    struct error e = {0};
    struct items list;
    assert_ok(file_write(path, line, strlen(line), &e), &e);
    assert_ok(items_read(&list, path, &e), &e);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.name, "test_items");
    unlink(path);
    return list;
}

static void puts_together_what_the_harness_does(void **state)
{
    static const struct {
        const char *line, *layout, *context, *last_context, *last; /* the last choice's */
        int count, answer, characters;
    } cases[] = {
        {"{\"question\": \" What is 2? \", \"subject\": \"abstract_algebra\", \"choices\": [\"1\", \"2\"], \"answer\": 1}",
         "mmlu", "The following are multiple choice questions (with answers) about abstract algebra.\n\nWhat is 2?\n"
         "A. 1\nB. 2\nAnswer:", NULL, " B", 2, 1, 1},
        {"{\"id\": \"x\", \"question\": \"Why?\", \"choices\": {\"text\": [\"so\", \"Ümlaut\"], \"label\": [\"1\", \"2\"]},"
         " \"answerKey\": \"2\"}",
         "arc", "Question: Why?\nAnswer:", NULL, " Ümlaut", 2, 1, 6},
        {"{\"activity_label\": \"Baking\", \"ctx_a\": \"[header] A] man  stands. [title] He\", \"ctx_b\": \"THEN he\","
         " \"ctx\": \"unused\", \"endings\": [\"sits. \", \" [step] bakes  it.\"], \"label\": \"0\"}",
         "hellaswag", "Baking: A] man stands.. He Then he", NULL, "  bakes it.", 2, 0, 10},
        {"{\"sentence\": \"The cup hit the table, so the _ broke . \", \"option1\": \"cup\", \"option2\": \"table\","
         " \"answer\": \"1\"}",
         "winogrande", "The cup hit the table, so the cup", "The cup hit the table, so the table", " broke .", 2, 0, 7},
        {"{\"question\": \"one two\", \"choices\": [\"three\", \" four\"], \"answer\": 0}", "choice", "one two", NULL,
         " four", 2, 0, 5},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct items list = read_one(cases[i].line);
        const struct item *item = list.items;
        int last = item->count - 1;
        assert_string_equal(list.layout->name, cases[i].layout);
        assert_int_equal(item->count, cases[i].count);
        assert_int_equal(item->answer, cases[i].answer);
        assert_string_equal(item->contexts[0], cases[i].context);
        assert_string_equal(item->contexts[last], cases[i].last_context ? cases[i].last_context : cases[i].context);
        assert_string_equal(item->continuations[last], cases[i].last);
        assert_int_equal(item->characters[last], cases[i].characters);
        items_done(&list);
    }
}

static void knows_the_written_answer(void **state)
{
    static const struct { const char *expected, *written; bool right; } cases[] = {
        {"Paris", " paris.\nQuestion:", true},
        {"Paris", "\n\nParis", true},
        {"Paris", "It is Paris", false},
        {"some steps #### 1,234", " First 3, then 1234.", true},
        {"some steps #### 1234", "it is 5 #### 1,234 and that was it", true},
        {"some steps #### 12", " so 13", false},
        {"some steps #### 12", " I do not know", false},
        {"some steps #### -3.5", " is -3.5.", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct item item = {.expected = cases[i].expected};
        if (item_matches(&item, cases[i].written) != cases[i].right)
            fail_msg("'%s' for '%s'", cases[i].written, cases[i].expected);
    }
    struct items list = read_one("{\"question\": \"Capital of France?\", \"answer\": \"Paris\"}");
    assert_string_equal(list.items[0].prompt, "Question: Capital of France?\nAnswer:");
    assert_string_equal(list.layout->metric, "exact_match");
    items_done(&list);
}

/* A number is an index; a text is one of the choices before it is a letter or an index. */
static void the_right_choice_may_be_written_in_words(void **state)
{
    static const struct { const char *answer; int index; } cases[] = {
        {"2", 2}, {"\"four\"", 1}, {"\"B\"", 1}, {"\"A\"", 2}, {"\"1\"", 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *line = xasprintf("{\"question\": \"q\", \"choices\": [\"three\", \"four\", \"A\"], \"answer\": %s}",
                               cases[i].answer);
        struct items list = read_one(line);
        assert_int_equal(list.items[0].answer, cases[i].index);
        items_done(&list);
        free(line);
    }
}

static void says_which_line_is_wrong(void **state)
{
    static const struct { const char *lines, *why; } cases[] = {
        {"{\"a\": 1}", "test_items.jsonl:1: expected a question with its choices"},
        {"\n{\"sentence\": \"no gap\", \"option1\": \"a\", \"option2\": \"b\"}", "test_items.jsonl:2: expected a sentence with _"},
        {"{\"question\": \"q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \"C\"}",
         "one of the labels as answerKey"},
        {"{\"sentence\": \"a _ b\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"3\"}", "1 or 2 as answer"},
        {"{\"activity_label\": \"x\", \"ctx\": \"y\", \"endings\": [\"one\"], \"label\": 0}", "2 to 26 choices"},
        {"{\"question\": \"q\", \"subject\": \"s\", \"choices\": [\"a\", \"\"], \"answer\": 0}", "none empty"},
        {"{\"question\": \"q\", \"answer\": \"a\"}\n{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0}",
         "test_items.jsonl:2: this is a line of choice, the first is one of written"},
        {"", "no tasks in it"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error e = {0};
        struct items list;
        assert_ok(file_write(path, cases[i].lines, strlen(cases[i].lines), &e), &e);
        assert_int_equal(items_read(&list, path, &e), ERROR_USAGE);
        assert_says(&e, cases[i].why);
        items_done(&list);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_together_what_the_harness_does),
        cmocka_unit_test(knows_the_written_answer),
        cmocka_unit_test(the_right_choice_may_be_written_in_words),
        cmocka_unit_test(says_which_line_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
