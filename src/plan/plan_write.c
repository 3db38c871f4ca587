/* struct plan to plan.yaml. Numbers that a person may want to change carry their unit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plan/plan.h"
#include "plan/plan_schema.h"

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
    if (!p->runtime_speed)
        yaml_put_bool(&w->y, "runtime_speed", false);
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
