/* How a line of each layout becomes what a model is asked. */
#include "eval/item_layouts.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

#include "base/str.h"

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text && *text ? text : NULL;
}

/* ------------------------------------------------------------------- texts */

/* Without blanks around it. */
static char *trimmed(struct arena *a, const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return arena_strndup(a, text, n);
}

static char *replaced(struct arena *a, const char *text, const char *what, const char *by)
{
    struct str s = {0};
    for (const char *at; (at = strstr(text, what)); text = at + strlen(what)) {
        str_add_bytes(&s, text, at - text);
        str_add(&s, by);
    }
    str_add(&s, text);
    char *result = arena_strndup(a, s.data, s.length);
    str_done(&s);
    return result;
}

/* Without what stands in square brackets, on one line. */
static char *without_brackets(struct arena *a, const char *text)
{
    char *result = arena_strdup(a, text), *to = result;
    while (*text) {
        size_t inside = *text == '[' ? strcspn(text, "]\n") : 0;
        if (inside && text[inside] == ']')
            text += inside + 1;
        else
            *to++ = *text++;
    }
    *to = 0;
    return result;
}

/* The first letter large, all others small. */
static char *capitalized(struct arena *a, const char *text)
{
    struct str s = {0};
    utf8proc_int32_t point;
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n;
    for (bool first = true; *text && (n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &point)) > 0; text += n) {
        point = first ? utf8proc_totitle(point) : utf8proc_tolower(point);
        str_add_bytes(&s, bytes, utf8proc_encode_char(point, bytes));
        first = false;
    }
    char *result = arena_strndup(a, s.data ? s.data : "", s.length);
    str_done(&s);
    return result;
}

static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* ----------------------------------------------------------------- layouts */

static bool fail(struct item_reading *r, const char *expected)
{
    r->expected = expected;
    return false;
}

static void add_choice(struct item_reading *r, const char *context, const char *continuation, const char *choice)
{
    struct item *i = r->item;
    i->contexts[i->count] = context;
    i->continuations[i->count] = continuation;
    i->characters[i->count++] = characters(choice);
}

/* The context, a blank, the choice. */
static void add_after_blank(struct item_reading *r, const char *context, const char *choice)
{
    add_choice(r, context, arena_printf(r->arena, " %s", choice), choice);
}

static bool check_choices(struct item_reading *r, const json_t *choices)
{
    size_t i;
    json_t *choice;
    if (json_array_size(choices) < 2 || json_array_size(choices) > ITEM_CHOICES)
        return fail(r, "2 to 26 choices");
    json_array_foreach((json_t *)choices, i, choice)
        if (!json_string_length(choice))
            return fail(r, "only texts as choices, and none empty,");
    return true;
}

static bool set_answer(struct item_reading *r, json_int_t answer)
{
    r->item->answer = (int)answer;
    return (answer >= 0 && answer < r->item->count) || fail(r, "a choice as answer, by its index from 0, its letter or its text,");
}

/* A number, or one in a text. */
static json_int_t index_in(const json_t *j, const char *key)
{
    const json_t *value = json_object_get(j, key);
    int64_t index = -1;
    if (json_is_integer(value))
        index = json_integer_value(value);
    else if (json_is_string(value) && !parse_int(json_string_value(value), 0, ITEM_CHOICES, &index))
        index = -1;
    return index;
}

/* The right one as people write it: its index, its own text, or its letter. */
static json_int_t answer_among(const json_t *j, const json_t *choices)
{
    const char *answer = text_of(j, "answer");
    size_t i;
    json_t *choice;
    json_array_foreach((json_t *)choices, i, choice)
        if (answer && strcmp(json_string_value(choice), answer) == 0)
            return (json_int_t)i;
    if (answer && answer[0] >= 'A' && answer[0] <= 'Z' && !answer[1])
        return answer[0] - 'A';
    return index_in(j, "answer");
}

static bool wants_blank(const char *question, const char *choice)
{
    return !isspace((unsigned char)question[strlen(question) - 1]) && !isspace((unsigned char)choice[0]);
}

static bool read_choice(struct item_reading *r)
{
    const char *question = text_of(r->json, "question");
    const json_t *choices = json_object_get(r->json, "choices");
    if (!question)
        return fail(r, "a text as question");
    if (!check_choices(r, choices))
        return false;
    question = arena_strdup(r->arena, question);
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const char *choice = json_string_value(json_array_get(choices, i));
        add_choice(r, question, arena_printf(r->arena, "%s%s", wants_blank(question, choice) ? " " : "", choice), choice);
    }
    return set_answer(r, answer_among(r->json, choices));
}

