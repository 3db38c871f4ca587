#include "eval/items.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/file.h"
#include "base/str.h"
#include "eval/eval_priv.h"

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

/* GSM8K: behind it stands the answer in short. */
#define MARK "####"

/* A line as it is read: NULL where the object is another layout's or wrong, and then `expected` says what it lacks. */
struct reading {
    struct arena *arena;
    struct item *item;
    const json_t *json;
    const char *expected;
};

static bool fail(struct reading *r, const char *expected)
{
    r->expected = expected;
    return false;
}

static void add_choice(struct reading *r, const char *context, const char *continuation, const char *choice)
{
    struct item *i = r->item;
    i->contexts[i->count] = context;
    i->continuations[i->count] = continuation;
    i->characters[i->count++] = characters(choice);
}

/* The context, a blank, the choice. */
static void add_after_blank(struct reading *r, const char *context, const char *choice)
{
    add_choice(r, context, arena_printf(r->arena, " %s", choice), choice);
}

static bool check_choices(struct reading *r, const json_t *choices)
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

static bool set_answer(struct reading *r, json_int_t answer)
{
    r->item->answer = (int)answer;
    return (answer >= 0 && answer < r->item->count) || fail(r, "the index of a choice, from 0, as answer");
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

static bool wants_blank(const char *question, const char *choice)
{
    return !isspace((unsigned char)question[strlen(question) - 1]) && !isspace((unsigned char)choice[0]);
}

static bool read_choice(struct reading *r)
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
    return set_answer(r, index_in(r->json, "answer"));
}

static bool read_mmlu(struct reading *r)
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
    return set_answer(r, index_in(r->json, "answer"));
}

static bool read_arc(struct reading *r)
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

static bool read_hellaswag(struct reading *r)
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
static bool read_winogrande(struct reading *r)
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

static bool read_written(struct reading *r)
{
    const char *question = text_of(r->json, "question"), *prompt = text_of(r->json, "prompt");
    const char *answer = text_of(r->json, "answer");
    if (!answer || (!question && !prompt))
        return fail(r, "a text as prompt or question, and one as answer");
    r->item->prompt = prompt ? arena_strdup(r->arena, prompt)
                             : arena_printf(r->arena, "Question: %s\nAnswer:", question);
    r->item->expected = arena_strdup(r->arena, answer);
    r->item->stop = strstr(answer, MARK) ? "Question:" : "\n";
    return true;
}

#define SIMPLEST "question, choices, answer"

/* The first of which a line has all these members is the file's. */
static const struct kind {
    struct item_layout layout;
    const char *members[3];
    bool (*read)(struct reading *r);
} kinds[] = {
    {{"hellaswag", "acc_norm", "activity_label, ctx_a, ctx_b, endings, label"}, {"endings"}, read_hellaswag},
    {{"winogrande", "acc", "sentence, option1, option2, answer"}, {"option1", "option2"}, read_winogrande},
    {{"arc", "acc_norm", "question, choices {text, label}, answerKey"}, {"choices", "answerKey"}, read_arc},
    {{"mmlu", "acc", "question, subject, choices, answer"}, {"choices", "subject"}, read_mmlu},
    {{"choice", "acc_norm", SIMPLEST}, {"choices"}, read_choice},
    {{"written", "exact_match", "question or prompt, answer"}, {"answer"}, read_written},
};

static const struct kind *kind_of(const json_t *j)
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

/* ----------------------------------------------------------------- reading */

static int bad_line(struct error *e, const char *path, int line, const char *what, const char *keys)
{
    return error_set(e, ERROR_USAGE, "%s:%d: expected %s in an object of %s", path, line, what, keys);
}

static int read_object(struct items *list, const json_t *j, const char *path, int line, struct error *e)
{
    const struct kind *kind = kind_of(j);
    if (!kind)
        return bad_line(e, path, line, "a question with its choices and the right answer", SIMPLEST);
    if (list->layout && list->layout != &kind->layout)
        return error_set(e, ERROR_USAGE, "%s:%d: this is a line of %s, the first is one of %s: put them into files of"
                         " their own", path, line, kind->layout.name, list->layout->name);
    list->layout = &kind->layout;
    struct item *item = &array_push(list->items, list->count, list->capacity);
    *item = (struct item){0};
    struct reading r = {.arena = &list->arena, .item = item, .json = j};
    return kind->read(&r) ? 0 : bad_line(e, path, line, r.expected, list->layout->keys);
}

