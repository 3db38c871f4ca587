#include "plan/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/checkpoint.h"
#include "plan/costs.h"
#include "plan/kv.h"
#include "plan/lever.h"
#include "plan/loss.h"
#include "plan/mixture.h"
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
    struct checkpoint_walk *folder_walk;  /* NULL: the checkpoint is a file */
    struct costs shared;
    struct budget budget;
    struct arena scratch;
    struct estimates *s;
    const struct mixture *mix;            /* to have a row; NULL: none */
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
    bool plain = !row->level->scheme && !(row->level->type && row->level->type->quantized);
    if (row->is_source || (plain && from_plain)) {
        row->expected_loss = 0;
        row->loss_from = row->is_source ? "the checkpoint itself" : "not quantized";
    } else if (t && from_plain) {
        row->expected_loss = t->loss[row->level->index];
        row->loss_from = t->from;
    }
}

static bool serves_folder(const struct estimator *e)
{
    return e->model->folder && runtime_accepts(e->runtime, "safetensors");
}

/* What the runtime can serve as it is: a GGUF file of this level, or the folder. */
static bool is_source(const struct estimator *e, const struct level *level)
{
    if (serves_folder(e))
        return !level->type && !level->scheme;
    return level->type && strcmp(level->name, e->model->file_type) == 0;
}

int estimate_recipe(const struct estimate *row, const struct recipe_walk *w, struct recipe *r, struct error *e)
{
    const struct recipe_options mixed = {.pins = row->mix ? row->mix->pins : NULL, .pin_count = row->mix ? row->mix->count : 0};
    if (row->mix)
        return recipe_walk_level(w, r, row->mix->base, &mixed, e);
    if (!row->is_source)
        return recipe_walk_level(w, r, row->level, &(struct recipe_options){.imatrix = row->level->imatrix}, e);
    recipe_walk_source(w, r, row->level);
    return 0;
}

static int fill_recipe(struct estimate *row, struct recipe *r, struct estimator *e, struct error *err)
{
    int rc = 0;
    if (row->level->type)
        rc = estimate_recipe(row, e->walk, r, err);
    else
        checkpoint_sketch(r, e->model, row->level);
    row->bits_per_weight = r->bits_per_weight;
    row->fallbacks = r->fallbacks;
    row->file_bytes = row->level->type ? recipe_file_bytes(e->walk, r)
                                       : checkpoint_file_bytes(e->folder_walk, row->level->scheme);
    return rc;
}

