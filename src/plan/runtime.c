#include "plan/runtime.h"

#include <string.h>

/* A key of a runtime, or of the one that it is like. */
static const struct yaml *owner(const struct yaml *row, const struct yaml *like, const char *key)
{
    return yaml_get(row, key) || !like ? row : like;
}

static void compile_formats(struct rules *r, struct runtime *t, const struct yaml *row,
                            const struct yaml *like)
{
    const struct yaml *list = yaml_get(owner(row, like, "formats"), "formats");
    struct runtime_format *f = arena_alloc(&r->arena, (list ? list->count : 0) * sizeof *f);
    for (size_t i = 0; list && i < list->count; i++)
        f[i] = (struct runtime_format){
            .format = checked_text(list->items[i], "format"),
            .capability_min = checked_number(list->items[i], "capability_min", 0),
            .works_on = checked_texts(list->items[i], "works_on", &r->arena),
            .fails_on = checked_texts(list->items[i], "fails_on", &r->arena),
            .note = checked_text(list->items[i], "note"),
            .dequantizes = checked_bool(list->items[i], "dequantizes", false),
        };
    t->formats = f;
    t->format_count = list ? (int)list->count : 0;
}

static void compile_repacks(struct rules *r, struct runtime *t, const struct yaml *row,
                            const struct yaml *like)
{
    const struct yaml *list = yaml_get(owner(row, like, "repack"), "repack");
    struct runtime_repack *p = arena_alloc(&r->arena, (list ? list->count : 0) * sizeof *p);
    for (size_t i = 0; list && i < list->count; i++)
        p[i] = (struct runtime_repack){
            .features = checked_texts(list->items[i], "features", &r->arena),
            .types = rules_types(r, checked_texts(list->items[i], "types", &r->arena)),
            .rows_multiple = checked_integer(list->items[i], "rows_multiple", 1),
            .row_multiple = checked_integer(list->items[i], "row_multiple", 0),
            .extra_bytes = checked_integer(list->items[i], "extra_bytes", 0),
            .experts = checked_bool(list->items[i], "experts", false),
        };
    t->repacks = p;
    t->repack_count = list ? (int)list->count : 0;
}

#define NUMBER(key, fallback) checked_number(owner(row, like, key), key, fallback)
#define INTEGER(key, fallback) checked_integer(owner(row, like, key), key, fallback)
#define BYTES(key, fallback) checked_bytes(owner(row, like, key), key, fallback)
#define BOOL(key, fallback) checked_bool(owner(row, like, key), key, fallback)

static void compile(struct rules *r, struct runtime *t, const struct yaml *row, const struct yaml *like)
{
    *t = (struct runtime){
        .name = checked_text(row, "name"),
        .title = checked_text(row, "title"),
        .version = checked_text(row, "version"),
        .date = checked_text(row, "date"),
        .refuses = checked_texts(owner(row, like, "refuses"), "refuses", &r->arena),
        .micro_batch = INTEGER("micro_batch", 0),
        .kv_pad = INTEGER("kv_pad", 1),
        .windowed = BOOL("windowed", false),
        .all_logits = BOOL("all_logits", false),
        .gpu_embeddings = BOOL("gpu_embeddings", false),
        .tensor_parallel = BOOL("tensor_parallel", false),
        .fuses = BOOL("fuses", false),
        .pipeline_copies = INTEGER("pipeline_copies", 1),
        .gpu_margin = BYTES("gpu_margin", 0),
        .gpu_margin_share = NUMBER("gpu_margin_share", 0),
        .host_margin = BYTES("host_margin", 0),
        .gpu_efficiency = NUMBER("gpu_efficiency", 0),
        .cpu_efficiency = NUMBER("cpu_efficiency", 0),
        .prefill_efficiency = NUMBER("prefill_efficiency", 0),
        .row = row,
    };
    compile_formats(r, t, row, like);
    compile_repacks(r, t, row, like);
}

static const struct yaml *find_row(const struct yaml *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(checked_text(rows->items[i], "name"), name) == 0)
            return rows->items[i];
    return NULL;
}

int runtimes_compile(struct rules *r, struct error *e)
{
    const struct yaml *rows = yaml_get(r->runtimes_tree, "runtimes");
    struct runtime *t = arena_alloc(&r->arena, rows->count * sizeof *t);
    r->runtimes = t;
    r->runtime_count = (int)rows->count;
    for (size_t i = 0; i < rows->count; i++) {
        const char *like = checked_text(rows->items[i], "like");
        const struct yaml *other = like ? find_row(rows, like) : NULL;
        if (like && !other)
            return yaml_expected(yaml_get(rows->items[i], "like"), e, "the name of a runtime in this file");
        compile(r, &t[i], rows->items[i], other);
    }
    return 0;
}

const struct runtime *runtime_named(const struct rules *r, const char *name)
{
    for (int i = 0; i < r->runtime_count; i++)
        if (strcmp(r->runtimes[i].name, name) == 0)
            return &r->runtimes[i];
    return NULL;
}

const struct runtime_format *runtime_accepts(const struct runtime *r, const char *format)
{
    for (int i = 0; i < r->format_count; i++)
        if (strcmp(r->formats[i].format, format) == 0)
            return &r->formats[i];
    return NULL;
}
