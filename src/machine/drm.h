/* /sys/class/drm: the graphics cards that any kernel driver has taken. */
#ifndef MACHINE_DRM_H
#define MACHINE_DRM_H

#include <stdbool.h>

#include "machine/gpu.h"

struct drm_card {
    const char *folder;         /* ROOT/sys/class/drm/card0, in the machine's arena */
    const char *bus;            /* "0000:03:00.0", or NULL */
    const char *driver;         /* "amdgpu", "i915", …, or NULL */
    unsigned vendor, device, revision; /* PCI; 0: not told */
};
/* Calls `each` for every card, in the kernel's order. */
void drm_each(struct gpu_scan *s, void (*each)(struct gpu_scan *s, const struct drm_card *c));
/* The number in FOLDER/NAME (decimal, or hexadecimal after 0x); NaN where there is none. */
double drm_number(const char *folder, const char *name);
/* The first line of FOLDER/NAME, or NULL. */
const char *drm_text(const char *folder, const char *name, struct arena *a);
/* The node in FOLDER/device/numa_node, or -1. */
int drm_numa(const char *folder);

#endif
