/* What keeps the machine from being as fast as it is. */
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "doctor/checks.h"

static enum finding no_layers_on_the_gpu(struct look *l)
{
    const struct patient *p = l->p;
    const char *fit = wishes_choice(&p->wishes, WISH_FIT);
    if (!p->machine->gpu_count)
        return look_say(l, FINDING_NOT, "there is no GPU");
    bool none = strcmp(fit, "cpu") == 0 || p->row->gpu_layers == 0;
    return look_say(l, none ? FINDING_FOUND : FINDING_NOT, "%d of %d layers on %s, the wish is --fit %s", none ? 0 : p->row->gpu_layers,
                    p->row->layers, p->machine->gpus[0].name ? p->machine->gpus[0].name : "the GPU", fit);
}

static enum finding layers_in_ram(struct look *l)
{
    const struct estimate *row = l->p->row;
    return look_say(l, row->verdict == VERDICT_SPLIT ? FINDING_FOUND : FINDING_NOT, "%d of %d layers on GPUs", row->gpu_layers,
                    row->layers);
}

/* The bus names a maker, and nobody says how much memory it has. */
static enum finding driver_missing(struct look *l)
{
    const struct machine *m = l->p->machine;
    for (int i = 0; i < m->gpu_count; i++) {
        const struct machine_gpu *g = &m->gpus[i];
        if (!g->unified && !g->driver && !fact_known(g->vram_total_bytes))
            return look_say(l, FINDING_FOUND, "%s, seen by %s alone", g->name ? g->name : "a GPU", g->source ? g->source : "the bus");
    }
    return m->gpu_count ? look_say(l, FINDING_NOT, "all %d tell about themselves", m->gpu_count)
                        : look_say(l, FINDING_NOT, "no GPU was found");
}

static enum finding fewer_threads(struct look *l)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (l->p->machine->simulated)
        return look_say(l, FINDING_UNKNOWN, "the machine is described by a file");
    return look_say(l, threads_allowed() < online ? FINDING_FOUND : FINDING_NOT, "%d of %ld", threads_allowed(), online);
}

static enum finding old_processor(struct look *l)
{
    static const char *const units[] = {"avx2", "avx512f", "neon", "asimd", "asimddp", "sve", NULL};
    const char *const *features = l->p->machine->cpu.features;
    if (!features || !*features)
        return look_say(l, FINDING_UNKNOWN, "what the processor has is not known");
    for (; *features; features++)
        if (str_among(units, *features))
            return look_say(l, FINDING_NOT, "%s", *features);
    return look_say(l, FINDING_FOUND, "neither AVX2 nor NEON");
}

const struct check speed_checks[] = {
    {"no-layers-on-the-gpu", NEEDS_ESTIMATE, no_layers_on_the_gpu},
    {"layers-in-ram", NEEDS_ESTIMATE, layers_in_ram},
    {"driver-missing", 0, driver_missing},
    {"fewer-threads", 0, fewer_threads},
    {"old-processor", 0, old_processor},
    {0},
};
