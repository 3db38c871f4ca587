#include "plan/mixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/estimate.h"
#include "plan/mix.h"
#include "plan/mix_book.h"
#include "plan/runtime.h"
#include "quant/normal_error.h"

/* A divergence that nobody could measure: types of less are alike, so that the smaller one is taken. */
static const double negligible = 1e-7;

/* Looks for the largest file that fits, to this share of the model's size. */
enum { FINENESS = 4096 };

struct mixing {
    const struct mixture_job *job;
    const struct mix_costs *costs; /* the job's */
    struct mixture *x;
    struct recipe_walk *walk;
    struct mix_item *items;    /* [tensor_count] */
    int *type;                 /* [tensor_count][type_count + 1]: what an item's options stand for */
    int *chosen;               /* [tensor_count] */
    double *rounding;          /* by a preset: [type_count] what each type loses of normal numbers */
    const struct level **levels; /* of GGUF files, that are quantized */
    struct recipe *recipes;    /* [level_count] what each makes of the model */
    int level_count;
    uint64_t smallest;         /* bytes of the smallest file */
};

/* --------------------------------------------------------------------- weights */

static const struct tensor *tensor_of(const struct mixing *m, int i)
{
    return &m->job->model->tensors[m->costs->tensors[i]];
}

/* By a preset: the squared error of rounding is that of normal numbers, and is alike in all weights but for what the
 * preset says. Only the proportions matter. */
static double preset_loss(const struct mixing *m, int i, int k)
{
    const struct tensor *t = tensor_of(m, i);
    if (t->shape[0] % m->costs->types[k]->block)
        return NAN;
    return mix_preset_weight(m->x->preset, m->job->model, t) * tensor_elements(t) * m->rounding[k];
}

static double loss_of(const struct mixing *m, int i, int k)
{
    if (m->x->preset)
        return preset_loss(m, i, k);
    double loss = m->costs->s.loss[(int64_t)i * m->costs->s.type_count + k];
    return loss < negligible ? 0 : loss;
}

static bool has_text(const struct mixture_job *j)
{
    return j->wishes->value[WISH_CALIBRATION].text;
}

/* --------------------------------------------------------------------- options */

/* The types that its rows allow, and its own, which loses nothing. */
static void add_options(struct mixing *m, int i)
{
    int types = m->costs->s.type_count, *type = m->type + (int64_t)i * (types + 1), count = 0;
    struct mix_option *options = arena_alloc(&m->x->arena, (types + 1) * sizeof *options);
    for (int k = 0; k < types; k++) {
        double loss = loss_of(m, i, k);
        if (isnan(loss))
            continue;
        options[count] = (struct mix_option){recipe_padded(quant_bytes(m->costs->types[k], tensor_elements(tensor_of(m, i)))), loss};
        type[count++] = k;
    }
    options[count] = (struct mix_option){recipe_padded(tensor_of(m, i)->bytes), 0};
    type[count++] = types;
    m->items[i] = (struct mix_item){options, count};
}

static const struct quant_type *chosen_type(const struct mixing *m, int i)
{
    int k = m->type[(int64_t)i * (m->costs->s.type_count + 1) + m->chosen[i]];
    return k == m->costs->s.type_count ? tensor_of(m, i)->type : m->costs->types[k];
}

/* ---------------------------------------------------------------------- levels */

/* Levels that are made with or without a text. */
static bool is_base(const struct level *l)
{
    return l->type && l->type->quantized && l->offered && !l->imatrix && !l->with_text;
}

static int add_level(struct mixing *m, const struct level *l, struct error *e)
{
    const struct recipe_options o = {.imatrix = has_text(m->job)};
    m->levels[m->level_count] = l;
    return recipe_walk_level(m->walk, &m->recipes[m->level_count++], l, &o, e);
}

