#include "unit.h"

#include <math.h>

#include "base/rulefile.h"
#include "machine/gpu.h"
#include "machine/gpu_table.h"
#include "tree.h"

#define MIB 1048576.0
#define GIB 1073741824.0

static void assert_fact(struct fact f, double value, enum fact_source source)
{
    assert_int_equal(f.source, source);
    if (fabs(f.value - value) > 1e-9 * value)
        fail_msg("%.17g is not %.17g", f.value, value);
}

/* ------------------------------------------------------------------- the table */

static struct machine_gpu looked_up(const char *name, double vram_gib)
{
    static struct arena a;
    struct gpu_table *t;
    struct error e = {0};
    struct machine_gpu g = {.name = name};
    if (vram_gib > 0)
        g.vram_total_bytes = (struct fact){vram_gib * GIB, FACT_FOUND};
    assert_ok(gpu_table_load(&t, &e), &e);
    gpu_table_complete(t, &g, 0, &a);
    gpu_table_free(t);
    arena_done(&a);
    return g;
}

/* Names as drivers, pci.ids and people write them; 0: the table must not know. */
static void the_right_row_is_found(void **state)
{
    (void)state;
    static const struct { const char *name; double vram_gib, bandwidth_gbps, capability; } cases[] = {
        {"NVIDIA GeForce RTX 4090", 0, 1008, 8.9},
        {"NVIDIA GeForce RTX 4090 D", 0, 1008, 8.9},
        {"NVIDIA GeForce RTX 4090 Laptop GPU", 0, 576, 8.9},
        {"GeForce RTX 4060 Max-Q / Mobile", 0, 256, 8.9},
        {"NVIDIA GeForce RTX 4060", 0, 272, 8.9},
        {"NVIDIA GeForce RTX 4060 Ti", 16, 288, 8.9},
        {"NVIDIA GeForce RTX 3080", 10, 760, 8.6},
        {"NVIDIA GeForce RTX 3080", 11.99, 912, 8.6},
        {"NVIDIA GeForce RTX 3080", 16, 0, 0},
        {"NVIDIA GeForce RTX 3080 Laptop GPU", 16, 0, 0},
        {"NVIDIA GeForce GTX 1060 6GB", 0, 192, 6.1},
        {"NVIDIA GeForce GTX 1650 with Max-Q Design", 0, 0, 0},
        {"Tesla T4", 0, 320, 7.5},
        {"NVIDIA A10", 0, 600, 8.6},
        {"NVIDIA A10G", 0, 600, 8.6},
        {"NVIDIA A100-SXM4-40GB", 0, 1555, 8.0},
        {"NVIDIA A100-SXM4-80GB", 0, 2039, 8.0},
        {"NVIDIA A100 80GB PCIe", 0, 1935, 8.0},
        {"A100 80GB", 0, 0, 8.0},
        {"NVIDIA H100 80GB HBM3", 0, 3350, 9.0},
        {"NVIDIA H100 PCIe", 0, 2000, 9.0},
        {"NVIDIA H100 NVL", 0, 3900, 9.0},
        {"NVIDIA H200", 0, 4800, 9.0},
        {"NVIDIA B200", 0, 8000, 10.0},
        {"NVIDIA GB10", 0, 273, 12.1},
        {"NVIDIA L40S", 0, 864, 8.9},
        {"NVIDIA L4", 0, 300, 8.9},
        {"Quadro RTX 6000", 0, 672, 7.5},
        {"NVIDIA RTX 6000 Ada Generation", 0, 960, 8.9},
        {"NVIDIA RTX A6000", 0, 768, 8.6},
        {"NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 0, 1792, 12.0},
        {"NVIDIA RTX PRO 6000 Blackwell Server Edition", 0, 1597, 12.0},
        {"NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 0, 1792, 12.0},
        {"NVIDIA TITAN X (Pascal)", 0, 480, 6.1},
        {"GeForce GTX TITAN X", 0, 0, 0},
        {"Tesla K80", 0, 240, 3.7},
        {"AMD Instinct MI300X OAM", 0, 5300, 0},
        {"AMD Radeon RX 7900 XTX", 0, 960, 0},
        {"AMD Radeon RX 7900 XT", 0, 800, 0},
        {"Radeon RX 7900 XT/7900 XTX/7900M", 24, 0, 0},
        {"Radeon RX 6800/6800 XT / 6900 XT", 16, 0, 0},
        {"AMD Radeon PRO W7900", 0, 864, 0},
        {"Intel(R) Arc(TM) A770 Graphics", 0, 0, 0},
        {"Arc A770", 16, 560, 0},
        {"Arc A770", 8, 512, 0},
        {"Arc B580", 0, 456, 0},
        {"some other thing", 0, 0, 0},
        {"", 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct machine_gpu g = looked_up(cases[i].name, cases[i].vram_gib);
        if (fabs(fact_or(g.bandwidth, 0) - cases[i].bandwidth_gbps * 1e9) > 1)
            fail_msg("%s: bandwidth %g", cases[i].name, fact_or(g.bandwidth, 0) / 1e9);
        if (fabs(fact_or(g.compute_capability, 0) - cases[i].capability) > 1e-9)
            fail_msg("%s: compute capability %g", cases[i].name, fact_or(g.compute_capability, 0));
    }
}

/* What a driver told stands; an AMD processor's "A10" is not NVIDIA's card. */
static void what_is_known_stays(void **state)
{
    (void)state;
    struct gpu_table *t;
    struct error e = {0};
    struct arena a = {0};
    struct machine_gpu g = {.name = "NVIDIA GeForce RTX 4090", .vendor = "NVIDIA",
                            .bandwidth = {1, FACT_ENTERED}, .vram_total_bytes = {24564 * MIB, FACT_FOUND}};
    struct machine_gpu amd = {.name = "AMD A10-7850K Radeon R7", .vendor = "AMD"};
    assert_ok(gpu_table_load(&t, &e), &e);
    gpu_table_complete(t, &g, 0, &a);
    gpu_table_complete(t, &amd, 0, &a);
    assert_fact(g.bandwidth, 1, FACT_ENTERED);
    assert_fact(g.vram_total_bytes, 24564 * MIB, FACT_FOUND);
    assert_fact(g.flops, 165.2e12, FACT_TABLED);
    assert_int_equal(amd.bandwidth.source, FACT_UNKNOWN);
    gpu_table_complete(NULL, &amd, 0, &a);
    gpu_table_free(t);
    arena_done(&a);
}

/* Every figure lies where GPUs of these years lie, and none is doubled by sparsity. */
static void the_table_is_plausible(void **state)
{
    (void)state;
    struct gpu_table *t;
    struct error e = {0};
    struct arena a = {0};
    struct yaml *top;
    assert_ok(gpu_table_load(&t, &e), &e);
    assert_true(gpu_table_count(t) >= 90);
    gpu_table_free(t);
    assert_ok(rulefile_load(&top, "gpus", &a, &e), &e);
    struct yaml *vendors = yaml_get(top, "gpus"), *sources = yaml_get(top, "sources");
    for (size_t v = 0; v < vendors->count; v++)
        for (size_t i = 0; i < vendors->items[v]->count; i++) {
            struct yaml *row = vendors->items[v]->items[i];
            double bandwidth = 500, tflops = 50, compute = 8;
            uint64_t vram = 1ULL << 34;
            assert_ok(yaml_number(row, "bandwidth", false, &bandwidth, &e), &e);
            assert_ok(yaml_number(row, "tflops", false, &tflops, &e), &e);
            assert_ok(yaml_number(row, "compute", false, &compute, &e), &e);
            assert_ok(yaml_bytes(row, "vram", false, &vram, &e), &e);
            if (bandwidth < 50 || bandwidth > 10000 || tflops < 1 || tflops > 2500 || compute < 2 || compute > 12.1 ||
                vram < 2 * GIB || vram > 288 * GIB)
                fail_msg("line %d", row->line);
            /* A row says more than a name, and 16-bit operations per byte read keep within a known range. */
            assert_true(yaml_get(row, "bandwidth") || yaml_get(row, "tflops"));
            if (yaml_get(row, "tflops") && yaml_get(row, "bandwidth") && tflops * 1e3 / bandwidth > 700)
                fail_msg("line %d: %g operations per byte", row->line, tflops * 1e3 / bandwidth);
        }
    for (size_t s = 0; s < sources->count; s++) { /* no source without a row */
        bool used = false;
        for (size_t v = 0; v < vendors->count; v++)
            for (size_t i = 0; i < vendors->items[v]->count; i++)
                used |= strcmp(yaml_get(vendors->items[v]->items[i], "source")->text, sources->keys[s]->text) == 0;
        if (!used)
            fail_msg("nothing comes from %s", sources->keys[s]->text);
    }
    arena_done(&a);
}

static void a_users_table_is_checked(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } cases[] = {
        {"schema: 2\nsources: {}\ngpus: {}\n", "gpus.yaml:1: expected the schema 1"},
        {"schema: 1\ngpus: {}\n", "expected the key 'sources'"},
        {"schema: 1\nsources: {a: b}\ngpus: []\n", "gpus.yaml:3: expected a map for 'gpus'"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  Acme: []\n", "gpus.yaml:4: expected NVIDIA, AMD or Intel, found 'Acme'"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  AMD: x\n", "gpus.yaml:4: expected a list of GPUs"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  AMD:\n    - {name: x, source: c}\n", "gpus.yaml:5: expected one of the keys of 'sources', found 'c'"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  AMD:\n    - {source: a}\n", "gpus.yaml:5: expected the key 'name'"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  AMD:\n    - {name: x, source: a, bandwidth: -4}\n", "gpus.yaml:5: expected a number above 0 for 'bandwidth'"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  AMD:\n    - {name: x, source: a, vram: 8 gigs}\n", "gpus.yaml:5: expected a size"},
        {"schema: 1\nsources: {a: b}\ngpus:\n  AMD:\n    - {name: x, source: a, speed: 4}\n", "gpus.yaml:5: expected one of the keys name, match"},
        {"schema: 1\nextra: 1\n", "gpus.yaml:2: expected one of the keys schema, sources, gpus"},
    };
    static const struct tree_file none[] = {{0}};
    char *root = tree_make(none);
    setenv("QUANTWIZ_RULES", root, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct gpu_table *t;
        struct error e = {0};
        tree_put(root, "gpus.yaml", cases[i].text, strlen(cases[i].text));
        assert_int_equal(gpu_table_load(&t, &e), ERROR_USAGE);
        assert_null(t);
        assert_says(&e, cases[i].says);
    }
    static const char own[] = "schema: 1\nsources: {mine: measured}\ngpus:\n  AMD:\n"
                              "    - {name: My GPU, vram: 7GiB, bandwidth: 77, source: mine}\n";
    tree_put(root, "gpus.yaml", own, strlen(own));
    struct machine_gpu g = looked_up("AMD My GPU", 0);
    assert_fact(g.bandwidth, 77e9, FACT_TABLED);
    assert_string_equal(g.vendor, "AMD");
    assert_int_equal(looked_up("NVIDIA GeForce RTX 4090", 0).bandwidth.source, FACT_UNKNOWN);
    unsetenv("QUANTWIZ_RULES");
    tree_remove(root);
}

/* -------------------------------------------------------------- kernel's files */

/* The files of a card as the kernel writes them. */
#define CARD(n, driver, bus, vendor, device)                                        \
    {"sys/class/drm/card" n "/device/uevent", "DRIVER=" driver "\nPCI_CLASS=30000\nPCI_SLOT_NAME=" bus "\n"}, \
    {"sys/class/drm/card" n "/device/vendor", vendor "\n"},                         \
    {"sys/class/drm/card" n "/device/device", device "\n"},                         \
    {"sys/class/drm/card" n "/device/numa_node", "0\n"}

struct scanned {
    struct machine m;
    struct gpu_scan scan;
    char *root;
};

/* Lets the back ends look at a folder, in their order, without asking real drivers. */
static void scan_tree(struct scanned *s, const struct tree_file *files)
{
    *s = (struct scanned){.root = tree_make(files)};
    s->m.root = s->root;
    s->m.memory.total_bytes = (struct fact){16 * GIB, FACT_FOUND};
    s->m.memory.available_bytes = (struct fact){10 * GIB, FACT_FOUND};
    s->scan.m = &s->m;
    gpu_amdgpu.find(&s->scan, NULL);
    gpu_sysfs.find(&s->scan, NULL);
    gpu_finish(&s->scan);
}

static void scan_done(struct scanned *s)
{
    free(s->scan.devices);
    free(s->m.warnings);
    arena_done(&s->m.arena);
    tree_remove(s->root);
}

static void an_amd_card_is_read(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        CARD("0", "amdgpu", "0000:03:00.0", "0x1002", "0x744c"),
        {"sys/class/drm/card0/device/revision", "0xc8\n"},
        {"sys/class/drm/card0/device/gpu_busy_percent", "3\n"},
        {"sys/class/drm/card0/device/mem_busy_percent", "1\n"},
        {"sys/class/drm/card0/device/mem_info_vram_total", "25753026560\n"},
        {"sys/class/drm/card0/device/mem_info_vram_used", "1073741824\n"},
        {"sys/class/drm/card0/device/mem_info_gtt_total", "16753026560\n"},
        {"sys/class/drm/card0-DP-1/device/vendor", "0x1002\n"},
        {"sys/module/amdgpu/version", "6.8.5\n"},
        {"usr/share/libdrm/amdgpu.ids", "# comment\n1.0.0\n744C,\tCC,\tAMD Radeon RX 7900 XT\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n"},
        {0}};
    struct scanned s;
    scan_tree(&s, files);
    assert_int_equal(s.m.gpu_count, 1); /* amdgpu's and sysfs' findings are one card */
    const struct machine_gpu *g = &s.m.gpus[0];
    assert_string_equal(g->name, "AMD Radeon RX 7900 XTX");
    assert_string_equal(g->source, "amdgpu");
    assert_string_equal(g->bus, "0000:03:00.0");
    assert_string_equal(g->driver, "6.8.5");
    assert_int_equal(g->numa_node, 0);
    assert_false(g->unified);
    assert_fact(g->vram_total_bytes, 25753026560, FACT_FOUND);
    assert_fact(g->vram_free_bytes, 25753026560 - GIB, FACT_FOUND);
    assert_fact(g->bandwidth, 960e9, FACT_TABLED);
    tree_put(s.root, "sys/class/drm/card0/device/mem_info_vram_used", "2147483648\n", 11);
    s.m.live = &s.scan;
    gpu_refresh(&s.m);
    assert_fact(g->vram_free_bytes, 25753026560 - 2 * GIB, FACT_FOUND);
    scan_done(&s);
}

static void a_built_in_amd_chip_borrows_memory(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        CARD("1", "amdgpu", "0000:c5:00.0", "0x1002", "0x1586"),
        {"sys/class/drm/card1/device/revision", "0xc1\n"},
        {"sys/class/drm/card1/device/gpu_busy_percent", "3\n"},
        {"sys/class/drm/card1/device/mem_info_vram_total", "536870912\n"},
        {"sys/class/drm/card1/device/mem_info_vram_used", "268435456\n"},
        {"sys/class/drm/card1/device/mem_info_gtt_total", "8589934592\n"},
        {"sys/class/drm/card1/device/mem_info_gtt_used", "0\n"},
        {"usr/share/libdrm/amdgpu.ids", "1586,\tC1,\tAMD Radeon 8060S Graphics\n"},
        {0}};
    struct scanned s;
    scan_tree(&s, files);
    assert_int_equal(s.m.gpu_count, 1);
    assert_true(s.m.gpus[0].unified);
    assert_fact(s.m.gpus[0].vram_total_bytes, 8.5 * GIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].vram_free_bytes, 8.25 * GIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].bandwidth, 256e9, FACT_TABLED);
    scan_done(&s);
}

