/* --machine FILE on any bytes: our YAML, and hwloc's XML. What is read is used once, sums and all. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory with these bytes: machine_detect wants a path. */
static int memory_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("machine", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    return fd;
}

/* A fact is unknown, or a number that can be planned with. */
static void check(struct fact f)
{
    if (fact_known(f) && !(f.value >= 0 && f.value < 1e30))
        abort();
}

static void use(struct machine *m)
{
    machine_refresh(m);
    check(machine_ram_total(m));
    check(machine_ram_used(m));
    check(machine_vram_total(m));
    check(machine_vram_free(m));
    for (int i = 0; i < m->gpu_count; i++)
        if (!m->gpus[i].name)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct machine *m;
    struct error e = {0};
    int fd = memory_file(data, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct machine_options o = {.file = path};
    if (machine_detect(&m, &o, &e) == 0) {
        if (!m->simulated)
            abort();
        use(m);
        machine_free(m);
    } else if (!*e.text) {
        abort();
    }
    close(fd);
    return 0;
}
