#include "machine/topology.h"

#include <stdlib.h>
#include <string.h>

#include "machine/machine_priv.h"

/* ------------------------------------------------------------------- opening */

void topology_prepare(void)
{
    /* hwloc prints to stderr what it does not like; that is no way to talk to a person in a full-screen
     * program. */
    setenv("HWLOC_HIDE_ERRORS", "2", 0);
    /* These load whole graphics stacks, may wait for a display, and know less than our own back ends. */
    setenv("HWLOC_PLUGINS_BLACKLIST", "hwloc_cuda.so,hwloc_gl.so,hwloc_levelzero.so,hwloc_nvml.so,"
                                      "hwloc_opencl.so,hwloc_pci.so,hwloc_rsmi.so", 0);
}

static hwloc_topology_t new_topology(void)
{
    hwloc_topology_t t;
    topology_prepare();
    if (hwloc_topology_init(&t) != 0)
        return NULL;
    hwloc_topology_set_io_types_filter(t, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    return t;
}

int topology_open(hwloc_topology_t *out, struct error *e)
{
    hwloc_topology_t t = new_topology();
    *out = NULL;
    if (!t)
        return error_set(e, ERROR_FAILED, "reading this machine's topology: hwloc does not start");
    if (hwloc_topology_load(t) != 0) {
        hwloc_topology_destroy(t);
        return error_errno(e, "reading this machine's topology");
    }
    *out = t;
    return 0;
}

int topology_open_xml(hwloc_topology_t *out, const char *text, size_t length, const char *name,
                      struct error *e)
{
    hwloc_topology_t t = new_topology();
    *out = NULL;
    if (t && hwloc_topology_set_xmlbuffer(t, text, (int)length + 1) == 0 && hwloc_topology_load(t) == 0) {
        *out = t;
        return 0;
    }
    if (t)
        hwloc_topology_destroy(t);
    return error_set(e, ERROR_USAGE, "%s: is no topology in hwloc's XML (version 2), or it is damaged: "
                     "save it again with `lstopo --of xml`", name);
}

/* ---------------------------------------------------------------- describing */

const char *topology_info(hwloc_obj_t o, const char *name)
{
    return o ? hwloc_obj_get_info_by_name(o, name) : NULL;
}

static int count_in(hwloc_topology_t t, hwloc_const_cpuset_t set, hwloc_obj_type_t type)
{
    int n = hwloc_get_nbobjs_inside_cpuset_by_type(t, set, type);
    return n > 0 ? n : 0;
}

/* Cores, or hardware threads where the topology has no cores (some virtual machines and boards). */
static int count_cores(hwloc_topology_t t, hwloc_const_cpuset_t set)
{
    int n = count_in(t, set, HWLOC_OBJ_CORE);
    return n ? n : count_in(t, set, HWLOC_OBJ_PU);
}

static struct fact cache_size(hwloc_topology_t t, hwloc_obj_type_t type)
{
    hwloc_obj_t o = hwloc_get_obj_by_type(t, type, 0);
    return fact_of(o && o->attr ? (double)o->attr->cache.size : NAN, FACT_FOUND);
}

/* "Intel(R) Core(TM) i9   @ 3 GHz" with single blanks and without marks. */
static char *tidy_model(struct arena *a, const char *raw)
{
    static const char *const marks[] = {"(R)", "(r)", "(TM)", "(tm)"};
    char *out = arena_strdup(a, raw), *w = out;
    for (const char *r = raw; *r;) {
        size_t skip = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(marks); i++)
            if (strncmp(r, marks[i], strlen(marks[i])) == 0)
                skip = strlen(marks[i]);
        if (*r == ' ' && (w == out || w[-1] == ' '))
            skip = 1;
        if (skip)
            r += skip;
        else
            *w++ = *r++;
    }
    while (w > out && w[-1] == ' ')
        w--;
    *w = 0;
    return out;
}

/* Arm cores carry numbers instead of names: implementer 0x41 is Arm itself; parts from the cores' manuals
 * (MIDR). */
