/* How a tensor gets its type, in this order:
 *   role       what it is for, by its name (recipes.yaml, roles)
 *   kept?      norms, routers, … keep the type of the source (keep)
 *   pins       types of single tensors by name, as a mix has them
 *   options    --output-tensor-type, --token-embedding-type, then --tensor-type
 *   rules      the last rule for this level, role and layer; without one the level's main type
 *   fallback   where the block does not divide the row */
#include "plan/recipe.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab.h"
#include "plan/recipe_book.h"

enum { ALIGNMENT = 32, NO_ROLE = -1 };

struct walk_tensor {
    int role;          /* NO_ROLE: none of the book's */
    enum role_kind kind;
    bool embedding;    /* token embeddings, also where they stand for the output */
    int layer, layers; /* what the layer sets of a rule are asked about */
    int counted;       /* tensors of its role before it */
    const char *kept;  /* why it keeps its type, or NULL */
};

struct recipe_walk {
    const struct model *model;
    const struct rules *rules;
    struct walk_tensor *tensors; /* in the model's order */
    uint64_t elements;
    uint64_t header_bytes;       /* of the file, whatever the level */
};

/* ------------------------------------------------------- what a tensor is for */

static bool has_any(const char *name, const char *const *parts)
{
    for (; parts && *parts; parts++)
        if (strstr(name, *parts))
            return true;
    return false;
}

static bool is_any(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static const struct role_pattern *find_pattern(const struct recipe_book *b, const char *name)
{
    for (int i = 0; i < b->pattern_count; i++)
        if (is_any(name, b->patterns[i].names) || has_any(name, b->patterns[i].parts))
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
            is_any(t->name, k->names) || has_any(t->name, k->parts))
            return k->why;
    }
    return NULL;
}

static int layer_of(const char *name)
{
    int layer;
    return sscanf(name, "blk.%d.", &layer) == 1 ? layer : -1;
}

/* llama.cpp counts the tensors of a role in the order of layers, then names; so does a stable sort by layer.
 */
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

/* ---------------------------------------------------------------- the rules */

static int share_of(struct share s, int layers)
{
    return s.denominator ? s.numerator * layers / s.denominator : s.numerator;
}

static bool in_set(const struct layer_set *s, int i, int layers)
{
    int first = share_of(s->first, layers);
    if (i < first)
        return true;
    if (s->last.denominator && i >= (s->last.denominator - s->last.numerator) * layers / s->last.denominator)
        return true;
    if (!s->last.denominator && s->last.numerator && i >= layers - s->last.numerator)
        return true;
    return s->every && (i - first) % s->every == s->at;
}

static bool is_type(const struct quant_type *const *list, const struct quant_type *t)
{
    for (; *list; list++)
        if (*list == t)
            return true;
    return false;
}

static int gqa_of(const struct model *m)
{
    const struct layer_shape *l = m->hp.layers ? &m->hp.layer[0] : NULL;
    return l && l->kv_heads ? l->heads / l->kv_heads : 0;
}

/* Everything about a rule but the type so far. */
static bool applies(const struct recipe_rule *r, uint64_t level, const struct model *m, int64_t row,
                    const struct walk_tensor *t, bool imatrix)
{
    return (r->levels & level) && (r->roles >> t->role & 1) &&
           (!r->archs || is_any(m->arch_name, r->archs)) && !is_any(m->arch_name, r->archs_not) &&
           (r->experts == RULE_ANY || m->hp.experts == r->experts) &&
           (r->experts_not == RULE_ANY || m->hp.experts != r->experts_not) &&
           (r->experts_min == RULE_ANY || m->hp.experts >= r->experts_min) &&
           (r->row_multiple == RULE_ANY || row % r->row_multiple == 0) &&
           (r->model_layers == RULE_ANY || m->hp.layers == r->model_layers) &&
           (r->gqa_min == RULE_ANY || gqa_of(m) >= r->gqa_min) &&
           (r->imatrix == RULE_ANY || r->imatrix == imatrix) &&
           (!r->layers || in_set(r->layers, r->layers->counted ? t->counted : t->layer, t->layers));
}

