/* plan.yaml, read and written. Paths are relative to the plan's folder in the file, and usable from the current
 * folder in struct plan. Numbers that a person may want to change carry their unit. */
#include "plan/plan_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plan/plan.h"

/* ------------------------------------------------------------------- schema */

enum { PLAN_SCHEMA = 1 };

static bool is_type(const char *text)
{
    const struct quant_type *t = quant_type_named(text);
    return t && t->encode;
}

static bool is_percent(const char *text)
{
    double fraction;
    return parse_percent(text, &fraction);
}

static bool is_method(const char *text)
{
    return strcmp(text, "feedback") == 0 || strcmp(text, "nearest") == 0;
}

static bool is_activations(const char *text)
{
    enum activations a;
    return activations_parse(&a, text);
}

#define TYPE .valid = is_type, .expected = "a tensor type that can be made, such as Q6_K"

static const struct schema_field source_fields[] = {
    {"path", SCHEMA_TEXT, true, .help = "the checkpoint"},
    {"hub", SCHEMA_TEXT, false, .help = "hf:ORG/NAME@COMMIT:FILE; a run takes it from there where the path is not"},
    {"fingerprint", SCHEMA_TEXT, false, .help = "SHA-256 of its header and sizes; a run refuses another checkpoint"},
    {"pre", SCHEMA_TEXT, false, .help = "the pre-tokenizer of a folder, where it is not recognized (--pre)"},
    {0},
};
static const struct schema_field override_fields[] = {
    {"pattern", SCHEMA_TEXT, true, .help = "a regular expression over tensor names"},
    {"type", SCHEMA_TEXT, true, TYPE, .help = "their type"},
    {0},
};
static const struct schema_field quantization_fields[] = {
    {"level", SCHEMA_TEXT, true, .help = "a level of rules/levels.yaml: Q4_K_M, awq-int4-g128"},
    {"format", SCHEMA_TEXT, false, .help = "of a checkpoint folder: gptq, awq, …; for the document"},
    {"kernel", SCHEMA_TEXT, false, .help = "of the runtime, that will multiply its weights; for the document"},
    {"pure", SCHEMA_BOOL, false, .help = "true: every tensor the level's main type"},
    {"strict", SCHEMA_BOOL, false, .help = "true: a type that a row length forces is an error"},
    {"output_type", SCHEMA_TEXT, false, TYPE, .help = "of the output matrix"},
    {"embedding_type", SCHEMA_TEXT, false, TYPE, .help = "of the token embeddings"},
    {"overrides", SCHEMA_MAPS, false, override_fields, .help = "types of single tensors; the first match wins"},
    {"skip", SCHEMA_TEXTS, false,
     .help = "of a checkpoint folder: regular expressions over modules' names; those stay as they are"},
    {"imatrix", SCHEMA_TEXT, false, .help = "an importance matrix"},
    {"threads", SCHEMA_INTEGER, false, .help = "0, or nothing: all"},
    {0},
};
static const struct schema_field mix_fields[] = {
    {"by", SCHEMA_TEXT, true, .help = "measured, or a preset of rules/mixes.yaml"},
    {"limit", SCHEMA_BYTES, false, .help = "what the file could take"},
    {"predicted_kld", SCHEMA_NUMBER, false, .help = "mean divergence that the measurements promise"},
    {0},
};
static const struct schema_field calibration_fields[] = {
    {"path", SCHEMA_TEXT, false, .help = "a file or a folder of texts; general: the mix that comes with quantwiz"},
    {"sha256", SCHEMA_TEXT, false, .help = "of the file; of a folder, of its files' sums; a run refuses another text"},
    {"samples", SCHEMA_INTEGER, false, .help = "at most so many of it (128)"},
    {"sample_length", SCHEMA_INTEGER, false, .help = "tokens of each (512)"},
    {"method", SCHEMA_TEXT, false, .valid = is_method, .expected = "feedback or nearest",
     .help = "feedback: what rounding a weight spoils, the next ones make good; nearest: each by itself"},
    {0},
};
static const struct schema_field output_fields[] = {
    {"artefact", SCHEMA_TEXT, true, .help = "the file to make"},
    {"run", SCHEMA_TEXT, true, .help = "the run's folder: plan, events, journal, report"},
    {0},
};
static const struct schema_field evaluation_fields[] = {
    {"enabled", SCHEMA_BOOL, false, .help = "false: the result is not measured"},
    {"text", SCHEMA_TEXT, false, .help = "for perplexity and divergence; nothing: the text that comes with quantwiz"},
    {"context", SCHEMA_INTEGER, false, .help = "tokens of a chunk (512)"},
    {"chunks", SCHEMA_INTEGER, false, .help = "at most so many; 0: all of the text"},
    {"tasks", SCHEMA_TEXT, false, .help = "JSON lines of question, choices, answer"},
    {"prompts", SCHEMA_TEXT, false, .help = "sample prompts, one a line"},
    {"max_loss", SCHEMA_TEXT, false, .valid = is_percent, .expected = "a percentage such as 2%",
     .help = "the gate: how much perplexity may grow"},
    {"activations", SCHEMA_TEXT, false, .valid = is_activations, .expected = "served, f32 or q8",
     .help = "served: rounded where the format has 8-bit inputs (fp8, w8a8, bnb-int8); f32: never, the weights alone"
             " are measured; q8: to 8 bits as runtimes on CPUs do"},
    {"stop_early", SCHEMA_BOOL, false,
     .help = "true: stop once the gate is decided; false: all chunks, so that runs compare (variants: false)"},
    {0},
};
static const struct schema_field gate_fields[] = {
    {"auto", SCHEMA_BOOL, false, .help = "true: the next step is taken, and not only proposed (--auto)"},
    {"attempts", SCHEMA_INTEGER, false, .help = "runs in all, at most (4)"},
    {"after", SCHEMA_TEXT, false, .help = "the folder of the run that was rejected before this one; its list of attempts goes on"},
    {"why", SCHEMA_TEXT, false, .help = "why this step; for the document"},
    {0},
};
static bool is_part_of_a_name(const char *text)
{
    return *text && !strchr(text, '/');
}

