/* What hwloc's own back ends left in the topology: the only source for a saved one, and where no driver
 * answers. */
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#include "machine/gpu.h"
#include "machine/machine_priv.h"
#include "machine/pci_ids.h"
#include "machine/topology.h"

/* Memory as the runtimes under hwloc publish it, in KiB. */
static const char *const memory_infos[] = {"CUDAGlobalMemorySize", "RSMIVRAMSize", "LevelZeroHBMSize",
                                           "LevelZeroDDRSize", "OpenCLGlobalMemorySize"};

/* Display controllers, and processing accelerators that are GPUs (AMD's MI300); Intel's are neural units. */
static bool is_gpu(const struct hwloc_pcidev_attr_s *pci)
{
    return gpu_vendor(pci->vendor_id) &&
           (pci->class_id >> 8 == 0x03 || (pci->class_id == 0x1200 && pci->vendor_id != PCI_INTEL));
}

static void read_osdev(struct machine_gpu *g, hwloc_obj_t o, struct arena *a)
{
    const char *model = topology_info(o, "GPUModel");
    if (model && !g->name)
        g->name = arena_strdup(a, model);
    for (size_t i = 0; i < ARRAY_LENGTH(memory_infos); i++) {
        const char *kib = topology_info(o, memory_infos[i]);
        if (kib && !fact_known(g->vram_total_bytes))
            g->vram_total_bytes = fact_of(strtod(kib, NULL) * 1024, FACT_FOUND);
    }
}

static int numa_of(hwloc_topology_t t, hwloc_obj_t o)
{
    hwloc_obj_t place = hwloc_get_non_io_ancestor_obj(t, o);
    if (!place || !place->nodeset || hwloc_bitmap_weight(place->nodeset) != 1)
        return -1;
    return hwloc_bitmap_first(place->nodeset);
}

static void add_pci(struct gpu_scan *s, hwloc_obj_t o)
{
    const struct hwloc_pcidev_attr_s *pci = &o->attr->pcidev;
    struct arena *a = &s->m->arena;
    struct gpu_device d = {
        .backend = &gpu_hwloc, .pci_vendor = pci->vendor_id, .pci_device = pci->device_id,
        .gpu = {.vendor = gpu_vendor(pci->vendor_id), .source = "hwloc",
                .numa_node = numa_of(s->topology, o)},
    };
    if (!is_gpu(pci))
        return;
    d.gpu.bus = arena_printf(a, "%04x:%02x:%02x.%x", pci->domain, pci->bus, pci->dev, pci->func);
    d.gpu.unified = gpu_is_built_in(pci->vendor_id, d.gpu.bus);
    for (hwloc_obj_t child = o->io_first_child; child; child = child->next_sibling)
        if (child->type == HWLOC_OBJ_OS_DEVICE)
            read_osdev(&d.gpu, child, a);
    const char *device = topology_info(o, "PCIDevice");
    if (!d.gpu.name && device)
        d.gpu.name = pci_market_name(device, a);
    gpu_add(s, &d);
}

static void find(struct gpu_scan *s, void *driver)
{
    (void)driver;
    for (hwloc_obj_t o = NULL; s->topology && (o = hwloc_get_next_pcidev(s->topology, o));)
        add_pci(s, o);
}

const struct gpu_backend gpu_hwloc = {.source = "hwloc", .find = find};
