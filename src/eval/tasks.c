/* Questions (items.h): multiple choice by the likelihood of each choice's tokens behind its context, and answers that
 * are written and compared.
 *
 * ln p of a choice is the sum over its tokens. A model chooses the likeliest ("acc"), or the likeliest per character,
 * so that long choices are not at a disadvantage ("acc_norm"). Tokens are divided as the evaluation harness does: blanks
 * at the end of a context belong to what follows, both are encoded together, and scored is what stands behind as many
 * tokens as the context alone has. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "eval/divergence.h"
#include "eval/eval_priv.h"
#include "eval/generate.h"
#include "eval/items.h"
#include "eval/statistics.h"

enum {
    BATCH_ROWS = 1024, /* tokens that go through a model together, about */
    WRITTEN_TOKENS = 256,
};

/* ---------------------------------------------------------------- encoding */

/* The choices of one item as tokens. */
struct options {
    struct tokens tokens[ITEM_CHOICES];
    int first[ITEM_CHOICES]; /* the first scored token */
    int count, length;       /* length: of the longest */
};

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

static size_t length_without_blanks(const char *text)
{
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return n;
}

static void encode_choice(struct options *o, int i, const struct tokenizer *t, const struct item *item, int most)
{
    struct tokens context = {0};
    char *text = xasprintf("%s%s", item->contexts[i], item->continuations[i]);
    tokenizer_encode(t, item->contexts[i], length_without_blanks(item->contexts[i]), TOKENIZE_BOS, &context);
    tokenizer_encode(t, text, strlen(text), TOKENIZE_BOS, &o->tokens[i]);
    o->first[i] = context.count ? (int)context.count : 1; /* nothing predicts the very first token */
    fit(&o->tokens[i], &o->first[i], most);
    o->length = (int)o->tokens[i].count > o->length ? (int)o->tokens[i].count : o->length;
    tokens_done(&context);
    free(text);
}

static void encode_item(struct options *o, const struct tokenizer *t, const struct item *item, int most)
{
    *o = (struct options){.count = item->count};
    for (int i = 0; i < item->count; i++)
        encode_choice(o, i, t, item, most);
}

static void options_done(struct options *o)
{
    for (int i = 0; i < o->count; i++)
        tokens_done(&o->tokens[i]);
}

/* ----------------------------------------------------------------- scoring */

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

/* ln p of a choice's scored tokens; its sequence begins at `row` of the decoder's last pass. */
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
    return sum;
}

/* What one model makes of one item. */
struct outcome {
    double ln_p[ITEM_CHOICES];
    int likeliest, likeliest_per_character;
    char *written;
    bool right_acc, right_norm, right; /* right: by the layout's metric */
};

static int largest(const double *ln_p, const int *per, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (ln_p[i] / (per ? per[i] : 1) > ln_p[best] / (per ? per[best] : 1))
            best = i;
    return best;
}

static void judge(struct outcome *o, const struct item *item, const char *metric)
{
    o->likeliest = largest(o->ln_p, NULL, item->count);
    o->likeliest_per_character = largest(o->ln_p, item->characters, item->count);
    o->right_acc = o->likeliest == item->answer;
    o->right_norm = o->likeliest_per_character == item->answer;
    o->right = strcmp(metric, "acc") == 0 ? o->right_acc : o->right_norm;
}

/* outcomes[count]: of the items of the batch. */
static int score_batch(struct decoder *d, const struct batch *b, int vocab, struct outcome *outcomes, struct watch *w,
                       struct error *e)
{
    int row = 0, rc = decoder_chunks(d, b->tokens, b->sequences, b->length, w, e);
    for (int i = 0; i < b->count && !rc; i++) {
        const struct options *o = &b->options[i];
        if (interrupt_pending())
            return interrupt_error(e);
        for (int k = 0; k < o->count; k++, row += b->length)
            outcomes[i].ln_p[k] = score(d, row, &o->tokens[k], o->first[k], vocab);
    }
    return rc;
}

