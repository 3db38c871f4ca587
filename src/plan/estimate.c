#include "plan/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/costs.h"
#include "plan/kv.h"
#include "plan/loss.h"
#include "plan/placement.h"
#include "plan/recipe.h"
#include "plan/recommend.h"
#include "plan/runtime.h"
#include "plan/speed.h"

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"fits", "split", "too big", "unknown"};
    return names[v];
}

void reason_add(struct estimate_reason **list, int *count, int *capacity, char sign, char *text,
                const char *rule)
{
    array_push(*list, *count, *capacity) = (struct estimate_reason){sign, text, rule};
}

/* ---------------------------------------------------------------------- rows */

/* What all rows share. */
struct estimator {
    const struct machine *machine;
    const struct model *model;
    const struct wishes *wishes;
    const struct rules *rules;
    const struct runtime *runtime;
    struct recipe_walk *walk;
    struct costs shared;
    struct budget budget;
    struct arena scratch;
    struct estimates *s;
};

static enum verdict verdict_of(const struct placement *p, const struct costs *c, enum fit fit)
{
    if (!p->fits)
        return VERDICT_TOO_BIG;
    if (!p->known)
        return VERDICT_UNKNOWN;
    return fit == FIT_CPU || p->gpu_layers == c->count ? VERDICT_FITS : VERDICT_SPLIT;
}

static void fill_memory(struct estimate *row, const struct costs *c, const struct placement *p,
                        struct estimates *s, int gpu_count)
{
    for (int i = 0; i < c->count; i++)
        row->kv_bytes += c->layer[i].kv;
    row->compute_bytes = p->compute_bytes;
    row->overhead_bytes = p->copies + c->logits;
    row->gpu_bytes = p->gpu_bytes;
    row->cpu_bytes = p->cpu_bytes;
    row->reclaimable_bytes = p->reclaimable;
    row->total_bytes = p->gpu_bytes + p->cpu_bytes;
    row->weights_bytes = row->total_bytes - row->kv_bytes - row->compute_bytes - row->overhead_bytes;
    row->gpu_layers = p->gpu_layers;
    row->layers = c->count;
    row->layers_on_gpu = arena_alloc(&s->arena, (size_t)(gpu_count + 1) * sizeof *row->layers_on_gpu);
    memcpy(row->layers_on_gpu, p->layers_on_gpu, (size_t)gpu_count * sizeof *row->layers_on_gpu);
}

static void fill_loss(struct estimate *row, const struct estimator *e)
{
    const struct loss_table *t = loss_table(e->rules, row->level, (double)e->model->parameters);
    bool from_plain = e->s->source_bits > 15; /* a source that is quantized itself has lost before */
    row->expected_loss = NAN;
    if (row->is_source || (!row->level->type->quantized && from_plain)) {
        row->expected_loss = 0;
        row->loss_from = row->is_source ? "the checkpoint itself" : "not quantized";
    } else if (t && from_plain) {
        row->expected_loss = t->loss[row->level - e->rules->levels];
        row->loss_from = t->from;
    }
}

static int fill_row(struct estimate *row, struct estimator *e, const struct level *level, struct error *err)
{
    struct recipe_options o = {.imatrix = false};
    struct recipe r;
    enum fit fit = (enum fit)e->wishes->value[WISH_FIT].choice;
    int rc = 0;
    *row = (struct estimate){.level = level, .is_source = strcmp(level->name, e->model->file_type) == 0};
    if (row->is_source)
        recipe_walk_source(e->walk, &r, level);
    else
        rc = recipe_walk_level(e->walk, &r, level, &o, err);
    if (!rc) {
        struct costs c = costs_of(&e->shared, &r, e->model, e->runtime, e->machine, &e->scratch);
        struct placement p = place(&c, &e->budget, fit, &e->scratch);
        row->bits_per_weight = r.bits_per_weight;
        row->file_bytes = recipe_file_bytes(e->walk, &r);
        row->fallbacks = r.fallbacks;
        row->verdict = verdict_of(&p, &c, fit);
        fill_memory(row, &c, &p, e->s, e->budget.gpu_count);
        bool runs = row->verdict != VERDICT_TOO_BIG;
        row->tokens_per_s = runs ? speed_decode(&c, &p, e->machine, e->runtime) : NAN;
        row->prefill_tokens_per_s = runs ? speed_prefill(&c, &p, e->machine, e->runtime) : NAN;
        fill_loss(row, e);
    }
    recipe_done(&r);
    return rc;
}

