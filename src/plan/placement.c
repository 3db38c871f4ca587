#include "plan/placement.h"

#include <string.h>

/* ------------------------------------------------------------------- budgets */

/* A GPU that shares the host's memory has what the host has, where its driver does not say. */
static struct fact free_vram(const struct machine *m, const struct machine_gpu *g)
{
    return !fact_known(g->vram_free_bytes) && g->unified ? m->memory.available_bytes : g->vram_free_bytes;
}

static uint64_t less(double bytes, double margin)
{
    return bytes > margin ? (uint64_t)(bytes - margin) : 0;
}

static uint64_t gpu_margin(const struct runtime *r, const struct machine_gpu *g)
{
    uint64_t share = (uint64_t)(r->gpu_margin_share * fact_or(g->vram_total_bytes, 0));
    return share > r->gpu_margin ? share : r->gpu_margin;
}

static void gpu_budgets(struct budget *b, const struct machine *m, const struct runtime *r)
{
    b->gpu_known = b->gpu_bounded = b->gpu_count > 0;
    for (int i = 0; i < b->gpu_count; i++) {
        struct fact f = free_vram(m, &m->gpus[i]), all = m->gpus[i].vram_total_bytes;
        b->gpu[i] = less(fact_or(f, fact_or(all, 0)), (double)gpu_margin(r, &m->gpus[i]));
        b->gpu_total += b->gpu[i];
        b->gpu_known = b->gpu_known && fact_known(f);
        b->gpu_bounded = b->gpu_bounded && (fact_known(f) || fact_known(all));
    }
}

/* The person's own figure, shared out over the GPUs like what is free on them, or evenly. */
static void asked_gpu_budget(struct budget *b, uint64_t asked)
{
    uint64_t sum = b->gpu_total;
    if (!b->gpu_count)
        b->gpu_count = 1;
    for (int i = 0; i < b->gpu_count; i++)
        b->gpu[i] = sum && b->gpu_bounded ? (uint64_t)((double)asked * (double)b->gpu[i] / (double)sum)
                                        : asked / (uint64_t)b->gpu_count;
    b->gpu_total = asked;
    b->gpu_known = b->gpu_bounded = true;
}

int gpus_used(const struct machine *m, const struct wishes *w, const struct runtime *r)
{
    int all = m ? m->gpu_count : 0, asked = (int)w->value[WISH_TENSOR_PARALLEL].number;
    return r->tensor_parallel && asked < all ? asked : all;
}

struct budget budget_of(const struct machine *m, const struct wishes *w, const struct runtime *r,
                        struct arena *a)
{
    const struct wish_value *asked = &w->value[WISH_BUDGET];
    bool on_cpu = wishes_fit(w) == FIT_CPU;
    struct budget b = {.gpu_count = gpus_used(m, w, r)};
    struct fact ram = m ? m->memory.available_bytes : (struct fact){0};
    struct fact all = m ? m->memory.total_bytes : (struct fact){0};
    b.gpu = arena_alloc(a, (size_t)(b.gpu_count + 1) * sizeof *b.gpu);
    gpu_budgets(&b, m, r);
    b.cpu_known = fact_known(ram);
    b.cpu_bounded = fact_known(ram) || fact_known(all);
    b.cpu = less(fact_or(ram, fact_or(all, 0)), (double)r->host_margin);
    if (asked->set && on_cpu) {
        b.cpu = (uint64_t)asked->number;
        b.cpu_known = b.cpu_bounded = true;
    } else if (asked->set) {
        asked_gpu_budget(&b, (uint64_t)asked->number);
    }
    return b;
}

/* ------------------------------------------------------------------- placing */

/* llama.cpp shares its GPU layers out by free memory: layer number k of n goes to the first GPU whose
 * cumulative share of the memory lies above k/n. */
static int share_of_layer(const struct budget *b, int k, int n)
{
    double limit = 0, at = (double)k / n * (double)b->gpu_total;
    if (!b->gpu_total)
        return k * b->gpu_count / n;
    for (int i = 0; i < b->gpu_count; i++) {
        limit += (double)b->gpu[i];
        if (at < limit)
            return i;
    }
    return b->gpu_count - 1;
}

