/* The back ends that open a vendor's library, against stand-ins for it (tests/unit/fakes). */
#include "unit.h"

#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "machine/gpu.h"
#include "tree.h"

#define MIB 1048576.0
#define GIB 1073741824.0

static void assert_fact(struct fact f, double value, enum fact_source source)
{
    assert_int_equal(f.source, source);
    if (fabs(f.value - value) > 1e-9 * value)
        fail_msg("%.17g is not %.17g", f.value, value);
}

struct scanned {
    struct machine m;
    char *root;
};

/* All back ends over a machine without cards in /sys but those in `files`. */
static void scan(struct scanned *s, const char *nvml, const char *rocm, const struct tree_file *files)
{
    static const struct tree_file none[] = {{0}};
    *s = (struct scanned){.root = tree_make(files ? files : none)};
    s->m.root = s->root;
    s->m.memory.total_bytes = (struct fact){128 * GIB, FACT_FOUND};
    s->m.memory.available_bytes = (struct fact){100 * GIB, FACT_FOUND};
    setenv("QUANTWIZ_FAKE_NVML", nvml, 1);
    if (rocm)
        setenv("QUANTWIZ_FAKE_ROCM", rocm, 1);
    else
        unsetenv("QUANTWIZ_FAKE_ROCM");
    gpu_detect(&s->m, NULL);
}

static void scan_done(struct scanned *s)
{
    gpu_scan_free(s->m.live);
    free(s->m.warnings);
    arena_done(&s->m.arena);
    tree_remove(s->root);
}

static void two_gpus_are_found_and_followed(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "two", NULL, NULL);
    assert_int_equal(s.m.gpu_count, 2);
    const struct machine_gpu *g = s.m.gpus;
    assert_string_equal(g[0].name, "NVIDIA GeForce RTX 4090");
    assert_string_equal(g[0].vendor, "NVIDIA");
    assert_string_equal(g[0].source, "nvml");
    assert_string_equal(g[0].driver, "570.86.15");
    assert_string_equal(g[0].bus, "0000:01:00.0");
    assert_fact(g[0].vram_total_bytes, 24564 * MIB, FACT_FOUND);
    assert_fact(g[0].vram_free_bytes, 23000 * MIB, FACT_FOUND);
    assert_fact(g[0].compute_capability, 8.9, FACT_FOUND);
    assert_fact(g[0].bandwidth, 1008e9, FACT_TABLED);
    assert_fact(g[1].bandwidth, 360e9, FACT_TABLED); /* of the two RTX 3060 the one with this memory */
    assert_false(g[0].mig || g[0].unified);
    assert_int_equal(s.m.warning_count, 0);
    assert_fact(machine_vram_free(&s.m), 35000 * MIB, FACT_FOUND);

    setenv("QUANTWIZ_FAKE_NVML_LESS", "1000", 1);
    double started = clock_monotonic();
    gpu_refresh(&s.m);
    assert_true(clock_monotonic() - started < 0.05);
    unsetenv("QUANTWIZ_FAKE_NVML_LESS");
    assert_fact(g[0].vram_free_bytes, 22000 * MIB, FACT_FOUND);
    scan_done(&s);
}

/* The slices stand in the place of their GPU, each with its share of the bandwidth. */
static void slices_are_gpus(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "mig", NULL, NULL);
    assert_int_equal(s.m.gpu_count, 2);
    const struct machine_gpu *g = s.m.gpus;
    assert_string_equal(g[1].name, "NVIDIA A100-SXM4-40GB MIG 3g.20gb");
    assert_true(g[0].mig && g[1].mig);
    assert_fact(g[0].vram_total_bytes, 4864 * MIB, FACT_FOUND);
    assert_fact(g[1].vram_free_bytes, 19000 * MIB, FACT_FOUND);
    assert_fact(g[0].bandwidth, 1555e9 * 4864 / 40960, FACT_TABLED);
    assert_int_equal(g[0].flops.source, FACT_UNKNOWN);
    assert_fact(g[0].compute_capability, 8.0, FACT_FOUND);
    assert_string_equal(g[0].bus, g[1].bus);
    scan_done(&s);
}

static void mig_without_slices_is_useless(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "mig-empty", NULL, NULL);
    assert_int_equal(s.m.gpu_count, 1);
    assert_true(s.m.gpus[0].mig);
    assert_fact(s.m.gpus[0].vram_total_bytes, 40960 * MIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].vram_free_bytes, 0, FACT_FOUND);
    assert_int_equal(s.m.warning_count, 1);
    assert_non_null(strstr(s.m.warnings[0], "no instance exists"));
    gpu_refresh(&s.m);
    assert_fact(s.m.gpus[0].vram_free_bytes, 0, FACT_FOUND);
    scan_done(&s);
}