static int by_size(const void *a, const void *b)
{
    const struct estimate *x = a, *y = b;
    if (x->file_bytes != y->file_bytes)
        return x->file_bytes > y->file_bytes ? -1 : 1;
    return (x->level > y->level) - (x->level < y->level);
}

static int fill_rows(struct estimator *e, struct error *err)
{
    struct estimates *s = e->s;
    int rc = 0;
    s->rows = arena_alloc(&s->arena, (size_t)e->rules->level_count * sizeof *s->rows);
    for (int i = 0; !rc && i < e->rules->level_count; i++)
        if (e->rules->levels[i].offered)
            rc = fill_row(&s->rows[s->count++], e, &e->rules->levels[i], err);
    qsort(s->rows, (size_t)s->count, sizeof *s->rows, by_size);
    return rc;
}

/* ----------------------------------------------------------------------- all */

static int refuse_mixes(const struct wishes *w, struct error *e)
{
    if (w->value[WISH_MIX].number == 1)
        return error_set(e, ERROR_USAGE,
                         "--mix: choosing a type for each tensor within a budget is not available yet; "
                         "choose one of the levels");
    if (wishes_given(w, WISH_FILE_BUDGET))
        return error_set(e, ERROR_USAGE,
                         "--file-budget: making a file of a given size is not available yet; choose one "
                         "of the levels by its file size");
    return 0;
}

static void share_out(struct estimator *e)
{
    struct estimates *s = e->s;
    struct kv_cache kv = kv_of(e->wishes, e->runtime);
    costs_shared(&e->shared, e->model, &kv, e->runtime, &e->scratch);
    e->budget = budget_of(e->machine, e->wishes, e->runtime, &e->scratch);
    e->walk = recipe_walk_new(e->model, e->rules);
    s->context = (int)kv.context;
    s->kv_type = wishes_choice(e->wishes, WISH_KV_TYPE);
    s->gpu_budget = e->budget.gpu_total;
    s->cpu_budget = e->budget.cpu;
    s->gpu_budget_known = e->budget.gpu_known;
    s->cpu_budget_known = e->budget.cpu_known;
    uint64_t bytes = 0;
    for (int i = 0; i < e->model->tensor_count; i++)
        bytes += e->model->tensors[i].bytes;
    s->source_bits = 8.0 * (double)bytes / (double)(e->model->parameters ? e->model->parameters : 1);
}

int estimates_make(struct estimates **out, const struct machine *m, const struct model *model,
                   const struct wishes *w, const struct rules *r, struct error *e)
{
    struct estimator all = {m, model, w, r, runtime_named(r, wishes_choice(w, WISH_RUNTIME))};
    *out = NULL;
    int rc = refuse_mixes(w, e);
    if (!rc && !all.runtime)
        rc = error_set(e, ERROR_USAGE, "rules/runtimes.yaml has no runtime '%s'",
                       wishes_choice(w, WISH_RUNTIME));
    if (rc)
        return rc;
    all.s = xcalloc(1, sizeof *all.s);
    share_out(&all);
    rc = fill_rows(&all, e);
    if (!rc)
        recommend(all.s, m, model, w, r);
    recipe_walk_free(all.walk);
    arena_done(&all.scratch);
    if (rc)
        estimates_free(all.s);
    else
        *out = all.s;
    return rc;
}

void estimates_free(struct estimates *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->count; i++)
        free(s->rows[i].reasons);
    free(s->warnings);
    arena_done(&s->arena);
    free(s);
}
