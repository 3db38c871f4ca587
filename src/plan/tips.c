#include "plan/tips.h"

#include "base/rulefile.h"
#include "base/str.h"
#include "plan/condition.h"

/* ---------------------------------------------------------------- conditions */

#define CONDITIONS(X)                                                                                          \
    X("offload", TEXTS, ONE_OF, SERVING_OFFLOAD, "layers on GPUs: none, some or all")                          \
    X("kv_type", TEXTS, ONE_OF, SERVING_KV_TYPE, "the wish kv-type is one of these")                           \
    X("hyperthreads", BOOL, IS, SERVING_HYPERTHREADS, "whether there are more hardware threads than cores")    \
    X("draft", BOOL, IS, SERVING_DRAFT, "whether a small model of the same vocabulary was found")              \
    X("parallel_min", NUMBER, AT_LEAST, SERVING_PARALLEL, "at least so many sequences at once")                \
    X("parallel_below", NUMBER, BELOW, SERVING_PARALLEL, "fewer")                                              \
    X("gpus_min", NUMBER, AT_LEAST, SERVING_GPUS, "at least so many GPUs")                                     \
    X("numa_min", NUMBER, AT_LEAST, SERVING_NUMA, "at least so many NUMA nodes")                               \
    X("capability_min", NUMBER, AT_LEAST, SERVING_CAPABILITY, "all GPUs have at least this compute capability") \
    X("kv_share_min", NUMBER, AT_LEAST, SERVING_KV_SHARE, "the KV cache is at least this share of the memory that is needed") \
    X("ram_share_min", NUMBER, AT_LEAST, SERVING_RAM_SHARE, "what lies in RAM is at least this share of what was free")

static const struct condition_kind kinds[] = {CONDITIONS(CONDITION_KIND)};
static const struct schema_field condition_fields[] = {CONDITIONS(CONDITION_FIELD){0}};
static const struct schema_field row_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "a name of its own"},
    {"runtimes", SCHEMA_TEXTS, true, .help = "runtimes that it is about"},
    {"when", SCHEMA_MAP, true, condition_fields, .help = "conditions, all of which must hold"},
    {"say", SCHEMA_TEXT, true, .help = "the tip, with the {placeholders} of start lines filled in"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};
const struct schema_field tip_fields[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"tips", SCHEMA_MAPS, true, row_fields, .help = "tips, in the order of the document"},
    {0},
};

static bool holds(const struct yaml *when, const struct serving *s, struct arena *a)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (!yaml_get(when, kinds[i].key))
            continue;
        struct condition c = condition_read(&kinds[i], when, a);
        if (!condition_meets(&c, s->number, s->word))
            return false;
    }
    return true;
}

int tips_of(struct tip **tips, int *count, const char *runtime, const struct serving *s, struct arena *a, struct error *e)
{
    struct yaml *file;
    *tips = NULL;
    *count = 0;
    int rc = rulefile_load_checked(&file, "tips", tip_fields, a, e);
    const struct yaml *rows = rc ? NULL : yaml_get(file, "tips");
    *tips = rows ? arena_alloc(a, rows->count * sizeof **tips) : NULL;
    for (size_t i = 0; rows && i < rows->count; i++) {
        const struct yaml *row = rows->items[i];
        if (str_among(checked_texts(row, "runtimes", a), runtime) && holds(yaml_get(row, "when"), s, a))
            (*tips)[(*count)++] = (struct tip){checked_text(row, "name"), serving_fill(s, checked_text(row, "say"), a),
                                               rules_where(row, a)};
    }
    return rc;
}
