#include "plan/kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/checkpoint.h"

/* ------------------------------------------------------------------ compiling */

static int read_list(const struct yaml *row, const char *key, int *list, struct rules *r)
{
    int n = 0;
    for (const char *const *t = checked_texts(row, key, &r->arena); t && *t && n < KERNEL_LIST; t++)
        list[n++] = strcmp(*t, "row") == 0 ? 0 : atoi(*t);
    return n;
}

static int read_tiles(const struct yaml *row, struct kernel_tile *tiles, struct rules *r)
{
    int n = 0;
    for (const char *const *t = checked_texts(row, "tiles", &r->arena); t && *t && n < KERNEL_LIST; t++)
        if (sscanf(*t, "%dx%d", &tiles[n].rows, &tiles[n].columns) == 2)
            n++;
    return n;
}

static enum act_order read_act_order(const char *word)
{
    return !word ? ACT_ORDER_ANY : strcmp(word, "alone") == 0 ? ACT_ORDER_ALONE : ACT_ORDER_NEVER;
}

static void compile(struct rules *r, struct kernel *k, const struct yaml *row)
{
    *k = (struct kernel){
        .title = checked_text(row, "title"),
        .where = rules_where(row, &r->arena),
        .pads = checked_text(row, "pads"),
        .runtimes = checked_texts(row, "runtimes", &r->arena),
        .formats = checked_texts(row, "formats", &r->arena),
        .rows = checked_integer(row, "rows", 1),
        .columns = checked_integer(row, "columns", 1),
        .capability = checked_number(row, "capability", 0),
        .capability_min = checked_number(row, "capability_min", 0),
        .capability_below = checked_number(row, "capability_below", 0),
        .act_order = read_act_order(checked_text(row, "act_order")),
        .symmetric = checked_bool(row, "symmetric", false),
        .half = checked_bool(row, "half", false),
        .cpu = checked_bool(row, "cpu", false),
    };
    const char *experts = checked_text(row, "experts");
    k->experts = experts != NULL;
    k->linear = !experts || strcmp(experts, "only") != 0;
    k->bits_count = read_list(row, "bits", k->bits, r);
    k->group_count = read_list(row, "groups", k->groups, r);
    k->tile_count = read_tiles(row, k->tiles, r);
}

int kernels_compile(struct rules *r, struct error *e)
{
    const struct yaml *rows = yaml_get(r->kernels_tree, "kernels");
    r->kernels = arena_alloc(&r->arena, rows->count * sizeof *r->kernels);
    r->kernel_count = (int)rows->count;
    for (size_t i = 0; i < rows->count; i++) {
        compile(r, &r->kernels[i], rows->items[i]);
        if (r->kernels[i].rows < 1 || r->kernels[i].columns < 1)
            return yaml_expected(rows->items[i], e, "multiples of at least 1 for 'rows' and 'columns'");
    }
    return 0;
}

/* -------------------------------------------------------------------- weights */

/* A weight as one GPU holds it. */
struct share {
    const char *name;            /* "blk.0.attn_q" */
    int64_t rows, columns;
    bool even;                   /* the GPUs share it without rest */
};

/* Weights that read what the layer before has computed in shares are cut by columns, the others by rows. */
static bool cut_by_columns(enum tensor_role role)
{
    return role == ROLE_ATTN_OUTPUT || role == ROLE_FFN_DOWN || role == ROLE_FFN_DOWN_EXPS ||
           role == ROLE_FFN_DOWN_SHEXP;
}

/* Keys' and values' heads are repeated where there are fewer of them than GPUs. */
static int parts_of(const struct kernel_question *q, const struct tensor *t)
{
    bool kv = t->role == ROLE_ATTN_K || t->role == ROLE_ATTN_V;
    int heads = kv && t->layer >= 0 ? q->model->hp.layer[t->layer].kv_heads : 0;
    return heads > 0 && heads < q->tensor_parallel ? heads : q->tensor_parallel;
}

static int64_t rows_of(const struct kernel_question *q, enum tensor_role role, int layer)
{
    const struct tensor *t = model_role(q->model, role, layer);
    return t ? t->shape[1] / parts_of(q, t) : 0;
}

/* What the runtime multiplies by at once is one weight to its kernels. */
static int64_t fused_rows(const struct kernel_question *q, const struct tensor *t)
{
    enum tensor_role with[][3] = {{ROLE_ATTN_Q, ROLE_ATTN_K, ROLE_ATTN_V},
                                  {ROLE_FFN_GATE, ROLE_FFN_UP, ROLE_COUNT},
                                  {ROLE_FFN_GATE_SHEXP, ROLE_FFN_UP_SHEXP, ROLE_COUNT},
                                  {ROLE_FFN_GATE_EXPS, ROLE_FFN_UP_EXPS, ROLE_COUNT}};
    int64_t rows = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(with); i++)
        for (int k = 0; k < 3; k++)
            if (with[i][k] == t->role)
                for (int n = 0; n < 3 && with[i][n] != ROLE_COUNT; n++)
                    rows += rows_of(q, with[i][n], t->layer);
    return rows;
}

