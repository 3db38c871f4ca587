/* What the file itself says. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/finite.h"
#include "doctor/checks.h"
#include "text/chat_template.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

/* ------------------------------------------------------------------ weights */

enum { SCAN_VALUES = 1 << 16 };
static const double scan_seconds = 20;

struct scan {
    struct look *look;
    double read, total;            /* values */
    double started;
    const struct tensor *bad;
    int64_t at;
};

/* False: enough was seen, or the time is over. */
static bool scan_tensor(struct scan *s, const struct tensor *t, float *values)
{
    int64_t count = tensor_elements(t);
    for (int64_t i = 0; i < count; i += SCAN_VALUES) {
        int64_t n = count - i < SCAN_VALUES ? count - i : SCAN_VALUES, bad;
        if (clock_monotonic() - s->started > scan_seconds || !watch_tick(s->look->p->watch, s->read, s->total, "weights"))
            return false;
        tensor_read(t, i, n, values);
        if ((bad = find_not_finite(values, n)) >= 0) {
            s->bad = t;
            s->at = i + bad;
            return false;
        }
        s->read += (double)n;
    }
    return true;
}

static enum finding weights_not_finite(struct look *l)
{
    const struct model *m = l->p->model;
    struct scan s = {.look = l, .total = (double)m->parameters, .started = clock_monotonic()};
    float *values = xmalloc(SCAN_VALUES * sizeof *values);
    for (int i = 0; i < m->tensor_count; i++)
        if (tensor_readable(&m->tensors[i]) && !scan_tensor(&s, &m->tensors[i], values))
            break;
    free(values);
    if (s.bad)
        return look_say(l, FINDING_FOUND, "value %lld of %s is no number", (long long)s.at, s.bad->name);
    return s.read >= s.total ? look_say(l, FINDING_NOT, "all %.0f values are numbers", s.read)
                             : look_say(l, FINDING_UNKNOWN, "%.0f %% of the values were looked at, and are numbers",
                                        100 * s.read / s.total);
}

/* ---------------------------------------------------------------- templates */

static const char *template_of(const struct model *m)
{
    return gguf_text(&m->shards[0], "tokenizer.chat_template");
}

static bool says(const char *text, const char *word)
{
    return text && strcasestr(text, word);
}

/* By its name; there is no other sign that all of them bear. */
static bool is_for_chats(const struct model *m)
{
    static const char *const words[] = {"instruct", "chat", "-it", "assistant"};
    struct gguf *g = &m->shards[0];
    const char *const names[] = {m->name, path_name(m->path), gguf_text(g, "general.finetune"), gguf_text(g, "general.basename")};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(words); k++)
            if (says(names[i], words[k]))
                return true;
    return false;
}

static enum finding no_chat_template(struct look *l)
{
    const struct model *m = l->p->model;
    if (template_of(m))
        return look_say(l, FINDING_NOT, "it has one");
    return is_for_chats(m) ? look_say(l, FINDING_FOUND, "there is none, and by its name it is for chats")
                           : look_say(l, FINDING_NOT, "there is none; by its name it is a base model, which continues text");
}

static enum finding chat_template_unknown(struct look *l)
{
    const char *program = template_of(l->p->model);
    struct chat_template t;
    if (!program)
        return look_say(l, FINDING_NOT, "there is none");
    if (!chat_template_read(&t, program, "", ""))
        return look_say(l, FINDING_FOUND, "none of the usual forms");
    enum finding f = look_say(l, FINDING_NOT, "the form %s", chat_template_name(&t));
    chat_template_done(&t);
    return f;
}

/* ---------------------------------------------------------------- vocabulary */

