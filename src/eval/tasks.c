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

enum {
    CHOICES = 26,
    BATCH_ROWS = 1024, /* tokens that go through a model together, about */
};

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
    return error_set(e, ERROR_USAGE, "%s:%d: expected %s in {\"question\": text, \"choices\": [texts], "
                     "\"answer\": index}", path, line, what);
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
    int rc = file_read(path, EVAL_FILE_LIMIT, &text, NULL, e), number = 0;
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
        rc = error_set(e, ERROR_USAGE, "%s: no tasks in it: expected JSON lines with question, choices and answer",
                       path);
    return rc;
}

static void items_done(struct items *list)
{
    for (size_t i = 0; i < list->count; i++)
        json_decref(list->items[i].json);
    free(list->items);
}

/* ----------------------------------------------------------------- scoring */

/* The choices of one item as tokens. */
struct options {
    struct tokens tokens[CHOICES];
    int first[CHOICES]; /* the first scored token */
    int count, length;  /* length: of the longest */
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

static void encode_choice(struct options *o, int i, const struct tokenizer *t, const struct tokens *question,
                          const struct item *item, int most)
{
    char *text = xasprintf("%s%s%s", item->question, wants_blank(item->question, item->choices[i]) ? " " : "",
                           item->choices[i]);
    tokenizer_encode(t, text, strlen(text), TOKENIZE_BOS, &o->tokens[i]);
    o->first[i] = common(question, &o->tokens[i]);
    o->first[i] = o->first[i] < 1 ? 1 : o->first[i]; /* nothing predicts the very first token */
    fit(&o->tokens[i], &o->first[i], most);
    o->length = (int)o->tokens[i].count > o->length ? (int)o->tokens[i].count : o->length;
    free(text);
}

static void encode_item(struct options *o, const struct tokenizer *t, const struct item *item, int most)
{
    struct tokens question = {0};
    tokenizer_encode(t, item->question, strlen(item->question), TOKENIZE_BOS, &question);
    *o = (struct options){.count = item->count};
    for (int i = 0; i < item->count; i++)
        encode_choice(o, i, t, &question, item, most);
    tokens_done(&question);
}

static void options_done(struct options *o)
{
    for (int i = 0; i < o->count; i++)
        tokens_done(&o->tokens[i]);
}

/* Items that go through a model together: all their choices side by side, as sequences of one length. Shorter ones
 * are filled up behind their end, which nothing before it sees. */
struct batch {
    struct options *options;
    int count;             /* items */
    int sequences, length; /* of all choices */
    int32_t *tokens;       /* [sequences][length] */
};

static void batch_lay_out(struct batch *b)
{
    int sequence = 0;
    b->tokens = xcalloc((size_t)b->sequences * b->length, sizeof *b->tokens);
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < b->options[i].count; k++, sequence++)
            memcpy(b->tokens + (size_t)sequence * b->length, b->options[i].tokens[k].ids,
                   b->options[i].tokens[k].count * sizeof *b->tokens);
}

static void batch_done(struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        options_done(&b->options[i]);
    free(b->options);
    free(b->tokens);
}

/* Mean ln p of a choice's scored tokens; its sequence begins at `row` of the decoder's last pass. */
static double score(struct decoder *d, int row, const struct tokens *tokens, int first, int vocab)
{
    int count = (int)tokens->count - first;
    if (count <= 0)
        return -INFINITY;
    float *logits = xaligned((size_t)count * vocab * sizeof *logits);
    double sum = 0;
    decoder_logits(d, row + first - 1, count, logits);
    for (int k = 0; k < count; k++)
        sum -= divergence_at(logits + (size_t)k * vocab, NULL, vocab, tokens->ids[first + k]).nll;
    free(logits);
    return sum / count;
}

static int best_choice(struct decoder *d, int row, const struct options *o, int length, int vocab)
{
    double best = -INFINITY;
    int choice = 0;
    for (int i = 0; i < o->count; i++) {
        double s = score(d, row + i * length, &o->tokens[i], o->first[i], vocab);
        if (s > best) {
            best = s;
            choice = i;
        }
    }
    return choice;
}

