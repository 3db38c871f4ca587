#include "unit.h"

#include <math.h>
#include <unistd.h>

#include "machine/bandwidth.h"
#include "machine/machine.h"
#include "machine/memory.h"
#include "tree.h"

#define KIB 1024.0
#define MIB 1048576.0
#define GIB 1073741824.0

static struct machine *replay(const char *file)
{
    struct machine *m;
    struct error e = {0};
    char *path = file[0] == '/' ? xstrdup(file) : unit_source(file);
    const struct machine_options o = {.file = path};
    assert_ok(machine_detect(&m, &o, &e), &e);
    assert_true(m->simulated);
    free(path);
    return m;
}

/* A file of hwloc's that lies beside the sources while developing, or NULL. */
static struct machine *replay_shared(const char *name)
{
    char *path = xasprintf("%s/../shared/topologies/%s", getenv("top_srcdir") ? getenv("top_srcdir") : ".", name);
    struct machine *m = access(path, R_OK) == 0 ? replay(path) : NULL;
    free(path);
    return m;
}

static void assert_fact(struct fact f, double value, enum fact_source source)
{
    assert_int_equal(f.source, source);
    if (f.value != value)
        fail_msg("%.17g is not %.17g", f.value, value);
}

/* -------------------------------------------------------------------- fixtures */

static void a_laptop_is_replayed(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/laptop.yaml");
    assert_string_equal(m->name, "laptop");
    assert_int_equal(m->cpu.cores, 14);
    assert_int_equal(m->cpu.performance_cores, 6);
    assert_string_equal(m->cpu.features[3], "avx_vnni");
    assert_null(m->cpu.features[4]);
    assert_fact(m->memory.total_bytes, 16 * GIB, FACT_ENTERED);
    assert_fact(m->memory.bandwidth, 62e9, FACT_ENTERED);
    assert_int_equal(m->gpu_count, 1);
    assert_string_equal(m->gpus[0].vendor, "NVIDIA");
    assert_fact(m->gpus[0].vram_free_bytes, 7600 * MIB, FACT_ENTERED);
    assert_fact(m->gpus[0].bandwidth, 256e9, FACT_TABLED);
    assert_int_equal(m->gpus[0].flops.source, FACT_UNKNOWN);
    assert_int_equal(m->warning_count, 0);
    machine_free(m);
}

static void a_count_makes_equal_gpus(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/server-8gpu.yaml");
    assert_int_equal(m->gpu_count, 8);
    assert_fact(m->gpus[7].vram_total_bytes, 80 * GIB, FACT_TABLED);
    assert_fact(machine_vram_total(m), 640 * GIB, FACT_TABLED);
    assert_int_equal(machine_vram_free(m).source, FACT_UNKNOWN);
    assert_int_equal(m->numa_count, 2);
    assert_int_equal(m->numa[1].index, 1);
    machine_free(m);
}

/* The second GPU's free memory is unknown: the sum is of what is known. */
static void sums_take_what_is_known(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/workstation-2gpu.yaml");
    assert_fact(machine_vram_total(m), 36 * GIB, FACT_ENTERED);
    assert_fact(machine_vram_free(m), 21.5 * GIB, FACT_ENTERED);
    machine_free(m);
}

static void a_unified_chip_has_the_hosts_memory(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/edge-jetson.yaml");
    assert_true(m->gpus[0].unified);
    assert_true(m->gpus[0].vram_total_bytes.value == m->memory.total_bytes.value);
    assert_true(m->gpus[0].vram_free_bytes.value == m->memory.available_bytes.value);
    assert_fact(m->gpus[0].compute_capability, 8.7, FACT_TABLED);
    assert_true(machine_vram_total(m).value == m->memory.total_bytes.value);
    machine_free(m);
}

static void a_limit_bounds_the_memory(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/container.yaml");
    assert_fact(machine_ram_total(m), 16 * GIB, FACT_ENTERED);
    assert_fact(machine_ram_used(m), 3 * GIB, FACT_ENTERED);
    machine_free(m);
}

