/* What it takes, against what is there. */
#include "doctor/checks.h"

/* The row's own words, which name need and budget. */
static const char *fit_words(const struct estimate *row)
{
    return row->reason_count ? row->reasons[0].text : verdict_name(row->verdict);
}

static enum finding does_not_fit(struct look *l)
{
    const struct estimate *row = l->p->row;
    if (row->verdict == VERDICT_UNKNOWN)
        return look_say(l, FINDING_UNKNOWN, "%s", fit_words(row));
    return look_say(l, row->verdict == VERDICT_TOO_BIG ? FINDING_FOUND : FINDING_NOT, "%s", fit_words(row));
}

static enum finding memory_unknown(struct look *l)
{
    const struct estimate *row = l->p->row;
    return look_say(l, row->verdict == VERDICT_UNKNOWN ? FINDING_FOUND : FINDING_NOT, "%s", fit_words(row));
}

/* What may be used where the row lies; false where that is not known. */
static bool budget_of(const struct patient *p, double *bytes)
{
    const struct estimates *s = p->estimates;
    bool gpu = p->row->gpu_bytes > 0;
    *bytes = (double)(gpu ? s->gpu_budget : s->cpu_budget);
    return gpu ? s->gpu_budget_known : s->cpu_budget_known;
}

/* A large cache is no trouble where there is room for it. */
static enum finding cache_too_large(struct look *l)
{
    const struct estimate *row = l->p->row;
    char kv[FORMAT_SIZE], all[FORMAT_SIZE], may[FORMAT_SIZE] = "an unknown amount";
    double budget = 0, total = (double)row->total_bytes;
    bool known = budget_of(l->p, &budget);
    bool tight = !known || total > checked_number(l->cause, "tight", 0) * budget;
    bool large = (double)row->kv_bytes > checked_number(l->cause, "share", 1) * total;
    if (known)
        format_bytes(may, budget);
    return look_say(l, large && tight ? FINDING_FOUND : FINDING_NOT, "%s of %s, for %d tokens in %s; %s may be used",
                    format_bytes(kv, (double)row->kv_bytes), format_bytes(all, total), l->p->estimates->context,
                    l->p->estimates->kv_type, may);
}

static enum finding gpu_shared(struct look *l)
{
    const struct machine *m = l->p->machine;
    struct fact total = machine_vram_total(m), unused = machine_vram_free(m);
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    if (!m->gpu_count)
        return look_say(l, FINDING_NOT, "there is no GPU");
    if (!fact_known(total) || !fact_known(unused))
        return look_say(l, FINDING_UNKNOWN, "how much of the GPU's memory is free is not known");
    bool much = total.value - unused.value > checked_number(l->cause, "share", 1) * total.value;
    return look_say(l, much ? FINDING_FOUND : FINDING_NOT, "%s of %s are taken", format_bytes(a, total.value - unused.value),
                    format_bytes(b, total.value));
}

static enum finding container_limit(struct look *l)
{
    const struct machine_memory *m = &l->p->machine->memory;
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    if (!fact_known(m->limit_bytes))
        return look_say(l, FINDING_NOT, "there is no limit");
    if (!fact_known(m->total_bytes))
        return look_say(l, FINDING_UNKNOWN, "how much memory the machine has is not known");
    return look_say(l, m->limit_bytes.value < m->total_bytes.value ? FINDING_FOUND : FINDING_NOT, "%s of %s",
                    format_bytes(a, m->limit_bytes.value), format_bytes(b, m->total_bytes.value));
}

static enum finding read_from_disk(struct look *l)
{
    const struct patient *p = l->p;
    struct fact ram = p->machine->memory.available_bytes;
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    double need = (double)estimate_needs(p->row, true);
    if (!fact_known(ram))
        return look_say(l, FINDING_UNKNOWN, "how much memory is free is not known");
    return look_say(l, need > ram.value ? FINDING_FOUND : FINDING_NOT, "%s in RAM, %s are free", format_bytes(a, need),
                    format_bytes(b, ram.value));
}

const struct check memory_checks[] = {
    {"does-not-fit", NEEDS_ESTIMATE, does_not_fit},
    {"memory-unknown", NEEDS_ESTIMATE, memory_unknown},
    {"cache-too-large", NEEDS_ESTIMATE, cache_too_large},
    {"gpu-shared", 0, gpu_shared},
    {"container-limit", 0, container_limit},
    {"read-from-disk", NEEDS_ESTIMATE, read_from_disk},
    {0},
};
