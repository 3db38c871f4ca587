/* Multiple choice: JSON lines {"question": text, "choices": [text, ...], "answer": index from 0}.
 *
 * Each choice is put behind the question, with a blank between unless one of them brings white space. The answer of a
 * model is the choice whose tokens have the highest mean of ln p (the mean, so that long choices are not at a
 * disadvantage; "acc_norm" elsewhere). Scored are the tokens behind those that the question alone gives. */
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "eval/divergence.h"
#include "eval/eval_priv.h"
#include "eval/statistics.h"

enum { FILE_LIMIT = 256 << 20, CHOICES = 26 };

struct item {
    json_t *json; /* holds the texts */
    const char *question;
    const char *choices[CHOICES];
    int count, answer;
};

struct items {
    struct item *items;
    size_t count, capacity;
};

/* ---------------------------------------------------------------- the file */

static int bad_item(struct error *e, const char *path, int line, const char *what)
{
    return error_set(e, ERROR_USAGE, "%s:%d: expected %s in {\"question\": text, \"choices\": [texts], \"answer\": index}",
                     path, line, what);
}

static int read_choices(struct item *item, const json_t *choices, const char *path, int line, struct error *e)
{
    item->count = (int)json_array_size(choices);
    if (item->count < 2 || item->count > CHOICES)
        return bad_item(e, path, line, "2 to 26 choices");
    for (int i = 0; i < item->count; i++)
        if (!(item->choices[i] = json_string_value(json_array_get(choices, i))) || !*item->choices[i])
            return bad_item(e, path, line, "only texts as choices, and none empty,");
    return 0;
}

static int read_item(struct item *item, const char *text, const char *path, int line, struct error *e)
{
    json_error_t why;
    int rc;
    item->json = json_loads(text, 0, &why);
    if (!item->json)
        return error_set(e, ERROR_USAGE, "%s:%d: not JSON at character %d: %s", path, line, why.column, why.text);
    item->question = json_string_value(json_object_get(item->json, "question"));
    if (!item->question || !*item->question)
        return bad_item(e, path, line, "a text as question");
    if ((rc = read_choices(item, json_object_get(item->json, "choices"), path, line, e)))
        return rc;
    const json_t *answer = json_object_get(item->json, "answer");
    item->answer = json_is_integer(answer) ? (int)json_integer_value(answer) : -1;
    if (item->answer < 0 || item->answer >= item->count)
        return bad_item(e, path, line, "the index of a choice, from 0, as answer");
    return 0;
}

static bool is_empty(const char *line)
{
    return line[strspn(line, " \t\r")] == 0;
}

static int read_items(struct items *list, const char *path, struct error *e)
{
    char *text, *rest, *line;
    int rc = file_read(path, FILE_LIMIT, &text, NULL, e), number = 0;
    if (rc)
        return error_context(e, "tasks");
    for (rest = text; !rc && (line = strsep(&rest, "\n"));) {
        number++;
        if (is_empty(line))
            continue;
        struct item *item = &array_push(list->items, list->count, list->capacity);
        *item = (struct item){0};
        rc = read_item(item, line, path, number, e);
    }
    free(text);
    if (!rc && list->count == 0)
        rc = error_set(e, ERROR_USAGE, "%s: no tasks in it: expected JSON lines with question, choices and answer", path);
    return rc;
}

static void items_done(struct items *list)
{
    for (size_t i = 0; i < list->count; i++)
        json_decref(list->items[i].json);
    free(list->items);
}

/* ----------------------------------------------------------------- scoring */

/* The choices of one item as tokens, side by side. */
struct options {
    struct tokens tokens[CHOICES];
    int first[CHOICES]; /* the first scored token */
    int length;         /* of the longest */
};

static bool wants_blank(const char *question, const char *choice)
{
    return !isspace((unsigned char)question[strlen(question) - 1]) && !isspace((unsigned char)choice[0]);
}

static int common(const struct tokens *a, const struct tokens *b)
{
    size_t n = 0;
    while (n < a->count && n < b->count && a->ids[n] == b->ids[n])
        n++;
    return (int)n;
}

/* Forgets the oldest tokens where there are more than the model was made for. */
static void fit(struct tokens *t, int *first, int most)
{
    int over = (int)t->count - most;
    if (over <= 0)
        return;
    memmove(t->ids, t->ids + over, most * sizeof *t->ids);
    t->count = most;
    *first = *first > over ? *first - over : 1;
}

