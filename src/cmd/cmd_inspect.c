/* quantwiz inspect MODEL: what a checkpoint is. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/table.h"
#include "cmd/cmd.h"
#include "cmd/open.h"
#include "model/model.h"

/* What the text and the JSON both show. */
struct summary {
    int heads, kv_heads, window;     /* the most in a layer */
    int windowed, cached, recurrent; /* layers */
    const char *tokenizer, *pre;
    bool chat_template;
    char fingerprint[65];
};

static void summarize(struct summary *s, const struct model *m)
{
    *s = (struct summary){0};
    for (int i = 0; i < m->hp.layers; i++) {
        const struct layer_shape *l = &m->hp.layer[i];
        s->heads = l->heads > s->heads ? l->heads : s->heads;
        s->kv_heads = l->kv_heads > s->kv_heads ? l->kv_heads : s->kv_heads;
        s->window = l->window > s->window ? l->window : s->window;
        s->windowed += l->window > 0;
        s->cached += l->kv_heads > 0;
        s->recurrent += l->state_bytes > 0;
    }
    s->tokenizer = gguf_text(&m->shards[0], "tokenizer.ggml.model");
    s->pre = gguf_text(&m->shards[0], "tokenizer.ggml.pre");
    s->chat_template = gguf_find(&m->shards[0], "tokenizer.chat_template") != NULL;
    model_fingerprint(m, s->fingerprint);
}

/* ---------------------------------------------------------------------- JSON */

