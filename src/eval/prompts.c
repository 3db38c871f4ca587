/* Sample prompts, answered greedily by both models. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "eval/eval_priv.h"
#include "eval/generate.h"
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

static int answer_both(const struct session *s, struct eval_sample *sample, int index, int total, struct error *e)
{
    char **const texts[] = {&sample->answer, &sample->base};
    int rc = 0;
    for (int i = 0; i < s->count && !rc; i++) {
        struct watch_part part;
        double share = 1.0 / s->count;
        struct watch *w = watch_part(&part, s->w, index + i * share, index + (i + 1) * share, total, "prompts");
        rc = i ? answer_of_base(s, sample->prompt, texts[i], w, e) : answer(s, i, sample->prompt, texts[i], w, e);
    }
    sample->differs_at = !rc && s->count > 1 ? first_difference(sample->base, sample->answer) : -1;
    return rc;
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

int prompts_run(struct session *s, struct error *e)
{
    char *text;
    int total, rc = file_read(s->o->prompts, EVAL_FILE_LIMIT, &text, NULL, e);
    if (rc)
        return error_context(e, "prompts");
    char **lines = split_lines(text, &total);
    s->r->samples = xcalloc(total + 1, sizeof *s->r->samples);
    for (int i = 0; i < total && !rc; i++) {
        struct eval_sample *sample = &s->r->samples[s->r->sample_count++];
        sample->prompt = unescape(lines[i]);
        rc = answer_both(s, sample, i, total, e);
        if (!rc && s->l->sample)
            s->l->sample(s->l->user, sample, i + 1, total);
    }
    free(lines);
    free(text);
    return rc;
}
