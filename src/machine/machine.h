/* What this computer is, or another one that is replayed. A fact that could not be read is unknown,
 * never 0. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

/* Where a number comes from; FACT_UNKNOWN means that there is none. */
enum fact_source { FACT_UNKNOWN, FACT_FOUND, FACT_MEASURED, FACT_TABLED, FACT_ENTERED };
struct fact {
    double value;
    enum fact_source source;
};
static inline bool fact_known(struct fact f) { return f.source != FACT_UNKNOWN; }
static inline double fact_or(struct fact f, double fallback) { return fact_known(f) ? f.value : fallback; }
/* "unknown", "found", "measured", "from the table", "entered" */
const char *fact_source_name(enum fact_source s);

struct machine_cpu {
    const char *model;                 /* NULL: unknown */
    int packages, cores, threads;      /* threads: that this process may use */
    int performance_cores, efficiency_cores; /* both 0 where there is one kind */
    struct fact l1d_bytes, l2_bytes, l3_bytes; /* of one instance */
    int l3_count;                      /* instances of the last-level cache */
    const char *const *features;       /* NULL-terminated */
};

struct machine_memory {
    struct fact total_bytes;
    struct fact available_bytes;       /* to be had now: MemAvailable or the limit's rest, the smaller */
    struct fact limit_bytes;           /* of the container (cgroup); unknown where there is none */
    struct fact bandwidth;             /* bytes/s with all cores */
};

struct machine_gpu {
    const char *name, *vendor;         /* "NVIDIA", "AMD", "Intel", … */
    const char *bus;                   /* "0000:01:00.0" or NULL */
    const char *driver;                /* version or NULL */
    const char *source;                /* "nvml", "rocm-smi", "amdgpu", "sysfs", "hwloc", "file", "entered" */
    struct fact vram_total_bytes, vram_free_bytes;
    struct fact bandwidth;             /* bytes/s */
    struct fact flops;                 /* dense 16-bit peak, operations/s */
    struct fact compute_capability;    /* 8.9 */
    const char *arch;                  /* "gfx1100", "Xe-HPG"; NULL: unknown */
    bool unified;                      /* shares the host's memory */
    bool mig;                          /* a MIG slice, or MIG is on */
    int numa_node;                     /* -1: unknown */
};

struct machine_numa {
    int index, cores;
    struct fact total_bytes;
};

struct machine {
    const char *name;                  /* host name, or the file that it was read from */
    bool simulated;                    /* read from a file */
    struct machine_cpu cpu;
    struct machine_memory memory;
    struct machine_gpu *gpus;
    int gpu_count;
    struct machine_numa *numa;
    int numa_count;
    const char *disk_path;
    struct fact disk_free_bytes;
    const char **warnings;             /* what could not be read, and why it matters */
    int warning_count, warning_capacity;
    const char *root;                  /* goes before /proc and /sys: "" but in tests */
    struct gpu_scan *live;             /* the drivers that machine_refresh asks; NULL: simulated */
    struct arena arena;
};

struct machine_options {
    const char *file;        /* --machine FILE: hwloc XML or our YAML; NULL: this machine */
    const char *disk_path;   /* where output will go; NULL: the current folder */
    bool skip_bandwidth;     /* do not measure (a cached figure of this boot is still used) */
    const char *root;        /* goes before /proc and /sys, for tests; NULL: $QUANTWIZ_FSROOT, or nothing */
};
/* Sets the environment that hwloc reads. Once, before there are threads that read the environment too. */
void machine_prepare(void);
int machine_detect(struct machine **out, const struct machine_options *o, struct error *e);
void machine_free(struct machine *m);
/* Free RAM and VRAM as of now; does nothing for a simulated machine. Under 2 ms: made to be called each
 * second. */
void machine_refresh(struct machine *m);
/* Reads memory with all cores for half a second, and remembers the figure until the next boot (machine_detect
 * then finds it). The result is the caller's to store in m->memory.bandwidth, so that this may run beside
 * machine_refresh. *note says what limits the figure (static text), or is NULL. */
int machine_measure_bandwidth(const struct machine *m, struct fact *bandwidth, const char **note,
                              struct error *e);

/* Memory that programs may share: what is installed or the limit, the smaller; and how much is taken. */
struct fact machine_ram_total(const struct machine *m);
struct fact machine_ram_used(const struct machine *m);

/* The least compute capability of the first `gpus`; NaN where one is not known, or there are none. */
double machine_least_capability(const struct machine *m, int gpus);

/* What GPUs offer together: sums of what is known; FACT_UNKNOWN where nothing is. Chips that share the host's
 * memory count only where there is no GPU with memory of its own, and then once. */
struct fact machine_vram_total(const struct machine *m);
struct fact machine_vram_free(const struct machine *m);

#endif
