/* The five parts, in the order of the document. Everything comes from the plan and from what the run's events say was
 * measured; nothing is worked out anew, so the same events always give the same document, wherever it is asked for:
 * paths are told from the root. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "report/document.h"
#include "report/folder.h"
#include "report/start_lines.h"
#include "report/type_summary.h"

/* ------------------------------------------------------------------- hardware */

static void add_machine(struct document *d, const struct plan *p)
{
    struct arena a = {0};
    struct error e;
    struct yaml *tree = NULL;
    const char *text = p->machine_summary;
    if (text && yaml_parse(&tree, text, strlen(text), "machine", &a, &e) == 0 && tree->kind == YAML_MAP)
        document_tree(d, "machine", "The machine that the plan is for", tree);
    else
        document_text(d, "machine", "The machine that the plan is for", text);
    arena_done(&a);
}

static void hardware_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "hardware_profile", "Hardware Profile");
    document_text(d, "host", "Made on", s->host);
    document_number(d, "threads", "Threads used", s->threads ? s->threads : NAN, "%.0f", 1);
    document_bytes(d, "peak_private_bytes", "Most memory of its own that the run held", s->peak_private_bytes);
    document_bytes(d, "peak_rss_bytes", "Most memory resident, mapped files included", s->peak_rss_bytes);
    add_machine(d, p);
    document_part_end(d);
}

/* ------------------------------------------------------------------ rationale */

struct wish_rows { const struct wishes *wishes; char shown[WISH_COUNT][64]; };

static struct document_cell wish_cell(void *user, int row, int column)
{
    struct wish_rows *w = user;
    const char *cells[] = {wish_specs[row].prompt, wishes_show(w->wishes, row, w->shown[row]),
                           w->wishes->value[row].from};
    return (struct document_cell){.text = cells[column]};
}

static void add_wishes(struct document *d, const struct wishes *wishes)
{
    static const struct document_column columns[] = {{"wish", "Wish"}, {"value", "Value"}, {"from", "From"}};
    struct wish_rows rows = {.wishes = wishes};
    document_table(d, "wishes", "What was asked for", columns, ARRAY_LENGTH(columns), WISH_COUNT, wish_cell, &rows);
}

static void rationale_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "format_selection_rationale", "Format Selection Rationale");
    document_text(d, "level", "Level", p->level);
    document_text(d, "format", "Format", plan_makes_folder(p) ? p->format : "GGUF");
    if (plan_makes_folder(p))
        document_text(d, "kernel", "Kernel that will multiply its weights", p->kernel);
    document_number(d, "bits_per_weight", "Bits per weight", s->artefact.bits_per_weight, "%.2f", 1);
    add_wishes(d, &p->wishes);
    document_list(d, "reasons", "Why this level", p->rationale, p->rationale_count);
    document_part_end(d);
}

/* ---------------------------------------------------------------- quantization */

static struct document_cell fallback_cell(void *user, int row, int column)
{
    const struct run_fallback *f = &((const struct run_state *)user)->fallbacks[row];
    const char *cells[] = {f->tensor, f->wanted, f->type, f->why};
    return (struct document_cell){.text = cells[column]};
}

static void add_fallbacks(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        {"tensor", "Tensor"}, {"wanted", "Level's type"}, {"type", "Its type"}, {"why", "Because"},
    };
    document_number(d, "fallback_count", "Tensors whose row length forced another type", s->fallback_count, "%.0f", 1);
    document_table(d, "fallbacks", "Fallbacks", columns, ARRAY_LENGTH(columns), s->fallback_count, fallback_cell,
                   (void *)s);
}

static struct document_cell override_cell(void *user, int row, int column)
{
    const struct recipe_override *o = &((const struct plan *)user)->overrides[row];
    return (struct document_cell){.text = column ? o->type->name : o->pattern};
}

static void add_path(struct document *d, const char *key, const char *label, const char *path)
{
    char *absolute = path_absolute(path);
    document_text(d, key, label, absolute);
    free(absolute);
}

static void add_calibration(struct document *d, const struct plan *p)
{
    const struct calibration *c = &p->calibration;
    if (!c->text)
        return;
    if (calibration_is_general(c))
        document_text(d, "calibration", "Calibrated on", "the general text that comes with quantwiz");
    else
        add_path(d, "calibration", "Calibrated on", c->text);
    document_text(d, "calibration_sha256", "SHA-256 of that text", c->hash);
    document_number(d, "calibration_samples", "Samples of it, at most", c->samples, "%.0f", 1);
    document_number(d, "calibration_sample_length", "Tokens of a sample", c->sample_length, "%.0f", 1);
    document_text(d, "method", "Method", p->method ? p->method : "feedback");
}

