/* How a tensor gets its type, in this order:
 *   role       what it is for, by its name (recipes.yaml, roles): recipe_walk.c, as the next
 *   kept?      norms, routers, … keep the type of the source (keep)
 *   pins       types of single tensors by name, as a mix has them: recipe_asked.c, as the next
 *   options    --output-tensor-type, --token-embedding-type, then --tensor-type
 *   rules      the last rule for this level, role and layer; without one the level's main type
 *   fallback   where the block does not divide the row */
#include "plan/recipe.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "plan/recipe_asked.h"

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
           (!r->archs || str_among(r->archs, m->arch_name)) && !str_among(r->archs_not, m->arch_name) &&
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

static int choose_type(const struct asked *a, struct recipe *r, const struct walk_tensor *t, struct tensor_plan *p,
                       const struct level *level, struct error *e)
{
    const struct recipe_walk *w = a->walk;
    const struct recipe_options *o = a->options;
    uint64_t bit = UINT64_C(1) << (level - w->rules->levels);
    p->wanted = level->type;
    if (!asked_follow(a, t, p) && !o->pure)
        follow_rules(w, bit, t, o->imatrix, p);
    int rc = fall_back(w, r, p, o->strict, e);
    p->needs_imatrix = !rc && needs_imatrix(w->rules->book, t, bit, p);
    return rc;
}

static int plan_tensor(const struct asked *a, struct recipe *r, int i, const struct level *level, struct error *e)
{
    const struct walk_tensor *t = &a->walk->tensors[i];
    struct tensor_plan *p = &r->tensors[i];
    p->tensor = &a->walk->model->tensors[i];
    p->why = t->kept;
    p->wanted = p->type = p->tensor->type;
    int rc = t->kept ? 0 : choose_type(a, r, t, p, level, e);
    if (rc)
        return rc;
    p->bytes = quant_bytes(p->type, tensor_elements(p->tensor));
    r->data_bytes += p->bytes;
    r->bytes += recipe_padded(p->bytes);
    return 0;
}

int recipe_walk_level(const struct recipe_walk *w, struct recipe *r, const struct level *level,
                      const struct recipe_options *o, struct error *e)
{
    struct asked asked;
    *r = (struct recipe){.file_type = level->file_type, .count = w->model->tensor_count};
    r->tensors = xcalloc(r->count, sizeof *r->tensors);
    snprintf(r->level, sizeof r->level, "%s", level->name);
    int rc = asked_init(&asked, w, o, e);
    for (int i = 0; !rc && i < r->count; i++)
        rc = plan_tensor(&asked, r, i, level, e);
    rc = rc ? rc : asked_check_used(&asked, e);
    r->bits_per_weight = w->elements ? 8.0 * r->data_bytes / w->elements : 0;
    asked_done(&asked);
    return rc;
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