static struct share share_of(const struct kernel_question *q, const struct tensor *t)
{
    bool by_columns = cut_by_columns(t->role);
    int parts = parts_of(q, t);
    struct share s = {.name = t->name, .rows = t->shape[1], .columns = t->shape[0]};
    int64_t *cut = by_columns ? &s.columns : &s.rows;
    s.even = *cut % parts == 0;
    *cut /= parts;
    int64_t fused = q->runtime->fuses ? fused_rows(q, t) : 0;
    s.rows = fused ? fused : s.rows;
    return s;
}

/* ------------------------------------------------------------------- judging */

static bool in_list(const int *list, int count, int value)
{
    for (int i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return count == 0;
}

/* Why the scheme as such is nothing for the kernel; NULL: it is. */
static const char *against_scheme(const struct kernel *k, const struct kernel_question *q, struct arena *a)
{
    const struct scheme *s = q->level->scheme;
    if (!in_list(k->bits, k->bits_count, s->bits))
        return arena_printf(a, "it does not take %d bits", s->bits);
    if (!in_list(k->groups, k->group_count, s->group))
        return s->group ? arena_printf(a, "it does not take groups of %d", s->group)
                        : "it does not take rows with one scale";
    if (k->symmetric && !s->symmetric)
        return "it does not take zero points";
    if (s->act_order && (k->act_order == ACT_ORDER_NEVER ||
                         (k->act_order == ACT_ORDER_ALONE && q->tensor_parallel > 1)))
        return k->act_order == ACT_ORDER_NEVER ? "it does not take act-order"
                                               : "it does not take act-order with tensor parallelism";
    return NULL;
}

static const char *against_gpu(const struct kernel *k, const struct kernel_question *q, struct arena *a)
{
    double have = q->capability;
    if (q->cpu)
        return k->cpu ? NULL : "it wants a GPU";
    if (k->capability > 0 && have != k->capability)
        return arena_printf(a, "it wants compute capability %.1f", k->capability);
    if (have < k->capability_min)
        return arena_printf(a, "it wants compute capability %.1f", k->capability_min);
    if (k->capability_below > 0 && have >= k->capability_below)
        return arena_printf(a, "it is for compute capability below %.1f", k->capability_below);
    return NULL;
}

/* What a weight lacks. A tile can be filled up with zeros, nothing else. */
enum lack { LACKS_NOTHING, LACKS_EVEN_SHARES, LACKS_GROUPS, LACKS_ROWS, LACKS_COLUMNS, LACKS_TILE };

static bool fills_tile(const struct kernel *k, const struct share *s)
{
    for (int i = 0; i < k->tile_count; i++)
        if (s->rows % k->tiles[i].rows == 0 && s->columns % k->tiles[i].columns == 0)
            return true;
    return k->tile_count == 0;
}

static enum lack lack_of(const struct kernel *k, const struct scheme *scheme, const struct share *s)
{
    if (!s->even)
        return LACKS_EVEN_SHARES;
    if (scheme->group && s->columns % scheme->group)
        return LACKS_GROUPS;
    if (s->rows % k->rows)
        return LACKS_ROWS;
    if (s->columns % k->columns)
        return LACKS_COLUMNS;
    return fills_tile(k, s) ? LACKS_NOTHING : LACKS_TILE;
}

static const char *lack_text(enum lack lack, const struct kernel *k, const struct kernel_question *q,
                             const struct share *s, struct arena *a)
{
    long long rows = s->rows, columns = s->columns;
    switch (lack) {
    case LACKS_EVEN_SHARES: return arena_printf(a, "%d GPUs do not share it evenly", q->tensor_parallel);
    case LACKS_GROUPS:
        return arena_printf(a, "the group of %d does not divide its %lld inputs", q->level->scheme->group, columns);
    case LACKS_ROWS: return arena_printf(a, "its %lld outputs are no multiple of %d", rows, k->rows);
    case LACKS_COLUMNS: return arena_printf(a, "its %lld inputs are no multiple of %d", columns, k->columns);
    case LACKS_TILE:
        return arena_printf(a, "%lld outputs by %lld inputs fill no tile of %d by %d", rows, columns,
                            k->tiles[0].rows, k->tiles[0].columns);
    case LACKS_NOTHING: break;
    }
    return NULL;
}

/* The weights that a kernel cannot take as they are. */
struct misfits {
    int count;
    bool hard;                   /* some lack more than a full tile */
    enum lack first;
    struct share share;          /* the first, or the first hard one */
};

static struct misfits misfits_of(const struct kernel *k, const struct kernel_question *q, bool experts)
{
    struct misfits m = {0};
    for (int i = 0; i < q->model->tensor_count; i++) {
        const struct tensor *t = &q->model->tensors[i];
        if (!checkpoint_takes(t) || tensor_role_of_experts(t->role) != experts)
            continue;
        struct share s = share_of(q, t);
        enum lack lack = lack_of(k, q->level->scheme, &s);
        if (!lack)
            continue;
        bool hard = lack != LACKS_TILE;
        if (!m.count++ || (hard && !m.hard)) {
            m.first = lack;
            m.share = s;
        }
        m.hard |= hard;
    }
    return m;
}

static void remark(struct kernel_answer *answer, bool gpu, const char *text, const char *where)
{
    if (answer->count < KERNEL_LIST)
        answer->remarks[answer->count++] = (struct kernel_remark){text, where, gpu};
}

/* Whether the kernel takes the weights; says what it does not like. */
static bool takes(const struct kernel *k, const struct kernel_question *q, bool experts, struct kernel_answer *answer,
                  struct arena *a)
{
    const char *gpu = against_gpu(k, q, a), *why = gpu ? gpu : against_scheme(k, q, a);
    struct misfits m = why ? (struct misfits){0} : misfits_of(k, q, experts);
    bool padded = m.count && !m.hard && k->pads;
    if (m.count)
        why = arena_printf(a, "%d %s, the first %s: %s", m.count, m.count == 1 ? "weight" : "weights", m.share.name,
                           lack_text(m.first, k, q, &m.share, a));
    if (padded)
        remark(answer, false, arena_printf(a, "%s: %s; %s", k->title, why, k->pads), k->where);
    else if (why)
        remark(answer, gpu, arena_printf(a, "%s cannot take it: %s", k->title, why), k->where);
    return !why || padded;
}

static bool answers(const struct kernel *k, const struct kernel_question *q, bool experts)
{
    return str_among(k->runtimes, q->runtime->name) && str_among(k->formats, q->level->format) &&
           (experts ? k->experts : k->linear);
}

/* The first that takes all of them; *asked counts the kernels for this runtime and format. */
static const struct kernel *find(const struct rules *r, const struct kernel_question *q, bool experts, int *asked,
                                 struct kernel_answer *answer, struct arena *a)
{
    for (int i = 0; i < r->kernel_count; i++)
        if (answers(&r->kernels[i], q, experts)) {
            ++*asked;
            if (takes(&r->kernels[i], q, experts, answer, a))
                return &r->kernels[i];
        }
    return NULL;
}

static bool has_experts(const struct model *m)
{
    for (int i = 0; i < m->tensor_count; i++)
        if (tensor_role_of_experts(m->tensors[i].role))
            return true;
    return false;
}

static void say_unknown(const struct kernel_question *q, struct kernel_answer *answer, struct arena *a)
{
    answer->verdict = KERNEL_UNSURE;
    answer->count = 0;
    remark(answer, false, arena_printf(a, "which kernel of %s multiplies %s is unknown", q->runtime->title,
                                q->level->format), "kernels.yaml");
}

struct kernel_answer kernel_ask(const struct rules *r, const struct kernel_question *q, struct arena *a)
{
    struct kernel_answer answer = {.verdict = KERNEL_REFUSED};
    bool mixture = has_experts(q->model);
    int asked = 0, asked_experts = 0;
    answer.kernel = find(r, q, false, &asked, &answer, a);
    answer.experts = mixture && answer.kernel ? find(r, q, true, &asked_experts, &answer, a) : NULL;
    if (!asked || (mixture && answer.kernel && !asked_experts)) {
        say_unknown(q, &answer, a);
    } else if (answer.kernel && (!mixture || answer.experts)) {
        bool unsure = isnan(q->capability) && !q->cpu, other = mixture && answer.experts != answer.kernel;
        answer.verdict = unsure ? KERNEL_UNSURE : KERNEL_SERVES;
        remark(&answer, false,
               arena_printf(a, "%s%s%s multiplies it%s%s", answer.kernel->title, other ? ", with " : "",
                            other ? answer.experts->title : "",
                            answer.kernel->half && strcmp(q->model->file_type, "BF16") == 0
                                ? ", in F16 alone: the checkpoint is BF16, so serve it with --dtype half" : "",
                            unsure ? ", if the GPU is new enough: its compute capability is unknown" : ""),
               answer.kernel->where);
    }
    return answer;
}
