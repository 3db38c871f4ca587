/* GPUs. A back end per driver fills one row of callbacks (gpu_backends, best informed first); what several of
 * them tell of one PCI device is merged, and the table of known models adds what no driver tells. */
#ifndef MACHINE_GPU_H
#define MACHINE_GPU_H

#include <hwloc.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/machine.h"

enum { PCI_NVIDIA = 0x10de, PCI_AMD = 0x1002, PCI_INTEL = 0x8086, GPU_BACKENDS = 5 };

struct gpu_backend;

/* A GPU, and who answers for its free memory. */
struct gpu_device {
    struct machine_gpu gpu;
    const struct gpu_backend *backend;
    void *driver;           /* what the back end's open() gave */
    void *handle;           /* the back end's own name for the device */
    double whole_bytes;     /* MIG slice: memory of the GPU that it is cut from, else 0 */
    bool host_memory;       /* has none of its own: total and free are the host's */
    uint16_t pci_vendor, pci_device; /* 0: not told */
};

struct gpu_scan {
    struct machine *m;             /* strings live in its arena */
    hwloc_topology_t topology;     /* only while back ends look for devices; may be NULL */
    const char *nvidia_problem;    /* why NVML does not answer, where it is installed; or NULL */
    struct gpu_device *devices;    /* as m->gpus, index by index */
    int count, capacity;
    void *drivers[GPU_BACKENDS];
};

struct gpu_backend {
    const char *source;                                  /* as in struct machine_gpu */
    void *(*open)(struct gpu_scan *s);                   /* NULL: its driver is not here, which is no error */
    void (*find)(struct gpu_scan *s, void *driver);      /* calls gpu_add */
    double (*free_bytes)(const struct gpu_device *d);    /* NaN: not known; NULL: never known */
    void (*close)(void *driver);
};
extern const struct gpu_backend gpu_nvml, gpu_rocm, gpu_amdgpu, gpu_sysfs, gpu_hwloc;

/* Adds a device, or completes the one on the same bus that another back end has found before. */
void gpu_add(struct gpu_scan *s, const struct gpu_device *d);
/* "NVIDIA", "AMD", "Intel"; NULL for display chips that compute nothing (a server's remote console). */
const char *gpu_vendor(unsigned pci_vendor);
/* Intel's graphics in the processor always stand in one place of the bus; its cards elsewhere. */
bool gpu_is_built_in(unsigned pci_vendor, const char *bus);
/* dlopen()s the first of a NULL-terminated list. */
void *gpu_library(const char *const *names);

/* This machine's GPUs into m->gpus, with m->live set; `t` may be NULL. */
void gpu_detect(struct machine *m, hwloc_topology_t t);
/* Those of a saved topology. */
void gpu_detect_saved(struct machine *m, hwloc_topology_t t);
/* Completes s->devices from the table and copies them to m->gpus. */
void gpu_finish(struct gpu_scan *s);
/* Free memory as of now. */
void gpu_refresh(struct machine *m);
void gpu_scan_free(struct gpu_scan *s);

#endif
