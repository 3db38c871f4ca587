#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "eval/eval.h"
#include "hub/cache.h"
#include "infer/decoder.h"
#include "plan/mixture.h"
#include "text/samples.h"

/* Chunks of 512 tokens that are evaluated at most; the gate often decides earlier. */
enum { DEFAULT_CHUNKS = 32, DEFAULT_CONTEXT = 512 };

struct plan *plan_new(void)
{
    struct plan *p = xcalloc(1, sizeof *p);
    p->evaluate = true;
    p->eval_context = DEFAULT_CONTEXT;
    p->eval_chunks = DEFAULT_CHUNKS;
    p->max_loss = 0.02;
    p->stop_early = true;
    p->runtime_speed = true;
    p->gate.attempts = PLAN_ATTEMPTS;
    p->calibration = (struct calibration){.samples = CALIBRATION_SAMPLES, .sample_length = CALIBRATION_LENGTH};
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    wishes_done(&p->wishes);
    arena_done(&p->arena);
    free(p);
}

/* --------------------------------------------------------- machine in brief */

static void put_fact(struct yaml_writer *w, const char *key, struct fact f)
{
    if (fact_known(f))
        yaml_put_number(w, key, f.value);
}

static void put_gpu(struct yaml_writer *w, const struct machine_gpu *g)
{
    yaml_item(w);
    yaml_put_text(w, "name", g->name);
    put_fact(w, "vram_total_bytes", g->vram_total_bytes);
    put_fact(w, "vram_free_bytes", g->vram_free_bytes);
    put_fact(w, "bandwidth_bytes_per_s", g->bandwidth);
    put_fact(w, "compute_capability", g->compute_capability);
    yaml_item_end(w);
}

static char *machine_brief(const struct machine *m)
{
    struct yaml_writer w = {0};
    yaml_put_text(&w, "name", m->name);
    if (m->simulated)
        yaml_put_bool(&w, "simulated", true);
    if (m->cpu.model)
        yaml_put_text(&w, "cpu", m->cpu.model);
    if (m->cpu.cores)
        yaml_put_integer(&w, "cores", m->cpu.cores);
    if (m->cpu.threads)
        yaml_put_integer(&w, "threads", m->cpu.threads);
    if (m->numa_count > 1)
        yaml_put_integer(&w, "numa_nodes", m->numa_count);
    put_fact(&w, "memory_total_bytes", m->memory.total_bytes);
    put_fact(&w, "memory_available_bytes", m->memory.available_bytes);
    put_fact(&w, "memory_limit_bytes", m->memory.limit_bytes);
    put_fact(&w, "bandwidth_bytes_per_s", m->memory.bandwidth);
    if (m->gpu_count)
        yaml_begin(&w, "gpus");
    for (int i = 0; i < m->gpu_count; i++)
        put_gpu(&w, &m->gpus[i]);
    return str_take(&w.out);
}

/* -------------------------------------------------------------------- names */

/* Over the recipe of the level that the file says it is. */
static void take_mix(struct plan *p, const struct mixture *x)
{
    p->level = arena_strdup(&p->arena, x->base->name);
    p->mix = (struct plan_mix){arena_strdup(&p->arena, x->preset ? x->preset->name : "measured"), x->limit_bytes, x->kld};
    p->tensor_count = x->count;
    p->tensors = arena_alloc(&p->arena, (x->count + 1) * sizeof *p->tensors);
    for (int i = 0; i < x->count; i++)
        p->tensors[i] = (struct recipe_pin){arena_strdup(&p->arena, x->pins[i].name), x->pins[i].type};
}

/* "dir/Model-7B-F16.gguf" -> "Model-7B": without the suffix, the shard's number and the source's own level. */
static char *stem_of(const struct model *model)
{
    char *stem = model_path_name(model->path);
    if (str_ends(stem, ".gguf"))
        stem[strlen(stem) - strlen(".gguf")] = 0;
    size_t n = strlen(stem);
    int number, count, end = 0;
    if (n > 15 && sscanf(stem + n - 15, "-%5d-of-%5d%n", &number, &count, &end) == 2 && end == 15)
        stem[n - 15] = 0;
    size_t length = strlen(stem), type = strlen(model->file_type);
    if (type && length > type + 1 && strchr("-._", stem[length - type - 1]) &&
        strcasecmp(stem + length - type, model->file_type) == 0)
        stem[length - type - 1] = 0;
    return stem;
}