static const struct schema_field variant_fields[] = {
    {"name", SCHEMA_TEXT, false, .valid = is_part_of_a_name, .expected = "a name without '/'", .help = "of its artefact and run, behind the model's (its level, and what else changes)"},
    {"level", SCHEMA_TEXT, false, .help = "as under quantization"},
    {"pure", SCHEMA_BOOL, false, .help = "as under quantization"},
    {"imatrix", SCHEMA_TEXT, false, .help = "as under quantization"},
    {"calibration", SCHEMA_TEXT, false, .help = "the path under calibration; none: no text, whatever the plan says"},
    {"sha256", SCHEMA_TEXT, false, .help = "as under calibration"},
    {"samples", SCHEMA_INTEGER, false, .help = "as under calibration"},
    {"sample_length", SCHEMA_INTEGER, false, .help = "as under calibration"},
    {"method", SCHEMA_TEXT, false, .valid = is_method, .expected = "feedback or nearest", .help = "as under calibration"},
    {0},
};
static const struct schema_field wish_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "a wish of quantwiz(1)"},
    {"value", SCHEMA_TEXT, true, .help = "as on the command line"},
    {"from", SCHEMA_TEXT, false, .help = "where the value came from"},
    {0},
};
static const struct schema_field fields[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"source", SCHEMA_MAP, true, source_fields, .help = "what is quantized"},
    {"quantization", SCHEMA_MAP, true, quantization_fields, .help = "what is made of it"},
    {"mix", SCHEMA_MAP, false, mix_fields, .help = "how the list of tensors was found; for the document"},
    {"tensors", SCHEMA_WORDS, false, TYPE,
     .help = "types of single tensors, a line NAME: TYPE each, which go before level and overrides; edit them as you like"},
    {"calibration", SCHEMA_MAP, false, calibration_fields, .help = "the text that it is made by"},
    {"output", SCHEMA_MAP, true, output_fields, .help = "where it goes"},
    {"evaluation", SCHEMA_MAP, false, evaluation_fields, .help = "how it is measured"},
    {"gate", SCHEMA_MAP, false, gate_fields, .help = "what becomes of a result that loses more than max_loss"},
    {"variants", SCHEMA_MAPS, false, variant_fields,
     .help = "what to make instead of the plan's own level: a run each, beside the others, and a table that compares them"},
    {"wishes", SCHEMA_MAPS, false, wish_fields, .help = "what was asked for; for the document"},
    {"machine", SCHEMA_TREE, false, .help = "the machine that the plan is for, in brief; for the document"},
    {"rationale", SCHEMA_TEXTS, false, .help = "why this level; for the document"},
    {"estimate", SCHEMA_MAP, false, record_estimate_fields, .help = "its figures on that machine; for the document"},
    {"alternatives", SCHEMA_MAPS, false, record_alternative_fields,
     .help = "every level that was not chosen; for the document"},
    {0},
};

