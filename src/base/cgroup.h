/* What the control groups that hold this process allow, versions 1 and 2.
 *
 * A limit may stand on any folder between the process's own group and the top of the mounted hierarchy (a
 * systemd slice above a container above a service), so every one of them is read and the tightest counts.
 * Infinity means that nothing limits. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

struct cgroup {
    double memory_limit; /* bytes: memory.max and memory.high, or memory.limit_in_bytes */
    double memory_left;  /* bytes until the first limit is met; droppable file pages count as free */
    double cpus;         /* processors' worth of time: cpu.max, or cpu.cfs_quota_us */
};

/* `root` goes before /proc and /sys: "" for this machine, a folder for a test. Never fails. */
void cgroup_read(struct cgroup *c, const char *root);

#endif
