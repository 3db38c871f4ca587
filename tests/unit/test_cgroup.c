#include "unit.h"

#include <math.h>

#include "base/cgroup.h"
#include "tree.h"

#define GIB 1073741824.0

static struct cgroup read_tree(const struct tree_file *files)
{
    struct cgroup c;
    char *root = tree_make(files);
    cgroup_read(&c, root);
    tree_remove(root);
    return c;
}

static const char v2_mount[] = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

static void nothing_limits(void **state)
{
    (void)state;
    static const struct tree_file bare[] = {{0}}, unlimited[] = {
        {"proc/self/cgroup", "0::/user.slice\n"},
        {"proc/self/mountinfo", v2_mount},
        {"sys/fs/cgroup/user.slice/memory.max", "max\n"},
        {"sys/fs/cgroup/user.slice/memory.current", "1073741824\n"},
        {"sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"},
        {0}};
    for (int i = 0; i < 2; i++) {
        struct cgroup c = read_tree(i ? unlimited : bare);
        assert_true(isinf(c.memory_limit) && isinf(c.memory_left) && isinf(c.cpus));
    }
}

/* The service is unlimited, its slice has 8 GiB, the machine's top slice 16: the slice's limit counts. The
 * file pages of the slice can be dropped, so they are left too. */
static void the_tightest_of_the_path_counts(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/self/cgroup", "0::/top.slice/mid.slice/job.service\n"},
        {"proc/self/mountinfo", v2_mount},
        {"sys/fs/cgroup/top.slice/memory.max", "17179869184\n"},
        {"sys/fs/cgroup/top.slice/memory.current", "10737418240\n"},
        {"sys/fs/cgroup/top.slice/cpu.max", "150000 100000\n"},
        {"sys/fs/cgroup/top.slice/mid.slice/memory.max", "8589934592\n"},
        {"sys/fs/cgroup/top.slice/mid.slice/memory.current", "6442450944\n"},
        {"sys/fs/cgroup/top.slice/mid.slice/memory.stat",
         "anon 4294967296\nfile 2147483648\ninactive_file 1073741824\nactive_file 1073741824\n"},
        {"sys/fs/cgroup/top.slice/mid.slice/cpu.max", "400000 100000\n"},
        {"sys/fs/cgroup/top.slice/mid.slice/job.service/memory.max", "max\n"},
        {"sys/fs/cgroup/top.slice/mid.slice/job.service/memory.current", "6442450944\n"},
        {0}};
    struct cgroup c = read_tree(files);
    assert_true(c.memory_limit == 8 * GIB);
    assert_true(c.memory_left == 4 * GIB);
    assert_true(c.cpus == 1.5);
}

/* memory.high throttles before memory.max kills: past it nothing goes on at a useful pace. */
static void the_high_mark_limits_too(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/self/cgroup", "0::/a\n"},
        {"proc/self/mountinfo", v2_mount},
        {"sys/fs/cgroup/a/memory.max", "8589934592\n"},
        {"sys/fs/cgroup/a/memory.high", "4294967296\n"},
        {"sys/fs/cgroup/a/memory.current", "5368709120\n"},
        {0}};
    struct cgroup c = read_tree(files);
    assert_true(c.memory_limit == 4 * GIB);
    assert_true(c.memory_left == 0);
}

static void version_1_is_read(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/self/cgroup", "5:cpu,cpuacct:/lxc/box\n4:memory:/lxc/box\n1:name=systemd:/\n0::/\n"},
        {"proc/self/mountinfo",
         "33 32 0:30 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
         "34 32 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
         "35 32 0:32 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n"},
        {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
        {"sys/fs/cgroup/memory/lxc/memory.limit_in_bytes", "9223372036854771712\n"},
        {"sys/fs/cgroup/memory/lxc/box/memory.limit_in_bytes", "4294967296\n"},
        {"sys/fs/cgroup/memory/lxc/box/memory.usage_in_bytes", "3221225472\n"},
        {"sys/fs/cgroup/memory/lxc/box/memory.stat", "total_inactive_file 536870912\ntotal_active_file 536870912\n"},
        {"sys/fs/cgroup/cpu,cpuacct/lxc/box/cpu.cfs_quota_us", "200000\n"},
        {"sys/fs/cgroup/cpu,cpuacct/lxc/box/cpu.cfs_period_us", "100000\n"},
        {"sys/fs/cgroup/cpu,cpuacct/lxc/cpu.cfs_quota_us", "-1\n"},
        {"sys/fs/cgroup/cpu,cpuacct/lxc/cpu.cfs_period_us", "100000\n"},
        {0}};
    struct cgroup c = read_tree(files);
    assert_true(c.memory_limit == 4 * GIB);
    assert_true(c.memory_left == 2 * GIB);
    assert_true(c.cpus == 2);
}

/* Docker with version 1: /proc tells the path from the host's top, but only the container's own group is
 * mounted. */
static void only_the_own_group_is_mounted(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/self/cgroup", "4:memory:/docker/0123/init\n"},
        {"proc/self/mountinfo", "33 32 0:30 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"},
        {"sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"},
        {"sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n"},
        {"sys/fs/cgroup/memory/init/memory.limit_in_bytes", "9223372036854771712\n"},
        {0}};
    struct cgroup c = read_tree(files);
    assert_true(c.memory_limit == 2 * GIB);
    assert_true(c.memory_left == 1 * GIB);
}

/* A path outside the namespace ("/../..") cannot be followed; what is mounted is still read. */
static void a_path_outside_means_the_top(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/self/cgroup", "0::/../../other\n"},
        {"proc/self/mountinfo", v2_mount},
        {"sys/fs/cgroup/memory.max", "1073741824\n"},
        {"sys/fs/cgroup/memory.current", "0\n"},
        {0}};
    struct cgroup c = read_tree(files);
    assert_true(c.memory_limit == GIB && c.memory_left == GIB);
}

static void nonsense_is_no_limit(void **state)
{
    (void)state;
    static const struct tree_file files[] = {
        {"proc/self/cgroup", "\n:::\n0:\nxyz\n0::/a\n"},
        {"proc/self/mountinfo", "- \n1 2 3\n29 23 0:26 / - cgroup2\n29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
        {"sys/fs/cgroup/a/memory.max", "lots\n"},
        {"sys/fs/cgroup/a/cpu.max", "\n"},
        {"sys/fs/cgroup/memory.max", "-5x\n"},
        {0}};
    struct cgroup c = read_tree(files);
    assert_true(isinf(c.memory_limit) && isinf(c.memory_left) && isinf(c.cpus));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_limits),
        cmocka_unit_test(the_tightest_of_the_path_counts),
        cmocka_unit_test(the_high_mark_limits_too),
        cmocka_unit_test(version_1_is_read),
        cmocka_unit_test(only_the_own_group_is_mounted),
        cmocka_unit_test(a_path_outside_means_the_top),
        cmocka_unit_test(nonsense_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
