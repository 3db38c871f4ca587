#include "machine/machine.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "machine/bandwidth.h"
#include "machine/gpu.h"
#include "machine/machine_file.h"
#include "machine/machine_priv.h"
#include "machine/memory.h"
#include "machine/topology.h"

const char *fact_source_name(enum fact_source s)
{
    static const char *const names[] = {"unknown", "found", "measured", "from the table", "entered"};
    return names[s];
}

void machine_warn(struct machine *m, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (int i = 0; i < m->warning_count; i++)
        if (strcmp(m->warnings[i], text) == 0)
            return;
    array_push(m->warnings, m->warning_count, m->warning_capacity) = arena_strdup(&m->arena, text);
}

/* ------------------------------------------------------------------ detecting */

static const char *host_name(struct arena *a)
{
    char name[256] = "";
    return gethostname(name, sizeof name - 1) == 0 && *name ? arena_strdup(a, name) : "this machine";
}

static const char *root_folder(const struct machine_options *o)
{
    const char *root = o->root ? o->root : getenv("QUANTWIZ_FSROOT");
    return root ? root : "";
}

/* Without hwloc the kernel still says how many threads there are; everything else goes on. */
static void detect_topology(struct machine *m)
{
    hwloc_topology_t t;
    struct error e = {0};
    if (topology_open(&t, &e) == 0)
        topology_describe(m, t);
    else
        machine_warn(m, "%s: cores and caches stay unknown", e.text);
    m->cpu.threads = threads_allowed();
    m->cpu.features = cpu_features();
    gpu_detect(m, t);
    if (t)
        hwloc_topology_destroy(t);
}

static void detect_disk(struct machine *m, const char *path)
{
    struct error e = {0};
    uint64_t bytes;
    m->disk_path = arena_strdup(&m->arena, path ? path : ".");
    if (file_free_bytes(m->disk_path, &bytes, &e) == 0)
        m->disk_free_bytes = fact_found((double)bytes);
    else
        machine_warn(m, "%s: whether the output fits on the disk stays unknown", e.text);
}

static void detect_bandwidth(struct machine *m, bool skip)
{
    struct error e = {0};
    const char *note = NULL;
    char *key = bandwidth_key(m->root, m->cpu.threads);
    double cached;
    if (key && bandwidth_recall(key, &cached))
        m->memory.bandwidth = fact_of(cached, FACT_MEASURED);
    else if (!skip && machine_measure_bandwidth(m, &m->memory.bandwidth, &note, &e) != 0)
        machine_warn(m, "%s: tokens/s on the CPU cannot be estimated", e.text);
    if (note)
        machine_warn(m, "%s", note);
    free(key);
}

static void detect_memory(struct machine *m)
{
    memory_read(&m->memory, m->root);
    if (!fact_known(m->memory.available_bytes))
        machine_warn(m, "available memory could not be read from %s/proc/meminfo: "
                     "what fits in RAM cannot be said", m->root);
}

static void detect_here(struct machine *m, const struct machine_options *o)
{
    m->root = arena_strdup(&m->arena, root_folder(o));
    m->name = host_name(&m->arena);
    detect_memory(m);
    detect_topology(m);
    detect_disk(m, o->disk_path);
    detect_bandwidth(m, o->skip_bandwidth);
}

void machine_prepare(void)
{
    topology_prepare();
}

int machine_detect(struct machine **out, const struct machine_options *o, struct error *e)
{
    static const char *const no_features[] = {NULL};
    struct machine *m = xcalloc(1, sizeof *m);
    int rc = 0;
    m->cpu.features = no_features;
    m->root = "";
    if (o->file)
        rc = machine_file_read(m, o->file, e);
    else
        detect_here(m, o);
    *out = rc ? NULL : m;
    if (rc)
        machine_free(m);
    return rc;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    gpu_scan_free(m->live);
    free(m->warnings);
    arena_done(&m->arena);
    free(m);
}

void machine_refresh(struct machine *m)
{
    if (m->simulated)
        return;
    struct machine_memory now;
    memory_read(&now, m->root);
    if (m->memory.available_bytes.source != FACT_ENTERED)
        m->memory.available_bytes = now.available_bytes;
    gpu_refresh(m);
}

int machine_measure_bandwidth(const struct machine *m, struct fact *bandwidth, const char **note,
                              struct error *e)
{
    struct machine_memory now; /* m->memory may be refreshed meanwhile, by another thread */
    memory_read(&now, m->root);
    double caches = fact_or(m->cpu.l3_bytes, 0) * m->cpu.l3_count;
    size_t bytes = bandwidth_buffer(caches, fact_or(now.available_bytes, 0x1p31));
    char *key = bandwidth_key(m->root, m->cpu.threads);
    double measured = bandwidth_measure(&bytes, m->cpu.threads, 0.5);
    *note = bytes < 2 * caches ? "memory bandwidth was measured over less memory than twice the caches, "
                                 "which may flatter it" : NULL;
    *bandwidth = fact_of(measured, FACT_MEASURED);
    if (fact_known(*bandwidth) && key)
        bandwidth_remember(key, measured);
    free(key);
    if (!fact_known(*bandwidth))
        return error_set(e, ERROR_FAILED, "measuring memory bandwidth: there is too little memory to read");
    return 0;
}

/* --------------------------------------------------------------------- summing */

struct fact machine_ram_total(const struct machine *m)
{
    struct fact limit = m->memory.limit_bytes, total = m->memory.total_bytes;
    if (!fact_known(total) || (fact_known(limit) && limit.value < total.value))
        return limit;
    return total;
}

struct fact machine_ram_used(const struct machine *m)
{
    struct fact total = machine_ram_total(m), left = m->memory.available_bytes;
    if (!fact_known(total) || !fact_known(left))
        return (struct fact){0};
    return (struct fact){fmax(0, total.value - left.value), left.source};
}

/* Adds one fact of each GPU; the sum is as doubtful as its most doubtful part. */
static struct fact sum(const struct machine *m, bool unified, struct fact (*of)(const struct machine_gpu *))
{
    struct fact total = {0};
    for (int i = 0; i < m->gpu_count; i++) {
        struct fact f = of(&m->gpus[i]);
        if (m->gpus[i].unified != unified || !fact_known(f))
            continue;
        total.value = unified ? fmax(total.value, f.value) : total.value + f.value;
        total.source = f.source > total.source ? f.source : total.source;
    }
    return total;
}

static struct fact total_of(const struct machine_gpu *g)
{
    return g->vram_total_bytes;
}

static struct fact free_of(const struct machine_gpu *g)
{
    return g->vram_free_bytes;
}

struct fact machine_vram_total(const struct machine *m)
{
    struct fact own = sum(m, false, total_of);
    return fact_known(own) ? own : sum(m, true, total_of);
}

struct fact machine_vram_free(const struct machine *m)
{
    struct fact own = sum(m, false, free_of);
    return fact_known(own) ? own : sum(m, true, free_of);
}

double machine_least_capability(const struct machine *m, int gpus)
{
    double least = NAN;
    for (int i = 0; i < gpus; i++) {
        if (!fact_known(m->gpus[i].compute_capability))
            return NAN;
        least = fmin(least, m->gpus[i].compute_capability.value);
    }
    return least;
}