bool plan_makes_folder(const struct plan *p)
{
    return scheme_is_name(p->level);
}

static void name_outputs(struct plan *p, const struct model *model, const char *folder)
{
    char *stem = stem_of(model);
    const char *mix = p->tensor_count ? "-mix" : "";
    char *file = xasprintf("%s-%s%s%s", stem, p->level, mix, plan_makes_folder(p) ? "" : ".gguf");
    char *run = xasprintf("%s-%s%s.quantwiz", stem, p->level, mix);
    char *out = path_join(folder, file), *run_folder = path_join(folder, run);
    p->out = arena_strdup(&p->arena, out);
    p->run_folder = arena_strdup(&p->arena, run_folder);
    free(stem);
    free(file);
    free(run);
    free(out);
    free(run_folder);
}

/* A file of this name beside the checkpoint: what its maker says to evaluate it with. */
static const char *beside(struct plan *p, const struct model *model, const char *name)
{
    char *folder = path_folder(model->path), *path = path_join(folder, name);
    const char *found = file_exists(path) && !file_is_folder(path) ? arena_strdup(&p->arena, path) : NULL;
    free(folder);
    free(path);
    return found;
}

/* A model that the decoder does not take is quantized all the same. */
static void choose_whether(struct plan *p, const struct model *model)
{
    struct error e;
    p->evaluate = decoder_check(model, &e) == 0;
    if (!p->evaluate)
        p->no_evaluation = arena_strdup(&p->arena, e.text);
}

/* The person's own text, unless the weights are made by it: then any of them would look good on it. Else what lies
 * beside the checkpoint, else the text that comes with quantwiz. */
static void choose_evaluation(struct plan *p, const struct model *model, const struct wishes *w)
{
    const char *own = p->calibration.text ? NULL : w->value[WISH_CALIBRATION].text;
    p->eval_text = own ? arena_strdup(&p->arena, own) : beside(p, model, "eval.txt");
    p->eval_tasks = beside(p, model, "tasks.jsonl");
    p->eval_prompts = beside(p, model, "prompts.txt");
    if (wishes_given(w, WISH_MAX_LOSS))
        p->max_loss = w->value[WISH_MAX_LOSS].number;
    if (model->hp.context > 0 && model->hp.context < p->eval_context)
        p->eval_context = model->hp.context;
}

bool plan_takes_text(const struct level *l)
{
    return l->type ? l->type->quantized : l->calibrated || strcmp(l->format, "int8") == 0;
}

/* The person's own text, or the general one where the format is not made without; where the decoder can tell what comes
 * of it. The text is pinned: another one would make another file. */
static int choose_calibration(struct plan *p, const struct model *model, const struct wishes *w,
                              const struct estimates *s, const struct level *level, struct error *e)
{
    const char *own = w->value[WISH_CALIBRATION].text;
    char hash[HASH_TEXT], *path;
    own = own || !level->calibrated ? own : CALIBRATION_GENERAL;
    if (!own || !p->evaluate || !plan_takes_text(level))
        return 0;
    int rc = calibration_path(&path, own, e);
    if (rc && !w->value[WISH_CALIBRATION].text)
        return 0; /* the general text is not installed: the run asks for one */
    rc = rc ? rc : samples_hash(hash, path, e);
    free(path);
    if (rc)
        return rc;
    p->calibration.text = arena_strdup(&p->arena, own);
    p->calibration.hash = arena_strdup(&p->arena, hash);
    p->method = "feedback";
    int context = model->hp.context > 0 && model->hp.context < s->context ? model->hp.context : s->context;
    calibration_suggest(&p->calibration, s->prompt_tokens, context);
    return 0;
}

static void copy_rationale(struct plan *p, const struct estimates *s, const struct estimate *row)
{
    p->rationale = arena_alloc(&p->arena, (row->reason_count + 2) * sizeof *p->rationale);
    if (s->headline && row->recommended)
        p->rationale[p->rationale_count++] = arena_strdup(&p->arena, s->headline);
    for (int i = 0; i < row->reason_count; i++) {
        const struct estimate_reason *r = &row->reasons[i];
        char *line = r->rule ? xasprintf("%s [%s]", r->text, r->rule) : xstrdup(r->text);
        p->rationale[p->rationale_count++] = arena_strdup(&p->arena, line);
        free(line);
    }
}