/* ----------------------------------------------------------------- batches */

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
    for (int i = 0; i < list->count; i++) {
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
static void batch_make(struct batch *b, const struct items *list, int from, const struct tokenizer *t,
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

/* One file of questions, being asked. */
struct asking {
    struct session *s;
    const struct items *list;
    struct eval_task *task;
    char hash[HASH_TEXT];           /* of the file, for the base's answers that are kept */
    int done;
    double right[2], right_acc[2], right_norm[2]; /* counts, of the model and of its base */
    struct moments delta;
};

static void count_outcome(struct asking *a, int subject, const struct outcome *o)
{
    a->right[subject] += o->right;
    a->right_acc[subject] += o->right_acc;
    a->right_norm[subject] += o->right_norm;
}

static void update(const struct asking *a)
{
    struct eval_task *t = a->task;
    double n = a->done, half = moments_half_width(&a->delta);
    bool choices = a->list->items[0].count > 0, base = a->s->count > 1;
    t->items = a->done;
    t->accuracy = a->right[0] / n;
    interval_wilson(a->right[0], n, &t->low, &t->high);
    t->acc = choices ? a->right_acc[0] / n : NAN;
    t->acc_norm = choices ? a->right_norm[0] / n : NAN;
    t->base = base ? a->right[1] / n : NAN;
    t->base_acc = base && choices ? a->right_acc[1] / n : NAN;
    t->base_acc_norm = base && choices ? a->right_norm[1] / n : NAN;
    t->delta = base ? a->delta.mean : NAN;
    t->delta_low = base ? a->delta.mean - half : NAN;
    t->delta_high = base ? a->delta.mean + half : NAN;
}

static struct eval_outcome told(const struct asking *a, const struct outcome *o)
{
    bool by_acc = strcmp(a->list->layout->metric, "acc") == 0;
    return (struct eval_outcome){.ln_p = o->ln_p, .chosen = by_acc ? o->likeliest : o->likeliest_per_character,
                                 .written = o->written, .right = o->right};
}

static void tell_item(const struct asking *a, const struct item *item, const struct outcome *model,
                      const struct outcome *base)
{
    struct eval_item i = {.task = a->task->name, .expected = item->expected, .index = a->done, .answer = item->answer,
                          .choices = item->count, .has_base = base, .model = told(a, model)};
    if (base)
        i.base = told(a, base);
    if (a->s->l->item)
        a->s->l->item(a->s->l->user, &i);
}

/* `base` NULL: there is none. */
static void take(struct asking *a, const struct item *item, const struct outcome *model, const struct outcome *base)
{
    tell_item(a, item, model, base);
    a->done++;
    count_outcome(a, 0, model);
    if (base) {
        count_outcome(a, 1, base);
        moments_add(&a->delta, model->right - base->right);
    }
    update(a);
    if (a->s->l->task)
        a->s->l->task(a->s->l->user, a->task, a->done, a->list->count);
}

/* -------------------------------------------------------- the base's, kept */

static char *question(const struct asking *a, int item)
{
    return xasprintf("%s %d", a->hash, a->done + item);
}

/* What the base made of the next `count` items before; false where it is not known of all of them. */
static bool recall(const struct asking *a, int count, struct outcome *outcomes)
{
    bool known = a->s->store;
    for (int i = 0; i < count && known; i++) {
        char *q = question(a, i);
        const json_t *answer = base_store_answer(a->s->store, q);
        known = answer;
        for (size_t k = 0; k < ITEM_CHOICES && k < json_array_size(answer); k++) {
            const json_t *ln_p = json_array_get(answer, k);
            outcomes[i].ln_p[k] = json_is_number(ln_p) ? json_number_value(ln_p) : -INFINITY;
        }
        if (json_is_string(answer))
            outcomes[i].written = xstrdup(json_string_value(answer));
        free(q);
    }
    return known;
}

static void keep(const struct asking *a, int count, const struct outcome *outcomes)
{
    for (int i = 0; i < count && a->s->store; i++) {
        char *q = question(a, i);
        json_t *answer = outcomes[i].written ? json_text(outcomes[i].written) : json_array();
        for (int k = 0; k < a->list->items[a->done + i].count; k++)
            json_array_append_new(answer, json_value(outcomes[i].ln_p[k]));
        base_store_add(a->s->store, q, answer);
        free(q);
    }
}

/* ---------------------------------------------------------- multiple choice */

static int ask_batch(struct asking *a, struct decoder **d, const struct batch *b, struct error *e)
{
    struct session *s = a->s;
    struct outcome *outcomes[2] = {xcalloc(b->count, sizeof *outcomes[0]), xcalloc(b->count, sizeof *outcomes[1])};
    const struct item *items = a->list->items + a->done;
    int rc = 0;
    for (int k = 0; k < s->count && !rc; k++) {
        struct watch_part part;
        double share = (double)b->count / s->count;
        struct watch *w = watch_part(&part, s->w, a->done + k * share, a->done + (k + 1) * share, a->list->count, "tasks");
        bool known = k == 1 && recall(a, b->count, outcomes[k]);
        rc = known ? 0 : score_batch(d[k], b, s->subjects[k].model->hp.vocab, outcomes[k], w, e);
        if (k == 1 && !known && !rc)
            keep(a, b->count, outcomes[k]);
        for (int i = 0; i < b->count && !rc; i++)
            judge(&outcomes[k][i], &items[i], a->list->layout->metric);
    }
    for (int i = 0; i < b->count && !rc; i++)
        take(a, &items[i], &outcomes[0][i], s->count > 1 ? &outcomes[1][i] : NULL);
    free(outcomes[0]);
    free(outcomes[1]);
    return rc;
}

static int ask_choices(struct asking *a, struct error *e)
{
    struct decoder *d[2] = {0};
    struct room room = room_for(a->list, a->s);
    int rc = decoders_open(d, a->s, room.sequences, room.length, e);
    while (!rc && a->done < a->list->count) {
        struct batch b;
        batch_make(&b, a->list, a->done, a->s->subjects[0].tokenizer, &room);
        rc = ask_batch(a, d, &b, e);
        batch_done(&b);
    }
    decoders_close(d);
    return rc;
}

/* -------------------------------------------------------------- written ones */

static int write_answer(const struct session *s, int subject, const struct item *item, struct outcome *o, struct watch *w,
                        struct error *e)
{
    struct generation g;
    const struct generate_options options = {.tokens = WRITTEN_TOKENS, .as_gguf = s->as_gguf, .stop = item->stop,
                                             .activations = s->o->activations};
    int rc = generate(&g, s->subjects[subject].model, s->subjects[subject].tokenizer, item->prompt, &options, w, e);
    o->written = xstrdup(rc ? "" : g.text);
    o->right = !rc && item_matches(item, o->written);
    generation_done(&g);
    return rc;
}

static int ask_one(struct asking *a, const struct item *item, struct error *e)
{
    const struct session *s = a->s;
    struct outcome outcomes[2] = {0};
    int rc = 0;
    for (int k = 0; k < s->count && !rc; k++) {
        struct watch_part part;
        double share = 1.0 / s->count, at = a->done + k * share;
        struct watch *w = watch_part(&part, s->w, at, at + share, a->list->count, "tasks");
        if (k == 1 && recall(a, 1, &outcomes[k]))
            outcomes[k].right = item_matches(item, outcomes[k].written);
        else if (!(rc = write_answer(s, k, item, &outcomes[k], w, e)) && k == 1)
            keep(a, 1, &outcomes[k]);
    }
    if (!rc)
        take(a, item, &outcomes[0], s->count > 1 ? &outcomes[1] : NULL);
    free(outcomes[0].written);
    free(outcomes[1].written);
    return rc;
}

/* ------------------------------------------------------------------ the run */

static int run_file(struct session *s, const char *path, struct eval_task *task, struct error *e)
{
    struct items list;
    int rc = items_read(&list, path, e);
    struct asking a = {.s = s, .list = &list, .task = task};
    if (!rc && s->store)
        rc = hash_file(a.hash, path, &(uint64_t){0}, e);
    if (!rc) {
        *task = (struct eval_task){.name = xstrdup(list.name), .layout = list.layout->name,
                                   .metric = list.layout->metric};
        s->r->task_count++;
        if (list.items[0].count)
            rc = ask_choices(&a, e);
        else
            for (int i = 0; i < list.count && !rc; i++)
                rc = ask_one(&a, &list.items[i], e);
    }
    items_done(&list);
    return rc;
}

static void free_paths(char **paths, int count)
{
    for (int i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

int tasks_run(struct session *s, struct error *e)
{
    char **paths;
    int count, rc = items_files(s->o->tasks, &paths, &count, e);
    struct watch *whole = s->w;
    s->r->tasks = xcalloc(count + 1, sizeof *s->r->tasks);
    for (int i = 0; i < count && !rc; i++) {
        struct watch_part part;
        s->w = watch_part(&part, whole, i, i + 1, count, "tasks");
        rc = run_file(s, paths[i], &s->r->tasks[i], e);
    }
    s->w = whole;
    free_paths(paths, count);
    return rc;
}

int tasks_check(const char *path, struct error *e)
{
    char **paths;
    int count, rc = items_files(path, &paths, &count, e);
    for (int i = 0; i < count && !rc; i++) {
        struct items list;
        rc = items_read(&list, paths[i], e);
        items_done(&list);
    }
    free_paths(paths, count);
    return rc;
}
