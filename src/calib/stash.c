#include "calib/stash.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "quant/half.h"
#include "quant/quant_type.h"

enum {
    PAGE = 4096,
    RUN = 4096,       /* floats with one scale */
    HIGHEST = 15,     /* the largest of a run is below 2 to this */
};

/* A batch: the scales of its runs, then its halves. */
static int64_t runs_of(int64_t floats)
{
    return (floats + RUN - 1) / RUN;
}

static float *scales_of(const struct stash *s, int batch)
{
    return (float *)(s->data + batch * s->batch_bytes);
}

static uint16_t *halves_of(const struct stash *s, int batch)
{
    return (uint16_t *)(scales_of(s, batch) + runs_of(s->floats));
}

static int map_file(struct stash *s, const char *folder, struct error *e)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, "cannot make a file for activations in %s", folder);
    int failed = posix_fallocate(fd, 0, (off_t)s->bytes);
    void *map = failed ? MAP_FAILED : mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (failed)
        errno = failed;
    close(fd);
    if (map == MAP_FAILED)
        return error_errno(e, "cannot reserve %.1f MiB for activations in %s", (double)s->bytes / 0x1p20, folder);
    s->data = map;
    return 0;
}

int stash_init(struct stash *s, int batches, int64_t floats, const char *folder, struct error *e)
{
    uint64_t bytes = runs_of(floats) * sizeof(float) + (uint64_t)floats * sizeof(uint16_t);
    *s = (struct stash){.floats = floats, .batch_bytes = (bytes + PAGE - 1) / PAGE * PAGE, .on_disk = folder};
    s->bytes = batches * s->batch_bytes;
    if (!floats)
        return 0;
    if (folder)
        return map_file(s, folder, e);
    void *map = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return error_errno(e, "cannot reserve %.1f MiB for activations", (double)s->bytes / 0x1p20);
    s->data = map;
    return 0;
}

void stash_done(struct stash *s)
{
    if (s->data)
        munmap(s->data, s->bytes);
    *s = (struct stash){0};
}

/* That brings the largest just below 2^HIGHEST; 1 where that is 0, or no number. */
static float scale_of(const float *x, int64_t n)
{
    int32_t bits = 0; /* of magnitudes, which follow one another as whole numbers do: a loop that vectorizes */
    int exponent;
    for (int64_t i = 0; i < n; i++) {
        int32_t magnitude = float_bits(x[i]) & 0x7fffffff;
        bits = magnitude > bits ? magnitude : bits;
    }
    float most = float_from_bits(bits);
    if (!(most > 0) || !isfinite(most))
        return 1;
    frexpf(most, &exponent);
    return ldexpf(1, HIGHEST - exponent < 126 ? HIGHEST - exponent : 126);
}

void stash_put(const struct stash *s, int batch, const float *x, int64_t count)
{
    const struct quant_type *half = quant_type(QUANT_F16);
    float *scales = scales_of(s, batch);
    uint16_t *halves = halves_of(s, batch);
#pragma omp parallel for
    for (int64_t r = 0; r < runs_of(count); r++) {
        int64_t first = r * RUN, n = count - first < RUN ? count - first : RUN;
        float scaled[RUN];
        scales[r] = scale_of(x + first, n);
        for (int64_t i = 0; i < n; i++)
            scaled[i] = x[first + i] * scales[r];
        half->encode(scaled, NULL, halves + first, n);
    }
}

void stash_take(const struct stash *s, int batch, float *x, int64_t count)
{
    const struct quant_type *half = quant_type(QUANT_F16);
    const float *scales = scales_of(s, batch);
    const uint16_t *halves = halves_of(s, batch);
#pragma omp parallel for
    for (int64_t r = 0; r < runs_of(count); r++) {
        int64_t first = r * RUN, n = count - first < RUN ? count - first : RUN;
        float whole = 1 / scales[r];
        half->decode(halves + first, x + first, n);
        for (int64_t i = 0; i < n; i++)
            x[first + i] *= whole;
    }
}

/* A file keeps its room on the disk. */
void stash_drop(const struct stash *s, int batch)
{
    if (s->on_disk)
        stash_leave(s, batch);
    else
        madvise(scales_of(s, batch), s->batch_bytes, MADV_DONTNEED);
}

double stash_bytes(double floats)
{
    return floats * (sizeof(uint16_t) + sizeof(float) / (double)RUN);
}

void stash_leave(const struct stash *s, int batch)
{
    if (s->on_disk)
        file_map_forget(scales_of(s, batch), s->batch_bytes);
}
