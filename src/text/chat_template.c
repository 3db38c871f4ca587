#include "text/chat_template.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* In the texts of the table: the beginning and the end of a sequence, as the vocabulary writes them. */
#define BOS "\1"
#define EOS "\2"

enum { /* what a form does beside putting text around messages */
    TRIM_SYSTEM = 1, TRIM_USER = 2, TRIM_ANSWER = 4, TRIM = TRIM_SYSTEM | TRIM_USER | TRIM_ANSWER,
    TRIM_TURNS = TRIM_USER | TRIM_ANSWER,
    SYSTEM_IN_USER = 8,      /* the system message stands within the first message of the user */
    SYSTEM_IN_LAST = 16,     /* within the message that ends the chat, if the user wrote that; else it is lost */
    ALWAYS_SYSTEM = 32,      /* an empty one where there is none */
};

struct turn { const char *before, *after; };

struct chat_form {
    const char *name;
    const char *marks[3];         /* all of them are in the program */
    const char *without;          /* and this is not */
    const char *begin;            /* of the chat, behind BOS; NULL: nothing */
    struct turn system, user, answer;
    const char *final;            /* ends the last answer instead; NULL: nothing else does */
    const char *ask;              /* what makes the model answer; NULL: nothing */
    struct turn preset;           /* between these the program has its own system message, as one literal */
    int flags;
};

