#include "machine/gpu.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine/gpu_table.h"
#include "machine/machine_priv.h"
#include "machine/pci_ids.h"

static const struct gpu_backend *const backends[GPU_BACKENDS] = {
    &gpu_nvml, &gpu_rocm, &gpu_amdgpu, &gpu_sysfs, &gpu_hwloc,
};

const char *gpu_vendor(unsigned pci_vendor)
{
    switch (pci_vendor) {
    case PCI_NVIDIA: return "NVIDIA";
    case PCI_AMD: return "AMD";
    case PCI_INTEL: return "Intel";
    default: return NULL;
    }
}

bool gpu_is_built_in(unsigned pci_vendor, const char *bus)
{
    return pci_vendor == PCI_INTEL && bus && strcmp(bus, "0000:00:02.0") == 0;
}

void *gpu_library(const char *const *names)
{
    void *library = NULL;
    for (; *names && !library; names++)
        library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    return library;
}

/* ------------------------------------------------------------------- merging */

static bool same_device(const struct gpu_device *a, const struct gpu_device *b)
{
    if (a->backend == b->backend)
        return false; /* the slices of one GPU stand on one bus */
    if (a->gpu.bus && b->gpu.bus)
        return strcasecmp(a->gpu.bus, b->gpu.bus) == 0;
    /* A chip without a place on a bus is the one built into the processor. */
    return a->gpu.unified && b->gpu.unified && strcmp(a->gpu.vendor, b->gpu.vendor) == 0;
}

static void complete_fact(struct fact *f, struct fact other)
{
    if (!fact_known(*f))
        *f = other;
}

/* Puts what `other` knows where `d` knows nothing. Who tells the free memory stays asked for it. */
static void complete(struct gpu_device *d, const struct gpu_device *other)
{
    struct machine_gpu *g = &d->gpu;
    const struct machine_gpu *o = &other->gpu;
    if (!g->name)
        g->name = o->name;
    if (!g->driver)
        g->driver = o->driver;
    if (g->numa_node < 0)
        g->numa_node = o->numa_node;
    if (!fact_known(g->vram_free_bytes) && fact_known(o->vram_free_bytes)) {
        d->backend = other->backend;
        d->driver = other->driver;
        d->handle = other->handle;
    }
    if (!d->host_memory) {
        complete_fact(&g->vram_total_bytes, o->vram_total_bytes);
        complete_fact(&g->vram_free_bytes, o->vram_free_bytes);
    }
    complete_fact(&g->compute_capability, o->compute_capability);
    g->unified |= o->unified;
    if (!d->pci_device) {
        d->pci_vendor = other->pci_vendor;
        d->pci_device = other->pci_device;
    }
}

void gpu_add(struct gpu_scan *s, const struct gpu_device *d)
{
    bool known = false;
    for (int i = 0; i < s->count; i++)
        if (same_device(&s->devices[i], d)) {
            complete(&s->devices[i], d);
            known = true;
        }
    if (!known)
        array_push(s->devices, s->count, s->capacity) = *d;
}

/* ----------------------------------------------------------------- finishing */

static void take_host_memory(struct machine *m, struct machine_gpu *g)
{
    g->unified = true;
    g->vram_total_bytes = machine_ram_total(m);
    g->vram_free_bytes = m->memory.available_bytes;
}

/* Cut memory slices carry the same share of the bandwidth (NVIDIA's MIG user guide); the share of the
 * processors differs between generations, so the peak of a slice stays unknown. */
static void scale_slice(struct gpu_device *d)
{
    struct machine_gpu *g = &d->gpu;
    if (d->whole_bytes > 0 && fact_known(g->vram_total_bytes) && fact_known(g->bandwidth))
        g->bandwidth.value *= g->vram_total_bytes.value / d->whole_bytes;
    if (d->whole_bytes > 0)
        g->flops = (struct fact){0};
}

