/* NVIDIA's management library, opened at run time: nothing of NVIDIA's is needed to build or to run. Only the
 * few symbols used are declared; names and numbers are those of the NVML API reference. A function that
 * exists in several versions is asked for newest first. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "machine/gpu.h"
#include "machine/machine_priv.h"

enum {
    NVML_SUCCESS = 0, NVML_ERROR_NOT_SUPPORTED = 3, NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18, NVML_TEXT = 96,
};

typedef struct nvmlDevice *nvmlDevice;

struct nvml_memory {
    unsigned long long total, free, used; /* bytes */
};

/* What nvmlDeviceGetPciInfo fills: all its versions begin like this and end within the padding. */
struct nvml_pci {
    char bus_id[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char padding[64];
};

struct nvml {
    void *library;
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_string)(int);
    int (*driver_version)(char *, unsigned);
    int (*count)(unsigned *);
    int (*by_index)(unsigned, nvmlDevice *);
    int (*name)(nvmlDevice, char *, unsigned);
    int (*memory)(nvmlDevice, struct nvml_memory *);
    int (*pci)(nvmlDevice, struct nvml_pci *);
    int (*capability)(nvmlDevice, int *, int *);
    int (*mig_mode)(nvmlDevice, unsigned *, unsigned *);
    int (*mig_count)(nvmlDevice, unsigned *);
    int (*mig_by_index)(nvmlDevice, unsigned, nvmlDevice *);
};

/* ------------------------------------------------------------------- the library */

static const struct { const char *name; size_t at; } symbols[] = {
    {"nvmlInit_v2", offsetof(struct nvml, init)},
    {"nvmlInit", offsetof(struct nvml, init)},
    {"nvmlShutdown", offsetof(struct nvml, shutdown)},
    {"nvmlErrorString", offsetof(struct nvml, error_string)},
    {"nvmlSystemGetDriverVersion", offsetof(struct nvml, driver_version)},
    {"nvmlDeviceGetCount_v2", offsetof(struct nvml, count)},
    {"nvmlDeviceGetCount", offsetof(struct nvml, count)},
    {"nvmlDeviceGetHandleByIndex_v2", offsetof(struct nvml, by_index)},
    {"nvmlDeviceGetHandleByIndex", offsetof(struct nvml, by_index)},
    {"nvmlDeviceGetName", offsetof(struct nvml, name)},
    {"nvmlDeviceGetMemoryInfo", offsetof(struct nvml, memory)},
    {"nvmlDeviceGetPciInfo_v3", offsetof(struct nvml, pci)},
    {"nvmlDeviceGetPciInfo_v2", offsetof(struct nvml, pci)},
    {"nvmlDeviceGetPciInfo", offsetof(struct nvml, pci)},
    {"nvmlDeviceGetCudaComputeCapability", offsetof(struct nvml, capability)},
    {"nvmlDeviceGetMigMode", offsetof(struct nvml, mig_mode)},
    {"nvmlDeviceGetMaxMigDeviceCount", offsetof(struct nvml, mig_count)},
    {"nvmlDeviceGetMigDeviceHandleByIndex", offsetof(struct nvml, mig_by_index)},
};

/* Fills the functions; those of MIG and the compute capability may be missing in an old driver. */
static bool load_symbols(struct nvml *n)
{
    for (size_t i = 0; i < ARRAY_LENGTH(symbols); i++) {
        void **slot = (void **)((char *)n + symbols[i].at);
        if (!*slot)
            *slot = dlsym(n->library, symbols[i].name);
    }
    return n->init && n->shutdown && n->count && n->by_index && n->name && n->memory && n->pci;
}

static const char *nvml_error(const struct nvml *n, int rc)
{
    return n->error_string ? n->error_string(rc) : "an error without a name";
}

static void nvml_unload(struct nvml *n)
{
    dlclose(n->library);
    free(n);
}

/* A library without a driver is common (a container without its GPU) and worth a word only where there is a
 * GPU. */
static void *nvml_open(struct gpu_scan *s)
{
    static const char *const names[] = {"libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1", NULL};
    void *library = gpu_library(names);
    if (!library)
        return NULL;
    struct nvml *n = xcalloc(1, sizeof *n);
    n->library = library;
    int rc = load_symbols(n) ? n->init() : NVML_ERROR_NOT_SUPPORTED;
    if (rc == NVML_SUCCESS)
        return n;
    s->nvidia_problem = arena_printf(&s->m->arena, "NVML: %s", nvml_error(n, rc));
    if (rc == NVML_ERROR_LIB_RM_VERSION_MISMATCH)
        machine_warn(s->m, "NVIDIA's driver does not answer (%s), so GPU memory and CUDA are out of reach: "
                     "the driver was updated while running; restart the machine", s->nvidia_problem);
    nvml_unload(n);
    return NULL;
}

static void nvml_close(void *driver)
{
    struct nvml *n = driver;
    n->shutdown();
    nvml_unload(n);
}

/* --------------------------------------------------------------------- devices */

