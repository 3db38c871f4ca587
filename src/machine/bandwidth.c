#include "machine/bandwidth.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* ------------------------------------------------------------------- measuring */

size_t bandwidth_buffer(double cache_bytes, double available_bytes)
{
    double want = fmax(2 * cache_bytes, 0x1p28);
    return (size_t)fmin(want, available_bytes / 8) & ~(size_t)4095;
}

/* The buffer is dealt out in chunks, and each chunk to all threads. A thread touches first what it will read,
 * so that its pages lie in its own NUMA node; and new memory may be slow to come (a virtual machine's host
 * has to find it), so the touching can end after any chunk. */
enum { CHUNK_WORDS = 32 << 17 }; /* 32 MiB */

/* The words of a chunk that belong to the calling thread. */
static uint64_t *own_part(uint64_t *chunk, size_t *n)
{
    size_t t = omp_get_thread_num(), threads = omp_get_num_threads();
    size_t begin = CHUNK_WORDS * t / threads, end = CHUNK_WORDS * (t + 1) / threads;
    *n = end - begin;
    return chunk + begin;
}

/* The number of chunks that could be touched until `deadline`, at least one. */
static size_t touch(uint64_t *words, size_t chunks, int threads, double deadline)
{
    size_t done = 0;
    do {
#pragma omp parallel num_threads(threads)
        {
            size_t n;
            uint64_t *part = own_part(words + done * CHUNK_WORDS, &n);
            memset(part, 1, n * sizeof *part);
        }
        done++;
    } while (done < chunks && clock_monotonic() < deadline);
    return done;
}

/* One pass over all chunks; the sum keeps the loads from being dropped. */
static uint64_t read_all(uint64_t *words, size_t chunks, int threads)
{
    uint64_t sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
    for (size_t c = 0; c < chunks; c++) {
        size_t n;
        const uint64_t *part = own_part(words + c * CHUNK_WORDS, &n);
        for (size_t i = 0; i < n; i++)
            sum += part[i];
    }
    return sum;
}

double bandwidth_measure(size_t *bytes, int threads, double seconds)
{
    static volatile uint64_t sink;
    double started = clock_monotonic(), best = 0;
    size_t chunks = *bytes / (CHUNK_WORDS * sizeof(uint64_t)), size = chunks * CHUNK_WORDS * sizeof(uint64_t);
    *bytes = 0;
    uint64_t *words = MAP_FAILED;
    if (chunks)
        words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (words == MAP_FAILED)
        return NAN;
    /* Few page-table walks: we measure memory, not the translation of addresses. */
    madvise(words, size, MADV_HUGEPAGE);
    chunks = touch(words, chunks, threads, started + seconds / 2);
    *bytes = chunks * CHUNK_WORDS * sizeof(uint64_t);
    do {
        double before = clock_monotonic();
        sink += read_all(words, chunks, threads);
        best = fmax(best, *bytes / (clock_monotonic() - before));
    } while (clock_monotonic() - started < seconds);
    munmap(words, size);
    return best;
}

/* ----------------------------------------------------------------- remembering */

enum { CACHE_LINES = 16, CACHE_BYTES = 64 * 1024 };

char *bandwidth_key(const char *root, int threads)
{
    char *boot_path = xasprintf("%s/proc/sys/kernel/random/boot_id", root), boot[64], line[1024];
    char *status = xasprintf("%s/proc/self/status", root), cpus[1024] = "-", *key = NULL;
    FILE *f = fopen(status, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Cpus_allowed_list: %1023s", cpus) == 1)
            break;
    if (f)
        fclose(f);
    if (file_first_line(boot_path, boot, sizeof boot) && *boot)
        key = xasprintf("%s/%s/%d", boot, cpus, threads);
    free(boot_path);
    free(status);
    return key;
}

static char *cache_path(void)
{
    char *folder = path_xdg("XDG_CACHE_HOME", ".cache"), *path = path_join(folder, "bandwidth");
    free(folder);
    return path;
}

/* What the cache holds, or NULL. */
static char *cache_text(void)
{
    struct error ignored;
    size_t length;
    char *path = cache_path(), *text = NULL;
    if (file_exists(path) && file_read(path, CACHE_BYTES, &text, &length, &ignored) != 0)
        text = NULL;
    free(path);
    return text;
}

static bool line_has_key(const char *line, const char *key)
{
    return str_starts(line, key) && line[strlen(key)] == ' ';
}

bool bandwidth_recall(const char *key, double *bytes_per_s)
{
    char *text = cache_text(), *save = NULL;
    bool found = false;
    char *line = text ? strtok_r(text, "\n", &save) : NULL;
    for (; line && !found; line = strtok_r(NULL, "\n", &save))
        found = line_has_key(line, key) && parse_double(line + strlen(key) + 1, bytes_per_s) &&
                *bytes_per_s > 0;
    free(text);
    return found;
}

void bandwidth_remember(const char *key, double bytes_per_s)
{
    char *text = cache_text(), *path = cache_path(), *folder = path_folder(path), *save = NULL;
    struct error ignored;
    struct str out = {0};
    int lines = 1;
    str_addf(&out, "%s %.0f\n", key, bytes_per_s);
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && lines < CACHE_LINES;
         line = strtok_r(NULL, "\n", &save))
        if (!line_has_key(line, key)) {
            str_addf(&out, "%s\n", line);
            lines++;
        }
    if (file_make_folder(folder, &ignored) == 0)
        file_write(path, out.data, out.length, &ignored);
    str_done(&out);
    free(text);
    free(path);
    free(folder);
}