/* Arc beside the processor's own graphics; the latter has no memory to plan with, and needs no warning. */
static void intel_cards_are_read(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        CARD("0", "i915", "0000:00:02.0", "0x8086", "0x4680"),
        CARD("1", "i915", "0000:03:00.0", "0x8086", "0x56a0"),
        {"sys/class/drm/card1/lmem_total_bytes", "17079205888\n"},
        {"sys/class/drm/card1/lmem_avail_bytes", "16000000000\n"},
        CARD("2", "xe", "0000:07:00.0", "0x8086", "0xe20b"),
        {"sys/class/drm/card2/device/tile0/physical_vram_size_bytes", "0x2fa000000\n"},
        {0}};
    struct scanned s;
    scan_tree(&s, files);
    assert_int_equal(s.m.gpu_count, 3);
    assert_true(s.m.gpus[0].unified);
    assert_int_equal(s.m.gpus[0].vram_total_bytes.source, FACT_UNKNOWN);
    assert_fact(s.m.gpus[1].vram_total_bytes, 17079205888, FACT_FOUND);
    assert_fact(s.m.gpus[1].vram_free_bytes, 16000000000, FACT_FOUND);
    assert_fact(s.m.gpus[2].vram_total_bytes, 0x2fa000000, FACT_FOUND);
    assert_int_equal(s.m.gpus[2].vram_free_bytes.source, FACT_UNKNOWN);
    assert_string_equal(s.m.gpus[2].name, "Intel GPU 8086:e20b");
    assert_int_equal(s.m.warning_count, 0);
    assert_fact(machine_vram_total(&s.m), 17079205888.0 + 0x2fa000000, FACT_FOUND);
    scan_done(&s);
}

