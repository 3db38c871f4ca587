/* The arithmetic of a row with this model's numbers in it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pack/pack.h"
#include "plan/checkpoint.h"
#include "plan/costs.h"
#include "plan/estimate.h"
#include "plan/graph.h"
#include "plan/loss.h"
#include "plan/placement.h"
#include "plan/recipe.h"
#include "plan/runtime.h"

struct explainer {
    struct estimates *s;
    const struct estimate *row;
    const struct machine *machine;
    const struct model *model;
    const struct wishes *wishes;
    const struct rules *rules;
    const struct runtime *runtime;
    struct kv_cache kv;
    const char **lines;
    int count, capacity;
};

static void say(struct explainer *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct explainer *x, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    array_push(x->lines, x->count, x->capacity) = arena_strdup(&x->s->arena, text);
}

/* "4.1 GiB (4370431234 B)" */
struct amount { char text[2 * FORMAT_SIZE + 16]; };
static struct amount amount(uint64_t bytes)
{
    struct amount a;
    char unit[FORMAT_SIZE];
    snprintf(a.text, sizeof a.text, "%s (%llu B)", format_bytes(unit, (double)bytes),
             (unsigned long long)bytes);
    return a;
}

/* ------------------------------------------------------------------- weights */

static void explain_type(struct explainer *x, const struct recipe *r, const struct quant_type *type)
{
    uint64_t values = 0, bytes = 0;
    int tensors = 0;
    char count[FORMAT_SIZE];
    for (int i = 0; i < r->count; i++)
        if (r->tensors[i].type == type) {
            tensors++;
            values += (uint64_t)tensor_elements(r->tensors[i].tensor);
            bytes += r->tensors[i].bytes;
        }
    if (tensors)
        say(x, "  %-6s %3d tensors, %s values / %d x %d B = %s", type->name, tensors,
            format_count(count, (double)values), type->block, type->block_bytes, amount(bytes).text);
}

/* The parts of a scheme's weights, each summed over all of them: codes, scales, zero points. */
static void explain_parts(struct explainer *x, const struct scheme *s)
{
    struct packed p;
    uint64_t bytes[PACK_PARTS_MAX] = {0};
    for (int i = 0; i < x->model->tensor_count; i++) {
        const struct tensor *t = &x->model->tensors[i];
        if (!checkpoint_takes(t))
            continue;
        packed_init(&p, s, t->shape[1], t->shape[0]);
        for (int k = 0; k < p.count; k++)
            bytes[k] += (uint64_t)t->shape[2] * pack_part_bytes(&p.parts[k]);
    }
    packed_init(&p, s, s->group ? s->group : 64, s->group ? s->group : 64); /* for the parts' names */
    for (int k = 0; k < p.count; k++)
        say(x, "    %-28s %-8s = %s", p.parts[k].suffix, p.parts[k].dtype, amount(bytes[k]).text);
}

static void explain_folder(struct explainer *x)
{
    struct recipe r;
    uint64_t values[2] = {0}, bytes[2] = {0};
    int tensors[2] = {0};
    char count[FORMAT_SIZE];
    checkpoint_sketch(&r, x->model, x->row->level);
    for (int i = 0; i < r.count; i++) {
        bool quantized = !r.tensors[i].type;
        tensors[quantized]++;
        values[quantized] += (uint64_t)tensor_elements(r.tensors[i].tensor);
        bytes[quantized] += r.tensors[i].bytes;
    }
    say(x, "weights: linear layers as %s, everything else as it is stored", x->row->level->name);
    if (tensors[1]) {
        say(x, "  %d linear layers, %s values = %s, %.2f bits each", tensors[1],
            format_count(count, (double)values[1]), amount(bytes[1]).text,
            8.0 * (double)bytes[1] / (double)values[1]);
        explain_parts(x, x->row->level->scheme);
    }
    say(x, "  %d other tensors, %s values = %s", tensors[0], format_count(count, (double)values[0]),
        amount(bytes[0]).text);
    say(x, "  = %s, %.2f bits per weight; the files with their headers: %s", amount(r.bytes).text,
        x->row->bits_per_weight, amount(x->row->file_bytes).text);
    recipe_done(&r);
}

