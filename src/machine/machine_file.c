#include "machine/machine_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "machine/gpu.h"
#include "machine/machine_priv.h"
#include "machine/topology.h"

enum { FILE_LIMIT = 64 << 20, COUNT_LIMIT = 1 << 20, GPU_LIMIT = 1024, CHILD_SECONDS = 10 };

/* ----------------------------------------------------------------- hwloc's XML */

static int read_topology(struct machine *m, const char *text, size_t length, const char *path,
                         struct error *e)
{
    hwloc_topology_t t;
    int rc = topology_open_xml(&t, text, length, path, e);
    if (rc)
        return rc;
    topology_describe(m, t);
    m->memory.total_bytes = fact_of((double)hwloc_get_root_obj(t)->total_memory, FACT_FOUND);
    gpu_detect_saved(m, t);
    hwloc_topology_destroy(t);
    return 0;
}

/* What a child does that may crash: no message of its own, no core file, no endless loop. */
static void be_quiet(void)
{
    static const struct rlimit no_core = {0, 0};
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    alarm(CHILD_SECONDS);
}

/* hwloc (2.9 at least) follows wild pointers in some damaged files, so a child reads the text first. */
static bool child_survives(struct machine *m, const char *text, size_t length, const char *path)
{
    struct error e;
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        be_quiet();
        _exit(read_topology(m, text, length, path, &e) ? 1 : 0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status);
}

/* A child that exits, even with an error, shows that the text is harmless; then the error is told here. */
static int read_xml(struct machine *m, const char *text, size_t length, const char *path, struct error *e)
{
    if (child_survives(m, text, length, path))
        return read_topology(m, text, length, path, e);
    return error_set(e, ERROR_USAGE, "%s: is a damaged topology, on which hwloc stumbles: save it again with "
                     "`lstopo --of xml`", path);
}

/* -------------------------------------------------------------------- our YAML */

/* One readable field: a key of a map, and where its value goes. */
enum field_kind { FIELD_TEXT, FIELD_COUNT, FIELD_BYTES, FIELD_NUMBER, FIELD_BOOL };
struct field {
    const char *key;
    enum field_kind kind;
    void *to; /* const char *, int, struct fact (bytes and numbers), bool */
};

static int read_count(const struct yaml *y, const char *key, int *to, struct error *e)
{
    int64_t v = *to;
    int rc = yaml_integer(y, key, false, &v, e);
    if (!rc && (v < 0 || v > COUNT_LIMIT))
        return yaml_expected(yaml_get(y, key), e, "a count from 0 to %d for '%s'", COUNT_LIMIT, key);
    *to = (int)v;
    return rc;
}

static int read_bytes(const struct yaml *y, const char *key, struct fact *to, struct error *e)
{
    uint64_t v = UINT64_MAX;
    int rc = yaml_bytes(y, key, false, &v, e);
    if (!rc && v != UINT64_MAX)
        *to = (struct fact){(double)v, FACT_ENTERED};
    return rc;
}

static int read_number(const struct yaml *y, const char *key, struct fact *to, struct error *e)
{
    double v = NAN;
    int rc = yaml_number(y, key, false, &v, e);
    if (!rc && v <= 0)
        return yaml_expected(yaml_get(y, key), e, "a number above 0 for '%s'", key);
    if (!rc && !isnan(v))
        *to = (struct fact){v, FACT_ENTERED};
    return rc;
}

static int read_field(const struct yaml *y, const struct field *f, struct error *e)
{
    switch (f->kind) {
    case FIELD_TEXT: return yaml_text(y, f->key, false, f->to, e);
    case FIELD_COUNT: return read_count(y, f->key, f->to, e);
    case FIELD_BYTES: return read_bytes(y, f->key, f->to, e);
    case FIELD_NUMBER: return read_number(y, f->key, f->to, e);
    case FIELD_BOOL: return yaml_bool(y, f->key, false, f->to, e);
    }
    return 0;
}