static json_t *tensors_json(const struct model *m)
{
    json_t *list = json_array();
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        json_t *shape = json_array(), *o = json_object();
        for (int d = 0; d < t->dims; d++)
            json_array_append_new(shape, json_integer(t->shape[d]));
        json_object_set_new(o, "name", json_text(t->name));
        json_object_set_new(o, "shape", shape);
        json_object_set_new(o, "type", json_text(t->type->name));
        json_object_set_new(o, "bytes", json_integer((json_int_t)t->bytes));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *warnings_json(const struct model *m)
{
    json_t *list = json_array();
    for (int i = 0; i < m->warning_count; i++)
        json_array_append_new(list, json_text(m->warnings[i]));
    return list;
}

/* Zero stands for "the file does not say". */
static json_t *count_json(int64_t count)
{
    return count ? json_integer(count) : json_null();
}

static void print_json(const struct model *m, const struct summary *s)
{
    const struct hparams *hp = &m->hp;
    json_t *o = json_object();
    json_object_set_new(o, "path", json_text(m->path));
    json_object_set_new(o, "name", json_text(m->name));
    json_object_set_new(o, "architecture", json_text(m->arch_name));
    json_object_set_new(o, "evaluated", json_boolean(m->arch && m->arch->evaluated));
    json_object_set_new(o, "file_type", json_text(m->file_type));
    json_object_set_new(o, "quantized", json_boolean(m->quantized));
    json_object_set_new(o, "complete", json_boolean(m->complete));
    json_object_set_new(o, "parameters", json_integer((json_int_t)m->parameters));
    json_object_set_new(o, "file_bytes", json_integer((json_int_t)m->file_bytes));
    json_object_set_new(o, "shards", json_integer(m->weight_files));
    json_object_set_new(o, "context_length", count_json(hp->context));
    json_object_set_new(o, "layers", count_json(hp->layers));
    json_object_set_new(o, "embedding_length", count_json(hp->embd));
    json_object_set_new(o, "vocab", count_json(hp->vocab));
    json_object_set_new(o, "heads", count_json(s->heads));
    json_object_set_new(o, "kv_heads", count_json(s->kv_heads));
    json_object_set_new(o, "windowed_layers", json_integer(s->windowed));
    json_object_set_new(o, "recurrent_layers", json_integer(s->recurrent));
    json_object_set_new(o, "experts", json_integer(hp->experts));
    json_object_set_new(o, "experts_used", json_integer(hp->experts_used));
    json_object_set_new(o, "tokenizer", json_text(s->tokenizer));
    json_object_set_new(o, "pre_tokenizer", json_text(s->pre));
    json_object_set_new(o, "chat_template", json_boolean(s->chat_template));
    json_object_set_new(o, "fingerprint", json_text(s->fingerprint));
    json_object_set_new(o, "tensors", tensors_json(m));
    json_object_set_new(o, "warnings", warnings_json(m));
    json_print(stdout, o, 0);
}

/* ---------------------------------------------------------------------- text */

static void row(struct table *t, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void row(struct table *t, const char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    table_add(t, "%s", name);
    table_add(t, "%s", text);
    free(text);
}

static void print_size(struct table *t, const struct model *m)
{
    char count[FORMAT_SIZE], bytes[FORMAT_SIZE];
    row(t, "parameters", "%s (%llu)", format_count(count, m->parameters), (unsigned long long)m->parameters);
    format_bytes(bytes, m->file_bytes);
    if (m->weight_files > 1)
        row(t, "size", "%s in %d files", bytes, m->weight_files);
    else
        row(t, "size", "%s", bytes);
}

static void print_layers(struct table *t, const struct model *m, const struct summary *s)
{
    const struct hparams *hp = &m->hp;
    row(t, "layers", "%d, embedding %d", hp->layers, hp->embd);
    if (s->heads)
        row(t, "attention", "%d heads, %d for keys and values", s->heads, s->kv_heads);
    if (hp->mla_rank)
        row(t, "latent cache", "%d numbers per token and layer", hp->mla_rank + hp->mla_rope);
    if (s->windowed)
        row(t, "windows", "%d of %d layers look back at most %d tokens", s->windowed, hp->layers, s->window);
    if (s->cached < hp->layers)
        row(t, "cache", "%d of %d layers keep keys and values, %d a state", s->cached, hp->layers, s->recurrent);
    if (hp->experts)
        row(t, "experts", "%d, %d used per token", hp->experts, hp->experts_used);
}

/* "211 F16, 61 F32" */
static void print_types(struct table *t, const struct model *m)
{
    const struct quant_type *q;
    struct str text = {0};
    for (int i = 0; (q = quant_type_at(i)); i++) {
        int count = 0;
        for (int k = 0; k < m->tensor_count; k++)
            count += m->tensors[k].type == q;
        if (count)
            str_addf(&text, "%s%d %s", text.length ? ", " : "", count, q->name);
    }
    row(t, "tensors", "%s", text.length ? text.data : "none");
    str_done(&text);
}

static void print_text(const struct model *m, const struct summary *s)
{
    struct table t;
    table_init(&t, "ll");
    row(&t, "name", "%s", m->name);
    row(&t, "file", "%s", m->path);
    row(&t, "architecture", "%s (%s)", m->arch_name, m->arch ? m->arch->title : "unknown");
    row(&t, "file type", "%s", m->file_type);
    print_size(&t, m);
    if (m->hp.context)
        row(&t, "context", "%d tokens", m->hp.context);
    print_layers(&t, m, s);
    row(&t, "vocabulary", "%d", m->hp.vocab);
    row(&t, "tokenizer", "%s%s%s", s->tokenizer ? s->tokenizer : "none", s->pre ? ", " : "", s->pre ? s->pre : "");
    row(&t, "chat template", "%s", s->chat_template ? "yes" : "no");
    print_types(&t, m);
    row(&t, "fingerprint", "%s", s->fingerprint);
    table_print(&t, stdout, 0);
    table_done(&t);
    for (int i = 0; i < m->warning_count; i++)
        printf("! %s\n", m->warnings[i]);
}

static void print_tensors(const struct model *m)
{
    struct table t;
    table_init(&t, "lrlr");
    table_add(&t, "tensor");
    table_add(&t, "shape");
    table_add(&t, "type");
    table_add(&t, "bytes");
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *x = &m->tensors[i];
        struct str shape = {0};
        for (int d = 0; d < x->dims; d++)
            str_addf(&shape, "%s%lld", d ? " x " : "", (long long)x->shape[d]);
        table_add(&t, "%s", x->name);
        table_add(&t, "%s", shape.length ? shape.data : "1");
        table_add(&t, "%s", x->type->name);
        table_add(&t, "%llu", (unsigned long long)x->bytes);
        str_done(&shape);
    }
    putchar('\n');
    table_print(&t, stdout, 1);
    table_done(&t);
}

static int run(const struct args *a, struct error *e)
{
    struct model *m;
    struct summary s;
    int rc = open_header(&m, args_operand(a, 0), args_get(a, "pre"), 0, e);
    if (rc)
        return rc;
    summarize(&s, m);
    if (args_json(a))
        print_json(m, &s);
    else
        print_text(m, &s);
    if (!args_json(a) && args_has(a, "tensors"))
        print_tensors(m);
    model_close(m);
    return 0;
}

const struct command cmd_inspect = {
    .name = "inspect",
    .usage = "MODEL [--tensors] [--json]",
    .summary = "what a checkpoint is: shapes, types, tokenizer, warnings",
    .options = (const struct option_spec[]){
        {"tensors", 0, NULL, "list every tensor (--json always does)"},
        PRE_OPTION,
        {0},
    },
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