static void explain_weights(struct explainer *x, struct error *e)
{
    if (!x->row->level->type) {
        explain_folder(x);
        return;
    }
    struct recipe_walk *w = recipe_walk_new(x->model, x->rules);
    struct recipe r;
    const struct quant_type *type;
    int rc = estimate_recipe(x->row, w, &r, e);
    say(x, "weights: each tensor's values, by the block of its type");
    for (int i = 0; !rc && (type = quant_type_at(i)); i++)
        explain_type(x, &r, type);
    say(x, "  = %s, %.2f bits per weight; the file with its metadata: %s", amount(r.bytes).text,
        x->row->bits_per_weight, amount(x->row->file_bytes).text);
    recipe_done(&r);
    recipe_walk_free(w);
}

/* --------------------------------------------------------------------- cache */

static bool same_shape(const struct layer_shape *a, const struct layer_shape *b)
{
    return a->kv_heads == b->kv_heads && a->key_length == b->key_length &&
           a->value_length == b->value_length && a->window == b->window && a->state_bytes == b->state_bytes;
}

static void explain_cached(struct explainer *x, const struct layer_shape *l, int layers)
{
    const struct hparams *hp = &x->model->hp;
    uint64_t token = kv_token_bytes(&x->kv, hp, l), bytes = kv_layer_bytes(&x->kv, hp, l) * (uint64_t)layers;
    long long cells = kv_cells(&x->kv, l);
    const char *type = x->s->kv_type;
    if (!l->kv_heads)
        say(x, "  %d layers without a cache: state of %lld B x %d sequences = %s", layers,
            (long long)l->state_bytes, x->kv.sequences, amount(bytes).text);
    else if (hp->mla_rank)
        say(x, "  %d layers: (%d + %d) values in %s = %llu B a token, x %lld cells x %d sequences = %s",
            layers, hp->mla_rank, hp->mla_rope, type, (unsigned long long)token, cells, x->kv.sequences,
            amount(bytes).text);
    else
        say(x,
            "  %d layers%s: %d heads x (%d + %d) values in %s = %llu B a token, x %lld cells x %d sequences "
            "= %s",
            layers, l->window && x->kv.windowed ? " with a window" : "", l->kv_heads, l->key_length,
            l->value_length, type, (unsigned long long)token, cells, x->kv.sequences, amount(bytes).text);
}

static void explain_cache(struct explainer *x)
{
    const struct hparams *hp = &x->model->hp;
    say(x, "KV cache: context %d, in steps of %d cells", x->s->context, x->kv.pad);
    for (int i = 0; i < hp->layers; i++) {
        int same = 0, first = i;
        for (int k = 0; k < hp->layers; k++)
            if (same_shape(&hp->layer[k], &hp->layer[i])) {
                first = k < first ? k : first;
                same++;
            }
        if (first == i)
            explain_cached(x, &hp->layer[i], same);
    }
    say(x, "  = %s", amount(x->row->kv_bytes).text);
}

/* ------------------------------------------------------------------- buffers */

static void explain_buffers(struct explainer *x)
{
    const struct hparams *hp = &x->model->hp;
    const struct runtime *r = x->runtime;
    int64_t tokens = kv_step_tokens(&x->kv);
    int64_t outputs = r->all_logits ? tokens : x->kv.sequences;
    int64_t cells = hp->layers ? kv_cells(&x->kv, &hp->layer[0]) : 0;
    say(x, "compute buffer: the widest moment of a step of %lld tokens", (long long)tokens);
    say(x, "  logits: %d words x %lld tokens x 4 B = %s", hp->vocab, (long long)outputs,
        amount((uint64_t)hp->vocab * (uint64_t)outputs * 4).text);
    int mask = x->kv.flash ? 2 : 4;
    say(x, "  attention mask: %lld cells x %lld tokens x %d B = %s", (long long)cells, (long long)tokens, mask,
        amount((uint64_t)(cells * tokens * mask)).text);
    if (!x->kv.flash && hp->layers)
        say(x, "  scores, since there is no flash attention: %lld cells x %lld tokens x %d heads x 4 B = %s",
            (long long)cells, (long long)tokens, hp->layer[0].heads,
            amount((uint64_t)(cells * tokens * hp->layer[0].heads * 4)).text);
    say(x, "  feed-forward: %d wide x %lld tokens x 4 B, three at a time = %s",
        hp->layers ? hp->layer[0].ffn : 0, (long long)tokens,
        amount(hp->layers ? (uint64_t)hp->layer[0].ffn * (uint64_t)tokens * 12 : 0).text);
    say(x, "  laid out as the runtime does, reusing what is free: %s", amount(x->row->compute_bytes).text);
    say(x, "overhead: copies of weights in the runtime's own layout, and %d x %d logits x 4 B: %s",
        x->kv.sequences, hp->vocab, amount(x->row->overhead_bytes).text);
}

