/* plan.yaml to struct plan. Paths are relative to the plan's folder in the file, and usable from the current folder in
 * struct plan. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plan/plan.h"
#include "plan/plan_schema.h"

static int number_of(const struct yaml *map, const char *key, int low, int high, int *value, struct error *e)
{
    int64_t v = *value;
    struct yaml *y = yaml_get(map, key);
    int rc = yaml_integer(map, key, false, &v, e);
    if (!rc && y && (v < low || v > high))
        return yaml_expected(y, e, "a whole number from %d to %d for '%s'", low, high, key);
    *value = (int)v;
    return rc;
}

static const struct quant_type *type_of(const struct yaml *map, const char *key)
{
    const char *name = checked_text(map, key);
    return name ? quant_type_named(name) : NULL;
}

/* A path in the plan, as seen from here: absolute where the text or the plan's own path is. */
static const char *path_of(struct plan *p, const struct yaml *map, const char *key)
{
    const char *text = checked_text(map, key);
    if (!text)
        return NULL;
    char *folder = path_folder(p->file), *path = path_join(folder, text);
    char *tidy = path[0] == '/' ? path_absolute(path) : path_relative(".", path);
    const char *kept = arena_strdup(&p->arena, tidy);
    free(folder);
    free(path);
    free(tidy);
    return kept;
}

static void read_overrides(struct plan *p, const struct yaml *list)
{
    p->override_count = list ? (int)list->count : 0;
    p->overrides = arena_alloc(&p->arena, p->override_count * sizeof *p->overrides);
    for (int i = 0; i < p->override_count; i++)
        p->overrides[i] = (struct recipe_override){checked_text(list->items[i], "pattern"), type_of(list->items[i], "type")};
}

static void read_tensors(struct recipe_pin **tensors, int *count, const struct yaml *map, struct arena *a)
{
    *count = map ? (int)map->count : 0;
    *tensors = arena_alloc(a, (*count + 1) * sizeof **tensors);
    for (int i = 0; i < *count; i++)
        (*tensors)[i] = (struct recipe_pin){map->keys[i]->text, quant_type_named(map->items[i]->text)};
}

static void read_mix(struct plan *p, const struct yaml *mix)
{
    p->mix = (struct plan_mix){checked_text(mix, "by"), checked_bytes(mix, "limit", 0), checked_number(mix, "predicted_kld", NAN)};
}

static int read_quantization(struct plan *p, const struct yaml *q, struct error *e)
{
    const char *format = checked_text(q, "format");
    p->level = checked_text(q, "level");
    p->format = format ? format : plan_makes_folder(p) ? "checkpoint folder" : "gguf";
    p->kernel = checked_text(q, "kernel");
    p->pure = checked_bool(q, "pure", false);
    p->strict = checked_bool(q, "strict", false);
    p->output_type = type_of(q, "output_type");
    p->embedding_type = type_of(q, "embedding_type");
    p->skip = checked_texts(q, "skip", &p->arena);
    while (p->skip && p->skip[p->skip_count])
        p->skip_count++;
    p->imatrix = path_of(p, q, "imatrix");
    read_overrides(p, yaml_get(q, "overrides"));
    return number_of(q, "threads", 0, 4096, &p->threads, e);
}

/* A path, but for the names that stand for texts. */
static const char *text_path_of(struct plan *p, const struct yaml *map, const char *key)
{
    const char *text = checked_text(map, key);
    bool named = text && (strcmp(text, CALIBRATION_GENERAL) == 0 || strcmp(text, CALIBRATION_NONE) == 0);
    return named ? text : path_of(p, map, key);
}

static int read_calibration(struct plan *p, const struct yaml *c, struct error *e)
{
    p->calibration.text = text_path_of(p, c, "path");
    p->calibration.hash = checked_text(c, "sha256");
    p->method = checked_text(c, "method");
    int rc = number_of(c, "samples", 1, 1 << 20, &p->calibration.samples, e);
    return rc ? rc : number_of(c, "sample_length", 4, 1 << 20, &p->calibration.sample_length, e);
}

static int read_evaluation(struct plan *p, const struct yaml *v, struct error *e)
{
    const char *loss = checked_text(v, "max_loss"), *activations = checked_text(v, "activations");
    p->evaluate = checked_bool(v, "enabled", true);
    p->eval_text = path_of(p, v, "text");
    p->eval_tasks = path_of(p, v, "tasks");
    p->eval_prompts = path_of(p, v, "prompts");
    if (activations)
        activations_parse(&p->activations, activations);
    p->stop_early = checked_bool(v, "stop_early", true);
    p->runtime_speed = checked_bool(v, "runtime_speed", true);
    if (loss)
        parse_percent(loss, &p->max_loss);
    int rc = number_of(v, "context", 8, 1 << 20, &p->eval_context, e);
    return rc ? rc : number_of(v, "chunks", 0, 1 << 30, &p->eval_chunks, e);
}

static int read_gate(struct plan *p, const struct yaml *g, struct error *e)
{
    p->gate.automatic = checked_bool(g, "auto", false);
    p->gate.after = path_of(p, g, "after");
    p->gate.why = checked_text(g, "why");
    return number_of(g, "attempts", 1, 100, &p->gate.attempts, e);
}