/* choices[count]: what the model chooses in each item of the batch. */
static int choose(struct decoder *d, const struct batch *b, int vocab, int *choices, struct watch *w, struct error *e)
{
    int row = 0, rc = decoder_chunks(d, b->tokens, b->sequences, b->length, w, e);
    for (int i = 0; i < b->count && !rc; i++) {
        if (interrupt_pending())
            return interrupt_error(e);
        choices[i] = best_choice(d, row, &b->options[i], b->length, vocab);
        row += b->options[i].count * b->length;
    }
    return rc;
}

/* ------------------------------------------------------------------ the run */

/* How many sequences of which length the decoders must hold. */
struct room {
    int most;              /* tokens that the model was made for */
    int sequences, length;
};

static struct room room_for(const struct items *list, const struct session *s)
{
    struct room r = {.most = s->subjects[0].model->hp.context, .length = 1};
    int choices = 1;
    r.most = r.most > 1 ? r.most : s->o->context;
    for (size_t i = 0; i < list->count; i++) {
        struct options o;
        encode_item(&o, s->subjects[0].tokenizer, &list->items[i], r.most);
        r.length = o.length > r.length ? o.length : r.length;
        choices = o.count > choices ? o.count : choices;
        options_done(&o);
    }
    r.sequences = BATCH_ROWS / r.length > choices ? BATCH_ROWS / r.length : choices;
    return r;
}

/* As many items from `from` on as there is room for, at least one. */
static void batch_make(struct batch *b, const struct items *list, size_t from, const struct tokenizer *t,
                       const struct room *r)
{
    *b = (struct batch){.options = xcalloc(r->sequences, sizeof *b->options)};
    while (from < list->count && b->sequences + list->items[from].count <= r->sequences) {
        struct options *o = &b->options[b->count++];
        encode_item(o, t, &list->items[from++], r->most);
        b->sequences += o->count;
        b->length = o->length > b->length ? o->length : b->length;
    }
    batch_lay_out(b);
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

static int run_batch(struct session *s, struct decoder **d, const struct batch *b, const struct item *items,
                     double *right, struct eval_task *task, size_t before, size_t total, struct error *e)
{
    int *choices[2] = {xcalloc(b->count, sizeof(int)), xcalloc(b->count, sizeof(int))}, rc = 0;
    for (int k = 0; k < s->count && !rc; k++) {
        struct watch_part part;
        double share = (double)b->count / s->count;
        struct watch *w = watch_part(&part, s->w, before + k * share, before + (k + 1) * share, total, "tasks");
        rc = choose(d[k], b, s->subjects[k].model->hp.vocab, choices[k], w, e);
    }
    for (int i = 0; i < b->count && !rc; i++) {
        for (int k = 0; k < s->count; k++)
            right[k] += choices[k][i] == items[i].answer;
        publish(s, task, right, (int)before + i + 1, (int)total);
    }
    free(choices[0]);
    free(choices[1]);
    return rc;
}

static int run_items(struct session *s, struct decoder **d, const struct items *list, const struct room *room,
                     struct eval_task *task, struct error *e)
{
    double right[2] = {0};
    int rc = 0;
    for (size_t i = 0; i < list->count && !rc;) {
        struct batch b;
        batch_make(&b, list, i, s->subjects[0].tokenizer, room);
        rc = run_batch(s, d, &b, &list->items[i], right, task, i, list->count, e);
        i += b.count;
        batch_done(&b);
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
    struct room room;
    int rc = read_items(&list, s->o->tasks, e);
    if (!rc) {
        room = room_for(&list, s);
        rc = decoders_open(d, s, room.sequences, room.length, e);
    }
    if (!rc)
        rc = run_items(s, d, &list, &room, add_task(s->r, s->o->tasks), e);
    decoders_close(d);
    items_done(&list);
    return rc;
}