static void follow_rules(const struct recipe_walk *w, uint64_t level, const struct walk_tensor *t,
                         bool imatrix, struct tensor_plan *p)
{
    const struct recipe_book *b = w->rules->book;
    for (int i = 0; t->role != NO_ROLE && i < b->rule_count; i++) {
        const struct recipe_rule *r = &b->rules[i];
        if (applies(r, level, w->model, p->tensor->shape[0], t, imatrix) && (!r->from || is_type(r->from, p->wanted))) {
            p->wanted = r->type;
            p->why = r->why;
        }
    }
}

/* ------------------------------------------------------------------ options */

struct compiled_override { pcre2_code *code; const struct quant_type *type; bool used; };

static int compile_overrides(const struct recipe_options *o, struct compiled_override *c, struct error *e)
{
    for (int i = 0; i < o->override_count; i++) {
        int code;
        PCRE2_SIZE at;
        PCRE2_UCHAR message[128];
        c[i].type = o->overrides[i].type;
        c[i].code =
            pcre2_compile((PCRE2_SPTR)o->overrides[i].pattern, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
        if (c[i].code)
            continue;
        pcre2_get_error_message(code, message, sizeof message);
        return error_set(e, ERROR_USAGE,
                         "the tensor pattern '%s' is no regular expression: %s at character %zu",
                         o->overrides[i].pattern, (char *)message, (size_t)at);
    }
    return 0;
}

static void free_overrides(struct compiled_override *c, int count)
{
    for (int i = 0; i < count; i++)
        pcre2_code_free(c[i].code);
    free(c);
}

static bool matches(const pcre2_code *code, const char *name)
{
    pcre2_match_data *d = pcre2_match_data_create(1, NULL);
    int rc = pcre2_match(code, (PCRE2_SPTR)name, strlen(name), 0, 0, d, NULL);
    pcre2_match_data_free(d);
    return rc >= 0;
}

static bool follow_overrides(struct compiled_override *c, int count, struct tensor_plan *p)
{
    for (int i = 0; i < count; i++)
        if (matches(c[i].code, p->tensor->name)) {
            c[i].used = true;
            p->wanted = c[i].type;
            p->why = "asked for by a tensor pattern";
            return true;
        }
    return false;
}

static int check_overrides_used(const struct recipe_options *o, const struct compiled_override *c,
                                struct error *e)
{
    for (int i = 0; i < o->override_count; i++)
        if (!c[i].used)
            return error_set(e, ERROR_USAGE,
                             "the tensor pattern '%s' fits no tensor that can be quantized, or only ones "
                             "that an earlier pattern took",
                             o->overrides[i].pattern);
    return 0;
}

static bool follow_pins(const struct recipe_options *o, struct tensor_plan *p)
{
    for (int i = 0; i < o->pin_count; i++)
        if (strcmp(o->pins[i].name, p->tensor->name) == 0) {
            p->wanted = o->pins[i].type;
            p->why = "listed by name";
            return true;
        }
    return false;
}

static const char *why_not_pinned(const struct recipe_walk *w, const char *name)
{
    for (int i = 0; i < w->model->tensor_count; i++)
        if (strcmp(w->model->tensors[i].name, name) == 0)
            return w->tensors[i].kept;
    return "the model has no tensor of this name";
}

static int check_pins(const struct recipe_walk *w, const struct recipe_options *o, struct error *e)
{
    for (int i = 0; i < o->pin_count; i++) {
        const char *why = why_not_pinned(w, o->pins[i].name);
        if (why)
            return error_set(e, ERROR_USAGE, "the list of tensors has %s for %s, which cannot be: %s",
                             o->pins[i].type->name, o->pins[i].name, why);
    }
    return 0;
}

static bool follow_options(const struct recipe_walk *w, const struct recipe_options *o,
                           const struct walk_tensor *t, struct tensor_plan *p)
{
    const struct quant_type *type = NULL;
    if (t->embedding && o->embedding_type)
        type = o->embedding_type;
    else if (t->role != NO_ROLE && t->role == w->rules->book->output)
        type = o->output_type;
    if (!type)
        return false;
    p->wanted = type;
    p->why = "asked for by an option";
    return true;
}

/* ---------------------------------------------------------------- the types */

static const struct quant_type *fitting(const struct recipe_book *b, const struct quant_type *wanted,
                                        int64_t row)
{
    if (row % wanted->block == 0)
        return wanted;
    for (int i = 0; i < b->fallback_count; i++)
        if (b->fallbacks[i].type == wanted && row % b->fallbacks[i].to->block == 0)
            return b->fallbacks[i].to;
    return b->last_resort;
}

static int fall_back(const struct recipe_walk *w, struct recipe *r, struct tensor_plan *p, bool strict,
                     struct error *e)
{
    char why[128];
    int64_t row = p->tensor->shape[0];
    p->type = fitting(w->rules->book, p->wanted, row);
    if (p->type == p->wanted)
        return 0;
    snprintf(why, sizeof why, "the row of %lld is no multiple of the block of %d", (long long)row,
             p->wanted->block);
    if (strict)
        return error_set(e, ERROR_USAGE,
                         "%s cannot be %s: %s; choose a level whose block divides it, or allow the "
                         "replacement by %s",
                         p->tensor->name, p->wanted->name, why, p->type->name);
    p->why = arena_strdup(&r->arena, why);
    r->fallbacks++;
    return 0;
}

static bool needs_imatrix(const struct recipe_book *b, const struct walk_tensor *t, uint64_t level,
                          const struct tensor_plan *p)
{
    uint64_t role = t->role == NO_ROLE ? 0 : UINT64_C(1) << t->role;
    for (int i = 0; i < b->need_count && p->type != p->tensor->type; i++)
        if ((b->needs[i].levels & level) && !(b->needs[i].roles_not & role) && is_type(b->needs[i].types, p->type))
            return true;
    return false;
}

static int plan_tensor(const struct recipe_walk *w, struct recipe *r, int i, const struct level *level,
                       const struct recipe_options *o, struct compiled_override *overrides, struct error *e)
{
    const struct walk_tensor *t = &w->tensors[i];
    struct tensor_plan *p = &r->tensors[i];
    *p = (struct tensor_plan){.tensor = &w->model->tensors[i], .wanted = level->type};
    if (t->kept) {
        p->wanted = p->type = p->tensor->type;
        p->why = t->kept;
    } else {
        uint64_t bit = UINT64_C(1) << (level - w->rules->levels);
        if (!follow_pins(o, p) && !follow_options(w, o, t, p) && !follow_overrides(overrides, o->override_count, p) && !o->pure)
            follow_rules(w, bit, t, o->imatrix, p);
        int rc = fall_back(w, r, p, o->strict, e);
        if (rc)
            return rc;
        p->needs_imatrix = needs_imatrix(w->rules->book, t, bit, p);
    }
    p->bytes = quant_bytes(p->type, tensor_elements(p->tensor));
    r->data_bytes += p->bytes;
    r->bytes += recipe_padded(p->bytes);
    return 0;
}

int recipe_walk_level(const struct recipe_walk *w, struct recipe *r, const struct level *level,
                      const struct recipe_options *o, struct error *e)
{
    struct compiled_override *overrides = xcalloc(o->override_count, sizeof *overrides);
    *r = (struct recipe){.file_type = level->file_type, .count = w->model->tensor_count};
    r->tensors = xcalloc(r->count, sizeof *r->tensors);
    snprintf(r->level, sizeof r->level, "%s", level->name);
    int rc = check_pins(w, o, e);
    rc = rc ? rc : compile_overrides(o, overrides, e);
    for (int i = 0; !rc && i < r->count; i++)
        rc = plan_tensor(w, r, i, level, o, overrides, e);
    if (!rc)
        rc = check_overrides_used(o, overrides, e);
    r->bits_per_weight = w->elements ? 8.0 * r->data_bytes / w->elements : 0;
    free_overrides(overrides, o->override_count);
    return rc;
}

bool recipe_walk_keeps(const struct recipe_walk *w, int tensor)
{
    return w->tensors[tensor].kept;
}

static void keep_types(struct recipe *r, const struct model *m)
{
    uint64_t elements = 0;
    *r = (struct recipe){.file_type = -1, .count = m->tensor_count};
    r->tensors = xcalloc(r->count, sizeof *r->tensors);
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        r->tensors[i] =
            (struct tensor_plan){.tensor = t, .wanted = t->type, .type = t->type, .bytes = t->bytes};
        r->data_bytes += t->bytes;
        r->bytes += recipe_padded(t->bytes);
        elements += tensor_elements(t);
    }
    r->bits_per_weight = elements ? 8.0 * r->data_bytes / elements : 0;
}