static void encode_item(struct options *o, const struct tokenizer *t, const struct item *item, int most)
{
    struct tokens question = {0};
    tokenizer_encode(t, item->question, strlen(item->question), TOKENIZE_BOS, &question);
    *o = (struct options){0};
    for (int i = 0; i < item->count; i++) {
        char *text = xasprintf("%s%s%s", item->question, wants_blank(item->question, item->choices[i]) ? " " : "",
                               item->choices[i]);
        tokenizer_encode(t, text, strlen(text), TOKENIZE_BOS, &o->tokens[i]);
        o->first[i] = common(&question, &o->tokens[i]);
        o->first[i] = o->first[i] < 1 ? 1 : o->first[i]; /* nothing predicts the very first token */
        fit(&o->tokens[i], &o->first[i], most);
        o->length = (int)o->tokens[i].count > o->length ? (int)o->tokens[i].count : o->length;
        free(text);
    }
    tokens_done(&question);
}

static void options_done(struct options *o, int count)
{
    for (int i = 0; i < count; i++)
        tokens_done(&o->tokens[i]);
}

/* Mean ln p of the scored tokens of choice `i`, which the decoder has just seen as sequence `i`. */
static double score(struct decoder *d, const struct options *o, int i, int vocab)
{
    int first = o->first[i], count = (int)o->tokens[i].count - first;
    if (count <= 0)
        return -INFINITY;
    float *logits = xaligned((size_t)count * vocab * sizeof *logits);
    double sum = 0;
    decoder_logits(d, i * o->length + first - 1, count, logits);
    for (int k = 0; k < count; k++)
        sum -= divergence_at(logits + (size_t)k * vocab, NULL, vocab, o->tokens[i].ids[first + k]).nll;
    free(logits);
    return sum / count;
}

/* Sequences must be of one length: shorter ones are filled up behind their end, which nothing before it sees. */
static int choose(struct decoder *d, const struct options *o, int count, int vocab, int *choice, struct error *e)
{
    int32_t *tokens = xcalloc((size_t)count * o->length, sizeof *tokens);
    double best = -INFINITY;
    for (int i = 0; i < count; i++)
        memcpy(tokens + (size_t)i * o->length, o->tokens[i].ids, o->tokens[i].count * sizeof *tokens);
    int rc = decoder_chunks(d, tokens, count, o->length, NULL, e);
    free(tokens);
    *choice = 0;
    for (int i = 0; i < count && !rc; i++) {
        double s = score(d, o, i, vocab);
        if (s > best) {
            best = s;
            *choice = i;
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ the run */

static int longest(const struct items *list, const struct tokenizer *t, int most, int *choices)
{
    int length = 1;
    *choices = 1;
    for (size_t i = 0; i < list->count; i++) {
        struct options o;
        encode_item(&o, t, &list->items[i], most);
        length = o.length > length ? o.length : length;
        *choices = list->items[i].count > *choices ? list->items[i].count : *choices;
        options_done(&o, list->items[i].count);
    }
    return length;
}

static void publish(struct session *s, struct eval_task *t, const double *right, int done, int total)
{
    t->items = done;
    t->accuracy = right[0] / done;
    interval_wilson(right[0], done, &t->low, &t->high);
    t->base = s->count > 1 ? right[1] / done : NAN;
    if (s->l->task)
        s->l->task(s->l->user, t, done, total);
}

static int run_items(struct session *s, struct decoder **d, const struct items *list, int most, struct eval_task *task,
                     struct error *e)
{
    double right[2] = {0};
    int rc = 0;
    for (size_t i = 0; i < list->count && !rc; i++) {
        struct options o;
        if (!watch_tick(s->w, i, list->count, "tasks"))
            return interrupt_error(e);
        encode_item(&o, s->subjects[0].tokenizer, &list->items[i], most);
        for (int k = 0, choice; k < s->count && !rc; k++)
            if (!(rc = choose(d[k], &o, list->items[i].count, s->subjects[k].model->hp.vocab, &choice, e)))
                right[k] += choice == list->items[i].answer;
        options_done(&o, list->items[i].count);
        if (!rc)
            publish(s, task, right, (int)i + 1, (int)list->count);
    }
    return rc;
}

static struct eval_task *add_task(struct eval_result *r, const char *path)
{
    const char *name = path_name(path), *dot = strrchr(name, '.');
    r->tasks = xcalloc(1, sizeof *r->tasks);
    r->task_count = 1;
    r->tasks[0] = (struct eval_task){.name = dot && dot > name ? xstrndup(name, dot - name) : xstrdup(name),
                                     .accuracy = NAN, .low = NAN, .high = NAN, .base = NAN};
    return &r->tasks[0];
}

int tasks_run(struct session *s, struct error *e)
{
    struct items list = {0};
    struct decoder *d[2] = {0};
    int choices, most = s->subjects[0].model->hp.context;
    int rc = read_items(&list, s->o->tasks, e);
    most = most > 1 ? most : s->o->context;
    if (!rc) {
        int length = longest(&list, s->subjects[0].tokenizer, most, &choices);
        rc = decoders_open(d, s, choices, length, e);
    }
    if (!rc)
        rc = run_items(s, d, &list, most, add_task(s->r, s->o->tasks), e);
    decoders_close(d);
    items_done(&list);
    return rc;
}