static const char *arm_core(hwloc_obj_t o)
{
    static const struct { int part; const char *name; } cores[] = {
        {0xd03, "Cortex-A53"}, {0xd05, "Cortex-A55"}, {0xd07, "Cortex-A57"}, {0xd08, "Cortex-A72"},
        {0xd09, "Cortex-A73"}, {0xd0a, "Cortex-A75"}, {0xd0b, "Cortex-A76"}, {0xd0c, "Neoverse N1"},
        {0xd0d, "Cortex-A77"}, {0xd40, "Neoverse V1"}, {0xd41, "Cortex-A78"}, {0xd42, "Cortex-A78AE"},
        {0xd44, "Cortex-X1"}, {0xd46, "Cortex-A510"}, {0xd47, "Cortex-A710"}, {0xd48, "Cortex-X2"},
        {0xd49, "Neoverse N2"}, {0xd4f, "Neoverse V2"}, {0xd80, "Cortex-A520"}, {0xd81, "Cortex-A720"},
        {0xd85, "Cortex-X925"}, {0xd87, "Cortex-A725"}, {0xd8e, "Neoverse N3"},
    };
    const char *maker = topology_info(o, "CPUImplementer"), *part = topology_info(o, "CPUPart");
    if (!maker || !part || strtol(maker, NULL, 16) != 0x41)
        return NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(cores); i++)
        if (cores[i].part == strtol(part, NULL, 16))
            return cores[i].name;
    return NULL;
}

/* hwloc hangs the model on each package, or on the machine where it found none. */
static const char *cpu_model(struct arena *a, hwloc_topology_t t)
{
    hwloc_obj_t places[] = {hwloc_get_obj_by_type(t, HWLOC_OBJ_PACKAGE, 0), hwloc_get_root_obj(t)};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        const char *model = topology_info(places[i], "CPUModel");
        if (model && *model)
            return tidy_model(a, model);
        if ((model = arm_core(places[i])))
            return model;
    }
    return NULL;
}

static const char *kind_info(const struct hwloc_info_s *infos, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return infos[i].value;
    return NULL;
}

/* hwloc ranks kinds by efficiency, 0 the slowest. Kinds that the hardware does not call different things are
 * favoured cores of one design (they differ in their top frequency only), which are one kind to us. */
static void describe_kinds(struct machine_cpu *cpu, hwloc_topology_t t)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc(), slow = hwloc_bitmap_alloc(), fast = hwloc_bitmap_alloc();
    int kinds = hwloc_cpukinds_get_nr(t, 0);
    for (int i = 0; i < kinds; i++) {
        struct hwloc_info_s *infos = NULL;
        unsigned count = 0;
        int rank = -1;
        if (hwloc_cpukinds_get_info(t, i, set, &rank, &count, &infos, 0) != 0 || rank < 0)
            continue;
        if (kind_info(infos, count, "CoreType") || kind_info(infos, count, "LinuxCapacity"))
            hwloc_bitmap_or(rank ? fast : slow, rank ? fast : slow, set);
    }
    if (!hwloc_bitmap_iszero(slow) && !hwloc_bitmap_iszero(fast)) {
        cpu->performance_cores = count_cores(t, fast);
        cpu->efficiency_cores = count_cores(t, slow);
    }
    hwloc_bitmap_free(set);
    hwloc_bitmap_free(slow);
    hwloc_bitmap_free(fast);
}

static void describe_numa(struct machine *m, hwloc_topology_t t)
{
    int n = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);
    m->numa = arena_alloc(&m->arena, (n > 0 ? n : 0) * sizeof *m->numa);
    for (int i = 0; i < n; i++) {
        hwloc_obj_t node = hwloc_get_obj_by_type(t, HWLOC_OBJ_NUMANODE, i);
        m->numa[m->numa_count++] = (struct machine_numa){
            .index = (int)node->os_index,
            .cores = count_cores(t, node->cpuset),
            .total_bytes = fact_of((double)node->attr->numanode.local_memory, FACT_FOUND),
        };
    }
}

void topology_describe(struct machine *m, hwloc_topology_t t)
{
    hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(t);
    m->cpu.model = cpu_model(&m->arena, t);
    m->cpu.packages = count_in(t, all, HWLOC_OBJ_PACKAGE);
    m->cpu.cores = count_cores(t, all);
    m->cpu.threads = count_in(t, all, HWLOC_OBJ_PU);
    m->cpu.l1d_bytes = cache_size(t, HWLOC_OBJ_L1CACHE);
    m->cpu.l2_bytes = cache_size(t, HWLOC_OBJ_L2CACHE);
    m->cpu.l3_bytes = cache_size(t, HWLOC_OBJ_L3CACHE);
    m->cpu.l3_count = count_in(t, all, HWLOC_OBJ_L3CACHE);
    describe_kinds(&m->cpu, t);
    describe_numa(m, t);
}