void recipe_walk_source(const struct recipe_walk *w, struct recipe *r, const struct level *level)
{
    keep_types(r, w->model);
    r->file_type = level->file_type;
    snprintf(r->level, sizeof r->level, "%s", level->name);
}

void recipe_copy(struct recipe *r, const struct model *m)
{
    keep_types(r, m);
    snprintf(r->level, sizeof r->level, "%s", m->file_type);
}

uint64_t recipe_file_bytes(const struct recipe_walk *w, const struct recipe *r)
{
    return w->header_bytes + r->bytes;
}

static int apply(struct recipe *r, const struct model *m, const struct rules *rules, const char *name,
                 const struct recipe_options *o, struct error *e)
{
    const struct level *level;
    int rc = rules_level_find(rules, name, &level, &r->arena, e);
    if (rc)
        return rc;
    if (!level->type)
        return error_set(e, ERROR_USAGE, "%s is a format of checkpoint folders, not of GGUF files", level->name);
    struct recipe_walk *w = recipe_walk_new(m, rules);
    rc = recipe_walk_level(w, r, level, o, e);
    recipe_walk_free(w);
    return rc;
}

/* The reasons borrow from the rules: with rules of this call's own they have to outlive them. */
static void own_reasons(struct recipe *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->tensors[i].why)
            r->tensors[i].why = arena_strdup(&r->arena, r->tensors[i].why);
}