static void unknown_stays_unknown(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/unknown.yaml");
    assert_null(m->cpu.model);
    assert_int_equal(m->cpu.cores, 0);
    assert_null(m->cpu.features[0]);
    assert_int_equal(m->memory.total_bytes.source, FACT_UNKNOWN);
    assert_int_equal(machine_ram_total(m).source, FACT_UNKNOWN);
    assert_int_equal(machine_ram_used(m).source, FACT_UNKNOWN);
    assert_int_equal(machine_vram_total(m).source, FACT_UNKNOWN);
    assert_int_equal(m->disk_free_bytes.source, FACT_UNKNOWN);
    machine_refresh(m);
    assert_int_equal(m->memory.available_bytes.source, FACT_UNKNOWN);
    machine_free(m);
}

/* ----------------------------------------------------------------------- hwloc */

static void a_saved_topology_is_read(void **state)
{
    (void)state;
    struct machine *m = replay("tests/machines/small.xml");
    assert_string_equal(m->cpu.model, "Example Processor 3000");
    assert_int_equal(m->cpu.cores, 2);
    assert_int_equal(m->cpu.threads, 4);
    assert_fact(m->cpu.l2_bytes, 2 * MIB, FACT_FOUND);
    assert_int_equal(m->cpu.l3_bytes.source, FACT_UNKNOWN);
    assert_fact(m->memory.total_bytes, 32 * GIB, FACT_FOUND);
    assert_int_equal(m->memory.available_bytes.source, FACT_UNKNOWN);
    /* The remote console's display chip and the neural unit are no GPUs; the processor's graphics is a shared
     * one. */
    assert_int_equal(m->gpu_count, 3);
    assert_string_equal(m->gpus[2].name, "UHD Graphics 770");
    assert_true(m->gpus[2].unified);
    assert_string_equal(m->gpus[0].name, "GeForce RTX 3060 Lite Hash Rate");
    /* That card is sold with 8 and with 12 GB: the table does not guess, but what both share it tells. */
    assert_int_equal(m->gpus[0].vram_total_bytes.source, FACT_UNKNOWN);
    assert_fact(m->gpus[0].compute_capability, 8.6, FACT_TABLED);
    assert_int_equal(m->warning_count, 1);
    assert_non_null(strstr(m->warnings[0], "what fits on it"));
    assert_fact(m->gpus[1].vram_total_bytes, 16760832 * KIB, FACT_FOUND);
    assert_fact(m->gpus[1].bandwidth, 512e9, FACT_TABLED);
    assert_string_equal(m->gpus[1].arch, "gfx1030");
    assert_string_equal(m->gpus[1].bus, "0000:02:00.0");
    machine_free(m);
}

static void hwlocs_own_machines_are_read(void **state)
{
    (void)state;
    struct machine *m = replay_shared("nvidiaDGX2.xml");
    if (!m)
        skip();
    assert_int_equal(m->gpu_count, 16);
    assert_string_equal(m->gpus[15].name, "Tesla V100-SXM3-32GB-H");
    assert_fact(m->gpus[15].vram_total_bytes, 32 * GIB, FACT_TABLED);
    assert_fact(m->gpus[15].compute_capability, 7.0, FACT_TABLED);
    assert_int_equal(m->warning_count, 0);
    machine_free(m);

    m = replay_shared("power8gpudistances.xml");
    assert_int_equal(m->gpu_count, 4);
    assert_fact(m->gpus[3].vram_total_bytes, 16671616 * KIB, FACT_FOUND);
    assert_fact(m->gpus[3].flops, 21.2e12, FACT_TABLED);
    assert_int_equal(m->gpus[0].numa_node, 0);
    machine_free(m);

    m = replay_shared("32em64t-2n8c2t-pci-wholeio.xml");
    assert_int_equal(m->gpu_count, 4);
    assert_string_equal(m->gpus[2].name, "Tesla K40m");
    assert_fact(m->gpus[2].vram_total_bytes, 11796032 * KIB, FACT_FOUND);
    assert_fact(m->gpus[2].bandwidth, 288e9, FACT_TABLED);
    assert_string_equal(m->gpus[3].vendor, "AMD");
    machine_free(m);

    m = replay_shared("192em64t-24n8c2t.xml");
    assert_int_equal(m->numa_count, 24);
    assert_int_equal(m->cpu.packages, 24);
    assert_int_equal(m->cpu.cores, 192);
    assert_int_equal(m->gpu_count, 0);
    machine_free(m);

    m = replay_shared("fakecpukinds.xml");
    assert_true(m->cpu.performance_cores > 0 && m->cpu.efficiency_cores > 0);
    machine_free(m);
}

