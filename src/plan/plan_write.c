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

/* What is not there is left out. */
static void put_text(struct writer *w, const char *key, const char *text)
{
    if (text)
        yaml_put_text(&w->y, key, text);
}

static void put_flag(struct writer *w, const char *key, bool flag)
{
    if (flag)
        yaml_put_bool(&w->y, key, true);
}

static void put_count(struct writer *w, const char *key, int count)
{
    if (count)
        yaml_put_integer(&w->y, key, count);
}

static void put_texts(struct writer *w, const char *key, const char *const *texts, int count)
{
    if (!count)
        return;
    yaml_begin(&w->y, key);
    for (int i = 0; i < count; i++)
        yaml_item_text(&w->y, texts[i]);
    yaml_end(&w->y);
}

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
    put_text(w, key, t ? t->name : NULL);
}

static void put_overrides(struct writer *w, const struct plan *p)
{
    if (!p->override_count)
        return;
    yaml_begin(&w->y, "overrides");
    for (int i = 0; i < p->override_count; i++) {
        yaml_item(&w->y);
        yaml_put_text(&w->y, "pattern", p->overrides[i].pattern);
        put_type(w, "type", p->overrides[i].type);
        yaml_item_end(&w->y);
    }
    yaml_end(&w->y);
}

static void put_quantization(struct writer *w, const struct plan *p)
{
    yaml_begin(&w->y, "quantization");
    yaml_put_text(&w->y, "level", p->level);
    put_text(w, "format", plan_makes_folder(p) ? p->format : NULL);
    put_text(w, "kernel", p->kernel);
    put_flag(w, "pure", p->pure);
    put_flag(w, "strict", p->strict);
    put_type(w, "output_type", p->output_type);
    put_type(w, "embedding_type", p->embedding_type);
    put_texts(w, "skip", p->skip, p->skip_count);
    put_path(w, "imatrix", p->imatrix);
    put_count(w, "threads", p->threads);
    put_overrides(w, p);
    yaml_end(&w->y);
}

static void put_samples(struct writer *w, const struct calibration *c)
{
    put_count(w, "samples", c->samples);
    put_count(w, "sample_length", c->sample_length);
}

/* A text with what belongs to it, under this key. */
static void put_text_to_calibrate(struct writer *w, const char *key, const struct calibration *c)
{
    if (!c->text)
        return;
    if (calibration_is_general(c) || strcmp(c->text, CALIBRATION_NONE) == 0)
        yaml_put_text(&w->y, key, c->text);
    else
        put_path(w, key, c->text);
    put_text(w, "sha256", c->hash);
    put_samples(w, c);
}

static void put_mix(struct writer *w, const struct plan_mix *m)
{
    if (!m->by)
        return;
    yaml_begin(&w->y, "mix");
    yaml_put_text(&w->y, "by", m->by);
    yaml_put_integer(&w->y, "limit", (int64_t)m->limit_bytes);
    if (!isnan(m->predicted_kld))
        yaml_put_number(&w->y, "predicted_kld", m->predicted_kld);
    yaml_end(&w->y);
}

static void put_tensors(struct writer *w, const struct plan *p)
{
    if (!p->tensor_count)
        return;
    yaml_begin(&w->y, "tensors");
    for (int i = 0; i < p->tensor_count; i++)
        put_type(w, p->tensors[i].name, p->tensors[i].type);
    yaml_end(&w->y);
}

static void put_calibration(struct writer *w, const struct plan *p)
{
    if (!p->calibration.text && !p->method)
        return;
    yaml_begin(&w->y, "calibration");
    put_text_to_calibrate(w, "path", &p->calibration);
    put_text(w, "method", p->method);
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
    put_text(w, "why", g->why);
    yaml_end(&w->y);
}

static void put_variant(struct writer *w, const struct plan_change *c)
{
    yaml_item(&w->y);
    put_text(w, "name", c->name);
    put_text(w, "level", c->level);
    put_flag(w, "pure", c->pure);
    put_path(w, "imatrix", c->imatrix);
    put_text_to_calibrate(w, "calibration", &c->calibration);
    if (!c->calibration.text)
        put_samples(w, &c->calibration);
    put_text(w, "method", c->method);
    yaml_item_end(&w->y);
}

static void put_variants(struct writer *w, const struct plan *p)
{
    if (!p->variant_count)
        return;
    yaml_begin(&w->y, "variants");
    for (int i = 0; i < p->variant_count; i++)
        put_variant(w, &p->variants[i]);
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
    put_texts(w, "rationale", p->rationale, p->rationale_count);
    record_put(&p->record, &w->y);
}

static char *text_for(const struct plan *p, const char *folder)
{
    struct writer w = {.folder = folder};
    yaml_put_comment(&w.y, "What a run of quantwiz needs: quantwiz run THIS-FILE. Keys: quantwiz-plan(5).");
    yaml_put_integer(&w.y, "schema", PLAN_SCHEMA);
    yaml_begin(&w.y, "source");
    put_path(&w, "path", p->source);
    put_text(&w, "hub", p->source_hub);
    put_text(&w, "fingerprint", p->source_hash);
    put_text(&w, "pre", p->source_pre);
    yaml_end(&w.y);
    put_quantization(&w, p);
    put_mix(&w, &p->mix);
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