/* nouveau tells nothing of the memory: that is worth a warning. A server's console chip is not worth a line. */
static void a_card_without_figures_is_shown(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        CARD("0", "ast", "0000:02:00.0", "0x1a03", "0x2000"),
        CARD("1", "nouveau", "0000:01:00.0", "0x10de", "0x3fff"),
        {0}};
    struct scanned s;
    scan_tree(&s, files);
    assert_int_equal(s.m.gpu_count, 1);
    assert_string_equal(s.m.gpus[0].name, "NVIDIA GPU 10de:3fff");
    assert_int_equal(s.m.warning_count, 1);
    assert_non_null(strstr(s.m.warnings[0], "no driver answers"));
    scan_done(&s);
}

/* With a name the table knows the rest. */
static void the_systems_list_names_cards(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        CARD("0", "nouveau", "0000:01:00.0", "0x10de", "0x2684"),
        CARD("1", "xe", "0000:03:00.0", "0x8086", "0xe20b"),
        {"usr/share/misc/pci.ids", "# a comment\n10dd  Other\n\t2684  Wrong maker\n10de  NVIDIA Corporation\n"
                                   "\t2680  Another\n\t\t2684 0001  A board\n\t2684  AD102 [GeForce RTX 4090]\n"
                                   "8086  Intel Corporation\n\te20b  Battlemage G21 [Arc B580]\n"},
        {0}};
    struct scanned s;
    scan_tree(&s, files);
    assert_int_equal(s.m.gpu_count, 2);
    assert_string_equal(s.m.gpus[0].name, "GeForce RTX 4090");
    assert_fact(s.m.gpus[0].vram_total_bytes, 24 * GIB, FACT_TABLED);
    assert_string_equal(s.m.gpus[1].name, "Arc B580");
    assert_fact(s.m.gpus[1].bandwidth, 456e9, FACT_TABLED);
    assert_int_equal(s.m.warning_count, 0);
    scan_done(&s);
}