/* ---------------------------------------------------------------------- errors */

/* Detecting the machine that `text` describes must fail and say `part`. */
static void refused(const char *text, size_t length, const char *part)
{
    static const struct tree_file none[] = {{0}};
    char *root = tree_make(none), *path = path_join(root, "file");
    struct machine *m;
    struct error e = {0};
    const struct machine_options o = {.file = path};
    tree_put(root, "file", text, length);
    assert_int_equal(machine_detect(&m, &o, &e), ERROR_USAGE);
    assert_null(m);
    assert_says(&e, part);
    free(path);
    tree_remove(root);
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } cases[] = {
        {"cpu:\n  coers: 4\n", "file:2: expected one of the keys model, packages, cores"},
        {"gpu:\n  - name: x\n", "file:1: expected one of the keys name, cpu, memory, gpus"},
        {"memory:\n  total: much\n", "file:2: expected a size such as 24GiB"},
        {"memory: 16GiB\n", "file:1: expected a map for 'memory'"},
        {"gpus:\n  name: x\n", "file:2: expected a list for 'gpus'"},
        {"gpus:\n  - RTX 4090\n", "file:2: expected a map"},
        {"gpus:\n  - name: x\n    count: -1\n", "file:3: expected a count"},
        {"gpus:\n  - name: x\n    count: 100000\n", "file:2: expected at most 1024 GPUs"},
        {"gpus:\n  - {name: x, count: 1024}\n  - {name: y}\n", "file:3: expected at most 1024 GPUs"},
        {"gpus:\n  - name: x\n    flops: 0\n", "file:3: expected a number above 0"},
        {"gpus:\n  - name: x\n    unified: maybe\n", "file:3: expected true or false"},
        {"numa: 2\n", "file:1: expected a list for 'numa'"},
        {"cpu: {features: {avx2: yes}}\n", "file:1"},
        {"- a\n", "file:1: expected a map"},
        {"", "holds nothing"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(cases[i].text, strlen(cases[i].text), cases[i].says);
}

/* Cut at every few bytes, and with bytes changed: an error or a machine, never a crash, and no noise of
 * hwloc's (which the test's log would show). */
static void a_damaged_topology_is_an_error(void **state)
{
    (void)state;
    static const struct tree_file none[] = {{0}};
    char *root = tree_make(none), *path = path_join(root, "m.xml"), *source = unit_source("tests/machines/small.xml");
    char *text;
    size_t length;
    struct error e = {0};
    assert_ok(file_read(source, 1 << 20, &text, &length, &e), &e);
    const struct machine_options o = {.file = path};
    for (size_t step = 0; step < 60; step++) {
        struct machine *m = NULL;
        size_t at = length * step / 60;
        char kept = text[at];
        text[at] = step % 2 ? '9' : '"';
        tree_put(root, "m.xml", text, step % 3 ? length : at + 1);
        int rc = machine_detect(&m, &o, &e);
        assert_true(rc == 0 || rc == ERROR_USAGE);
        assert_true((rc == 0) == (m != NULL));
        machine_free(m);
        text[at] = kept;
    }
    /* hwloc 2.9 needs this attribute and crashes without it. */
    char *attribute = strstr(text, "complete_cpuset");
    memcpy(attribute, "comment________", strlen("complete_cpuset"));
    refused(text, length, "hwloc");
    refused("<topology/>", 11, "hwloc");
    free(text);
    free(source);
    free(path);
    tree_remove(root);
}

/* ---------------------------------------------------------------------- memory */

static const char meminfo[] = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n"
                              "Cached:          2097152 kB\nSwapTotal:             0 kB\n";

static struct machine_memory memory_of(const struct tree_file *files)
{
    struct machine_memory mem = {0};
    char *root = tree_make(files);
    memory_read(&mem, root);
    tree_remove(root);
    return mem;
}

static void the_smaller_of_host_and_container_counts(void **state)
{
    (void)state;
    static const char cgroup[] = "0::/\n", mount[] = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    const struct tree_file tight[] = {
        {"proc/meminfo", meminfo}, {"proc/self/cgroup", cgroup}, {"proc/self/mountinfo", mount},
        {"sys/fs/cgroup/memory.max", "4294967296\n"}, {"sys/fs/cgroup/memory.current", "1073741824\n"}, {0}};
    const struct tree_file loose[] = {
        {"proc/meminfo", meminfo}, {"proc/self/cgroup", cgroup}, {"proc/self/mountinfo", mount},
        {"sys/fs/cgroup/memory.max", "34359738368\n"}, {"sys/fs/cgroup/memory.current", "1073741824\n"}, {0}};
    struct machine_memory mem = memory_of(tight);
    assert_fact(mem.total_bytes, 16 * GIB, FACT_FOUND);
    assert_fact(mem.limit_bytes, 4 * GIB, FACT_FOUND);
    assert_fact(mem.available_bytes, 3 * GIB, FACT_FOUND);
    /* A limit above what the host has limits nothing. */
    mem = memory_of(loose);
    assert_int_equal(mem.limit_bytes.source, FACT_UNKNOWN);
    assert_fact(mem.available_bytes, 8 * GIB, FACT_FOUND);
}

static void old_kernels_and_no_kernel(void **state)
{
    (void)state;
    static const struct tree_file old[] = {
        {"proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1048576 kB\nCached: 2097152 kB\n"}, {0}}, bare[] = {{0}};
    struct machine_memory mem = memory_of(old);
    assert_fact(mem.available_bytes, 3 * GIB, FACT_FOUND);
    mem = memory_of(bare);
    assert_int_equal(mem.total_bytes.source, FACT_UNKNOWN);
    assert_int_equal(mem.available_bytes.source, FACT_UNKNOWN);
}

static void a_refresh_reads_again(void **state)
{
    (void)state;
    const struct tree_file files[] = {{"proc/meminfo", meminfo}, {0}};
    char *root = tree_make(files);
    struct machine *m;
    struct error e = {0};
    const struct machine_options o = {.root = root, .skip_bandwidth = true};
    assert_ok(machine_detect(&m, &o, &e), &e);
    assert_false(m->simulated);
    assert_fact(m->memory.available_bytes, 8 * GIB, FACT_FOUND);
    static const char less[] = "MemTotal: 16777216 kB\nMemAvailable: 4194304 kB\n";
    tree_put(root, "proc/meminfo", less, strlen(less));
    machine_refresh(m);
    assert_fact(m->memory.available_bytes, 4 * GIB, FACT_FOUND);
    assert_fact(machine_ram_used(m), 12 * GIB, FACT_FOUND);
    /* What a person typed is not taken away again. */
    m->memory.available_bytes = (struct fact){2 * GIB, FACT_ENTERED};
    machine_refresh(m);
    assert_fact(m->memory.available_bytes, 2 * GIB, FACT_ENTERED);
    machine_free(m);
    tree_remove(root);
}

/* ------------------------------------------------------------------- bandwidth */

static void the_buffer_outgrows_the_caches(void **state)
{
    (void)state;
    assert_int_equal(bandwidth_buffer(0, 64 * GIB), 256 << 20);
    assert_int_equal(bandwidth_buffer(480 * MIB, 64 * GIB), 960 << 20);
    assert_int_equal(bandwidth_buffer(480 * MIB, 1 * GIB), 128 << 20);
}

static void memory_is_read_at_a_likely_speed(void **state)
{
    (void)state;
    size_t bytes = 64 << 20, none = 1000;
    double measured = bandwidth_measure(&bytes, 2, 0.05);
    /* Slower than a disk or faster than any cache would be a mistake of ours. */
    if (!(measured > 1e8 && measured < 1e14))
        fail_msg("%g bytes/s", measured);
    assert_true(bytes >= 32 << 20 && bytes <= 64 << 20);
    assert_true(isnan(bandwidth_measure(&none, 2, 0.05)));
}

static void a_figure_holds_until_the_next_boot(void **state)
{
    (void)state;
    static const struct tree_file first[] = {
        {"proc/sys/kernel/random/boot_id", "aaaa-1\n"}, {"proc/self/status", "Name: x\nCpus_allowed_list:\t0-3\n"}, {0}};
    static const struct tree_file second[] = {
        {"proc/sys/kernel/random/boot_id", "aaaa-11\n"}, {"proc/self/status", "Cpus_allowed_list:\t0-3\n"}, {0}};
    static const struct tree_file none[] = {{0}};
    char *home = tree_make(none), *a = tree_make(first), *b = tree_make(second), *bare = tree_make(none);
    double found = 0;
    setenv("XDG_CACHE_HOME", home, 1);
    char *before = bandwidth_key(a, 4), *after = bandwidth_key(b, 4), *fewer = bandwidth_key(a, 2);
    assert_string_equal(before, "aaaa-1/0-3/4");
    assert_null(bandwidth_key(bare, 4));
    assert_false(bandwidth_recall(before, &found));
    bandwidth_remember(before, 12e9);
    assert_true(bandwidth_recall(before, &found));
    assert_true(found == 12e9);
    assert_false(bandwidth_recall(after, &found));
    assert_false(bandwidth_recall(fewer, &found));
    bandwidth_remember(after, 5e9);
    bandwidth_remember(before, 13e9);
    assert_true(bandwidth_recall(before, &found) && found == 13e9);
    assert_true(bandwidth_recall(after, &found) && found == 5e9);
    for (int i = 0; i < 40; i++) { /* the cache stays small: the oldest go */
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        bandwidth_remember(key, 1e9 + i);
    }
    assert_false(bandwidth_recall(before, &found));
    assert_true(bandwidth_recall("k39", &found));
    static const char damaged[] = "k39 fast\nk38\nk37 0\n";
    tree_put(home, "quantwiz/bandwidth", damaged, strlen(damaged));
    assert_false(bandwidth_recall("k39", &found) || bandwidth_recall("k38", &found) || bandwidth_recall("k37", &found));
    free(before);
    free(after);
    free(fewer);
    tree_remove(home);
    tree_remove(a);
    tree_remove(b);
    tree_remove(bare);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_laptop_is_replayed),
        cmocka_unit_test(a_count_makes_equal_gpus),
        cmocka_unit_test(sums_take_what_is_known),
        cmocka_unit_test(a_unified_chip_has_the_hosts_memory),
        cmocka_unit_test(a_limit_bounds_the_memory),
        cmocka_unit_test(unknown_stays_unknown),
        cmocka_unit_test(a_saved_topology_is_read),
        cmocka_unit_test(hwlocs_own_machines_are_read),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(a_damaged_topology_is_an_error),
        cmocka_unit_test(the_smaller_of_host_and_container_counts),
        cmocka_unit_test(old_kernels_and_no_kernel),
        cmocka_unit_test(a_refresh_reads_again),
        cmocka_unit_test(the_buffer_outgrows_the_caches),
        cmocka_unit_test(memory_is_read_at_a_likely_speed),
        cmocka_unit_test(a_figure_holds_until_the_next_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
