/* AMD cards through the amdgpu driver's files in /sys (the kernel's "AMDgpu driver" documentation). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "machine/drm.h"
#include "machine/machine_priv.h"

/* libdrm's list of product names: "73BF,	C1,	AMD Radeon RX 6800 XT", device and revision in hexadecimal. */
static const char *product_name(unsigned device, unsigned revision, const char *root, struct arena *a)
{
    char *path = xasprintf("%s/usr/share/libdrm/amdgpu.ids", root), line[256];
    const char *found = NULL;
    unsigned d, r;
    int at;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f))
        if (sscanf(line, "%x, %x, %n", &d, &r, &at) == 2 && d == device && r == revision) {
            line[strcspn(line, "\r\n")] = 0;
            found = arena_strdup(a, line + at);
        }
    if (f)
        fclose(f);
    free(path);
    return found;
}

/* The driver shows the load of the memory bus only for cards with memory of their own. */
static bool is_integrated(const char *folder)
{
    return !isnan(drm_number(folder, "device/gpu_busy_percent")) &&
           isnan(drm_number(folder, "device/mem_busy_percent"));
}

/* "total" or "used": the card's memory; and for a built-in chip, which owns a carve-out of the host's memory
 * and may borrow more (GTT), both together. */
static double memory(const char *folder, const char *what)
{
    char vram[64], gtt[64];
    snprintf(vram, sizeof vram, "device/mem_info_vram_%s", what);
    snprintf(gtt, sizeof gtt, "device/mem_info_gtt_%s", what);
    return drm_number(folder, vram) + (is_integrated(folder) ? drm_number(folder, gtt) : 0);
}

static double amdgpu_free_bytes(const struct gpu_device *d)
{
    return fmax(0, memory(d->handle, "total") - memory(d->handle, "used"));
}

static void add_card(struct gpu_scan *s, const struct drm_card *c)
{
    struct arena *a = &s->m->arena;
    if (c->vendor != PCI_AMD || !c->driver || strcmp(c->driver, "amdgpu") != 0)
        return;
    char *module = xasprintf("%s/sys/module/amdgpu", s->m->root);
    struct gpu_device d = {
        .backend = &gpu_amdgpu, .handle = (void *)c->folder, .pci_vendor = c->vendor, .pci_device = c->device,
        .gpu = {.vendor = "AMD", .source = "amdgpu", .bus = c->bus, .numa_node = drm_numa(c->folder),
                .driver = drm_text(module, "version", a), .unified = is_integrated(c->folder)},
    };
    d.gpu.name = drm_text(c->folder, "device/product_name", a);
    if (!d.gpu.name)
        d.gpu.name = product_name(c->device, c->revision, s->m->root, a);
    d.gpu.vram_total_bytes = fact_of(memory(c->folder, "total"), FACT_FOUND);
    if (fact_known(d.gpu.vram_total_bytes))
        d.gpu.vram_free_bytes = fact_found(amdgpu_free_bytes(&d));
    free(module);
    gpu_add(s, &d);
}

static void amdgpu_find(struct gpu_scan *s, void *driver)
{
    (void)driver;
    drm_each(s, add_card);
}

const struct gpu_backend gpu_amdgpu = {
    .source = "amdgpu", .find = amdgpu_find, .free_bytes = amdgpu_free_bytes,
};