static void a_jetson_is_known_by_its_device_tree(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit"}, {0}};
    static const char compatible[] = "nvidia,p3737-0000+p3701-0000\0nvidia,p3701-0000\0nvidia,tegra234";
    struct scanned s = {.root = tree_make(files)};
    tree_put(s.root, "proc/device-tree/compatible", compatible, sizeof compatible);
    s.m.root = s.root;
    s.m.memory.total_bytes = (struct fact){32 * GIB, FACT_FOUND};
    s.m.memory.limit_bytes = (struct fact){8 * GIB, FACT_FOUND};
    s.m.memory.available_bytes = (struct fact){7 * GIB, FACT_FOUND};
    s.scan.m = &s.m;
    gpu_sysfs.find(&s.scan, NULL);
    gpu_finish(&s.scan);
    assert_int_equal(s.m.gpu_count, 1);
    assert_true(s.m.gpus[0].unified);
    assert_fact(s.m.gpus[0].vram_total_bytes, 8 * GIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].vram_free_bytes, 7 * GIB, FACT_FOUND);
    assert_fact(s.m.gpus[0].bandwidth, 204.8e9, FACT_TABLED);
    scan_done(&s);
}

static void no_gpu_is_no_news(void **state)
{
    (void)state;
    static const struct tree_file files[] = {{0}};
    struct scanned s;
    scan_tree(&s, files);
    assert_int_equal(s.m.gpu_count, 0);
    assert_int_equal(s.m.warning_count, 0);
    assert_int_equal(machine_vram_total(&s.m).source, FACT_UNKNOWN);
    scan_done(&s);
}