static int walk_levels(struct mixing *m, struct error *e)
{
    const struct rules *r = m->job->rules;
    int rc = 0;
    m->levels = xcalloc(r->level_count, sizeof *m->levels);
    m->recipes = xcalloc(r->level_count, sizeof *m->recipes);
    for (int i = 0; i < r->level_count && !rc; i++)
        if (is_base(&r->levels[i]))
            rc = add_level(m, &r->levels[i], e);
    return rc || m->level_count ? rc : error_set(e, ERROR_FAILED, "rules/levels.yaml offers no level of GGUF files");
}

/* Index of the largest level whose file is within the limit, else of the smallest. */
static int base_level(const struct mixing *m, uint64_t limit)
{
    int best = m->level_count - 1, smallest = best;
    uint64_t bytes = 0;
    for (int i = 0; i < m->level_count; i++) {
        uint64_t of_file = recipe_file_bytes(m->walk, &m->recipes[i]);
        if (of_file <= limit && of_file > bytes) {
            bytes = of_file;
            best = i;
        }
        if (of_file < recipe_file_bytes(m->walk, &m->recipes[smallest]))
            smallest = i;
    }
    return bytes ? best : smallest;
}

/* Bytes of a file of the level but for the weights that take part. */
static uint64_t other_bytes(const struct mixing *m, int level)
{
    uint64_t sum = recipe_file_bytes(m->walk, &m->recipes[level]);
    for (int i = 0; i < m->costs->s.tensor_count; i++)
        sum -= recipe_padded(m->recipes[level].tensors[m->costs->tensors[i]].bytes);
    return sum;
}

/* ------------------------------------------------------------------------ solving */

static double predict_tensor(const struct mixture *x, int i, const struct tensor_plan *p)
{
    if (p->type == p->tensor->type)
        return 0;
    for (int k = 0; k < x->costs->s.type_count; k++)
        if (x->costs->types[k] == p->type)
            return x->costs->s.loss[(int64_t)i * x->costs->s.type_count + k];
    return NAN;
}

/* The predicted divergence of a level; NaN where it has types that were not measured. */
static double predict(const struct mixture *x, const struct recipe *r)
{
    double sum = x->preset ? NAN : 0;
    for (int i = 0; i < x->costs->s.tensor_count && !x->preset; i++)
        sum += predict_tensor(x, i, &r->tensors[x->costs->tensors[i]]);
    return sum;
}

/* What a file made by a text says of it, at most. */
static uint64_t reserve(const struct mixing *m)
{
    const char *text = m->job->wishes->value[WISH_CALIBRATION].text;
    return text ? 512 + 2 * strlen(text) : 0;
}

/* False where not even the smallest types are within the limit; they are in x then. */
static bool solve(struct mixing *m, uint64_t limit)
{
    struct mixture *x = m->x;
    struct mix_result r;
    int base = base_level(m, limit);
    uint64_t others = other_bytes(m, base) + reserve(m);
    bool fits = mix_solve(m->items, m->costs->s.tensor_count, limit > others ? limit - others : 0, m->chosen, &r);
    x->base = m->levels[base];
    x->level.type = x->base->type;
    x->level.nominal_bits = x->base->nominal_bits;
    x->count = m->costs->s.tensor_count;
    x->limit_bytes = limit;
    x->file_bytes = others - reserve(m) + r.bytes;
    x->kld = x->preset ? NAN : r.loss;
    x->bound = x->preset ? NAN : r.bound;
    x->base_kld = predict(x, &m->recipes[base]);
    x->base_bytes = recipe_file_bytes(m->walk, &m->recipes[base]);
    for (int i = 0; i < x->count; i++)
        x->pins[i] = (struct recipe_pin){tensor_of(m, i)->name, chosen_type(m, i)};
    return fits;
}

/* Of the mix as it stands. */
static int fit_of(const struct mixing *m, enum verdict *verdict, uint64_t *total_bytes, struct error *e)
{
    const struct mixture_job *j = m->job;
    return estimate_fit_of_mix(verdict, total_bytes, j->machine, j->model, j->wishes, j->rules, m->x, e);
}