static int fill_row(struct estimate *row, struct estimator *e, const struct level *level, struct error *err)
{
    struct recipe r;
    enum fit fit = wishes_fit(e->wishes);
    *row = (struct estimate){.level = level, .is_source = is_source(e, level)};
    if (e->mix && level == &e->mix->level)
        row->mix = e->mix;
    int rc = fill_recipe(row, &r, e, err);
    if (!rc) {
        struct costs c = costs_of(&e->shared, &r, e->model, e->runtime, runtime_accepts(e->runtime, level->format),
                                  e->machine, &e->scratch);
        struct placement p = place(&c, &e->budget, fit, &e->scratch);
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

/* Rows that make sense: what the runtime reads and this checkpoint can become. Where that is nothing, the levels of
 * GGUF, each with the reason against it. */
static bool is_candidate(const struct estimator *e, const struct level *level, bool nothing_else)
{
    if (!level->offered || (!level->type && !e->model->folder))
        return false;
    if (!runtime_accepts(e->runtime, level->format))
        return nothing_else && level->type;
    if (level->type) /* a folder that is served as it is gains nothing from a GGUF file of the same bits */
        return level->type->quantized || !serves_folder(e);
    return checkpoint_offers(e->rules, level, e->model);
}

static bool has_candidates(const struct estimator *e)
{
    for (int i = 0; i < e->rules->level_count; i++)
        if (is_candidate(e, &e->rules->levels[i], false))
            return true;
    return false;
}

/* The level that was asked for by name, which needs to be none of the candidates. */
static int find_asked(struct estimator *e, const char *name, const struct level **level, struct error *err)
{
    const char *why = NULL;
    *level = NULL;
    int rc = name ? rules_level_find(e->rules, name, level, &e->s->arena, err) : 0;
    if (rc || !*level || (*level)->type)
        return rc;
    if (!e->model->folder)
        return error_set(err, ERROR_USAGE, "%s is a format of checkpoint folders, and %s is a GGUF file: start from"
                         " the folder that it was made of", (*level)->name, e->model->path);
    const struct tensor *misfit = (*level)->scheme ? checkpoint_misfit(e->model, (*level)->scheme, &why) : NULL;
    return !misfit ? 0
                   : error_set(err, ERROR_USAGE, "%s cannot store %s of %lld outputs and %lld inputs: %s; try a smaller"
                               " group, or -grow", (*level)->name, misfit->name, (long long)misfit->shape[1],
                               (long long)misfit->shape[0], why);
}

/* `low`: those that wait for a text as well. */
static int fill_candidates(struct estimator *e, const struct level *asked, bool low, struct error *err)
{
    struct estimates *s = e->s;
    bool nothing = !has_candidates(e);
    int rc = 0;
    for (int i = 0; !rc && i < e->rules->level_count; i++) {
        const struct level *level = &e->rules->levels[i];
        bool waits = level->with_text && !low && !is_source(e, level);
        if (level != asked && !waits && is_candidate(e, level, nothing))
            rc = fill_row(&s->rows[s->count++], e, level, err);
    }
    return rc;
}

static int fill_rows(struct estimator *e, const char *name, bool low, struct error *err)
{
    struct estimates *s = e->s;
    const struct level *asked;
    int rc = find_asked(e, name, &asked, err);
    s->rows = arena_alloc(&s->arena, (size_t)(e->rules->level_count + 2) * sizeof *s->rows);
    rc = rc ? rc : fill_candidates(e, asked, low, err);
    if (!rc && asked) {
        rc = fill_row(&s->rows[s->count], e, asked, err);
        s->rows[s->count++].asked = true;
    }
    if (!rc && e->mix)
        rc = fill_row(&s->rows[s->count++], e, &e->mix->level, err);
    qsort(s->rows, (size_t)s->count, sizeof *s->rows, by_size);
    return rc;
}

/* ----------------------------------------------------------------------- all */

/* Wishes that no estimate can be made for. */
static int refuse_wishes(const struct machine *m, const struct wishes *w, struct error *e)
{
    int asked = (int)w->value[WISH_TENSOR_PARALLEL].number, gpus = m ? m->gpu_count : asked;
    const char *kv = wishes_choice(w, WISH_KV_TYPE);
    if (asked > 1 && asked > gpus)
        return error_set(e, ERROR_USAGE, "--tensor-parallel %d: this machine has %d %s; take fewer, or replay another"
                         " machine with --machine FILE", asked, gpus, gpus == 1 ? "GPU" : "GPUs");
    if (strcmp(kv, "f16") != 0 && strcmp(wishes_choice(w, WISH_FLASH_ATTENTION), "off") == 0)
        return error_set(e, ERROR_USAGE, "--kv-type %s wants flash attention: llama.cpp refuses quantized values without"
                         " it; leave out --flash-attention off, or take --kv-type f16", kv);
    return 0;
}

static void begin(struct estimator *e)
{
    struct estimates *s = e->s = xcalloc(1, sizeof *s);
    struct kv_cache kv = kv_of(e->wishes, e->runtime);
    costs_shared(&e->shared, e->model, &kv, e->runtime, &e->scratch);
    e->budget = budget_of(e->machine, e->wishes, e->runtime, &e->scratch);
    e->walk = recipe_walk_new(e->model, e->rules);
    e->folder_walk = e->model->folder ? checkpoint_walk_new(e->model) : NULL;
    s->context = (int)kv.context;
    s->kv_type = wishes_choice(e->wishes, WISH_KV_TYPE);
    s->prompt_tokens = rules_prompt_tokens(e->rules, wishes_choice(e->wishes, WISH_USE_CASE));
    s->gpu_budget = e->budget.gpu_total;
    s->cpu_budget = e->budget.cpu;
    s->gpu_budget_known = e->budget.gpu_known;
    s->cpu_budget_known = e->budget.cpu_known;
    uint64_t bytes = 0;
    for (int i = 0; i < e->model->tensor_count; i++)
        bytes += e->model->tensors[i].bytes;
    s->source_bits = 8.0 * (double)bytes / (double)(e->model->parameters ? e->model->parameters : 1);
}

/* The estimates stay. */
static void finish(struct estimator *e)
{
    recipe_walk_free(e->walk);
    checkpoint_walk_free(e->folder_walk);
    arena_done(&e->scratch);
}

int estimates_make(struct estimates **out, const struct machine *m, const struct model *model,
                   const struct wishes *w, const struct rules *r, struct error *e)
{
    return estimates_make_with(out, m, model, w, r, NULL, e);
}

int estimates_make_with(struct estimates **out, const struct machine *m, const struct model *model,
                        const struct wishes *w, const struct rules *r, const char *level, struct error *e)
{
    int rc = estimates_try(out, m, model, w, r, level, e);
    if (rc)
        return rc;
    struct estimates *s = *out;
    levers_find(&s->levers, &s->arena, s, -1, m, model, w, r);
    if (s->levers.goal == LEVERS_FIT_ANY)
        s->headline = levers_headline(&s->levers, &s->arena);
    return 0;
}

static char *keep(struct arena *a, char *text)
{
    char *kept = arena_strdup(a, text);
    free(text);
    return kept;
}

/* What was asked for wins, where it can be had. */
static void prefer_mix(struct estimates *s, const struct rules *r)
{
    int at = (int)(estimates_mix(s) - s->rows);
    struct estimate *row = &s->rows[at];
    reason_add(&row->reasons, &row->reason_count, &row->reason_capacity, 'i', keep(&s->arena, mixture_compare(row->mix)),
               row->mix->preset ? row->mix->preset->where : rules_where(r->mixes_tree, &s->arena));
    if (row->verdict == VERDICT_TOO_BIG)
        return;
    if (s->recommended >= 0)
        s->rows[s->recommended].recommended = false;
    row->recommended = true;
    s->recommended = at;
    s->headline = keep(&s->arena, mixture_describe(row->mix));
}

static int reckon(struct estimator *all, const char *level, bool low, struct error *e)
{
    begin(all);
    int rc = fill_rows(all, level, low, e);
    if (!rc)
        recommend(all->s, all->machine, all->model, all->wishes, all->rules);
    if (!rc && all->mix)
        prefer_mix(all->s, all->rules);
    finish(all);
    if (rc)
        estimates_free(all->s);
    return rc;
}

static int find_runtime(struct estimator *all, struct error *e)
{
    const char *name = wishes_choice(all->wishes, WISH_RUNTIME);
    all->runtime = runtime_named(all->rules, name);
    return all->runtime ? 0 : error_set(e, ERROR_USAGE, "rules/runtimes.yaml has no runtime '%s'", name);
}

/* `all`: what it is given, the rest is filled in. */
static int make(struct estimates **out, struct estimator *all, const char *level, struct error *e)
{
    bool low = wishes_given(all->wishes, WISH_CALIBRATION);
    *out = NULL;
    int rc = refuse_wishes(all->machine, all->wishes, e);
    rc = rc ? rc : find_runtime(all, e);
    rc = rc ? rc : reckon(all, level, low, e);
    bool only_too_big = !rc && !estimates_winner(all->s) && estimates_usable(all->s);
    if (only_too_big && !low) { /* where nothing else fits, levels without a text are better than none */
        estimates_free(all->s);
        rc = reckon(all, level, true, e);
    }
    *out = rc ? NULL : all->s;
    return rc;
}

int estimates_try(struct estimates **out, const struct machine *m, const struct model *model, const struct wishes *w,
                  const struct rules *r, const char *level, struct error *e)
{
    struct estimator all = {.machine = m, .model = model, .wishes = w, .rules = r};
    return make(out, &all, level, e);
}

int estimates_make_mix(struct estimates **out, const struct machine *m, const struct model *model,
                       const struct wishes *w, const struct rules *r, const char *level, const struct mixture *mix,
                       struct error *e)
{
    struct estimator all = {.machine = m, .model = model, .wishes = w, .rules = r, .mix = mix};
    return make(out, &all, level, e);
}

int estimate_fit_of_mix(enum verdict *verdict, uint64_t *total_bytes, const struct machine *m, const struct model *model,
                        const struct wishes *w, const struct rules *r, const struct mixture *mix, struct error *e)
{
    struct estimator all = {.machine = m, .model = model, .wishes = w, .rules = r, .mix = mix};
    struct estimate row = {0};
    int rc = refuse_wishes(m, w, e);
    rc = rc ? rc : find_runtime(&all, e);
    if (rc)
        return rc;
    begin(&all);
    rc = fill_row(&row, &all, &mix->level, e);
    finish(&all);
    *verdict = row.verdict;
    *total_bytes = row.total_bytes;
    estimates_free(all.s);
    return rc;
}

const struct estimate *estimates_mix(const struct estimates *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->rows[i].mix)
            return &s->rows[i];
    return NULL;
}

uint64_t estimate_needs(const struct estimate *row, bool cpu)
{
    return cpu ? row->cpu_bytes - row->reclaimable_bytes : row->gpu_bytes;
}

bool estimate_usable(const struct estimate *row)
{
    return !row->forbidden && !row->unproven;
}

bool estimates_usable(const struct estimates *s)
{
    for (int i = 0; i < s->count; i++)
        if (estimate_usable(&s->rows[i]))
            return true;
    return false;
}

bool estimate_runs(const struct estimate *row)
{
    return estimate_usable(row) && row->verdict != VERDICT_TOO_BIG;
}

const struct estimate *estimates_winner(const struct estimates *s)
{
    return s->recommended < 0 ? NULL : &s->rows[s->recommended];
}

const struct estimate *estimates_row(const struct estimates *s, const struct level *level)
{
    for (int i = 0; i < s->count; i++)
        if (s->rows[i].level == level)
            return &s->rows[i];
    return NULL;
}

const struct estimate *estimates_source(const struct estimates *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->rows[i].is_source)
            return &s->rows[i];
    return NULL;
}

void estimates_free(struct estimates *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->count; i++)
        free(s->rows[i].reasons);
    free(s->warnings.items);
    free(s->doubts.items);
    arena_done(&s->arena);
    free(s);
}
