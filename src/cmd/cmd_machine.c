/* quantwiz machine: what this computer is, for people and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/table.h"
#include "cmd/cmd.h"
#include "machine/machine.h"

/* ------------------------------------------------------------------------ JSON */

/* A fact in an object: its value (null: unknown), and under "sources" where that comes from. */
static void put_fact(json_t *object, const char *key, struct fact f)
{
    json_t *sources = json_object_get(object, "sources");
    if (!sources) {
        sources = json_object();
        json_object_set_new(object, "sources", sources);
    }
    json_object_set_new(object, key, json_value(fact_or(f, NAN)));
    json_object_set_new(sources, key, json_text(fact_source_name(f.source)));
}

static json_t *count_or_null(int n)
{
    return n > 0 ? json_integer(n) : json_null();
}

static json_t *texts(const char *const *list)
{
    json_t *array = json_array();
    for (; *list; list++)
        json_array_append_new(array, json_text(*list));
    return array;
}

static json_t *cpu_json(const struct machine_cpu *c)
{
    json_t *j = json_object();
    json_object_set_new(j, "model", json_text(c->model));
    json_object_set_new(j, "packages", count_or_null(c->packages));
    json_object_set_new(j, "cores", count_or_null(c->cores));
    json_object_set_new(j, "threads", count_or_null(c->threads));
    json_object_set_new(j, "performance_cores", count_or_null(c->performance_cores));
    json_object_set_new(j, "efficiency_cores", count_or_null(c->efficiency_cores));
    json_object_set_new(j, "features", texts(c->features));
    put_fact(j, "l1d_bytes", c->l1d_bytes);
    put_fact(j, "l2_bytes", c->l2_bytes);
    put_fact(j, "l3_bytes", c->l3_bytes);
    return j;
}

static json_t *memory_json(const struct machine *m)
{
    json_t *j = json_object();
    put_fact(j, "total_bytes", m->memory.total_bytes);
    put_fact(j, "available_bytes", m->memory.available_bytes);
    put_fact(j, "limit_bytes", m->memory.limit_bytes);
    put_fact(j, "used_bytes", machine_ram_used(m));
    put_fact(j, "bandwidth_bytes_per_s", m->memory.bandwidth);
    return j;
}

static json_t *gpu_json(const struct machine_gpu *g)
{
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(g->name));
    json_object_set_new(j, "vendor", json_text(g->vendor));
    json_object_set_new(j, "architecture", json_text(g->arch));
    json_object_set_new(j, "bus", json_text(g->bus));
    json_object_set_new(j, "driver", json_text(g->driver));
    json_object_set_new(j, "source", json_text(g->source));
    json_object_set_new(j, "unified", json_boolean(g->unified));
    json_object_set_new(j, "mig", json_boolean(g->mig));
    json_object_set_new(j, "numa_node", g->numa_node < 0 ? json_null() : json_integer(g->numa_node));
    put_fact(j, "vram_total_bytes", g->vram_total_bytes);
    put_fact(j, "vram_free_bytes", g->vram_free_bytes);
    put_fact(j, "bandwidth_bytes_per_s", g->bandwidth);
    put_fact(j, "flops_16bit", g->flops);
    put_fact(j, "compute_capability", g->compute_capability);
    return j;
}

static json_t *numa_json(const struct machine_numa *n)
{
    json_t *j = json_object();
    json_object_set_new(j, "index", json_integer(n->index));
    json_object_set_new(j, "cores", json_integer(n->cores));
    put_fact(j, "total_bytes", n->total_bytes);
    return j;
}

static json_t *disk_json(const struct machine *m)
{
    json_t *j = json_object();
    json_object_set_new(j, "path", json_text(m->disk_path));
    put_fact(j, "free_bytes", m->disk_free_bytes);
    return j;
}

static json_t *machine_json(const struct machine *m)
{
    json_t *j = json_object(), *gpus = json_array(), *numa = json_array(), *warnings = json_array();
    for (int i = 0; i < m->gpu_count; i++)
        json_array_append_new(gpus, gpu_json(&m->gpus[i]));
    for (int i = 0; i < m->numa_count; i++)
        json_array_append_new(numa, numa_json(&m->numa[i]));
    for (int i = 0; i < m->warning_count; i++)
        json_array_append_new(warnings, json_text(m->warnings[i]));
    json_object_set_new(j, "name", json_text(m->name));
    json_object_set_new(j, "simulated", json_boolean(m->simulated));
    json_object_set_new(j, "cpu", cpu_json(&m->cpu));
    json_object_set_new(j, "memory", memory_json(m));
    json_object_set_new(j, "gpus", gpus);
    json_object_set_new(j, "numa", numa);
    json_object_set_new(j, "disk", disk_json(m));
    json_object_set_new(j, "warnings", warnings);
    return j;
}

