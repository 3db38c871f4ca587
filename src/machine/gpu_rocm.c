/* AMD's ROCm SMI, opened at run time. Declarations follow the ROCm SMI library's API reference. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "machine/gpu.h"
#include "machine/machine_priv.h"

enum { RSMI_STATUS_SUCCESS = 0, RSMI_MEM_TYPE_VRAM = 0, RSMI_SW_COMP_DRIVER = 0, RSMI_TEXT = 256 };

struct rsmi {
    void *library;
    int (*init)(uint64_t);
    int (*shut_down)(void);
    int (*count)(uint32_t *);
    int (*name)(uint32_t, char *, size_t);
    int (*total)(uint32_t, int, uint64_t *);
    int (*used)(uint32_t, int, uint64_t *);
    int (*pci_id)(uint32_t, uint64_t *);
    int (*version)(int, char *, uint32_t);
};

static const struct { const char *name; size_t at; } symbols[] = {
    {"rsmi_init", offsetof(struct rsmi, init)},
    {"rsmi_shut_down", offsetof(struct rsmi, shut_down)},
    {"rsmi_num_monitor_devices", offsetof(struct rsmi, count)},
    {"rsmi_dev_name_get", offsetof(struct rsmi, name)},
    {"rsmi_dev_memory_total_get", offsetof(struct rsmi, total)},
    {"rsmi_dev_memory_usage_get", offsetof(struct rsmi, used)},
    {"rsmi_dev_pci_id_get", offsetof(struct rsmi, pci_id)},
    {"rsmi_version_str_get", offsetof(struct rsmi, version)},
};

static bool load_symbols(struct rsmi *r)
{
    for (size_t i = 0; i < ARRAY_LENGTH(symbols); i++) {
        void **slot = (void **)((char *)r + symbols[i].at);
        if (!(*slot = dlsym(r->library, symbols[i].name)))
            return false;
    }
    return true;
}

static void *rocm_open(struct gpu_scan *s)
{
    static const char *const names[] = {"librocm_smi64.so.7", "librocm_smi64.so.6", "librocm_smi64.so.5",
                                        "librocm_smi64.so.1", "librocm_smi64.so",
                                        "/opt/rocm/lib/librocm_smi64.so", NULL};
    void *library = gpu_library(names);
    (void)s;
    if (!library)
        return NULL;
    struct rsmi *r = xcalloc(1, sizeof *r);
    r->library = library;
    if (load_symbols(r) && r->init(0) == RSMI_STATUS_SUCCESS)
        return r;
    dlclose(library);
    free(r);
    return NULL;
}

static void rocm_close(void *driver)
{
    struct rsmi *r = driver;
    r->shut_down();
    dlclose(r->library);
    free(r);
}

static double rocm_free_bytes(const struct gpu_device *d)
{
    const struct rsmi *r = d->driver;
    uint32_t i = (uint32_t)(uintptr_t)d->handle;
    uint64_t total, used;
    if (r->total(i, RSMI_MEM_TYPE_VRAM, &total) != RSMI_STATUS_SUCCESS ||
        r->used(i, RSMI_MEM_TYPE_VRAM, &used) != RSMI_STATUS_SUCCESS || used > total)
        return NAN;
    return (double)(total - used);
}

static void add_gpu(struct gpu_scan *s, struct rsmi *r, uint32_t i, const char *version)
{
    struct gpu_device d = {
        .backend = &gpu_rocm, .driver = r, .handle = (void *)(uintptr_t)i, .pci_vendor = PCI_AMD,
        .gpu = {.vendor = "AMD", .source = "rocm-smi", .driver = version, .numa_node = -1},
    };
    char name[RSMI_TEXT] = "";
    uint64_t total, id;
    if (r->name(i, name, sizeof name) == RSMI_STATUS_SUCCESS && *name)
        d.gpu.name = arena_strndup(&s->m->arena, name, sizeof name);
    if (r->total(i, RSMI_MEM_TYPE_VRAM, &total) == RSMI_STATUS_SUCCESS)
        d.gpu.vram_total_bytes = fact_of((double)total, FACT_FOUND);
    d.gpu.vram_free_bytes = fact_found(rocm_free_bytes(&d));
    /* BDFID: domain in the upper half, then bus, device and function as PCI packs them. */
    if (r->pci_id(i, &id) == RSMI_STATUS_SUCCESS)
        d.gpu.bus = arena_printf(&s->m->arena, "%04x:%02x:%02x.%x", (unsigned)(id >> 32),
                                 (unsigned)(id >> 8 & 0xff), (unsigned)(id >> 3 & 0x1f), (unsigned)(id & 7));
    gpu_add(s, &d);
}

static void rocm_find(struct gpu_scan *s, void *driver)
{
    struct rsmi *r = driver;
    char version[RSMI_TEXT] = "";
    uint32_t count = 0;
    const char *known = r->version(RSMI_SW_COMP_DRIVER, version, sizeof version) == RSMI_STATUS_SUCCESS
                            ? arena_strndup(&s->m->arena, version, sizeof version) : NULL;
    r->count(&count);
    for (uint32_t i = 0; i < count; i++)
        add_gpu(s, r, i, known);
}

const struct gpu_backend gpu_rocm = {
    .source = "rocm-smi", .open = rocm_open, .find = rocm_find, .free_bytes = rocm_free_bytes,
    .close = rocm_close,
};