int recipe_apply(struct recipe *r, const struct model *m, const char *level, const struct recipe_options *o,
                 struct error *e)
{
    static const struct recipe_options none;
    struct rules *own = NULL;
    *r = (struct recipe){0};
    o = o ? o : &none;
    int rc = o->rules ? 0 : rules_load(&own, e);
    if (!rc)
        rc = apply(r, m, o->rules ? o->rules : own, level, o, e);
    if (own)
        own_reasons(r);
    rules_free(own);
    return rc;
}

int recipe_check_imatrix(const struct recipe *r, bool calibrated, struct error *e)
{
    for (int i = 0; i < r->count && !r->imatrix.file && !calibrated; i++) {
        const struct tensor_plan *p = &r->tensors[i];
        if (p->needs_imatrix)
            return error_set(e, ERROR_USAGE, "%s: the type %s of %s is not made without an importance matrix, the text"
                             " would fall apart: `quantwiz imatrix MODEL -f TEXT -o FILE` makes one, --imatrix FILE"
                             " (in a plan, imatrix: FILE) takes it; --calibration TEXT will do, too", r->level, p->type->name, p->tensor->name);
    }
    return 0;
}

void recipe_done(struct recipe *r)
{
    free(r->tensors);
    arena_done(&r->arena);
    *r = (struct recipe){0};
}