/* ------------------------------------------------------------------------ text */

enum unit { UNIT_BYTES, UNIT_BYTES_PER_S, UNIT_OPERATIONS, UNIT_PLAIN };

/* "24.0 GiB (entered)", "1008 GB/s (from the table)"; what was plainly read carries no mark. */
static char *show(char out[static 64], struct fact f, enum unit unit)
{
    char size[FORMAT_SIZE], mark[32] = "";
    if (!fact_known(f))
        return strcpy(out, "unknown");
    if (f.source != FACT_FOUND)
        snprintf(mark, sizeof mark, " (%s)", fact_source_name(f.source));
    switch (unit) {
    case UNIT_BYTES: snprintf(out, 64, "%s%s", format_bytes(size, f.value), mark); break;
    case UNIT_BYTES_PER_S: snprintf(out, 64, "%.4g GB/s%s", f.value / 1e9, mark); break;
    case UNIT_OPERATIONS: snprintf(out, 64, "%.4g TFLOPS%s", f.value / 1e12, mark); break;
    case UNIT_PLAIN: snprintf(out, 64, "%.1f%s", f.value, mark); break;
    }
    return out;
}

/* A row of the profile; `why` is what an unknown fact costs. */
static void row(struct table *t, const char *label, struct fact f, enum unit unit, const char *why)
{
    char text[64];
    bool explain = why && !fact_known(f);
    table_add(t, "  %s", label);
    table_add(t, "%s%s%s", show(text, f, unit), explain ? ": " : "", explain ? why : "");
}

static void add_counts(struct str *s, const struct machine_cpu *c)
{
    if (c->packages > 1)
        str_addf(s, "%d packages, ", c->packages);
    if (c->cores > 0)
        str_addf(s, "%d cores", c->cores);
    else
        str_add(s, "cores unknown");
    if (c->performance_cores > 0)
        str_addf(s, " (%d performance, %d efficiency)", c->performance_cores, c->efficiency_cores);
    if (c->threads > 0)
        str_addf(s, ", %d threads", c->threads);
}

static void cpu_rows(struct table *t, const struct machine *m)
{
    const struct machine_cpu *c = &m->cpu;
    const struct { const char *name; struct fact size; } caches[] = {
        {"L1d", c->l1d_bytes}, {"L2", c->l2_bytes}, {"L3", c->l3_bytes}};
    struct str counts = {0}, units = {0}, sizes = {0};
    char size[FORMAT_SIZE];
    add_counts(&counts, c);
    for (const char *const *f = c->features; *f; f++)
        str_addf(&units, "%s%s", units.length ? " " : "", *f);
    for (size_t i = 0; i < ARRAY_LENGTH(caches); i++)
        if (fact_known(caches[i].size))
            str_addf(&sizes, "%s%s %s", sizes.length ? ", " : "", caches[i].name,
                     format_bytes(size, caches[i].size.value));
    table_add(t, "  processor");
    table_add(t, "%s", c->model ? c->model : "unknown");
    table_add(t, "  cores");
    table_add(t, "%s", counts.data);
    table_add(t, "  vector units");
    table_add(t, "%s", units.length ? units.data : "unknown: they decide the speed of quantizing");
    table_add(t, "  caches");
    table_add(t, "%s", sizes.length ? sizes.data : "unknown");
    str_done(&counts);
    str_done(&units);
    str_done(&sizes);
}

static void memory_rows(struct table *t, const struct machine *m)
{
    row(t, "memory", m->memory.total_bytes, UNIT_BYTES, "what fits in RAM cannot be said");
    row(t, "available now", m->memory.available_bytes, UNIT_BYTES, "what fits at this moment cannot be said");
    if (fact_known(m->memory.limit_bytes))
        row(t, "container's limit", m->memory.limit_bytes, UNIT_BYTES, NULL);
    row(t, "memory bandwidth", m->memory.bandwidth, UNIT_BYTES_PER_S,
        "tokens/s on the CPU cannot be estimated");
    if (m->numa_count > 1) {
        table_add(t, "  NUMA nodes");
        table_add(t, "%d: a model that spans them reads slower than one node's bandwidth", m->numa_count);
    }
}