const struct schema_field *plan_schema(void)
{
    return fields;
}

/* ------------------------------------------------------------------ reading */

/* Values of a checked map: no error is left to happen. */
static const char *text_of(const struct yaml *map, const char *key)
{
    struct yaml *y = yaml_get(map, key);
    return y ? y->text : NULL;
}

static bool flag_of(const struct yaml *map, const char *key, bool fallback)
{
    struct error e;
    yaml_bool(map, key, false, &fallback, &e);
    return fallback;
}

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
    const char *name = text_of(map, key);
    return name ? quant_type_named(name) : NULL;
}

/* A path in the plan, as seen from here: absolute where the text or the plan's own path is. */
static const char *path_of(struct plan *p, const struct yaml *map, const char *key)
{
    const char *text = text_of(map, key);
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
        p->overrides[i] = (struct recipe_override){text_of(list->items[i], "pattern"), type_of(list->items[i], "type")};
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
    p->mix = (struct plan_mix){text_of(mix, "by"), checked_bytes(mix, "limit", 0), checked_number(mix, "predicted_kld", NAN)};
}

static int read_quantization(struct plan *p, const struct yaml *q, struct error *e)
{
    const char *format = text_of(q, "format");
    p->level = text_of(q, "level");
    p->format = format ? format : plan_makes_folder(p) ? "checkpoint folder" : "gguf";
    p->kernel = text_of(q, "kernel");
    p->pure = flag_of(q, "pure", false);
    p->strict = flag_of(q, "strict", false);
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
    const char *text = text_of(map, key);
    bool named = text && (strcmp(text, CALIBRATION_GENERAL) == 0 || strcmp(text, CALIBRATION_NONE) == 0);
    return named ? text : path_of(p, map, key);
}

static int read_calibration(struct plan *p, const struct yaml *c, struct error *e)
{
    p->calibration.text = text_path_of(p, c, "path");
    p->calibration.hash = text_of(c, "sha256");
    p->method = text_of(c, "method");
    int rc = number_of(c, "samples", 1, 1 << 20, &p->calibration.samples, e);
    return rc ? rc : number_of(c, "sample_length", 4, 1 << 20, &p->calibration.sample_length, e);
}

static int read_evaluation(struct plan *p, const struct yaml *v, struct error *e)
{
    const char *loss = text_of(v, "max_loss"), *activations = text_of(v, "activations");
    p->evaluate = flag_of(v, "enabled", true);
    p->eval_text = path_of(p, v, "text");
    p->eval_tasks = path_of(p, v, "tasks");
    p->eval_prompts = path_of(p, v, "prompts");
    if (activations)
        activations_parse(&p->activations, activations);
    p->stop_early = flag_of(v, "stop_early", true);
    if (loss)
        parse_percent(loss, &p->max_loss);
    int rc = number_of(v, "context", 8, 1 << 20, &p->eval_context, e);
    return rc ? rc : number_of(v, "chunks", 0, 1 << 30, &p->eval_chunks, e);
}