static char *driver_version(const struct nvml *n, struct arena *a)
{
    char text[NVML_TEXT] = "";
    if (!n->driver_version || n->driver_version(text, sizeof text) != NVML_SUCCESS)
        return NULL;
    return arena_strndup(a, text, sizeof text);
}

/* Name and memory: what a GPU and a slice of one have in common. */
static void read_common(struct gpu_device *d, const struct nvml *n, nvmlDevice handle, struct arena *a)
{
    char name[NVML_TEXT] = "";
    struct nvml_memory memory;
    d->handle = handle;
    if (n->name(handle, name, sizeof name) == NVML_SUCCESS)
        d->gpu.name = arena_strndup(a, name, sizeof name);
    int rc = n->memory(handle, &memory);
    /* Chips that share the host's memory (GB10, Jetson) have no figure of their own. */
    d->host_memory = rc == NVML_ERROR_NOT_SUPPORTED;
    if (rc == NVML_SUCCESS) {
        d->gpu.vram_total_bytes = fact_of((double)memory.total, FACT_FOUND);
        d->gpu.vram_free_bytes = fact_found((double)memory.free);
    }
    d->gpu.unified = d->host_memory;
}

static void read_place(struct gpu_device *d, const struct nvml *n, nvmlDevice handle, struct arena *a)
{
    struct nvml_pci pci = {0};
    if (n->pci(handle, &pci) != NVML_SUCCESS)
        return;
    d->gpu.bus = arena_printf(a, "%04x:%02x:%02x.0", pci.domain, pci.bus, pci.device);
    d->pci_vendor = pci.pci_device_id & 0xffff;
    d->pci_device = pci.pci_device_id >> 16;
}

static void read_capability(struct gpu_device *d, const struct nvml *n, nvmlDevice handle)
{
    int major, minor;
    if (n->capability && n->capability(handle, &major, &minor) == NVML_SUCCESS)
        d->gpu.compute_capability = fact_of(major + minor / 10.0, FACT_FOUND);
}

static bool mig_is_on(const struct nvml *n, nvmlDevice handle)
{
    unsigned now = 0, pending;
    return n->mig_mode && n->mig_count && n->mig_by_index &&
           n->mig_mode(handle, &now, &pending) == NVML_SUCCESS && now;
}

/* A program sees one slice, never the GPU that it is cut from, so the slices are listed in its place. */
static int add_slices(struct gpu_scan *s, const struct nvml *n, const struct gpu_device *whole)
{
    unsigned slots = 0;
    int added = 0;
    if (n->mig_count(whole->handle, &slots) != NVML_SUCCESS)
        return 0;
    for (unsigned i = 0; i < slots; i++) {
        nvmlDevice handle;
        struct gpu_device slice = *whole;
        if (n->mig_by_index(whole->handle, i, &handle) != NVML_SUCCESS)
            continue;
        slice.whole_bytes = fact_or(whole->gpu.vram_total_bytes, 0);
        slice.gpu.vram_total_bytes = slice.gpu.vram_free_bytes = (struct fact){0};
        read_common(&slice, n, handle, &s->m->arena);
        gpu_add(s, &slice);
        added++;
    }
    return added;
}

static void add_gpu(struct gpu_scan *s, struct nvml *n, nvmlDevice handle, const char *version)
{
    struct gpu_device d = {
        .backend = &gpu_nvml, .driver = n,
        .gpu = {.vendor = "NVIDIA", .source = "nvml", .driver = version, .numa_node = -1},
    };
    read_common(&d, n, handle, &s->m->arena);
    read_place(&d, n, handle, &s->m->arena);
    read_capability(&d, n, handle);
    d.gpu.mig = mig_is_on(n, handle);
    if (d.gpu.mig && add_slices(s, n, &d))
        return;
    if (d.gpu.mig) {
        machine_warn(s->m, "%s: MIG is on, but no instance exists, so no program can use it: create one with "
                     "`nvidia-smi mig -cgi`, or switch MIG off", d.gpu.name ? d.gpu.name : "a GPU");
        d.gpu.vram_free_bytes = fact_found(0);
        d.driver = NULL;
    }
    gpu_add(s, &d);
}

static void nvml_find(struct gpu_scan *s, void *driver)
{
    struct nvml *n = driver;
    unsigned count = 0;
    const char *version = driver_version(n, &s->m->arena);
    n->count(&count);
    for (unsigned i = 0; i < count; i++) {
        nvmlDevice handle;
        int rc = n->by_index(i, &handle);
        if (rc == NVML_SUCCESS)
            add_gpu(s, n, handle, version);
        else
            machine_warn(s->m, "NVIDIA GPU %u cannot be used: %s", i, nvml_error(n, rc));
    }
}

static double nvml_free_bytes(const struct gpu_device *d)
{
    const struct nvml *n = d->driver;
    struct nvml_memory memory;
    if (!n) /* MIG without instances: none of it can be used */
        return 0;
    return n->memory(d->handle, &memory) == NVML_SUCCESS ? (double)memory.free : NAN;
}

const struct gpu_backend gpu_nvml = {
    .source = "nvml", .open = nvml_open, .find = nvml_find, .free_bytes = nvml_free_bytes,
    .close = nvml_close,
};
