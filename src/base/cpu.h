/* The processor's vector units, and the threads that we use. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

/* The instruction sets that kernels are built for, worst first. QUANTWIZ_ISA (generic, avx2, avx512) forces a
 * lower one, for tests and comparisons. On aarch64 the generic build already uses NEON. */
enum cpu_isa { CPU_GENERIC, CPU_AVX2, CPU_AVX512, CPU_ISA_COUNT };
enum cpu_isa cpu_isa(void);
const char *cpu_isa_name(enum cpu_isa isa);

/* Before a function: it is compiled with all that it calls for several generations of processors, and the loader chooses
 * the best that runs here, whatever QUANTWIZ_ISA says. For loops that are more than a kernel; where compiler, C library or
 * sanitizers cannot, it is compiled once. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), flatten))
#else
#define CPU_CLONES
#endif

/* Names of the vector features that matter here ("avx2", "f16c", "avx512f", "amx_bf16", "neon", "dotprod", …),
 * NULL-terminated, static. */
const char *const *cpu_features(void);

/* Threads for parallel loops and BLAS: 0 means all that this process may use (affinity, cgroup quota). */
void threads_set(int count);
int threads_count(void);
/* All that this process may use, whatever threads_set() said. */
int threads_allowed(void);

#endif