static void add_settings(struct document *d, const struct plan *p)
{
    static const struct document_column columns[] = {{"pattern", "Tensors"}, {"type", "Type"}};
    add_path(d, "source", "Source", p->source);
    document_text(d, "source_fingerprint", "Fingerprint of the source (headers and sizes, SHA-256)", p->source_hash);
    add_calibration(d, p);
    folder_settings_add(d, p);
    if (!plan_makes_folder(p))
        document_bool(d, "pure", "One type for all tensors", p->pure);
    if (p->output_type)
        document_text(d, "output_type", "Type of the output matrix", p->output_type->name);
    if (p->embedding_type)
        document_text(d, "embedding_type", "Type of the token embeddings", p->embedding_type->name);
    document_table(d, "overrides", "Types by pattern", columns, ARRAY_LENGTH(columns), p->override_count, override_cell,
                   (void *)p);
}

static void add_commands(struct document *d, const struct plan *p, const struct run_state *s)
{
    char *source = path_absolute(p->source), *out = path_absolute(p->out), *folder = path_absolute(s->folder);
    struct plan from_root = *p;
    struct str run = {0};
    from_root.source = source;
    from_root.out = out;
    char *quantize = plan_command(&from_root), *plan = path_join(folder, "plan.yaml");
    str_add_word(&run, "quantwiz");
    str_add_word(&run, "run");
    str_add_word(&run, plan);
    const char *lines[] = {quantize, run.data};
    document_code(d, "commands", "The command that makes the same file, and the one that repeats the whole run", lines,
                  ARRAY_LENGTH(lines));
    str_done(&run);
    free(plan);
    free(quantize);
    free(folder);
    free(out);
    free(source);
}

/* ------------------------------------------------------------------ calibration */

enum { LAYER, LAYER_TENSORS, LAYER_PLAIN, LAYER_LOSS, LAYER_DAMP, LAYER_INPUTS, LAYER_SECONDS };

static struct document_cell layer_cell(void *user, int row, int column)
{
    const struct run_layer *l = &((const struct run_state *)user)->layers[row];
    const double numbers[] = {
        [LAYER] = l->layer,     [LAYER_TENSORS] = l->tensors, [LAYER_PLAIN] = l->plain,    [LAYER_LOSS] = l->loss,
        [LAYER_DAMP] = l->damp, [LAYER_INPUTS] = l->inputs,   [LAYER_SECONDS] = l->seconds,
    };
    return (struct document_cell){.number = numbers[column]};
}

/* What the text decided. */
static void add_layers(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [LAYER] = {"layer", "Layer", "%.0f"},
        [LAYER_TENSORS] = {"tensors", "Tensors", "%.0f"},
        [LAYER_PLAIN] = {"plain", "Rounded to nearest", "%.0f"},
        [LAYER_LOSS] = {"loss", "Loss", "%.3g"},
        [LAYER_DAMP] = {"damp", "Damping", "%.3g"},
        [LAYER_INPUTS] = {"inputs", "Inputs", "%.0f"},
        [LAYER_SECONDS] = {"seconds", "Seconds", "%.1f"},
    };
    if (!s->layer_count)
        return;
    document_seconds(d, "calibration_seconds", "Time for calibrating", run_state_phase_seconds(s, "calibrate"));
    document_table(d, "layers", "Layers decided by the text (loss: mean square of what rounding changes an output by)",
                   columns, ARRAY_LENGTH(columns), s->layer_count, layer_cell, (void *)s);
}

static void quantization_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "quantization", "Quantization Command or Config");
    add_settings(d, p);
    document_seconds(d, "seconds", "Time for quantizing", run_state_phase_seconds(s, "quantize"));
    document_seconds(d, "verify_seconds", "Time for reading it back", run_state_phase_seconds(s, "verify"));
    document_bool(d, "resumed", "Resumed after an interruption", s->resumed);
    add_fallbacks(d, s);
    add_layers(d, s);
    type_summary_add(d, s);
    add_commands(d, p, s);
    document_part_end(d);
}

/* ------------------------------------------------------------------ evaluation */

/* What eval_result calls them. */
static const char *activations_text(const char *name)
{
    static const struct { const char *name, *text; } texts[] = {
        {"q8", "rounded to 8 bits, as llama.cpp does"},
        {"int8", "rounded to 8 bits, a scale for each token, as the format says"},
        {"llm.int8", "rounded to 8 bits but for columns with outliers, as LLM.int8 does"},
        {"e4m3", "rounded to 8-bit floats, as the format says"},
    };
    for (size_t i = 0; name && i < ARRAY_LENGTH(texts); i++)
        if (strcmp(texts[i].name, name) == 0)
            return texts[i].text;
    return "32-bit floats, not rounded";
}

