/* A stand-in for NVIDIA's libnvidia-ml.so.1, so that the back end is tested where there is no GPU. The variable
 * QUANTWIZ_FAKE_NVML chooses what it plays: two, mig, mig-empty, unified, mismatch, unloaded, broken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory { unsigned long long total, free, used; };
struct pci { char legacy[16]; unsigned domain, bus, device, pci_device, subsystem; char bus_id[32]; };

struct device {
    const char *name;
    unsigned long long total_mib, free_mib; /* 0: NVML says "not supported" */
    int major, minor;
    unsigned bus, pci_device;
    int mig, slices, first_slice;
};

static struct device devices[] = {
    {"NVIDIA GeForce RTX 4090", 24564, 23000, 8, 9, 0x01, 0x268410de, 0, 0, 0},
    {"NVIDIA GeForce RTX 3060", 12288, 12000, 8, 6, 0x41, 0x250310de, 0, 0, 0},
    {"NVIDIA A100-SXM4-40GB", 40960, 10000, 8, 0, 0x07, 0x20b010de, 1, 2, 3},
    {"NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4864, 4850, 8, 0, 0x07, 0x20b010de, 0, 0, 0},
    {"NVIDIA A100-SXM4-40GB MIG 3g.20gb", 19968, 19000, 8, 0, 0x07, 0x20b010de, 0, 0, 0},
    {"NVIDIA GB10", 0, 0, 12, 1, 0x0f, 0x2e1210de, 0, 0, 0},
};

static int plays(const char *role)
{
    const char *wanted = getenv("QUANTWIZ_FAKE_NVML");
    return wanted && strcmp(wanted, role) == 0;
}

static struct device *nth(unsigned i)
{
    if (plays("mig") || plays("mig-empty"))
        return &devices[2];
    return plays("unified") ? &devices[5] : &devices[i];
}

enum { OK, NOT_SUPPORTED = 3, NOT_FOUND = 6, NOT_LOADED = 9, LOST = 15, MISMATCH = 18 };

int nvmlInit_v2(void);
int nvmlInit_v2(void)
{
    return plays("mismatch") ? MISMATCH : plays("unloaded") ? NOT_LOADED : OK;
}

int nvmlShutdown(void);
int nvmlShutdown(void)
{
    return OK;
}

const char *nvmlErrorString(int rc);
const char *nvmlErrorString(int rc)
{
    return rc == MISMATCH ? "Driver/library version mismatch" : rc == NOT_LOADED ? "Driver Not Loaded" :
           rc == LOST ? "GPU is lost" : "error";
}

int nvmlSystemGetDriverVersion(char *text, unsigned size);
int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    snprintf(text, size, "570.86.15");
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *count);
int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = plays("two") || plays("broken") ? 2 : 1;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, struct device **d);
int nvmlDeviceGetHandleByIndex_v2(unsigned i, struct device **d)
{
    if (plays("broken") && i == 1)
        return LOST;
    *d = nth(i);
    return OK;
}

int nvmlDeviceGetName(struct device *d, char *text, unsigned size);
int nvmlDeviceGetName(struct device *d, char *text, unsigned size)
{
    snprintf(text, size, "%s", d->name);
    return OK;
}

int nvmlDeviceGetMemoryInfo(struct device *d, struct memory *m);
int nvmlDeviceGetMemoryInfo(struct device *d, struct memory *m)
{
    if (!d->total_mib)
        return NOT_SUPPORTED;
    const char *less = getenv("QUANTWIZ_FAKE_NVML_LESS"); /* MiB that somebody has taken meanwhile */
    m->total = d->total_mib << 20;
    m->free = (d->free_mib - (less ? strtoul(less, NULL, 10) : 0)) << 20;
    m->used = m->total - m->free;
    return OK;
}

int nvmlDeviceGetPciInfo_v3(struct device *d, struct pci *p);
int nvmlDeviceGetPciInfo_v3(struct device *d, struct pci *p)
{
    *p = (struct pci){.bus = d->bus, .pci_device = d->pci_device};
    snprintf(p->bus_id, sizeof p->bus_id, "%08X:%02X:00.0", 0, d->bus);
    return OK;
}

int nvmlDeviceGetCudaComputeCapability(struct device *d, int *major, int *minor);
int nvmlDeviceGetCudaComputeCapability(struct device *d, int *major, int *minor)
{
    *major = d->major;
    *minor = d->minor;
    return OK;
}

int nvmlDeviceGetMigMode(struct device *d, unsigned *now, unsigned *pending);
int nvmlDeviceGetMigMode(struct device *d, unsigned *now, unsigned *pending)
{
    *now = *pending = (unsigned)d->mig;
    return d->major >= 8 ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetMaxMigDeviceCount(struct device *d, unsigned *count);
int nvmlDeviceGetMaxMigDeviceCount(struct device *d, unsigned *count)
{
    *count = d->mig ? 7 : 0;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct device *d, unsigned i, struct device **slice);
int nvmlDeviceGetMigDeviceHandleByIndex(struct device *d, unsigned i, struct device **slice)
{
    if (plays("mig-empty") || i >= (unsigned)d->slices)
        return NOT_FOUND;
    *slice = &devices[d->first_slice + (int)i];
    return OK;
}
