#include "plan/recipe_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab.h"

enum { ALIGNMENT = 32 };

/* ------------------------------------------------------- what a tensor is for */

static bool has_any(const char *name, const char *const *parts)
{
    for (; parts && *parts; parts++)
        if (strstr(name, *parts))
            return true;
    return false;
}

static const struct role_pattern *find_pattern(const struct recipe_book *b, const char *name)
{
    for (int i = 0; i < b->pattern_count; i++)
        if (str_among(b->patterns[i].names, name) || has_any(name, b->patterns[i].parts))
            return &b->patterns[i];
    return NULL;
}

/* Dimensions up to the last that is longer than 1. */
static int real_dims(const struct tensor *t)
{
    for (int d = 3; d > 0; d--)
        if (t->shape[d] > 1)
            return d + 1;
    return 1;
}

static const char *why_kept(const struct recipe_book *b, const struct tensor *t)
{
    for (int i = 0; i < b->keep_count; i++) {
        const struct keep_pattern *k = &b->keeps[i];
        if (real_dims(t) < k->dims_below || (k->suffix_not && !str_ends(t->name, k->suffix_not)) ||
            str_among(k->names, t->name) || has_any(t->name, k->parts))
            return k->why;
    }
    return NULL;
}

static int layer_of(const char *name)
{
    int layer;
    return sscanf(name, "blk.%d.", &layer) == 1 ? layer : -1;
}

/* llama.cpp counts the tensors of a role in the order of layers, then names. */
struct counted { int layer, index; const char *name; };

static int by_layer(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    return x->layer != y->layer ? (x->layer > y->layer) - (x->layer < y->layer) : strcmp(x->name, y->name);
}

/* The k-th tensor of its kind stands for layer k: out of as many as there are for attention values, out of
 * all the model's layers for the feed-forward part. Only in mixtures of experts the name tells the layer. */
static void number_layers(struct recipe_walk *w)
{
    const struct model *m = w->model;
    struct counted *order = xcalloc(m->tensor_count, sizeof *order);
    int next[64] = {0}, values = 0;
    for (int i = 0; i < m->tensor_count; i++)
        order[i] = (struct counted){layer_of(m->tensors[i].name), i, m->tensors[i].name};
    qsort(order, m->tensor_count, sizeof *order, by_layer);
    for (int i = 0; i < m->tensor_count; i++) {
        struct walk_tensor *t = &w->tensors[order[i].index];
        if (t->role == NO_ROLE || t->kept)
            continue;
        t->layer = t->counted = t->kind == KIND_VALUES ? values++ : next[t->role]++;
        t->layers = m->hp.layers;
        if (t->kind == KIND_FEED_FORWARD && m->hp.experts > 1)
            t->layer = order[i].layer;
    }
    for (int i = 0; i < m->tensor_count; i++)
        if (w->tensors[i].kind == KIND_VALUES)
            w->tensors[i].layers = values;
    free(order);
}

/* --------------------------------------------------------- the file's header */

uint64_t recipe_padded(uint64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* A key and its value as GGUF stores them: length and text of the key, kind; an array has item kind and count
 * too. */
static uint64_t value_bytes(const struct gguf_value *v)
{
    return 8 + strlen(v->key) + 4 + (v->kind == GGUF_ARRAY ? 4 + 8 : 0) + v->bytes;
}

/* What the writer leaves out of a copy: the shards become one file, and some keys are for memory alone. */
static bool is_left_out(const char *key)
{
    return str_starts(key, "split.") || str_starts(key, HF_VOCAB_PRIVATE);
}

/* Also what it always puts in. */
static uint64_t metadata_bytes(const struct model *m)
{
    static const char *const set[] = {"general.quantization_version", "general.file_type"};
    const struct gguf *g = m->shard_count ? &m->shards[0] : NULL;
    uint64_t sum = 0;
    for (uint64_t i = 0; g && i < g->value_count; i++)
        sum += is_left_out(g->values[i].key) ? 0 : value_bytes(&g->values[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(set); i++)
        if (!g || !gguf_find(g, set[i]))
            sum += 8 + strlen(set[i]) + 4 + 4;
    return sum;
}

static uint64_t header_bytes(const struct model *m)
{
    uint64_t sum = 4 + 4 + 8 + 8 + metadata_bytes(m); /* magic, version, counts */
    for (int i = 0; i < m->tensor_count; i++)
        sum += 8 + strlen(m->tensors[i].name) + 4 + 8 * (uint64_t)m->tensors[i].dims + 4 + 8;
    return recipe_padded(sum);
}

struct recipe_walk *recipe_walk_new(const struct model *m, const struct rules *rules)
{
    struct recipe_walk *w = xcalloc(1, sizeof *w);
    uint64_t present = 0; /* roles that some tensor has */
    *w = (struct recipe_walk){m, rules, xcalloc(m->tensor_count, sizeof *w->tensors), 0, header_bytes(m)};
    for (int i = 0; i < m->tensor_count; i++) {
        const struct role_pattern *p = find_pattern(rules->book, m->tensors[i].name);
        w->tensors[i].role = p ? p->role : NO_ROLE;
        w->tensors[i].kind = p ? p->kind : KIND_PLAIN;
        w->tensors[i].embedding = p && p->stands_for >= 0;
        w->tensors[i].kept = why_kept(rules->book, &m->tensors[i]);
        w->elements += tensor_elements(&m->tensors[i]);
        present |= p ? UINT64_C(1) << p->role : 0;
    }
    for (int i = 0; i < m->tensor_count; i++) {
        const struct role_pattern *p =
            w->tensors[i].embedding ? find_pattern(rules->book, m->tensors[i].name) : NULL;
        if (p && !(present >> p->stands_for & 1))
            w->tensors[i].role = p->stands_for;
    }
    number_layers(w);
    return w;
}

void recipe_walk_free(struct recipe_walk *w)
{
    if (w)
        free(w->tensors);
    free(w);
}

bool recipe_walk_keeps(const struct recipe_walk *w, int tensor)
{
    return w->tensors[tensor].kept;
}

uint64_t recipe_file_bytes(const struct recipe_walk *w, const struct recipe *r)
{
    return w->header_bytes + r->bytes;
}