static bool read_mmlu(struct item_reading *r)
{
    const char *question = text_of(r->json, "question"), *subject = text_of(r->json, "subject");
    const json_t *choices = json_object_get(r->json, "choices");
    struct str s = {0};
    if (!question || !subject)
        return fail(r, "texts as question and subject");
    if (!check_choices(r, choices))
        return false;
    str_addf(&s, "The following are multiple choice questions (with answers) about %s.\n\n%s\n",
             replaced(r->arena, subject, "_", " "), trimmed(r->arena, question));
    for (size_t i = 0; i < json_array_size(choices); i++)
        str_addf(&s, "%c. %s\n", (char)('A' + i), json_string_value(json_array_get(choices, i)));
    str_add(&s, "Answer:");
    const char *context = arena_strndup(r->arena, s.data, s.length);
    str_done(&s);
    for (size_t i = 0; i < json_array_size(choices); i++)
        add_after_blank(r, context, (char[]){(char)('A' + i), 0});
    return set_answer(r, answer_among(r->json, choices));
}

static bool read_arc(struct item_reading *r)
{
    const json_t *choices = json_object_get(r->json, "choices"), *texts = json_object_get(choices, "text");
    const json_t *labels = json_object_get(choices, "label");
    const char *question = text_of(r->json, "question"), *key = text_of(r->json, "answerKey");
    json_int_t answer = -1;
    if (!question || !key)
        return fail(r, "texts as question and answerKey");
    if (!check_choices(r, texts))
        return false;
    const char *context = arena_printf(r->arena, "Question: %s\nAnswer:", question);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *label = json_string_value(json_array_get(labels, i));
        add_after_blank(r, context, json_string_value(json_array_get(texts, i)));
        if (label && strcmp(label, key) == 0)
            answer = (json_int_t)i;
    }
    return set_answer(r, answer) || fail(r, "one of the labels as answerKey");
}

/* How WikiHow's marks are taken out of HellaSwag's texts. */
static char *cleaned(struct arena *a, const char *text)
{
    char *marked = replaced(a, trimmed(a, text), " [title]", ". ");
    return replaced(a, without_brackets(a, marked), "  ", " ");
}

static bool read_hellaswag(struct item_reading *r)
{
    const char *label = text_of(r->json, "activity_label"), *a = text_of(r->json, "ctx_a");
    const char *b = text_of(r->json, "ctx_b"), *whole = text_of(r->json, "ctx");
    const json_t *endings = json_object_get(r->json, "endings");
    if (!label || (!a && !whole))
        return fail(r, "texts as activity_label and ctx_a or ctx");
    if (!check_choices(r, endings))
        return false;
    if (a)
        whole = arena_printf(r->arena, "%s %s", a, capitalized(r->arena, b ? b : ""));
    const char *context = cleaned(r->arena, arena_printf(r->arena, "%s: %s", label, whole));
    for (size_t i = 0; i < json_array_size(endings); i++)
        add_after_blank(r, context, cleaned(r->arena, json_string_value(json_array_get(endings, i))));
    return set_answer(r, index_in(r->json, "label"));
}

/* Each option is put into the gap, and the rest of the sentence is what has to follow. */
static bool read_winogrande(struct item_reading *r)
{
    const char *sentence = text_of(r->json, "sentence"), *gap = sentence ? strchr(sentence, '_') : NULL;
    const char *options[] = {text_of(r->json, "option1"), text_of(r->json, "option2")};
    if (!gap || !options[0] || !options[1])
        return fail(r, "a sentence with _ in it, and texts as option1 and option2");
    const char *rest = trimmed(r->arena, gap + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        add_after_blank(r, arena_printf(r->arena, "%.*s%s", (int)(gap - sentence), sentence, options[i]), rest);
    return set_answer(r, index_in(r->json, "answer") - 1) || fail(r, "1 or 2 as answer");
}

static bool read_written(struct item_reading *r)
{
    const char *question = text_of(r->json, "question"), *prompt = text_of(r->json, "prompt");
    const char *answer = text_of(r->json, "answer");
    if (!answer || (!question && !prompt))
        return fail(r, "a text as prompt or question, and one as answer");
    r->item->prompt = prompt ? arena_strdup(r->arena, prompt)
                             : arena_printf(r->arena, "Question: %s\nAnswer:", question);
    r->item->expected = arena_strdup(r->arena, answer);
    r->item->stop = strstr(answer, ITEM_MARK) ? "Question:" : "\n";
    return true;
}

/* The first of which a line has all these members is the file's. */
static const struct item_kind kinds[] = {
    {{"hellaswag", "acc_norm", "activity_label, ctx_a, ctx_b, endings, label"}, {"endings"}, read_hellaswag},
    {{"winogrande", "acc", "sentence, option1, option2, answer"}, {"option1", "option2"}, read_winogrande},
    {{"arc", "acc_norm", "question, choices {text, label}, answerKey"}, {"choices", "answerKey"}, read_arc},
    {{"mmlu", "acc", "question, subject, choices, answer"}, {"choices", "subject"}, read_mmlu},
    {{"choice", "acc_norm", ITEM_SIMPLEST}, {"choices"}, read_choice},
    {{"written", "exact_match", "question or prompt, answer"}, {"answer"}, read_written},
};

const struct item_kind *item_kind_of(const json_t *j)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        bool all = true;
        for (size_t k = 0; k < ARRAY_LENGTH(kinds[i].members) && kinds[i].members[k]; k++)
            all = all && json_object_get(j, kinds[i].members[k]);
        if (all)
            return &kinds[i];
    }
    return NULL;
}
