#include "report/parts.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "report/folder.h"
#include "report/type_summary.h"

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

static void add_calibration(struct document *d, const struct plan *p)
{
    const struct calibration *c = &p->calibration;
    if (!c->text)
        return;
    if (calibration_is_general(c))
        document_text(d, "calibration", "Calibrated on", "the general text that comes with quantwiz");
    else
        document_path(d, "calibration", "Calibrated on", c->text);
    document_text(d, "calibration_sha256", "SHA-256 of that text", c->hash);
    document_number(d, "calibration_samples", "Samples of it, at most", c->samples, "%.0f", 1);
    document_number(d, "calibration_sample_length", "Tokens of a sample", c->sample_length, "%.0f", 1);
    document_text(d, "method", "Method", p->method ? p->method : "feedback");
}

static void add_settings(struct document *d, const struct plan *p)
{
    static const struct document_column columns[] = {{"pattern", "Tensors"}, {"type", "Type"}};
    document_path(d, "source", "Source", p->source);
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

void quantization_part(struct document *d, const struct plan *p, const struct run_state *s)
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