/* All fields of a map; `also` is one more key that the caller reads itself, or NULL. */
static int read_fields(const struct yaml *y, const struct field *fields, size_t n, const char *also,
                       struct error *e)
{
    const char *keys[16];
    for (size_t i = 0; i < n; i++)
        keys[i] = fields[i].key;
    keys[n] = also;
    keys[n + 1] = NULL;
    int rc = yaml_only(y, keys, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_field(y, &fields[i], e);
    return rc;
}

static int read_cpu(struct machine *m, const struct yaml *y, struct error *e)
{
    struct machine_cpu *c = &m->cpu;
    const struct field fields[] = {
        {"model", FIELD_TEXT, &c->model}, {"packages", FIELD_COUNT, &c->packages},
        {"cores", FIELD_COUNT, &c->cores}, {"threads", FIELD_COUNT, &c->threads},
        {"performance_cores", FIELD_COUNT, &c->performance_cores},
        {"efficiency_cores", FIELD_COUNT, &c->efficiency_cores},
    };
    const char **features = NULL;
    int rc = read_fields(y, fields, ARRAY_LENGTH(fields), "features", e);
    if (!rc && !(rc = yaml_texts(y, "features", false, &features, &m->arena, e)) && features)
        c->features = features;
    return rc;
}

static int read_memory(struct machine *m, const struct yaml *y, struct error *e)
{
    struct machine_memory *mem = &m->memory;
    const struct field fields[] = {
        {"total", FIELD_BYTES, &mem->total_bytes}, {"available", FIELD_BYTES, &mem->available_bytes},
        {"limit", FIELD_BYTES, &mem->limit_bytes}, {"bandwidth", FIELD_BYTES, &mem->bandwidth},
    };
    return read_fields(y, fields, ARRAY_LENGTH(fields), NULL, e);
}

static int read_gpu(struct gpu_scan *s, const struct yaml *y, struct error *e)
{
    struct gpu_device d = {.gpu = {.source = "file", .numa_node = -1}};
    struct machine_gpu *g = &d.gpu;
    int count = 1;
    const struct field fields[] = {
        {"name", FIELD_TEXT, &g->name}, {"count", FIELD_COUNT, &count}, {"vendor", FIELD_TEXT, &g->vendor},
        {"vram_total", FIELD_BYTES, &g->vram_total_bytes}, {"vram_free", FIELD_BYTES, &g->vram_free_bytes},
        {"bandwidth", FIELD_BYTES, &g->bandwidth}, {"flops", FIELD_NUMBER, &g->flops},
        {"compute_capability", FIELD_NUMBER, &g->compute_capability},
        {"unified", FIELD_BOOL, &g->unified}, {"mig", FIELD_BOOL, &g->mig},
    };
    int rc = read_fields(y, fields, ARRAY_LENGTH(fields), NULL, e);
    if (!rc && s->count + count > GPU_LIMIT)
        rc = error_set(e, ERROR_USAGE, "%s:%d: expected at most %d GPUs", y->file, y->line, GPU_LIMIT);
    d.host_memory = g->unified && !fact_known(g->vram_total_bytes);
    for (int i = 0; i < count && !rc; i++)
        gpu_add(s, &d);
    return rc;
}

static int read_numa(struct machine *m, const struct yaml *y, struct error *e)
{
    struct machine_numa *node = &m->numa[m->numa_count];
    const struct field fields[] = {
        {"cores", FIELD_COUNT, &node->cores}, {"total", FIELD_BYTES, &node->total_bytes},
    };
    node->index = m->numa_count++;
    return read_fields(y, fields, ARRAY_LENGTH(fields), NULL, e);
}

static int read_gpus(struct machine *m, const struct yaml *list, struct error *e)
{
    struct gpu_scan s = {.m = m};
    int rc = 0;
    for (size_t i = 0; list && i < list->count && !rc; i++)
        rc = read_gpu(&s, list->items[i], e);
    if (!rc)
        gpu_finish(&s);
    free(s.devices);
    return rc;
}

static int read_lists(struct machine *m, const struct yaml *top, struct error *e)
{
    struct yaml *gpus = NULL, *numa = NULL;
    int rc = yaml_child(top, "gpus", false, YAML_LIST, &gpus, e);
    if (rc || (rc = yaml_child(top, "numa", false, YAML_LIST, &numa, e)))
        return rc;
    m->numa = arena_alloc(&m->arena, (numa ? numa->count : 0) * sizeof *m->numa);
    for (size_t i = 0; numa && i < numa->count && !rc; i++)
        rc = read_numa(m, numa->items[i], e);
    return rc ? rc : read_gpus(m, gpus, e);
}

static int read_yaml(struct machine *m, const struct yaml *top, struct error *e)
{
    static const char *const keys[] = {"name", "cpu", "memory", "gpus", "numa", "disk_free", NULL};
    struct yaml *cpu = NULL, *memory = NULL;
    int rc = yaml_only(top, keys, e);
    if (rc || (rc = yaml_text(top, "name", false, &m->name, e)) ||
        (rc = read_bytes(top, "disk_free", &m->disk_free_bytes, e)) ||
        (rc = yaml_child(top, "cpu", false, YAML_MAP, &cpu, e)) ||
        (rc = yaml_child(top, "memory", false, YAML_MAP, &memory, e)))
        return rc;
    if (cpu && (rc = read_cpu(m, cpu, e)))
        return rc;
    if (memory && (rc = read_memory(m, memory, e)))
        return rc;
    return read_lists(m, top, e);
}

/* ------------------------------------------------------------------------ both */

static bool looks_like_xml(const char *text)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    if (str_starts(text, byte_order_mark))
        text += sizeof byte_order_mark - 1;
    return text[strspn(text, " \t\r\n")] == '<';
}

int machine_file_read(struct machine *m, const char *path, struct error *e)
{
    char *text;
    size_t length;
    struct yaml *top;
    int rc = file_read(path, FILE_LIMIT, &text, &length, e);
    if (rc)
        return error_context(e, "reading the machine to replay (--machine)");
    m->simulated = true;
    m->name = arena_strdup(&m->arena, path_name(path));
    if (looks_like_xml(text))
        rc = read_xml(m, text, length, path, e);
    else if (!(rc = yaml_parse(&top, text, length, path, &m->arena, e)))
        rc = read_yaml(m, top, e);
    free(text);
    return rc;
}