/* --------------------------------------------------------------------- merging */

static void what_two_tell_of_one_card_is_merged(void **state)
{
    (void)state;
    struct machine m = {0};
    struct gpu_scan s = {.m = &m};
    const struct gpu_device first = {
        .backend = &gpu_rocm, .gpu = {.name = "AMD Instinct MI210", .vendor = "AMD", .source = "rocm-smi",
                                      .bus = "0000:C1:00.0", .numa_node = -1}};
    const struct gpu_device second = {
        .backend = &gpu_amdgpu, .pci_device = 0x740f,
        .gpu = {.name = "Aldebaran", .vendor = "AMD", .source = "amdgpu", .bus = "0000:c1:00.0", .numa_node = 1,
                .driver = "6.3", .vram_total_bytes = {64 * GIB, FACT_FOUND}, .vram_free_bytes = {60 * GIB, FACT_FOUND}}};
    const struct gpu_device other = {
        .backend = &gpu_amdgpu, .gpu = {.vendor = "AMD", .source = "amdgpu", .bus = "0000:c2:00.0", .numa_node = 1}};
    gpu_add(&s, &first);
    gpu_add(&s, &second);
    gpu_add(&s, &other);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.devices[0].gpu.name, "AMD Instinct MI210");
    assert_string_equal(s.devices[0].gpu.driver, "6.3");
    assert_int_equal(s.devices[0].gpu.numa_node, 1);
    assert_fact(s.devices[0].gpu.vram_total_bytes, 64 * GIB, FACT_FOUND);
    assert_ptr_equal(s.devices[0].backend, &gpu_amdgpu); /* who knows the free memory is asked again */
    free(s.devices);
}

