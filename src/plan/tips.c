#include "plan/tips.h"

#include <string.h>

#include "base/rulefile.h"

/* ---------------------------------------------------------------- conditions */

enum comparison { AT_LEAST, BELOW, ONE_OF, IS };

/* One list: a condition's key, how its value is written, which fact it compares and how, what it means. */
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

static const struct condition_kind {
    const char *key;
    enum schema_kind value;
    enum comparison comparison;
    enum serving_fact fact;
} kinds[] = {
#define KIND(key, value, comparison, fact, help) {key, SCHEMA_##value, comparison, fact},
    CONDITIONS(KIND)
};
static const struct schema_field condition_fields[] = {
#define FIELD(name, value, comparison, fact, text) {name, SCHEMA_##value, false, .help = text},
    CONDITIONS(FIELD){0},
};
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

static bool is_one_of(const char *const *words, const char *word)
{
    for (; word && *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

static bool meets(const struct condition_kind *k, const struct yaml *when, const struct serving *s, struct arena *a)
{
    double is = s->number[k->fact];
    switch (k->comparison) {
    case AT_LEAST: return is >= checked_number(when, k->key, 0);
    case BELOW: return is < checked_number(when, k->key, 0);
    case IS: return is == checked_bool(when, k->key, false);
    case ONE_OF: break;
    }
    return is_one_of(checked_texts(when, k->key, a), s->word[k->fact]);
}

static bool holds(const struct yaml *when, const struct serving *s, struct arena *a)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (yaml_get(when, kinds[i].key) && !meets(&kinds[i], when, s, a))
            return false;
    return true;
}

int tips_of(struct tip **tips, int *count, const char *runtime, const struct serving *s, struct arena *a, struct error *e)
{
    struct yaml *file;
    *tips = NULL;
    *count = 0;
    int rc = rulefile_load(&file, "tips", a, e);
    rc = rc ? rc : schema_check(file, tip_fields, e);
    const struct yaml *rows = rc ? NULL : yaml_get(file, "tips");
    *tips = rows ? arena_alloc(a, rows->count * sizeof **tips) : NULL;
    for (size_t i = 0; rows && i < rows->count; i++) {
        const struct yaml *row = rows->items[i];
        if (is_one_of(checked_texts(row, "runtimes", a), runtime) && holds(yaml_get(row, "when"), s, a))
            (*tips)[(*count)++] = (struct tip){checked_text(row, "name"), serving_fill(s, checked_text(row, "say"), a),
                                               rules_where(row, a)};
    }
    return rc;
}