static int read_variant(struct plan *p, struct plan_change *c, const struct yaml *v, struct error *e)
{
    *c = (struct plan_change){
        .name = checked_text(v, "name"),
        .level = checked_text(v, "level"),
        .method = checked_text(v, "method"),
        .imatrix = path_of(p, v, "imatrix"),
        .pure = checked_bool(v, "pure", false),
        .calibration = {.text = text_path_of(p, v, "calibration"), .hash = checked_text(v, "sha256")},
    };
    int rc = number_of(v, "samples", 1, 1 << 20, &c->calibration.samples, e);
    return rc ? rc : number_of(v, "sample_length", 4, 1 << 20, &c->calibration.sample_length, e);
}

/* Runs compare on the same chunks only. */
static int read_variants(struct plan *p, const struct yaml *list, struct error *e)
{
    int rc = 0;
    p->variants = list ? arena_alloc(&p->arena, list->count * sizeof *p->variants) : NULL;
    for (; list && !rc && p->variant_count < (int)list->count; p->variant_count++)
        rc = read_variant(p, &p->variants[p->variant_count], list->items[p->variant_count], e);
    p->stop_early = p->stop_early && !p->variant_count;
    return rc;
}

static int read_wishes(struct plan *p, const struct yaml *list, struct error *e)
{
    wishes_defaults(&p->wishes, NULL, NULL);
    for (size_t i = 0; list && i < list->count; i++) {
        const struct yaml *w = list->items[i];
        int id = wish_find(checked_text(w, "name"));
        if (id < 0)
            return yaml_expected(yaml_get(w, "name"), e, "the name of a wish (quantwiz plan --help lists them)");
        if (wishes_set(&p->wishes, id, checked_text(w, "value"), e))
            return error_context(e, "%s:%d", w->file, w->line);
        const char *from = checked_text(w, "from");
        p->wishes.value[id].from = from ? arena_strdup(&p->wishes.arena, from) : "plan";
        p->wishes.value[id].set = !from || strcmp(from, "entered") == 0;
    }
    return 0;
}

static void read_document(struct plan *p, const struct yaml *y, const struct yaml *machine)
{
    struct error e;
    if (machine && machine->kind == YAML_MAP) {
        struct yaml_writer w = {0};
        yaml_put_tree(&w, machine);
        char *text = str_take(&w.out);
        p->machine_summary = arena_strdup(&p->arena, text);
        free(text);
    }
    yaml_texts(y, "rationale", false, &p->rationale, &p->arena, &e);
    while (p->rationale && p->rationale[p->rationale_count])
        p->rationale_count++;
    record_read(&p->record, y, &p->arena);
}

static int read_plan(struct plan *p, const struct yaml *y, struct error *e)
{
    const struct yaml *source = yaml_get(y, "source"), *output = yaml_get(y, "output");
    int64_t schema = 0;
    int rc = schema_check(y, plan_schema(), e);
    if (!rc && !(rc = yaml_integer(y, "schema", true, &schema, e)) && schema != PLAN_SCHEMA)
        rc = yaml_expected(yaml_get(y, "schema"), e, "schema %d (this plan is of another version)", PLAN_SCHEMA);
    if (rc)
        return rc;
    p->source = path_of(p, source, "path");
    p->source_hub = checked_text(source, "hub");
    p->source_hash = checked_text(source, "fingerprint");
    p->source_pre = checked_text(source, "pre");
    p->out = path_of(p, output, "artefact");
    p->run_folder = path_of(p, output, "run");
    read_document(p, y, yaml_get(y, "machine"));
    read_mix(p, yaml_get(y, "mix"));
    read_tensors(&p->tensors, &p->tensor_count, yaml_get(y, "tensors"), &p->arena);
    rc = read_quantization(p, yaml_get(y, "quantization"), e);
    if (!rc)
        rc = read_calibration(p, yaml_get(y, "calibration"), e);
    if (!rc)
        rc = read_evaluation(p, yaml_get(y, "evaluation"), e);
    rc = rc ? rc : read_gate(p, yaml_get(y, "gate"), e);
    rc = rc ? rc : read_variants(p, yaml_get(y, "variants"), e);
    return rc ? rc : read_wishes(p, yaml_get(y, "wishes"), e);
}

int plan_load(struct plan **out, const char *path, struct error *e)
{
    struct plan *p = plan_new();
    struct yaml *y;
    p->file = arena_strdup(&p->arena, path);
    int rc = yaml_load(&y, path, &p->arena, e);
    if (!rc)
        rc = read_plan(p, y, e);
    if (rc)
        plan_free(p);
    *out = rc ? NULL : p;
    return rc;
}

int plan_load_kept(struct plan **out, const char *run_folder, struct error *e)
{
    char *path = path_join(run_folder, "plan.yaml");
    int rc = plan_load(out, path, e);
    free(path);
    return rc;
}

int plan_load_tensors(struct recipe_pin **tensors, int *count, const char *path, struct arena *a, struct error *e)
{
    struct yaml *y, *list;
    int rc = yaml_load(&y, path, a, e);
    list = rc ? NULL : yaml_get(y, "tensors");
    if (!rc && !list)
        rc = yaml_expected(y, e, "a list 'tensors' of lines NAME: TYPE");
    rc = rc ? rc : schema_check_field(y, plan_tensors_schema, e);
    if (!rc)
        read_tensors(tensors, count, list, a);
    return rc;
}