/* The first whose marks are there counts, so forms that contain another's marks stand above it. */
static const struct chat_form forms[] = {
    {
        .name = "phi-4", .marks = {"<|im_start|>", "<|im_sep|>"},
        .system = {"<|im_start|>system<|im_sep|>", "<|im_end|>"},
        .user = {"<|im_start|>user<|im_sep|>", "<|im_end|>"},
        .answer = {"<|im_start|>assistant<|im_sep|>", "<|im_end|>"},
        .ask = "<|im_start|>assistant<|im_sep|>",
        .preset = {"set system_message = '", "'"},
    }, {
        .name = "chatml", .marks = {"<|im_start|>"},
        .system = {"<|im_start|>system\n", "<|im_end|>\n"},
        .user = {"<|im_start|>user\n", "<|im_end|>\n"},
        .answer = {"<|im_start|>assistant\n", "<|im_end|>\n"},
        .ask = "<|im_start|>assistant\n",
        .preset = {"<|im_start|>system\n", "<|im_end|>"},
    }, {
        .name = "mistral-v7", .marks = {"[INST]", "'[SYSTEM_PROMPT]' + system_message"},
        .system = {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"}, .user = {"[INST]", "[/INST]"}, .answer = {"", EOS},
    }, {
        .name = "mistral-v7-blanks", .marks = {"[INST]", "[SYSTEM_PROMPT] "},
        .system = {"[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"}, .user = {"[INST] ", "[/INST]"}, .answer = {" ", EOS},
    }, {
        .name = "mistral-v1", .marks = {"' [INST] ' + system_message"},
        .system = {"", "\n\n"}, .user = {" [INST] ", " [/INST]"}, .answer = {" ", EOS},
        .flags = SYSTEM_IN_USER,
    }, {
        .name = "mistral-v3-tekken", .marks = {"[AVAILABLE_TOOLS]", "\"[INST]\""},
        .system = {"", "\n\n"}, .user = {"[INST]", "[/INST]"}, .answer = {"", EOS},
        .flags = SYSTEM_IN_LAST,
    }, {
        .name = "mistral-v3", .marks = {"[AVAILABLE_TOOLS]", "[INST] "},
        .system = {"", "\n\n"}, .user = {"[INST] ", "[/INST]"}, .answer = {" ", EOS},
        .flags = SYSTEM_IN_LAST | TRIM_ANSWER,
    }, {
        .name = "llama-2", .marks = {"[INST]", "<<SYS>>"},
        .system = {"<<SYS>>\n", "\n<</SYS>>\n\n"}, .user = {BOS "[INST] ", " [/INST]"}, .answer = {" ", " " EOS},
        .flags = SYSTEM_IN_USER | TRIM_TURNS,
    }, {
        .name = "mistral-v0", .marks = {"'[INST] ' + message"},
        .system = {"", "\n\n"}, .user = {"[INST] ", " [/INST]"}, .answer = {"", EOS},
        .flags = SYSTEM_IN_USER,
    }, { /* the day of its own default, which later ones replace by the present one */
        .name = "llama-3.1", .marks = {"<|start_header_id|>", "Cutting Knowledge Date"},
        .system = {"<|start_header_id|>system<|end_header_id|>\n\n"
                   "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n", "<|eot_id|>"},
        .user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},
        .answer = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},
        .ask = "<|start_header_id|>assistant<|end_header_id|>\n\n",
        .flags = TRIM | ALWAYS_SYSTEM,
    }, {
        .name = "llama-3", .marks = {"<|start_header_id|>", "<|eot_id|>"},
        .system = {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},
        .user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},
        .answer = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},
        .ask = "<|start_header_id|>assistant<|end_header_id|>\n\n",
        .flags = TRIM,
    }, {
        .name = "llama-4", .marks = {"<|header_start|>", "<|eot|>"},
        .system = {"<|header_start|>system<|header_end|>\n\n", "<|eot|>"},
        .user = {"<|header_start|>user<|header_end|>\n\n", "<|eot|>"},
        .answer = {"<|header_start|>assistant<|header_end|>\n\n", "<|eot|>"},
        .ask = "<|header_start|>assistant<|header_end|>\n\n",
        .flags = TRIM,
    }, {
        .name = "gemma", .marks = {"<start_of_turn>"},
        .system = {"", "\n\n"},
        .user = {"<start_of_turn>user\n", "<end_of_turn>\n"},
        .answer = {"<start_of_turn>model\n", "<end_of_turn>\n"},
        .ask = "<start_of_turn>model\n",
        .flags = SYSTEM_IN_USER | TRIM_TURNS,
    }, {
        .name = "phi-3", .marks = {"<|assistant|>", "<|end|>"},
        .system = {"<|system|>\n", "<|end|>\n"},
        .user = {"<|user|>\n", "<|end|>\n"},
        .answer = {"<|assistant|>\n", "<|end|>\n"},
        .ask = "<|assistant|>\n",
    }, {
        .name = "zephyr", .marks = {"'<|user|>\n' + message['content'] + eos_token"},
        .system = {"<|system|>\n", EOS "\n"}, .user = {"<|user|>\n", EOS "\n"}, .answer = {"<|assistant|>\n", EOS "\n"},
        .ask = "<|assistant|>\n",
    }, {
        .name = "exaone", .marks = {"'[|system|][|endofturn|]"},
        .system = {"[|system|]", "[|endofturn|]\n"}, .user = {"[|user|]", "\n"}, .answer = {"[|assistant|]", "[|endofturn|]\n"},
        .ask = "[|assistant|]",
        .flags = ALWAYS_SYSTEM,
    }, {
        .name = "deepseek-3", .marks = {"<\uFF5CAssistant\uFF5C>", "ns.system_prompt"},
        .system = {"", ""}, .user = {"<\uFF5CUser\uFF5C>", ""}, .answer = {"<\uFF5CAssistant\uFF5C>", EOS},
        .ask = "<\uFF5CAssistant\uFF5C>",
    }, {
        .name = "deepseek-2.5", .marks = {"<\uFF5CAssistant\uFF5C>"},
        .system = {"", "\n\n"}, .user = {"<\uFF5CUser\uFF5C>", ""}, .answer = {"<\uFF5CAssistant\uFF5C>", EOS},
        .ask = "<\uFF5CAssistant\uFF5C>",
    }, {
        .name = "deepseek-2", .marks = {"'Assistant: '", "'User: '", "eos_token"},
        .system = {"", "\n\n"}, .user = {"User: ", "\n\n"}, .answer = {"Assistant: ", EOS},
        .ask = "Assistant:",
    }, {
        .name = "command-r", .marks = {"<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"}, .without = "<|START_RESPONSE|>",
        .system = {"<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>", "<|END_OF_TURN_TOKEN|>"},
        .user = {"<|START_OF_TURN_TOKEN|><|USER_TOKEN|>", "<|END_OF_TURN_TOKEN|>"},
        .answer = {"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"},
        .ask = "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        .flags = TRIM_TURNS,
    }, {
        .name = "granite", .marks = {"<|start_of_role|>"},
        .system = {"<|start_of_role|>system<|end_of_role|>", "<|end_of_text|>\n"},
        .user = {"<|start_of_role|>user<|end_of_role|>", "<|end_of_text|>\n"},
        .answer = {"<|start_of_role|>assistant<|end_of_role|>", "<|end_of_text|>\n"},
        .ask = "<|start_of_role|>assistant<|end_of_role|>",
    }, { /* its own system message names the day; a text that is to be the same tomorrow leaves that line out */
        .name = "gpt-oss", .marks = {"<|start|>", "<|channel|>"},
        .begin = "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
                 "Knowledge cutoff: 2024-06\n\nReasoning: medium\n\n"
                 "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>",
        .system = {"<|start|>developer<|message|># Instructions\n\n", "\n\n<|end|>"},
        .user = {"<|start|>user<|message|>", "<|end|>"},
        .answer = {"<|start|>assistant<|channel|>final<|message|>", "<|end|>"},
        .final = "<|return|>",
        .ask = "<|start|>assistant",
    },
};