static void add_perplexity(struct document *d, const struct eval_figures *f)
{
    document_number(d, "chunks", "Chunks of text", f->chunks, "%.0f", 1);
    document_number(d, "tokens_scored", "Tokens scored", f->tokens, "%.0f", 1);
    document_number(d, "ppl", "Perplexity", f->ppl, "%.4f", 1);
    document_number(d, "ppl_low", "95 % interval from", f->ppl_low, "%.4f", 1);
    document_number(d, "ppl_high", "95 % interval to", f->ppl_high, "%.4f", 1);
    document_number(d, "ppl_base", "Perplexity of the original", f->ppl_base, "%.4f", 1);
    document_number(d, "loss", "Loss of perplexity", expm1(f->delta_ln_ppl), "%+.2f %%", 100);
    document_number(d, "loss_low", "95 % interval of the loss from", expm1(f->delta_low), "%+.2f %%", 100);
    document_number(d, "loss_high", "95 % interval of the loss to", expm1(f->delta_high), "%+.2f %%", 100);
    document_number(d, "delta_ln_ppl", "The same as a difference of ln perplexity", f->delta_ln_ppl, "%+.5f", 1);
}

static void add_divergence(struct document *d, const struct eval_figures *f)
{
    document_number(d, "kld_mean", "Divergence from the original (KL), mean", f->kld_mean, "%.5f", 1);
    document_number(d, "kld_median", "Divergence, median", f->kld_median, "%.5f", 1);
    document_number(d, "kld_p99", "Divergence, 99 %", f->kld_p99, "%.4f", 1);
    document_number(d, "kld_max", "Divergence, most", f->kld_max, "%.4f", 1);
    document_number(d, "same_top", "Same most likely token", f->same_top, "%.2f %%", 100);
    document_number(d, "rms_dp", "Change of the true token's probability (RMS)", f->rms_dp, "%.3f %%", 100);
}

static void add_speed(struct document *d, const struct eval_result *r)
{
    const struct eval_figures *f = &r->figures;
    document_number(d, "prefill_tokens_per_s", "Reading a prompt here", f->prefill_tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "decode_tokens_per_s", "Writing an answer here", f->decode_tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "base_prefill_tokens_per_s", "The original, reading", r->base_prefill_tokens_per_s,
                    "%.1f tokens/s", 1);
    document_number(d, "base_decode_tokens_per_s", "The original, writing", r->base_decode_tokens_per_s,
                    "%.1f tokens/s", 1);
}

static struct document_cell task_cell(void *user, int row, int column)
{
    const struct eval_task *t = &((const struct run_state *)user)->eval.tasks[row];
    const char *texts[] = {t->name, t->layout, t->metric};
    const double numbers[] = {NAN, NAN, NAN, t->items, 100 * t->accuracy, 100 * t->low, 100 * t->high, 100 * t->base,
                              100 * t->delta, 100 * t->delta_low, 100 * t->delta_high};
    return (struct document_cell){.text = column < (int)ARRAY_LENGTH(texts) ? texts[column] : NULL,
                                  .number = numbers[column]};
}

static void add_tasks(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        {"name", "Task"}, {"layout", "Layout"}, {"metric", "Measure"}, {"items", "Questions", "%.0f"},
        {"accuracy_percent", "Right, %", "%.1f"}, {"low_percent", "from", "%.1f"}, {"high_percent", "to", "%.1f"},
        {"base_percent", "Original, %", "%.1f"}, {"delta_percent", "Difference", "%+.1f"},
        {"delta_low_percent", "from", "%+.1f"}, {"delta_high_percent", "to", "%+.1f"},
    };
    document_table(d, "tasks", "Tasks (95 % intervals)", columns, ARRAY_LENGTH(columns), s->eval.task_count, task_cell,
                   (void *)s);
}

static struct document_cell sample_cell(void *user, int row, int column)
{
    const struct eval_sample *x = &((const struct run_state *)user)->eval.samples[row];
    const char *cells[] = {x->prompt, x->base, x->answer};
    return (struct document_cell){.text = cells[column]};
}

static void add_samples(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        {"prompt", "Prompt"}, {"base", "Original"}, {"answer", "Quantized"},
    };
    document_table(d, "samples", "Answers side by side", columns, ARRAY_LENGTH(columns), s->eval.sample_count,
                   sample_cell, (void *)s);
}