static enum finding pre_tokenizer_unknown(struct look *l)
{
    struct gguf *g = &l->p->model->shards[0];
    const char *kind = gguf_text(g, "tokenizer.ggml.model"), *pre = gguf_text(g, "tokenizer.ggml.pre");
    if (!kind)
        return look_say(l, FINDING_UNKNOWN, "the file holds no tokenizer");
    if (strcmp(kind, "gpt2") != 0)
        return look_say(l, FINDING_NOT, "a vocabulary of the kind %s needs none", kind);
    if (!pre || strcmp(pre, "default") == 0)
        return look_say(l, FINDING_FOUND, pre ? "it says \"default\"" : "it says nothing");
    return pretokenizer_named(pre) ? look_say(l, FINDING_NOT, "%s", pre) : look_say(l, FINDING_FOUND, "\"%s\" is not known", pre);
}

static enum finding vocabulary_too_large(struct look *l)
{
    const struct model *m = l->p->model;
    struct tokenizer *t;
    struct error e;
    if (tokenizer_open(&t, m, NULL, &e))
        return look_say(l, FINDING_UNKNOWN, "%.200s", e.text);
    int tokens = tokenizer_vocab(t);
    tokenizer_free(t);
    return look_say(l, tokens > m->hp.vocab ? FINDING_FOUND : FINDING_NOT, "%d tokens, %d rows", tokens, m->hp.vocab);
}

static enum finding tokenizer_missing(struct look *l)
{
    static const char *const files[] = {"tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json"};
    const struct model *m = l->p->model;
    if (!m->folder)
        return look_say(l, FINDING_NOT, "it is one file");
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++)
        if (file_exists_in(m->path, files[i]))
            return look_say(l, FINDING_NOT, "%s", files[i]);
    return look_say(l, FINDING_FOUND, "none of tokenizer.json, tokenizer.model, tekken.json and vocab.json is there");
}

/* ------------------------------------------------------------------- the rest */

static double bits_of(const struct model *m)
{
    double bytes = 0;
    for (int i = 0; i < m->tensor_count; i++)
        bytes += (double)m->tensors[i].bytes;
    return 8 * bytes / (double)(m->parameters ? m->parameters : 1);
}

static enum finding bits_too_few(struct look *l)
{
    const struct model *m = l->p->model;
    char size[FORMAT_SIZE];
    double bits = l->p->row ? l->p->row->bits_per_weight : bits_of(m);
    bool small = (double)m->parameters < checked_number(l->cause, "parameters_below", INFINITY);
    bool few = bits < checked_number(l->cause, "bits_below", 0);
    return look_say(l, small && few ? FINDING_FOUND : FINDING_NOT, "%.2f bits a weight, %s parameters", bits,
                    format_count(size, (double)m->parameters));
}

static enum finding cannot_be_read(struct look *l)
{
    const struct patient *p = l->p;
    if (p->model)
        return look_say(l, FINDING_NOT, "%s", p->model->file_type);
    return p->model_error.code ? look_say(l, FINDING_FOUND, "%.300s", p->model_error.text)
                               : look_say(l, FINDING_UNKNOWN, "no model was named");
}

static enum finding cut_short(struct look *l)
{
    return l->p->model->complete ? look_say(l, FINDING_NOT, "all %d tensors are there", l->p->model->tensor_count)
                                 : look_say(l, FINDING_FOUND, "tensors lie past its end");
}

static enum finding architecture_unknown(struct look *l)
{
    const struct model *m = l->p->model;
    return look_say(l, m->arch ? FINDING_NOT : FINDING_FOUND, "%s", m->arch_name ? m->arch_name : "it names none");
}

const struct check file_checks[] = {
    {"weights-not-finite", NEEDS_MODEL, weights_not_finite},
    {"no-chat-template", NEEDS_MODEL, no_chat_template},
    {"chat-template-unknown", NEEDS_MODEL, chat_template_unknown},
    {"pre-tokenizer-unknown", NEEDS_MODEL, pre_tokenizer_unknown},
    {"vocabulary-too-large", NEEDS_MODEL, vocabulary_too_large},
    {"tokenizer-missing", NEEDS_MODEL, tokenizer_missing},
    {"bits-too-few", NEEDS_MODEL, bits_too_few},
    {"cannot-be-read", 0, cannot_be_read},
    {"cut-short", NEEDS_MODEL, cut_short},
    {"architecture-unknown", NEEDS_MODEL, architecture_unknown},
    {0},
};