/* --------------------------------------------------------------- recognition */

/* A program's text with the escapes of its literals resolved, so that a form is the same however it is written. */
static char *unescaped(const char *program)
{
    char *text = xstrdup(program), *to = text;
    for (const char *from = program; *from; from++) {
        bool escape = *from == '\\' && from[1] && strchr("n\\'\"", from[1]);
        from += escape;
        *to++ = escape && *from == 'n' ? '\n' : *from;
    }
    *to = 0;
    return text;
}

static bool is_form(const struct chat_form *f, const char *text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(f->marks); i++)
        if (f->marks[i] && !strstr(text, f->marks[i]))
            return false;
    return !f->without || !strstr(text, f->without);
}

/* A literal behind the mark: what follows is neither the literal's end nor an expression. */
static char *find_preset(const struct turn *mark, const char *text)
{
    for (const char *p = text; mark->before && (p = strstr(p, mark->before));) {
        p += strlen(mark->before);
        const char *end = strstr(p, mark->after);
        if (end && end > p && !strchr("'\"{", *p))
            return xstrndup(p, end - p);
    }
    return NULL;
}

/* What a program does with the thoughts of models that think before they answer. */
static enum chat_thoughts find_thoughts(const char *text)
{
    if (strstr(text, "<think>\n") && strstr(text, "last_query_index"))
        return THOUGHTS_LAST;
    return strstr(text, "split('</think>')") ? THOUGHTS_DROPPED : THOUGHTS_KEPT;
}

/* Forms that trim messages have descendants that do not. */
static bool trims(const char *text)
{
    static const char *const ways[] = {"message['content'] | trim", "message['content']|trim", "message.content | trim",
                                       "message.content|trim", " content | trim", " content|trim", "content.strip()"};
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++)
        if (strstr(text, ways[i]))
            return true;
    return false;
}

bool chat_template_read(struct chat_template *t, const char *program, const char *bos, const char *eos)
{
    char *text = unescaped(program);
    *t = (struct chat_template){.bos = bos, .eos = eos};
    for (size_t i = 0; i < ARRAY_LENGTH(forms) && !t->form; i++)
        if (is_form(&forms[i], text))
            t->form = &forms[i];
    if (t->form) {
        t->preset = t->form->flags & ALWAYS_SYSTEM ? xstrdup("") : find_preset(&t->form->preset, text);
        t->begins = strstr(text, "bos_token") && !strchr(t->form->user.before, *BOS);
        t->ends = strstr(text, "{% else %}{{ eos_token }}");
        t->trims = trims(text);
        t->thoughts = find_thoughts(text);
    }
    free(text);
    return t->form != NULL;
}