/* A processor's graphics counts only where there is no card, and several share the one memory. */
static void shared_memory_is_not_added_up(void **state)
{
    (void)state;
    struct machine_gpu gpus[] = {
        {.name = "built in", .unified = true, .vram_total_bytes = {16 * GIB, FACT_FOUND}},
        {.name = "built in", .unified = true, .vram_total_bytes = {16 * GIB, FACT_FOUND}},
        {.name = "card", .vram_total_bytes = {8 * GIB, FACT_TABLED}},
    };
    struct machine m = {.gpus = gpus, .gpu_count = 3};
    assert_fact(machine_vram_total(&m), 8 * GIB, FACT_TABLED);
    m.gpu_count = 2;
    assert_fact(machine_vram_total(&m), 16 * GIB, FACT_FOUND);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_row_is_found),
        cmocka_unit_test(what_is_known_stays),
        cmocka_unit_test(the_table_is_plausible),
        cmocka_unit_test(a_users_table_is_checked),
        cmocka_unit_test(an_amd_card_is_read),
        cmocka_unit_test(a_built_in_amd_chip_borrows_memory),
        cmocka_unit_test(intel_cards_are_read),
        cmocka_unit_test(a_card_without_figures_is_shown),
        cmocka_unit_test(the_systems_list_names_cards),
        cmocka_unit_test(a_jetson_is_known_by_its_device_tree),
        cmocka_unit_test(no_gpu_is_no_news),
        cmocka_unit_test(what_two_tell_of_one_card_is_merged),
        cmocka_unit_test(shared_memory_is_not_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