static void explain_total(struct explainer *x)
{
    const struct estimate *row = x->row;
    say(x, "total: %s + %s + %s + %s = %s", amount(row->weights_bytes).text, amount(row->kv_bytes).text,
        amount(row->compute_bytes).text, amount(row->overhead_bytes).text, amount(row->total_bytes).text);
    say(x, "  on GPUs %s, in RAM %s", amount(row->gpu_bytes).text, amount(row->cpu_bytes).text);
    if (row->reclaimable_bytes)
        say(x, "  of the RAM, %s are pages of the file, which may be dropped once the copy is made; %s must fit",
            amount(row->reclaimable_bytes).text, amount(estimate_needs(row, true)).text);
    if (x->s->gpu_budget_known && x->runtime->gpu_margin_share > 0)
        say(x, "  budget on GPUs: %s (free, less %.0f %% of each)", amount(x->s->gpu_budget).text,
            100 * x->runtime->gpu_margin_share);
    else if (x->s->gpu_budget_known)
        say(x, "  budget on GPUs: %s (free, less a margin of %s each)", amount(x->s->gpu_budget).text,
            amount(x->runtime->gpu_margin).text);
    if (x->s->cpu_budget_known)
        say(x, "  budget in RAM: %s (available, less %s)", amount(x->s->cpu_budget).text,
            amount(x->runtime->host_margin).text);
}

/* ------------------------------------------------------------ speed and loss */

static void explain_speed(struct explainer *x)
{
    const struct machine *m = x->machine;
    const struct fact ram = m ? m->memory.bandwidth : (struct fact){0};
    if (isnan(x->row->tokens_per_s)) {
        say(x, "speed: unknown, since %s", x->row->verdict == VERDICT_TOO_BIG
            ? "it does not fit" : "the bandwidth of the memory that is read is unknown");
        return;
    }
    say(x, "speed: a token reads the weights once and half the cache; decoding reaches a share of the "
           "bandwidth");
    for (int i = 0; i < m->gpu_count && x->row->gpu_layers; i++)
        if (fact_known(m->gpus[i].bandwidth))
            say(x, "  %s: %.0f GB/s (%s) x %.2f", m->gpus[i].name, m->gpus[i].bandwidth.value / 1e9,
                fact_source_name(m->gpus[i].bandwidth.source), x->runtime->gpu_efficiency);
    if (x->row->gpu_layers < x->row->layers && fact_known(ram))
        say(x, "  RAM: %.1f GB/s (%s) x %.2f", ram.value / 1e9, fact_source_name(ram.source),
            x->runtime->cpu_efficiency);
    say(x, "  = %.1f tokens/s", x->row->tokens_per_s);
}

static void explain_loss(struct explainer *x)
{
    const struct loss_table *t = loss_table(x->rules, x->row->level, (double)x->model->parameters);
    char size[FORMAT_SIZE];
    if (x->row->mix)
        say(x, "loss: not known before it is measured; the divergence is predicted, the sum of what its types cost");
    else if (isnan(x->row->expected_loss))
        say(x, "loss: unknown, no published table speaks for a model of this size at this level");
    else if (!t || x->row->is_source || strcmp(x->row->loss_from, t->from) != 0)
        say(x, "loss: 0, %s", x->row->loss_from);
    else
        say(x, "loss: %.2f %%, of %s with %s parameters (%s)", 100 * x->row->expected_loss, t->model,
            format_count(size, t->parameters), t->source);
}

const char **estimate_explain(struct estimates *s, int row, const struct machine *m,
                              const struct model *model, const struct wishes *w, const struct rules *r,
                              int *count)
{
    struct error unused;
    const struct runtime *runtime = runtime_named(r, wishes_choice(w, WISH_RUNTIME));
    struct explainer x = {s, &s->rows[row], m, model, w, r, runtime, kv_of(w, runtime)};
    say(&x, "%s of %s, %s", x.row->level->name, model->name, runtime->title);
    explain_weights(&x, &unused);
    explain_cache(&x);
    explain_buffers(&x);
    explain_total(&x);
    explain_speed(&x);
    explain_loss(&x);
    const char **lines = arena_alloc(&s->arena, (size_t)x.count * sizeof *lines);
    memcpy(lines, x.lines, (size_t)x.count * sizeof *lines);
    free(x.lines);
    *count = x.count;
    return lines;
}
