/* Cards of any driver in /sys/class/drm: Intel's i915 and xe tell their memory, the others at least that they
 * are there. And NVIDIA's Jetson boards, whose GPU stands on no PCI bus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "machine/drm.h"
#include "machine/machine_priv.h"

/* xe: FOLDER/device/tileN/physical_vram_size_bytes, or a folder deeper, summed over the tiles. */
static double xe_memory(const char *folder)
{
    double sum = 0;
    for (int tile = 0;; tile++) {
        char name[80];
        snprintf(name, sizeof name, "device/tile%d/physical_vram_size_bytes", tile);
        double bytes = drm_number(folder, name);
        if (isnan(bytes)) {
            snprintf(name, sizeof name, "device/tile%d/memory/physical_vram_size_bytes", tile);
            bytes = drm_number(folder, name);
        }
        if (isnan(bytes))
            return sum > 0 ? sum : NAN;
        sum += bytes;
    }
}

static double intel_memory(const char *folder)
{
    double i915 = drm_number(folder, "lmem_total_bytes");
    return isnan(i915) ? xe_memory(folder) : i915;
}

static double sysfs_free_bytes(const struct gpu_device *d)
{
    return d->handle ? drm_number(d->handle, "lmem_avail_bytes") : NAN;
}

static void add_card(struct gpu_scan *s, const struct drm_card *c)
{
    struct gpu_device d = {
        .backend = &gpu_sysfs, .handle = (void *)c->folder, .pci_vendor = c->vendor, .pci_device = c->device,
        .gpu = {.vendor = gpu_vendor(c->vendor), .source = "sysfs", .bus = c->bus,
                .numa_node = drm_numa(c->folder), .unified = gpu_is_built_in(c->vendor, c->bus)},
    };
    if (!d.gpu.vendor)
        return;
    if (c->vendor == PCI_INTEL && !d.gpu.unified) {
        d.gpu.vram_total_bytes = fact_of(intel_memory(c->folder), FACT_FOUND);
        d.gpu.vram_free_bytes = fact_found(sysfs_free_bytes(&d));
    }
    gpu_add(s, &d);
}

/* The device tree's list of what the board is, NUL-separated: "nvidia,p3737-0000+p3701-0000",
 * "nvidia,tegra234". */
static bool is_tegra(const char *root)
{
    char *path = xasprintf("%s/proc/device-tree/compatible", root), text[512];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    bool found = false;
    text[n] = 0;
    for (size_t i = 0; i < n; i += strlen(text + i) + 1)
        found |= str_starts(text + i, "nvidia,tegra");
    if (f)
        fclose(f);
    free(path);
    return found;
}

static void add_tegra(struct gpu_scan *s)
{
    char *tree = xasprintf("%s/proc/device-tree", s->m->root);
    const struct gpu_device d = {
        .backend = &gpu_sysfs, .host_memory = true,
        .gpu = {.name = drm_text(tree, "model", &s->m->arena), .vendor = "NVIDIA", .source = "sysfs",
                .unified = true, .numa_node = -1},
    };
    free(tree);
    gpu_add(s, &d);
}

static void sysfs_find(struct gpu_scan *s, void *driver)
{
    (void)driver;
    drm_each(s, add_card);
    if (is_tegra(s->m->root))
        add_tegra(s);
}

const struct gpu_backend gpu_sysfs = {
    .source = "sysfs", .find = sysfs_find, .free_bytes = sysfs_free_bytes,
};
