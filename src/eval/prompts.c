/* Sample prompts, answered greedily by both models. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "eval/eval_priv.h"
#include "eval/generate.h"
#include "text/chat_template.h"
#include "text/utf8.h"

/* One line with \n, \t and \\ as what they mean. */
static char *unescape(const char *line)
{
    struct str s = {0};
    for (; *line; line++) {
        bool escape = *line == '\\' && line[1] && strchr("nt\\", line[1]);
        line += escape;
        str_add_char(&s, escape && *line == 'n' ? '\n' : escape && *line == 't' ? '\t' : *line);
    }
    return str_take(&s);
}

/* The first character that differs, counted from 0; -1: none. */
static int first_difference(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), i = 0, k = 0;
    int at = 0;
    for (; i < n && k < m; at++)
        if (utf8_next(a, n, &i) != utf8_next(b, m, &k))
            return at;
    return i < n || k < m ? at : -1;
}

static int answer(const struct session *s, int subject, const char *prompt, char **text, struct watch *w,
                  struct error *e)
{
    struct generation g;
    struct generate_options o = {.tokens = s->o->prompt_tokens, .as_gguf = s->as_gguf,
                                 .activations = s->o->activations};
    int rc = generate(&g, s->subjects[subject].model, s->subjects[subject].tokenizer, prompt, &o, w, e);
    *text = xstrdup(rc ? "" : g.text);
    generation_done(&g);
    return rc;
}

/* The base's answer, from the store where it was asked before. */
static int answer_of_base(const struct session *s, const char *prompt, char **text, struct watch *w, struct error *e)
{
    char *question = xasprintf("%d tokens after: %s", s->o->prompt_tokens, prompt);
    const char *before = json_string_value(base_store_answer(s->store, question));
    int rc = 0;
    if (before)
        *text = xstrdup(before);
    else if (!(rc = answer(s, 1, prompt, text, w, e)))
        base_store_add(s->store, question, json_text(*text));
    free(question);
    return rc;
}

static int answer_both(const struct session *s, struct eval_sample *sample, const char *prompt, int index, int total,
                       struct error *e)
{
    char **const texts[] = {&sample->answer, &sample->base};
    int rc = 0;
    for (int i = 0; i < s->count && !rc; i++) {
        struct watch_part part;
        double share = 1.0 / s->count;
        struct watch *w = watch_part(&part, s->w, index + i * share, index + (i + 1) * share, total, "prompts");
        rc = i ? answer_of_base(s, prompt, texts[i], w, e) : answer(s, i, prompt, texts[i], w, e);
    }
    sample->differs_at = !rc && s->count > 1 ? first_difference(sample->base, sample->answer) : -1;
    return rc;
}

/* ------------------------------------------------------------------ prompts */

struct prompt { char *shown, *put; }; /* put: with the chat template around it */
struct prompts { struct prompt *items; int count, capacity; };

static void add_prompt(struct prompts *p, const char *shown, const char *put)
{
    array_push(p->items, p->count, p->capacity) = (struct prompt){xstrdup(shown), xstrdup(put)};
}

/* A chat of one message; the text that begins it is left to the tokenizer where that adds one. */
static void add_message(struct prompts *p, const struct tokenizer *t, const char *message)
{
    const struct chat_template *chat = tokenizer_chat(t);
    const struct chat_message said = {"user", message};
    struct str text = {0};
    struct chat_template form;
    if (chat) {
        form = *chat;
        form.begins = form.begins && !tokenizer_adds_bos(t);
        chat_render(&form, &said, 1, &text);
    }
    add_prompt(p, message, chat ? text.data : message);
    str_done(&text);
}

static void prompts_done(struct prompts *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->items[i].shown);
        free(p->items[i].put);
    }
    free(p->items);
}

/* Cuts the text into lines in place; empty ones do not count. */
static char **split_lines(char *text, int *count)
{
    char **lines = NULL, *rest = text, *line;
    int capacity = 0;
    *count = 0;
    while ((line = strsep(&rest, "\n"))) {
        line[strcspn(line, "\r")] = 0;
        if (*line)
            array_push(lines, *count, capacity) = line;
    }
    return lines;
}

static int read_prompts(const char *path, struct prompts *p, struct error *e)
{
    char *text;
    int count, rc = file_read(path, EVAL_FILE_LIMIT, &text, NULL, e);
    if (rc)
        return error_context(e, "prompts");
    char **lines = split_lines(text, &count);
    for (int i = 0; i < count; i++) {
        char *line = unescape(lines[i]);
        add_prompt(p, line, line);
        free(line);
    }
    free(lines);
    free(text);
    return 0;
}

int prompts_run(struct session *s, struct error *e)
{
    struct prompts p = {0};
    int rc = s->o->prompts ? read_prompts(s->o->prompts, &p, e) : 0;
    for (int i = 0; !s->o->prompts && s->o->messages[i]; i++)
        add_message(&p, s->subjects[0].tokenizer, s->o->messages[i]);
    s->r->samples = xcalloc(p.count + 1, sizeof *s->r->samples);
    for (int i = 0; i < p.count && !rc; i++) {
        struct eval_sample *sample = &s->r->samples[s->r->sample_count++];
        sample->prompt = xstrdup(p.items[i].shown);
        rc = answer_both(s, sample, p.items[i].put, i, p.count, e);
        if (!rc && s->l->sample)
            s->l->sample(s->l->user, sample, i + 1, p.count);
    }
    prompts_done(&p);
    return rc;
}