void chat_template_done(struct chat_template *t)
{
    free(t->preset);
    *t = (struct chat_template){0};
}

const char *chat_template_name(const struct chat_template *t)
{
    return t->form->name;
}

/* ----------------------------------------------------------------- rendering */

static void put(const struct chat_template *t, const char *text, struct str *out)
{
    for (; text && *text; text++)
        if (*text == *BOS || *text == *EOS)
            str_add(out, *text == *BOS ? t->bos : t->eos);
        else
            str_add_char(out, *text);
}

static void put_content(const char *text, bool trimmed, struct str *out)
{
    size_t n = strlen(text);
    for (; trimmed && n && strchr(" \t\r\n", *text); n--)
        text++;
    while (trimmed && n && strchr(" \t\r\n", text[n - 1]))
        n--;
    str_add_bytes(out, text, n);
}

/* All behind the last mark, or the whole where there is none. */
static const char *behind_thoughts(const char *content)
{
    static const char mark[] = "</think>";
    for (const char *p; (p = strstr(content, mark));)
        content = p + strlen(mark);
    return content;
}

static void put_thoughts(const char *content, struct str *out)
{
    const char *end = strstr(content, "</think>"), *begin = strstr(content, "<think>");
    end = end ? end : content;
    begin = begin && begin < end ? begin + strlen("<think>") : content;
    begin += strspn(begin, "\n");
    while (end > begin && end[-1] == '\n')
        end--;
    str_addf(out, "<think>\n%.*s\n</think>\n\n", (int)(end > begin ? end - begin : 0), begin);
}

static void put_answer(const struct chat_template *t, const char *content, bool last, struct str *out)
{
    const struct chat_form *f = t->form;
    const char *said = t->thoughts == THOUGHTS_KEPT ? content : behind_thoughts(content);
    put(t, f->answer.before, out);
    if (t->thoughts == THOUGHTS_LAST && last)
        put_thoughts(content, out);
    if (t->thoughts == THOUGHTS_LAST && (last || said > content))
        said += strspn(said, "\n");
    put_content(said, t->trims && f->flags & TRIM_ANSWER, out);
    put(t, last && f->final ? f->final : f->answer.after, out);
}

static void put_system(const struct chat_template *t, const char *content, struct str *out)
{
    if (!content)
        return;
    put(t, t->form->system.before, out);
    put_content(content, t->form->flags & TRIM_SYSTEM, out);
    put(t, t->form->system.after, out);
}

/* `system`: what stands within the message, or NULL. */
static void put_user(const struct chat_template *t, const char *content, const char *system, struct str *out)
{
    put(t, t->form->user.before, out);
    put_system(t, system, out);
    put_content(content, t->trims && t->form->flags & TRIM_USER, out);
    put(t, t->form->user.after, out);
}

static bool is_role(const struct chat_message *m, const char *role)
{
    return strcmp(m->role, role) == 0;
}

static bool is_system(const struct chat_message *m)
{
    return is_role(m, "system") || is_role(m, "developer");
}

void chat_render(const struct chat_template *t, const struct chat_message *messages, int count, struct str *out)
{
    int inside = t->form->flags & (SYSTEM_IN_USER | SYSTEM_IN_LAST);
    const char *system = count && is_system(&messages[0]) ? messages[0].content : t->preset;
    const struct chat_message *m = messages + (count && is_system(&messages[0])), *end = messages + count;
    if (t->begins)
        str_add(out, t->bos);
    put(t, t->form->begin, out);
    if (!inside)
        put_system(t, system, out);
    for (; m < end; m++) {
        bool last = m == end - 1;
        if (is_role(m, "assistant")) {
            put_answer(t, m->content, last, out);
        } else if (is_system(m)) {
            put_system(t, m->content, out);
        } else {
            bool here = inside == SYSTEM_IN_USER || (inside && last);
            put_user(t, m->content, here ? system : NULL, out);
            system = here ? NULL : system;
        }
    }
    if (!count || !is_role(end - 1, "assistant"))
        put(t, t->form->ask, out);
    else if (t->ends)
        str_add(out, t->eos);
}