static const char *hub_name(struct plan *p, const struct model *model)
{
    char *reference = cache_reference(model->path);
    const char *copy = reference ? arena_strdup(&p->arena, reference) : NULL;
    free(reference);
    return copy;
}

int plan_make(struct plan **out, const struct machine *m, const struct model *model, const struct wishes *w,
              const struct estimates *s, int row, const char *out_folder, struct error *e)
{
    const struct level *level = s->rows[row].level;
    char hash[65];
    *out = NULL;
    if (!level->type && !level->scheme)
        return error_set(e, ERROR_USAGE, "nothing has to be made: '%s' is %s as it is", level->name, model->path);
    struct plan *p = plan_new();
    choose_whether(p, model);
    int rc = choose_calibration(p, model, w, s, level, e);
    if (rc) {
        plan_free(p);
        return rc;
    }
    model_fingerprint(model, hash);
    p->source = arena_strdup(&p->arena, model->path);
    p->source_hub = hub_name(p, model);
    p->source_hash = arena_strdup(&p->arena, hash);
    p->source_pre = model->pre ? arena_strdup(&p->arena, model->pre) : NULL;
    p->level = arena_strdup(&p->arena, level->name);
    p->format = arena_strdup(&p->arena, level->format);
    p->kernel = s->rows[row].kernel ? arena_strdup(&p->arena, s->rows[row].kernel) : NULL;
    wishes_copy(&p->wishes, w);
    if (s->rows[row].mix)
        take_mix(p, s->rows[row].mix);
    else
        mixture_forget(&p->wishes);
    name_outputs(p, model, out_folder);
    choose_evaluation(p, model, w);
    copy_rationale(p, s, &s->rows[row]);
    record_make(&p->record, s, row, &p->arena);
    if (m) {
        char *brief = machine_brief(m);
        p->machine_summary = arena_strdup(&p->arena, brief);
        free(brief);
    }
    *out = p;
    return 0;
}

/* ------------------------------------------------------------------ command */

static void add_option(struct str *s, const char *option, const char *value)
{
    if (!value)
        return;
    str_add_word(s, option);
    str_add_word(s, value);
}

static void add_number(struct str *s, const char *option, int value, int preset)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    add_option(s, option, value != preset ? text : NULL);
}

bool plan_rounds_to_nearest(const struct plan *p)
{
    return p->method && strcmp(p->method, "nearest") == 0;
}

char *plan_evaluated_text(const struct plan *p)
{
    return eval_text_named(p->eval_text);
}

/* Too many for a command line: they stand in the plan. */
static void add_tensors(struct str *s, const struct plan *p)
{
    if (!p->tensor_count)
        return;
    char *saved = path_join(p->run_folder, "plan.yaml");
    add_option(s, "--tensors", p->file ? p->file : saved);
    free(saved);
}

static void add_calibration(struct str *s, const struct plan *p)
{
    if (!p->calibration.text)
        return;
    add_option(s, "--calibration", p->calibration.text);
    add_option(s, "--method", plan_rounds_to_nearest(p) ? p->method : NULL);
    add_number(s, "--samples", p->calibration.samples, CALIBRATION_SAMPLES);
    add_number(s, "--sample-length", p->calibration.sample_length, CALIBRATION_LENGTH);
}

char *plan_command(const struct plan *p)
{
    struct str s = {0};
    str_add_word(&s, "quantwiz");
    str_add_word(&s, "quantize");
    str_add_word(&s, p->source);
    str_add_word(&s, p->out);
    str_add_word(&s, p->level);
    if (p->pure)
        str_add_word(&s, "--pure");
    if (p->strict)
        str_add_word(&s, "--strict");
    add_option(&s, "--output-tensor-type", p->output_type ? p->output_type->name : NULL);
    add_option(&s, "--token-embedding-type", p->embedding_type ? p->embedding_type->name : NULL);
    for (int i = 0; i < p->override_count; i++) {
        char *value = xasprintf("%s=%s", p->overrides[i].pattern, p->overrides[i].type->name);
        add_option(&s, "--tensor-type", value);
        free(value);
    }
    add_tensors(&s, p);
    for (int i = 0; i < p->skip_count; i++)
        add_option(&s, "--skip", p->skip[i]);
    add_option(&s, "--imatrix", p->imatrix);
    add_calibration(&s, p);
    return str_take(&s);
}