/* As much as may be asked for: with all of it the largest types are chosen. Of the checkpoint only the headers may be
 * here, so that its tensors count and not its file. */
static uint64_t largest_limit(const struct mixing *m)
{
    const struct model *model = m->job->model;
    uint64_t sum = recipe_file_bytes(m->walk, &m->recipes[0]) + reserve(m);
    for (int i = 0; i < model->tensor_count; i++)
        sum += recipe_padded(model->tensors[i].bytes);
    return sum;
}

static int fits_memory(struct mixing *m, uint64_t limit, bool *fits, struct error *e)
{
    enum verdict verdict = VERDICT_TOO_BIG;
    int rc = solve(m, limit) ? fit_of(m, &verdict, &(uint64_t){0}, e) : 0;
    *fits = verdict != VERDICT_TOO_BIG;
    return rc;
}

/* The largest limit whose mix fits in memory, by halving. */
static int fit_memory(struct mixing *m, struct error *e)
{
    char text[FORMAT_SIZE];
    enum verdict verdict = VERDICT_UNKNOWN;
    uint64_t total = 0, low = 0, high = largest_limit(m), fine = high / FINENESS + 1;
    bool fits = false;
    solve(m, 0);
    m->smallest = m->x->file_bytes;
    int rc = fit_of(m, &verdict, &total, e);
    if (!rc && verdict == VERDICT_UNKNOWN)
        return error_set(e, ERROR_USAGE, "how much memory the mix may take is not known: --budget says it, or"
                         " --file-budget how large the file may be");
    if (!rc && verdict == VERDICT_TOO_BIG)
        return error_set(e, ERROR_NOFIT, "the smallest mix takes %s in memory, which does not fit: a shorter context or"
                         " a smaller type of the KV cache takes less", format_bytes(text, (double)total));
    rc = rc ? rc : fits_memory(m, high, &fits, e);
    for (low = fits ? high : m->smallest + reserve(m); !rc && high - low > fine;) {
        uint64_t middle = low + (high - low) / 2;
        rc = fits_memory(m, middle, &fits, e);
        low = fits ? middle : low;
        high = fits ? high : middle;
    }
    solve(m, low);
    return rc;
}

static int fit_file(struct mixing *m, uint64_t limit, struct error *e)
{
    char is[FORMAT_SIZE], wished[FORMAT_SIZE];
    if (solve(m, limit))
        return 0;
    return error_set(e, ERROR_NOFIT, "--file-budget %s: the smallest file that a mix of %s makes takes %s (%llu bytes)",
                     format_bytes(wished, (double)limit), m->job->model->name,
                     format_bytes(is, (double)m->x->file_bytes), (unsigned long long)m->x->file_bytes);
}

/* ----------------------------------------------------------------------- whole */

static double *roundings(const struct mix_costs *c)
{
    double *error = xcalloc(c->s.type_count, sizeof *error);
    for (int k = 0; k < c->s.type_count; k++)
        error[k] = quant_normal_error(c->types[k]);
    return error;
}

bool mixture_wanted(const struct wishes *w)
{
    return w->value[WISH_MIX].choice != MIX_NO || wishes_given(w, WISH_FILE_BUDGET);
}

bool mixture_measured(const struct wishes *w)
{
    return mixture_wanted(w) && w->value[WISH_MIX].choice <= MIX_MEASURED;
}

void mixture_forget(struct wishes *w)
{
    struct error none;
    wishes_set(w, WISH_MIX, "", &none);
    wishes_set(w, WISH_FILE_BUDGET, "", &none);
}

/* A mix is a file of GGUF. */
static int check_runtime(const struct mixture_job *j, struct error *e)
{
    const struct runtime *r = runtime_named(j->rules, wishes_choice(j->wishes, WISH_RUNTIME));
    if (r && runtime_accepts(r, "gguf"))
        return 0;
    return error_set(e, ERROR_USAGE, "a mix is a GGUF file, and nothing says that %s reads those: choose a runtime that"
                     " does (--runtime llama.cpp), or a format of checkpoint folders instead of a mix", r ? r->title : "it");
}