static void evaluation_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "quality_evaluation_results", "Quality Evaluation Results");
    document_bool(d, "evaluated", "Evaluated", s->has_result);
    if (s->has_result) {
        document_text(d, "verdict", "Verdict", s->eval.figures.verdict);
        document_number(d, "max_loss", "Largest loss allowed", p->max_loss, "%.3g %%", 100);
        if (s->proposal)
            document_text(d, "proposal", "What to try next", s->proposal);
        document_text(d, "text", "Text", p->eval_text ? path_name(p->eval_text) : "the text that comes with quantwiz");
        document_number(d, "context", "Tokens per chunk", p->eval_context, "%.0f", 1);
        document_text(d, "activations", "Activations measured",
                      activations_text(s->eval.activations));
        add_perplexity(d, &s->eval.figures);
        add_divergence(d, &s->eval.figures);
        add_speed(d, &s->eval);
        add_tasks(d, s);
        add_samples(d, s);
    }
    document_part_end(d);
}

/* -------------------------------------------------------------------- artefact */

static struct document_cell file_cell(void *user, int row, int column)
{
    const struct run_file *f = &((const struct run_state *)user)->artefact.files[row];
    const char *texts[] = {f->name, NULL, f->sha256};
    return (struct document_cell){.text = texts[column], .number = f->bytes};
}

/* A folder's own SHA-256 is that of its files' lines, as sha256sum prints them. */
static void add_files(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {{"name", "File"}, {"bytes", "Bytes", "%.0f"}, {"sha256", "SHA-256"}};
    document_table(d, "files", "Files (sha256sum * | sha256sum gives the SHA-256 of the whole)", columns,
                   ARRAY_LENGTH(columns), s->artefact.file_count, file_cell, (void *)s);
}

static void artefact_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    struct arena a = {0};
    int count = 0;
    char *path = path_absolute(p->out);
    const char **lines = report_start_lines(p, path, &a);
    while (lines[count])
        count++;
    document_part(d, "deployment_artifact", "Deployment Artifact");
    document_text(d, "path", plan_makes_folder(p) ? "Folder" : "File", s->artefact.path ? path : NULL);
    document_bytes(d, "bytes", "Size", s->artefact.path ? s->artefact.bytes : NAN);
    document_bytes(d, "planned_bytes",
                   plan_makes_folder(p) ? "Size of the weights' files, as planned" : "Size as planned", s->artefact.path ? s->artefact.planned_bytes : NAN);
    document_bytes(d, "source_bytes", "Size of the original", s->artefact.path ? s->artefact.source_bytes : NAN);
    document_text(d, "sha256", "SHA-256", s->artefact.sha256);
    add_files(d, s);
    document_text(d, "runtime", "Runtime", wishes_choice(&p->wishes, WISH_RUNTIME));
    document_code(d, "start", "To run it", lines, count);
    folder_loading_add(d, p);
    document_part_end(d);
    free(path);
    arena_done(&a);
}

/* --------------------------------------------------------------------- writing */

static void (*const parts[])(struct document *d, const struct plan *p, const struct run_state *s) = {
    hardware_part, rationale_part, quantization_part, evaluation_part, artefact_part,
};

static void add_head(struct document *d, const struct plan *p, const struct run_state *s)
{
    char stamp[32];
    const char *verdict = s->eval.figures.verdict;
    document_title(d, "%s as %s", path_name(p->source), p->level);
    yaml_put_integer(&d->yaml, "schema", 1);
    yaml_put_text(&d->yaml, "started", clock_stamp(stamp, s->started));
    document_say(d, "Run of %s. %s", stamp,
                 !s->has_result                       ? "Its quality was not measured."
                 : verdict && !strcmp(verdict, "accept") ? "The quality gate accepted it."
                 : verdict && !strcmp(verdict, "reject") ? "The quality gate rejected it."
                                                      : "The quality gate could not decide.");
}

static int write_both(const struct document *d, const char *folder, char **path, struct error *e)
{
    char *yaml = path_join(folder, "report.yaml");
    *path = path_join(folder, "report.md");
    int rc = file_write(yaml, d->yaml.out.data, d->yaml.out.length, e);
    if (!rc)
        rc = file_write(*path, d->markdown.data, d->markdown.length, e);
    free(yaml);
    if (rc) {
        free(*path);
        *path = NULL;
    }
    return rc;
}

int report_write(const struct plan *p, const struct run_state *s, char **path, struct error *e)
{
    struct document d = {0};
    add_head(&d, p, s);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        parts[i](&d, p, s);
    int rc = write_both(&d, s->folder, path, e);
    document_done(&d);
    return rc;
}
