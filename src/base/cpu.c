#include "base/cpu.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cgroup.h"
#include "base/mem.h"
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

static const char *const isa_names[CPU_ISA_COUNT] = {"generic", "avx2", "avx512"};

const char *cpu_isa_name(enum cpu_isa isa)
{
    return isa_names[isa];
}

static enum cpu_isa best_isa(void)
{
#ifdef __x86_64__
    /* libgcc's answer covers both the CPUID bits and what the operating system saves. The levels x86-64-v3 and -v4,
     * that the kernels are built for, spelled out, because clang 14 does not know their names; F16C, LZCNT and MOVBE
     * come with every processor that has these. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2"))
        return CPU_GENERIC;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return CPU_AVX512;
    return CPU_AVX2;
#else
    return CPU_GENERIC;
#endif
}

enum cpu_isa cpu_isa(void)
{
    static int chosen = -1;
    if (chosen >= 0)
        return chosen;
    enum cpu_isa isa = best_isa();
    const char *wish = getenv("QUANTWIZ_ISA");
    for (int i = 0; wish && i < (int)isa; i++)
        if (strcmp(wish, isa_names[i]) == 0)
            isa = i;
    return chosen = isa;
}

const char *const *cpu_features(void)
{
    static const char *found[32];
    if (found[0])
        return found;
    int n = 0;
#ifdef __x86_64__
    /* __builtin_cpu_supports does not know the AMX units; /proc/cpuinfo names everything the kernel enables. */
    static const char *const wanted[] = {"sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw",
                                         "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
                                         "amx_int8", "amx_bf16"};
    static const char key[] = "flags";
#else
    static const char *const wanted[] = {"asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"};
    static const char key[] = "Features";
#endif
    FILE *f = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t size = 0;
    while (f && getline(&line, &size, f) > 0)
        if (strncmp(line, key, sizeof key - 1) == 0) {
            char *save, *words = strchr(line, ':');
            for (char *w = words ? strtok_r(words + 1, " \n", &save) : NULL; w; w = strtok_r(NULL, " \n", &save))
                for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
                    if (strcmp(w, wanted[i]) == 0)
                        found[n++] = wanted[i];
            break;
        }
    free(line);
    if (f)
        fclose(f);
    found[n] = NULL;
    return found;
}

int threads_allowed(void)
{
    struct cgroup c;
    cpu_set_t set;
    cgroup_read(&c, "");
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : omp_get_num_procs();
    int quota = c.cpus < n ? (int)(c.cpus + 0.5) : n;
    return quota > 0 ? quota : 1;
}

static int wanted_threads;

void threads_set(int count)
{
    wanted_threads = count;
    omp_set_num_threads(threads_count());
}

int threads_count(void)
{
    if (wanted_threads > 0)
        return wanted_threads;
    return wanted_threads = threads_allowed();
}