static void a_chip_without_memory_has_the_hosts(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "unified", NULL, NULL);
    assert_int_equal(s.m.gpu_count, 1);
    assert_true(s.m.gpus[0].unified);
    assert_fact(s.m.gpus[0].vram_total_bytes, 128 * GIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].vram_free_bytes, 100 * GIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].bandwidth, 273e9, FACT_TABLED);
    assert_int_equal(s.m.warning_count, 0);
    s.m.memory.available_bytes.value = 90 * GIB;
    gpu_refresh(&s.m);
    assert_fact(s.m.gpus[0].vram_free_bytes, 90 * GIB, FACT_FOUND);
    scan_done(&s);
}

static const struct tree_file nvidia_card[] = {
    {"sys/class/drm/card0/device/uevent", "DRIVER=nvidia\nPCI_SLOT_NAME=0000:01:00.0\n"},
    {"sys/class/drm/card0/device/vendor", "0x10de\n"},
    {"sys/class/drm/card0/device/device", "0x2684\n"},
    {0}};

/* The library is newer than the loaded kernel module: a common state after an update, and a puzzling one. */
static void a_version_mismatch_is_explained(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "mismatch", NULL, nvidia_card);
    assert_int_equal(s.m.gpu_count, 1);
    assert_string_equal(s.m.gpus[0].source, "sysfs");
    assert_int_equal(s.m.warning_count, 2);
    assert_non_null(strstr(s.m.warnings[0], "Driver/library version mismatch"));
    assert_non_null(strstr(s.m.warnings[0], "restart"));
    assert_non_null(strstr(s.m.warnings[1], "NVIDIA GPU 10de:2684"));
    scan_done(&s);
}

/* A container image often carries the library, whether or not it was given a GPU. */
static void a_library_without_driver_is_silent(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "unloaded", NULL, NULL);
    assert_int_equal(s.m.gpu_count, 0);
    assert_int_equal(s.m.warning_count, 0);
    scan_done(&s);
    scan(&s, "unloaded", NULL, nvidia_card);
    assert_int_equal(s.m.warning_count, 1);
    assert_non_null(strstr(s.m.warnings[0], "NVML: Driver Not Loaded"));
    scan_done(&s);
}

static void a_lost_gpu_leaves_the_others(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "broken", NULL, NULL);
    assert_int_equal(s.m.gpu_count, 1);
    assert_int_equal(s.m.warning_count, 1);
    assert_non_null(strstr(s.m.warnings[0], "GPU is lost"));
    scan_done(&s);
}

/* The kernel's files tell of the same card as NVML: one GPU, as NVML has it. */
static void a_card_is_not_counted_twice(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "two", NULL, nvidia_card);
    assert_int_equal(s.m.gpu_count, 2);
    assert_string_equal(s.m.gpus[0].source, "nvml");
    scan_done(&s);
}

static void rocm_is_asked(void **state)
{
    (void)state;
    struct scanned s;
    scan(&s, "unloaded", "1", NULL);
    assert_int_equal(s.m.gpu_count, 1);
    const struct machine_gpu *g = s.m.gpus;
    assert_string_equal(g->name, "AMD Instinct MI210");
    assert_string_equal(g->source, "rocm-smi");
    assert_string_equal(g->bus, "0001:c3:02.0");
    assert_string_equal(g->driver, "6.8.5");
    assert_fact(g->vram_total_bytes, 68702699520, FACT_FOUND);
    assert_fact(g->vram_free_bytes, 68702699520 - GIB, FACT_FOUND);
    assert_fact(g->bandwidth, 1638.4e9, FACT_TABLED);
    gpu_refresh(&s.m);
    assert_fact(g->vram_free_bytes, 68702699520 - GIB, FACT_FOUND);
    scan_done(&s);
}

/* The loader reads LD_LIBRARY_PATH when a program starts, so this one starts again with the stand-ins in it. */
static void start_with_fakes(char **argv)
{
    const char *top = getenv("top_builddir");
    if (getenv("QUANTWIZ_FAKES"))
        return;
    setenv("QUANTWIZ_FAKES", "1", 1);
    setenv("LD_LIBRARY_PATH", xasprintf("%s/tests/unit/fakes", top ? top : "."), 1);
    execv("/proc/self/exe", argv);
    die("cannot start again");
}

int main(int argc, char **argv)
{
    (void)argc;
    start_with_fakes(argv);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_gpus_are_found_and_followed),
        cmocka_unit_test(slices_are_gpus),
        cmocka_unit_test(mig_without_slices_is_useless),
        cmocka_unit_test(a_chip_without_memory_has_the_hosts),
        cmocka_unit_test(a_version_mismatch_is_explained),
        cmocka_unit_test(a_library_without_driver_is_silent),
        cmocka_unit_test(a_lost_gpu_leaves_the_others),
        cmocka_unit_test(a_card_is_not_counted_twice),
        cmocka_unit_test(rocm_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
