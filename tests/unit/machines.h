/* Machines made for tests: a CPU with so much free RAM, and GPUs of so many GiB. */
#ifndef MACHINES_H
#define MACHINES_H

#include "machine/machine.h"

#define GIB (1024.0 * 1024 * 1024)

struct test_machine {
    struct machine machine;
    struct machine_gpu gpus[4];
};

static inline struct fact found(double value)
{
    return (struct fact){value, FACT_FOUND};
}

static const char *const no_features[] = {NULL};

/* All of a GPU's memory but 0.3 GiB is free. 0 GiB of RAM: unknown. */
static inline const struct machine *test_machine(struct test_machine *t, double ram_gib, int gpus,
                                                 double vram_gib)
{
    *t = (struct test_machine){.machine = {.name = "test", .gpus = t->gpus, .gpu_count = gpus}};
    t->machine.cpu.features = no_features;
    if (ram_gib > 0) {
        t->machine.memory.total_bytes = found(ram_gib * GIB * 1.25);
        t->machine.memory.available_bytes = found(ram_gib * GIB);
        t->machine.memory.bandwidth = found(50e9);
    }
    for (int i = 0; i < gpus; i++)
        t->gpus[i] = (struct machine_gpu){.name = "GPU",
                                          .vendor = "NVIDIA",
                                          .vram_total_bytes = found(vram_gib * GIB),
                                          .vram_free_bytes = found((vram_gib - 0.3) * GIB),
                                          .bandwidth = found(500e9),
                                          .flops = found(60e12),
                                          .compute_capability = found(8.9),
                                          .numa_node = -1};
    return &t->machine;
}

#endif