struct device_use { uint64_t bytes; bool layers, output; };

static void use_cpu(struct placement *p, const struct costs *c, int cpu_layers)
{
    p->cpu_bytes = c->host_weights + c->logits;
    for (int i = 0; i < cpu_layers; i++) {
        const struct layer_cost *l = &c->layer[i];
        p->cpu_bytes += l->weights + l->repacked + l->kv;
        p->copies += l->repacked;
        p->reclaimable += l->original;
    }
    uint64_t buffer = cpu_layers == c->count ? c->compute_whole : cpu_layers ? c->compute_part : c->inputs;
    p->cpu_bytes += buffer;
    p->compute_bytes += buffer;
}

static bool use_gpus(struct placement *p, const struct costs *c, const struct budget *b,
                     struct device_use *use)
{
    int first = c->count - p->gpu_layers;
    bool fits = true;
    memset(use, 0, (size_t)b->gpu_count * sizeof *use);
    memset(p->layers_on_gpu, 0, (size_t)b->gpu_count * sizeof *p->layers_on_gpu);
    for (int i = first; i < c->count; i++) {
        int g = share_of_layer(b, i - first, p->gpu_layers);
        use[g].bytes += c->layer[i].gpu_weights + c->layer[i].kv;
        use[g].layers = true;
        use[g].output |= i == c->count - 1;
        p->copies += c->layer[i].gpu_weights - c->layer[i].weights;
        p->layers_on_gpu[g]++;
    }
    for (int g = 0; g < b->gpu_count; g++) {
        uint64_t buffer = use[g].output ? c->compute_whole : c->compute_part;
        buffer = use[g].layers ? buffer + (b->gpu_count > 1 ? c->pipeline : 0) : 0;
        p->gpu_bytes += use[g].bytes + buffer;
        p->compute_bytes += buffer;
        fits = fits && (!b->gpu_bounded || use[g].bytes + buffer <= b->gpu[g]);
    }
    return fits;
}

/* What it takes to have this many layers on the GPUs. */
static struct placement try(const struct costs *c, const struct budget *b, int gpu_layers, int *on_gpu,
                            struct device_use *use)
{
    struct placement p = {.gpu_layers = gpu_layers, .layers_on_gpu = on_gpu, .gpu_count = b->gpu_count};
    bool gpus = use_gpus(&p, c, b, use);
    use_cpu(&p, c, c->count - gpu_layers);
    p.fits = gpus && (!b->cpu_bounded || p.cpu_bytes - p.reclaimable <= b->cpu);
    p.known = (!gpu_layers || b->gpu_known) && (gpu_layers == c->count || b->cpu_known);
    return p;
}

struct placement place(const struct costs *c, const struct budget *b, enum fit fit, struct arena *a)
{
    int *on_gpu = arena_alloc(a, (size_t)(b->gpu_count + 1) * sizeof *on_gpu);
    struct device_use *use = arena_alloc(a, (size_t)(b->gpu_count + 1) * sizeof *use);
    int most = fit == FIT_CPU || !b->gpu_count ? 0 : c->count, n = most;
    struct placement p = try(c, b, most, on_gpu, use);
    while (!p.fits && n > 0)
        p = try(c, b, --n, on_gpu, use);
    if (fit == FIT_SPLIT && p.fits)
        return p;
    /* All of it must lie in one kind of memory, or nothing fits: what that would take, and how far it would
     * go. */
    p = try(c, b, most, on_gpu, use);
    p.fits = p.fits && (fit != FIT_GPU || most > 0);
    p.gpu_layers = n;
    return p;
}

int placement_device(const struct placement *p, int count, int gpu_count, int layer)
{
    int k = layer - (count - p->gpu_layers);
    for (int g = 0, sum = 0; k >= 0 && g < gpu_count && g < p->gpu_count; g++) {
        sum += p->layers_on_gpu[g];
        if (k < sum)
            return g;
    }
    return -1;
}
