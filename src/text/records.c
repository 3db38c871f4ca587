#include "text/records.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/chat_template.h"

enum { LINE_LIMIT = 1 << 24 }; /* bytes of a record */

struct records {
    const struct chat_template *chat; /* NULL: none, or of an unknown form */
    const struct record_taker *taker;
};

/* A record on its way to become text. */
struct record {
    const json_t *json;
    struct chat_message *messages;
    int count, capacity;
    bool instruction;     /* messages that are as good without a chat's form */
    struct str text;
    struct arena arena;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ------------------------------------------------------------------ messages */

/* Content is a text, or a list of parts of which the texts count. */
static const char *content_of(struct record *r, const json_t *content)
{
    size_t i;
    json_t *part;
    struct str joined = {0};
    if (json_is_string(content))
        return json_string_value(content);
    json_array_foreach(content, i, part)
        if (text_of(part, "text"))
            str_add(&joined, text_of(part, "text"));
    const char *kept = joined.length ? arena_strdup(&r->arena, joined.data) : NULL;
    str_done(&joined);
    return kept;
}

static const char *role_of(const char *name)
{
    static const struct { const char *name, *role; } other[] = {
        {"human", "user"}, {"gpt", "assistant"}, {"chatgpt", "assistant"}, {"bot", "assistant"}, {"model", "assistant"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(other); i++)
        if (strcmp(name, other[i].name) == 0)
            return other[i].role;
    return name;
}

static void add_message(struct record *r, const char *role, const char *content)
{
    if (role && content)
        array_push(r->messages, r->count, r->capacity) = (struct chat_message){role_of(role), content};
}

static void add_messages(struct record *r, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *role = text_of(item, "role");
        const json_t *content = json_object_get(item, "content");
        add_message(r, role ? role : text_of(item, "from"),
                    content_of(r, content ? content : json_object_get(item, "value")));
    }
}

static void add_line(struct record *r, const char *text)
{
    if (text && *text)
        str_addf(&r->text, "%s%s", r->text.length ? "\n" : "", text);
}

/* All texts below a value in their order, a line each. */
static void collect_texts(struct record *r, const json_t *value)
{
    const char *key;
    size_t i;
    json_t *item;
    add_line(r, json_string_value(value));
    json_object_foreach((json_t *)value, key, item)
        collect_texts(r, item);
    json_array_foreach(value, i, item)
        collect_texts(r, item);
}

/* -------------------------------------------------------------------- shapes */

static void read_chat(struct record *r, const char *key)
{
    add_messages(r, json_object_get(r->json, key));
}

static void read_plain(struct record *r, const char *key)
{
    add_line(r, text_of(r->json, key));
}

static void read_instruction(struct record *r, const char *key)
{
    const char *input = text_of(r->json, "input");
    const char *question = text_of(r->json, key);
    if (input && *input)
        question = arena_printf(&r->arena, "%s\n\n%s", question, input);
    r->instruction = true;
    add_message(r, "system", text_of(r->json, "system"));
    add_message(r, "user", question);
    add_message(r, "assistant", text_of(r->json, "output"));
}

static void read_prompt(struct record *r, const char *key)
{
    static const char *const answers[] = {"completion", "response", "chosen"};
    const json_t *prompt = json_object_get(r->json, key), *answer = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(answers) && !answer; i++)
        answer = json_object_get(r->json, answers[i]);
    if (json_is_array(prompt)) {
        add_messages(r, prompt);
        add_messages(r, answer);
    } else if (json_is_string(prompt)) {
        str_add(&r->text, json_string_value(prompt));
        str_add(&r->text, json_is_string(answer) ? json_string_value(answer) : "");
    }
}

static const struct {
    const char *key;
    json_type type, also; /* what it holds where the record is meant */
    void (*read)(struct record *r, const char *key);
} shapes[] = {
    {"messages", JSON_ARRAY, JSON_ARRAY, read_chat},
    {"conversations", JSON_ARRAY, JSON_ARRAY, read_chat},
    {"conversation", JSON_ARRAY, JSON_ARRAY, read_chat},
    {"text", JSON_STRING, JSON_STRING, read_plain},
    {"instruction", JSON_STRING, JSON_STRING, read_instruction},
    {"prompt", JSON_STRING, JSON_ARRAY, read_prompt},
};

static void read_shape(struct record *r)
{
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
        const json_t *value = json_object_get(r->json, shapes[i].key);
        if (value && (json_typeof(value) == shapes[i].type || json_typeof(value) == shapes[i].also)) {
            shapes[i].read(r, shapes[i].key);
            return;
        }
    }
    collect_texts(r, r->json);
}

/* ------------------------------------------------------------------- reading */

static void take_record(struct records *all, const json_t *json, int line)
{
    struct record r = {.json = json};
    read_shape(&r);
    enum record_kind without = r.count && !r.instruction ? RECORD_LINES : RECORD_TEXT;
    enum record_kind kind = r.count && all->chat ? RECORD_CHAT : without;
    if (kind == RECORD_CHAT)
        chat_render(all->chat, r.messages, r.count, &r.text);
    for (int i = 0; i < r.count && kind != RECORD_CHAT; i++)
        add_line(&r, r.messages[i].content);
    all->taker->take(all->taker->user, r.text.data ? r.text.data : "", r.text.length, kind, line);
    str_done(&r.text);
    free(r.messages);
    arena_done(&r.arena);
}

static int read_line(struct records *all, const char *line, size_t length, const char *path, int number,
                     struct error *e)
{
    json_error_t why;
    if (length > LINE_LIMIT)
        return error_set(e, ERROR_USAGE, "%s:%d: a line of %zu bytes; a record may have %d", path, number, length,
                         LINE_LIMIT);
    json_t *value = json_loadb(line, length, JSON_DECODE_ANY, &why);
    if (!value)
        return error_set(e, ERROR_USAGE, "%s:%d: not JSON (%s); expected an object or a string on each line", path,
                         number, why.text);
    take_record(all, value, number);
    json_decref(value);
    return 0;
}

static int read_list(struct records *all, const char *text, size_t length, const char *path, struct error *e)
{
    json_error_t why;
    size_t i;
    json_t *item, *list = json_loadb(text, length, 0, &why);
    if (!list)
        return error_set(e, ERROR_USAGE, "%s:%d: not JSON (%s)", path, why.line, why.text);
    json_array_foreach(list, i, item)
        take_record(all, item, (int)i + 1);
    json_decref(list);
    return 0;
}

int records_read(const char *text, size_t length, const char *path, const struct tokenizer *t,
                 const struct record_taker *taker, struct error *e)
{
    struct records all = {.chat = t ? tokenizer_chat(t) : NULL, .taker = taker};
    const char *end = text + length;
    int rc = 0;
    if (text[strspn(text, " \t\r\n")] == '[')
        return read_list(&all, text, length, path, e);
    for (int number = 1; text < end && !rc; number++) {
        size_t n = strcspn(text, "\n");
        if (strspn(text, " \t\r") < n)
            rc = read_line(&all, text, n, path, number, e);
        text += n + (text[n] == '\n');
    }
    return rc;
}