static int make(struct mixing *m, struct error *e)
{
    const struct wishes *w = m->job->wishes;
    int tensors = m->costs->s.tensor_count, types = m->costs->s.type_count;
    int rc = check_runtime(m->job, e);
    rc = rc ? rc : walk_levels(m, e);
    if (rc)
        return rc;
    m->items = xcalloc(tensors, sizeof *m->items);
    m->type = xcalloc((size_t)tensors * (types + 1), sizeof *m->type);
    m->chosen = xcalloc(tensors, sizeof *m->chosen);
    m->rounding = m->x->preset ? roundings(m->costs) : NULL;
    m->x->pins = arena_alloc(&m->x->arena, (tensors + 1) * sizeof *m->x->pins);
    for (int i = 0; i < tensors; i++)
        add_options(m, i);
    return wishes_given(w, WISH_FILE_BUDGET) ? fit_file(m, (uint64_t)w->value[WISH_FILE_BUDGET].number, e)
                                             : fit_memory(m, e);
}

static void finish(struct mixing *m)
{
    for (int i = 0; i < m->level_count; i++)
        recipe_done(&m->recipes[i]);
    free(m->recipes);
    free(m->levels);
    free(m->items);
    free(m->type);
    free(m->chosen);
    free(m->rounding);
    recipe_walk_free(m->walk);
}

int mixture_make(struct mixture **out, const struct mixture_job *j, struct error *e)
{
    struct mixture *x = xcalloc(1, sizeof *x);
    struct mixing m = {.job = j, .costs = j->costs, .x = x, .walk = recipe_walk_new(j->model, j->rules)};
    x->costs = j->costs;
    x->preset = mix_preset_named(j->rules->mixes, wishes_choice(j->wishes, WISH_MIX));
    x->level = (struct level){.name = MIX_LEVEL, .format = "gguf", .index = -1, .summary = "types chosen weight by weight"};
    int rc = make(&m, e);
    finish(&m);
    if (rc)
        mixture_free(x);
    *out = rc ? NULL : x;
    return rc;
}

void mixture_free(struct mixture *x)
{
    if (!x)
        return;
    arena_done(&x->arena);
    free(x);
}

/* ---------------------------------------------------------------------- telling */

char *mixture_describe(const struct mixture *x)
{
    char bytes[FORMAT_SIZE];
    char *types = mixture_types(x), *text;
    format_bytes(bytes, (double)x->file_bytes);
    if (x->preset)
        text = xasprintf("a mix by the preset '%s', %s: %s", x->preset->name, bytes, types);
    else
        text = xasprintf("the mix with the least divergence that %s take, predicted %.3g: %s", bytes, x->kld, types);
    free(types);
    return text;
}

char *mixture_compare(const struct mixture *x)
{
    char bytes[FORMAT_SIZE];
    if (x->preset)
        return xasprintf("nothing was measured: the preset says what matters");
    if (isnan(x->base_kld))
        return xasprintf("measured on this model: %d groups of weights", x->costs->s.groups);
    return xasprintf("measured on this model, %d groups of weights: %s, which takes %s, is predicted a divergence of %.3g",
                     x->costs->s.groups, x->base->name, format_bytes(bytes, (double)x->base_bytes), x->base_kld);
}

char *mixture_types(const struct mixture *x)
{
    struct str s = {0};
    const struct quant_type *t;
    for (int i = 0; (t = quant_type_at(i)); i++) {
        int count = 0;
        for (int k = 0; k < x->count; k++)
            count += x->pins[k].type == t;
        if (count)
            str_addf(&s, "%s%s %d", s.length ? ", " : "", t->name, count);
    }
    return str_take(&s);
}