static int read_line(struct items *list, const char *text, const char *path, int line, struct error *e)
{
    json_error_t why;
    json_t *j = json_loads(text, 0, &why);
    if (!j)
        return error_set(e, ERROR_USAGE, "%s:%d: not JSON at character %d: %s", path, line, why.column, why.text);
    int rc = read_object(list, j, path, line, e);
    json_decref(j);
    return rc;
}

static bool is_empty(const char *line)
{
    return line[strspn(line, " \t\r")] == 0;
}

int items_read(struct items *list, const char *path, struct error *e)
{
    char *text, *rest, *line;
    const char *name = path_name(path), *dot = strrchr(name, '.');
    *list = (struct items){0};
    list->name = dot && dot > name ? arena_strndup(&list->arena, name, dot - name) : arena_strdup(&list->arena, name);
    int rc = file_read(path, EVAL_FILE_LIMIT, &text, NULL, e), number = 0;
    if (rc)
        return error_context(e, "tasks");
    for (rest = text; !rc && (line = strsep(&rest, "\n"));) {
        number++;
        if (!is_empty(line))
            rc = read_line(list, line, path, number, e);
    }
    free(text);
    if (!rc && list->count == 0)
        rc = error_set(e, ERROR_USAGE, "%s: no tasks in it: expected JSON lines with " SIMPLEST, path);
    return rc;
}

void items_done(struct items *list)
{
    free(list->items);
    arena_done(&list->arena);
    *list = (struct items){0};
}

static int is_task_file(const struct dirent *d)
{
    return d->d_name[0] != '.' && str_ends(d->d_name, ".jsonl");
}

int items_files(const char *path, char ***files, int *count, struct error *e)
{
    struct dirent **names = NULL;
    bool folder = file_is_folder(path);
    int n = folder ? scandir(path, &names, is_task_file, alphasort) : 1;
    *count = n > 0 ? n : 0;
    *files = xcalloc(*count + 1, sizeof **files);
    for (int i = 0; i < *count; i++) {
        (*files)[i] = folder ? path_join(path, names[i]->d_name) : xstrdup(path);
        if (folder)
            free(names[i]);
    }
    free(names);
    if (n < 0)
        return error_errno(e, "cannot read the folder of tasks %s", path);
    return n ? 0 : error_set(e, ERROR_USAGE, "%s: no tasks in it: expected files that end in .jsonl", path);
}

/* ---------------------------------------------------------------- matching */

/* A piece of a text. */
struct piece {
    const char *at;
    size_t length;
};

static struct piece bare(const char *at, size_t length)
{
    static const char around[] = " \t\r\n.";
    while (length && strchr(around, *at))
        at++, length--;
    while (length && strchr(around, at[length - 1]))
        length--;
    return (struct piece){at, length};
}

static bool is_of_number(char c)
{
    return isdigit((unsigned char)c) || c == '.' || c == ',' || c == '-';
}

/* The last number of a text; empty where there is none. */
static struct piece last_number(const char *text)
{
    const char *end = text + strlen(text);
    while (end > text && !isdigit((unsigned char)end[-1]))
        end--;
    const char *at = end;
    while (at > text && is_of_number(at[-1]))
        at--;
    return bare(at, end - at);
}

/* Thousands may be set apart or not. */
static bool same_piece(struct piece a, struct piece b)
{
    size_t i = 0, k = 0;
    while (i < a.length || k < b.length) {
        if (i < a.length && a.at[i] == ',')
            i++;
        else if (k < b.length && b.at[k] == ',')
            k++;
        else if (i == a.length || k == b.length ||
                 tolower((unsigned char)a.at[i++]) != tolower((unsigned char)b.at[k++]))
            return false;
    }
    return true;
}

bool item_matches(const struct item *item, const char *written)
{
    const char *marked = strstr(item->expected, MARK), *said = strstr(written, MARK);
    if (marked)
        return same_piece(last_number(marked), last_number(said ? said : written));
    while (isspace((unsigned char)*written))
        written++;
    return same_piece(bare(item->expected, strlen(item->expected)), bare(written, strcspn(written, "\n")));
}