static void disk_row(struct table *t, const struct machine *m)
{
    struct str label = {0};
    str_addf(&label, m->disk_path ? "disk (%s)" : "disk", m->disk_path);
    row(t, label.data, m->disk_free_bytes, UNIT_BYTES, "whether the output fits cannot be said");
    str_done(&label);
}

/* `single`: one GPU, not a group of equal ones, so that its place can be told. */
static void gpu_rows(struct table *t, const struct machine_gpu *g, bool single)
{
    char total[64], left[64];
    table_add(t, "  memory");
    table_add(t, "%s, free %s%s", show(total, g->vram_total_bytes, UNIT_BYTES),
              show(left, g->vram_free_bytes, UNIT_BYTES), g->unified ? " (shared with the processor)" : "");
    row(t, "bandwidth", g->bandwidth, UNIT_BYTES_PER_S, "tokens/s on it cannot be estimated");
    row(t, "16-bit peak", g->flops, UNIT_OPERATIONS, "the time to read a prompt cannot be estimated");
    if (g->vendor && strcmp(g->vendor, "NVIDIA") == 0)
        row(t, "compute capability", g->compute_capability, UNIT_PLAIN,
            "which formats its kernels take cannot be said");
    table_add(t, "  read through");
    table_add(t, "%s%s%s%s%s%s", g->source, g->driver ? ", driver " : "", g->driver ? g->driver : "",
              g->bus && single ? ", at " : "", g->bus && single ? g->bus : "", g->mig ? ", MIG" : "");
}

/* Equal GPUs of one machine are shown once, with their number. */
static bool alike(const struct machine_gpu *a, const struct machine_gpu *b)
{
    return strcmp(a->name, b->name) == 0 && a->vram_total_bytes.value == b->vram_total_bytes.value &&
           a->vram_free_bytes.value == b->vram_free_bytes.value && strcmp(a->source, b->source) == 0;
}

static void print_gpus(const struct machine *m)
{
    if (!m->gpu_count)
        puts("\nGPUs: none found");
    for (int i = 0, n; i < m->gpu_count; i += n) {
        struct table t;
        for (n = 1; i + n < m->gpu_count && alike(&m->gpus[i], &m->gpus[i + n]); n++)
            ;
        printf("\nGPU %d", i);
        if (n > 1)
            printf(" to %d", i + n - 1);
        printf(": %s\n", m->gpus[i].name);
        table_init(&t, "ll");
        gpu_rows(&t, &m->gpus[i], n == 1);
        table_print(&t, stdout, 0);
        table_done(&t);
    }
}

static void print_text(const struct machine *m)
{
    struct table t;
    printf("%s%s\n", m->name, m->simulated ? " (simulated: nothing here is this computer)" : "");
    table_init(&t, "ll");
    cpu_rows(&t, m);
    memory_rows(&t, m);
    disk_row(&t, m);
    table_print(&t, stdout, 0);
    table_done(&t);
    print_gpus(m);
    for (int i = 0; i < m->warning_count; i++)
        printf("%swarning: %s\n", i ? "" : "\n", m->warnings[i]);
}

static int run(const struct args *a, struct error *e)
{
    struct machine *m;
    const struct machine_options options = {
        .file = args_get(a, "machine"),
        .disk_path = args_get(a, "out"),
        .skip_bandwidth = args_has(a, "no-bandwidth"),
    };
    int rc = machine_detect(&m, &options, e);
    if (rc)
        return rc;
    if (args_json(a))
        json_print(stdout, machine_json(m), 0);
    else
        print_text(m);
    machine_free(m);
    return 0;
}

static const struct option_spec options[] = {
    {"no-bandwidth", 0, NULL, "do not measure memory bandwidth (half a second, once a boot)"},
    {"out", 'o', "DIR", "where output will go: its disk is looked at (default: the current folder)"},
    {0},
};

const struct command cmd_machine = {
    .name = "machine",
    .usage = "[--json]",
    .summary = "the hardware profile: cores, memory, bandwidth, GPUs",
    .options = options,
    .run = run,
};