static int read_gate(struct plan *p, const struct yaml *g, struct error *e)
{
    p->gate.automatic = flag_of(g, "auto", false);
    p->gate.after = path_of(p, g, "after");
    p->gate.why = text_of(g, "why");
    return number_of(g, "attempts", 1, 100, &p->gate.attempts, e);
}

static int read_variant(struct plan *p, struct plan_change *c, const struct yaml *v, struct error *e)
{
    *c = (struct plan_change){
        .name = text_of(v, "name"),
        .level = text_of(v, "level"),
        .method = text_of(v, "method"),
        .imatrix = path_of(p, v, "imatrix"),
        .pure = flag_of(v, "pure", false),
        .calibration = {.text = text_path_of(p, v, "calibration"), .hash = text_of(v, "sha256")},
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
        int id = wish_find(text_of(w, "name"));
        if (id < 0)
            return yaml_expected(yaml_get(w, "name"), e, "the name of a wish (quantwiz plan --help lists them)");
        if (wishes_set(&p->wishes, id, text_of(w, "value"), e))
            return error_context(e, "%s:%d", w->file, w->line);
        const char *from = text_of(w, "from");
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
    int rc = schema_check(y, fields, e);
    if (!rc && !(rc = yaml_integer(y, "schema", true, &schema, e)) && schema != PLAN_SCHEMA)
        rc = yaml_expected(yaml_get(y, "schema"), e, "schema %d (this plan is of another version)", PLAN_SCHEMA);
    if (rc)
        return rc;
    p->source = path_of(p, source, "path");
    p->source_hub = text_of(source, "hub");
    p->source_hash = text_of(source, "fingerprint");
    p->source_pre = text_of(source, "pre");
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

int plan_load_tensors(struct recipe_pin **tensors, int *count, const char *path, struct arena *a, struct error *e)
{
    static const struct schema_field only[] = {{"tensors", SCHEMA_WORDS, true, TYPE}, {0}};
    struct yaml *y, *list;
    int rc = yaml_load(&y, path, a, e);
    list = rc ? NULL : yaml_get(y, "tensors");
    if (!rc && !list)
        rc = yaml_expected(y, e, "a list 'tensors' of lines NAME: TYPE");
    rc = rc ? rc : schema_check_field(y, only, e);
    if (!rc)
        read_tensors(tensors, count, list, a);
    return rc;
}

/* ------------------------------------------------------------------ writing */

struct writer {
    struct yaml_writer y;
    const char *folder; /* paths are written relative to it */
};

static void put_path(struct writer *w, const char *key, const char *path)
{
    if (!path)
        return;
    char *relative = path_relative(w->folder, path);
    yaml_put_text(&w->y, key, relative);
    free(relative);
}

static void put_type(struct writer *w, const char *key, const struct quant_type *t)
{
    if (t)
        yaml_put_text(&w->y, key, t->name);
}

static void put_quantization(struct writer *w, const struct plan *p)
{
    yaml_begin(&w->y, "quantization");
    yaml_put_text(&w->y, "level", p->level);
    if (plan_makes_folder(p) && p->format)
        yaml_put_text(&w->y, "format", p->format);
    if (p->kernel)
        yaml_put_text(&w->y, "kernel", p->kernel);
    if (p->pure)
        yaml_put_bool(&w->y, "pure", true);
    if (p->strict)
        yaml_put_bool(&w->y, "strict", true);
    put_type(w, "output_type", p->output_type);
    put_type(w, "embedding_type", p->embedding_type);
    if (p->skip_count)
        yaml_begin(&w->y, "skip");
    for (int i = 0; i < p->skip_count; i++)
        yaml_item_text(&w->y, p->skip[i]);
    if (p->skip_count)
        yaml_end(&w->y);
    put_path(w, "imatrix", p->imatrix);
    if (p->threads)
        yaml_put_integer(&w->y, "threads", p->threads);
    if (p->override_count)
        yaml_begin(&w->y, "overrides");
    for (int i = 0; i < p->override_count; i++) {
        yaml_item(&w->y);
        yaml_put_text(&w->y, "pattern", p->overrides[i].pattern);
        put_type(w, "type", p->overrides[i].type);
        yaml_item_end(&w->y);
    }
    if (p->override_count)
        yaml_end(&w->y);
    yaml_end(&w->y);
}

/* A text with what belongs to it, under this key. */
static void put_text_to_calibrate(struct writer *w, const char *key, const struct calibration *c)
{
    if (c->text && (calibration_is_general(c) || strcmp(c->text, CALIBRATION_NONE) == 0))
        yaml_put_text(&w->y, key, c->text);
    else
        put_path(w, key, c->text);
    if (c->text && c->hash)
        yaml_put_text(&w->y, "sha256", c->hash);
    if (c->text && c->samples)
        yaml_put_integer(&w->y, "samples", c->samples);
    if (c->text && c->sample_length)
        yaml_put_integer(&w->y, "sample_length", c->sample_length);
}

static void put_tensors(struct writer *w, const struct plan *p)
{
    if (p->mix.by) {
        yaml_begin(&w->y, "mix");
        yaml_put_text(&w->y, "by", p->mix.by);
        yaml_put_integer(&w->y, "limit", (int64_t)p->mix.limit_bytes);
        if (!isnan(p->mix.predicted_kld))
            yaml_put_number(&w->y, "predicted_kld", p->mix.predicted_kld);
        yaml_end(&w->y);
    }
    if (p->tensor_count)
        yaml_begin(&w->y, "tensors");
    for (int i = 0; i < p->tensor_count; i++)
        put_type(w, p->tensors[i].name, p->tensors[i].type);
    if (p->tensor_count)
        yaml_end(&w->y);
}

static void put_calibration(struct writer *w, const struct plan *p)
{
    if (!p->calibration.text && !p->method)
        return;
    yaml_begin(&w->y, "calibration");
    put_text_to_calibrate(w, "path", &p->calibration);
    if (p->method)
        yaml_put_text(&w->y, "method", p->method);
    yaml_end(&w->y);
}

static void put_evaluation(struct writer *w, const struct plan *p)
{
    char loss[32];
    snprintf(loss, sizeof loss, "%.10g%%", p->max_loss * 100);
    yaml_begin(&w->y, "evaluation");
    yaml_put_bool(&w->y, "enabled", p->evaluate);
    put_path(w, "text", p->eval_text);
    yaml_put_integer(&w->y, "context", p->eval_context);
    yaml_put_integer(&w->y, "chunks", p->eval_chunks);
    put_path(w, "tasks", p->eval_tasks);
    put_path(w, "prompts", p->eval_prompts);
    yaml_put_text(&w->y, "max_loss", loss);
    yaml_put_text(&w->y, "activations", activations_name(p->activations));
    if (!p->stop_early)
        yaml_put_bool(&w->y, "stop_early", false);
    yaml_end(&w->y);
}

static void put_gate(struct writer *w, const struct plan_gate *g)
{
    if (!g->automatic && !g->after && g->attempts == PLAN_ATTEMPTS)
        return;
    yaml_begin(&w->y, "gate");
    yaml_put_bool(&w->y, "auto", g->automatic);
    yaml_put_integer(&w->y, "attempts", g->attempts);
    put_path(w, "after", g->after);
    if (g->why)
        yaml_put_text(&w->y, "why", g->why);
    yaml_end(&w->y);
}

static void put_variant(struct writer *w, const struct plan_change *c)
{
    yaml_item(&w->y);
    if (c->name)
        yaml_put_text(&w->y, "name", c->name);
    if (c->level)
        yaml_put_text(&w->y, "level", c->level);
    if (c->pure)
        yaml_put_bool(&w->y, "pure", true);
    put_path(w, "imatrix", c->imatrix);
    put_text_to_calibrate(w, "calibration", &c->calibration);
    if (c->method)
        yaml_put_text(&w->y, "method", c->method);
    yaml_item_end(&w->y);
}

static void put_variants(struct writer *w, const struct plan *p)
{
    if (p->variant_count)
        yaml_begin(&w->y, "variants");
    for (int i = 0; i < p->variant_count; i++)
        put_variant(w, &p->variants[i]);
    if (p->variant_count)
        yaml_end(&w->y);
}

static void put_wishes(struct writer *w, const struct wishes *wishes)
{
    char text[64];
    yaml_begin(&w->y, "wishes");
    for (int i = 0; i < WISH_COUNT; i++) {
        const char *value = wishes_text(wishes, i, text);
        if (!value)
            continue;
        yaml_item(&w->y);
        yaml_put_text(&w->y, "name", wish_specs[i].name);
        yaml_put_text(&w->y, "value", value);
        yaml_put_text(&w->y, "from", wishes->value[i].from);
        yaml_item_end(&w->y);
    }
    yaml_end(&w->y);
}

static void put_document(struct writer *w, const struct plan *p)
{
    struct arena a = {0};
    struct error e;
    struct yaml *machine;
    const char *text = p->machine_summary;
    put_wishes(w, &p->wishes);
    if (text && yaml_parse(&machine, text, strlen(text), "machine", &a, &e) == 0) {
        yaml_begin(&w->y, "machine");
        yaml_put_tree(&w->y, machine);
        yaml_end(&w->y);
    }
    arena_done(&a);
    if (p->rationale_count)
        yaml_begin(&w->y, "rationale");
    for (int i = 0; i < p->rationale_count; i++)
        yaml_item_text(&w->y, p->rationale[i]);
    if (p->rationale_count)
        yaml_end(&w->y);
    record_put(&p->record, &w->y);
}

static char *text_for(const struct plan *p, const char *folder)
{
    struct writer w = {.folder = folder};
    yaml_put_comment(&w.y, "What a run of quantwiz needs: quantwiz run THIS-FILE. Keys: quantwiz-plan(5).");
    yaml_put_integer(&w.y, "schema", PLAN_SCHEMA);
    yaml_begin(&w.y, "source");
    put_path(&w, "path", p->source);
    if (p->source_hub)
        yaml_put_text(&w.y, "hub", p->source_hub);
    if (p->source_hash)
        yaml_put_text(&w.y, "fingerprint", p->source_hash);
    if (p->source_pre)
        yaml_put_text(&w.y, "pre", p->source_pre);
    yaml_end(&w.y);
    put_quantization(&w, p);
    put_tensors(&w, p);
    put_calibration(&w, p);
    yaml_begin(&w.y, "output");
    put_path(&w, "artefact", p->out);
    put_path(&w, "run", p->run_folder);
    yaml_end(&w.y);
    put_evaluation(&w, p);
    put_gate(&w, &p->gate);
    put_variants(&w, p);
    put_document(&w, p);
    return str_take(&w.y.out);
}

char *plan_text(const struct plan *p)
{
    char *folder = p->file ? path_folder(p->file) : xstrdup(".");
    char *text = text_for(p, folder);
    free(folder);
    return text;
}

int plan_save(const struct plan *p, const char *path, struct error *e)
{
    char *folder = path_folder(path), *text = text_for(p, folder);
    int rc = file_make_folder(folder, e);
    if (!rc)
        rc = file_write(path, text, strlen(text), e);
    free(folder);
    free(text);
    return rc;
}

int plan_keep(const struct plan *p, struct error *e)
{
    char *path = path_join(p->run_folder, "plan.yaml");
    int rc = p->file && file_same(p->file, path) ? 0 : plan_save(p, path, e);
    free(path);
    return rc;
}
