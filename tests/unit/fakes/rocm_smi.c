/* A stand-in for AMD's librocm_smi64.so; QUANTWIZ_FAKE_ROCM=1 lets it have one GPU. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int rsmi_init(uint64_t flags);
int rsmi_init(uint64_t flags)
{
    (void)flags;
    return getenv("QUANTWIZ_FAKE_ROCM") ? 0 : 8;
}

int rsmi_shut_down(void);
int rsmi_shut_down(void)
{
    return 0;
}

int rsmi_num_monitor_devices(uint32_t *count);
int rsmi_num_monitor_devices(uint32_t *count)
{
    *count = 1;
    return 0;
}

int rsmi_dev_name_get(uint32_t i, char *name, size_t size);
int rsmi_dev_name_get(uint32_t i, char *name, size_t size)
{
    snprintf(name, size, "AMD Instinct MI210");
    return i ? 1 : 0;
}

int rsmi_dev_memory_total_get(uint32_t i, int type, uint64_t *bytes);
int rsmi_dev_memory_total_get(uint32_t i, int type, uint64_t *bytes)
{
    *bytes = 68702699520;
    return i || type ? 1 : 0;
}

int rsmi_dev_memory_usage_get(uint32_t i, int type, uint64_t *bytes);
int rsmi_dev_memory_usage_get(uint32_t i, int type, uint64_t *bytes)
{
    *bytes = 1073741824;
    return i || type ? 1 : 0;
}

int rsmi_dev_pci_id_get(uint32_t i, uint64_t *id);
int rsmi_dev_pci_id_get(uint32_t i, uint64_t *id)
{
    *id = 1ULL << 32 | 0xc3 << 8 | 2 << 3;
    return i ? 1 : 0;
}

int rsmi_version_str_get(int component, char *text, uint32_t size);
int rsmi_version_str_get(int component, char *text, uint32_t size)
{
    snprintf(text, size, "6.8.5");
    return component;
}