static void warn_unknown(struct gpu_scan *s, const struct machine_gpu *g)
{
    bool nvidia = g->vendor && strcmp(g->vendor, "NVIDIA") == 0;
    const char *why = nvidia && s->nvidia_problem ? s->nvidia_problem : "no driver answers";
    if (fact_known(g->vram_total_bytes) || g->unified)
        return;
    if (s->m->simulated)
        machine_warn(s->m, "%s: the file does not tell its memory, so what fits on it cannot be said; "
                     "describe the machine in YAML, or enter it", g->name);
    else
        machine_warn(s->m, "%s: its memory could not be read (%s), so what fits on it cannot be said; "
                     "install the vendor's driver, or enter it", g->name, why);
}

/* A name for a device whose driver gave none: from the system's list (of this machine only), else its
 * numbers. */
static const char *other_name(struct gpu_scan *s, const struct gpu_device *d)
{
    struct arena *a = &s->m->arena;
    const char *vendor = d->gpu.vendor ? d->gpu.vendor : "unknown", *listed = NULL;
    if (!d->pci_device)
        return arena_printf(a, "%s GPU", vendor);
    if (!s->m->simulated)
        listed = pci_device_name(s->m->root, d->pci_vendor, d->pci_device, a);
    return listed ? listed : arena_printf(a, "%s GPU %04x:%04x", vendor, d->pci_vendor, d->pci_device);
}

void gpu_finish(struct gpu_scan *s)
{
    struct machine *m = s->m;
    struct error e = {0};
    struct gpu_table *table = NULL;
    if (s->count && gpu_table_load(&table, &e) != 0)
        machine_warn(m, "bandwidth and speed of GPUs stay unknown: %s", e.text);
    m->gpus = arena_alloc(&m->arena, s->count * sizeof *m->gpus);
    for (int i = 0; i < s->count; i++) {
        struct gpu_device *d = &s->devices[i];
        if (d->host_memory)
            take_host_memory(m, &d->gpu);
        if (!d->gpu.name)
            d->gpu.name = other_name(s, d);
        gpu_table_complete(table, &d->gpu, d->whole_bytes, &m->arena);
        scale_slice(d);
        warn_unknown(s, &d->gpu);
        m->gpus[m->gpu_count++] = d->gpu;
    }
    gpu_table_free(table);
}

static void find_all(struct gpu_scan *s, const struct gpu_backend *only)
{
    for (int i = 0; i < GPU_BACKENDS; i++) {
        const struct gpu_backend *b = backends[i];
        if (only && b != only)
            continue;
        s->drivers[i] = b->open ? b->open(s) : NULL;
        if (s->drivers[i] || !b->open)
            b->find(s, s->drivers[i]);
    }
    gpu_finish(s);
    s->topology = NULL;
}

void gpu_detect(struct machine *m, hwloc_topology_t t)
{
    struct gpu_scan *s = m->live = xcalloc(1, sizeof *s);
    *s = (struct gpu_scan){.m = m, .topology = t};
    find_all(s, NULL);
}

void gpu_detect_saved(struct machine *m, hwloc_topology_t t)
{
    struct gpu_scan s = {.m = m, .topology = t};
    find_all(&s, &gpu_hwloc);
    free(s.devices);
}

/* ------------------------------------------------------------------- living on */

void gpu_refresh(struct machine *m)
{
    /* A person may have added GPUs behind those that were found. */
    for (int i = 0; m->live && i < m->live->count && i < m->gpu_count; i++) {
        const struct gpu_device *d = &m->live->devices[i];
        if (d->host_memory)
            m->gpus[i].vram_free_bytes = m->memory.available_bytes;
        else if (d->backend->free_bytes && m->gpus[i].vram_free_bytes.source != FACT_ENTERED)
            m->gpus[i].vram_free_bytes = fact_found(d->backend->free_bytes(d));
    }
}

void gpu_scan_free(struct gpu_scan *s)
{
    for (int i = 0; s && i < GPU_BACKENDS; i++)
        if (s->drivers[i] && backends[i]->close)
            backends[i]->close(s->drivers[i]);
    if (s)
        free(s->devices);
    free(s);
}
