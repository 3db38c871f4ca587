#include "report/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "report/folder.h"
#include "report/type_summary.h"

/* Fallbacks that are alike: a model whose rows suit no block has one for nearly every tensor. */
struct alike { const struct run_fallback *first; int count; };
struct alikes { struct alike *items; int count, capacity; };

static bool are_alike(const struct run_fallback *a, const struct run_fallback *b)
{
    return str_same(a->wanted, b->wanted) && str_same(a->type, b->type) && str_same(a->why, b->why);
}

static void add_alike(struct alikes *all, const struct run_fallback *f)
{
    int i = 0;
    while (i < all->count && !are_alike(all->items[i].first, f))
        i++;
    if (i == all->count)
        array_push(all->items, all->count, all->capacity) = (struct alike){.first = f};
    all->items[i].count++;
}

enum { WANTED, TYPE, WHY, TENSORS, FIRST };

static struct document_cell fallback_cell(void *user, int row, int column)
{
    const struct alike *x = &((const struct alikes *)user)->items[row];
    const char *texts[] = {[WANTED] = x->first->wanted, [TYPE] = x->first->type, [WHY] = x->first->why,
                           [TENSORS] = NULL, [FIRST] = x->first->tensor};
    return (struct document_cell){.text = texts[column], .number = x->count};
}

static void add_fallbacks(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [WANTED] = {"wanted", "Level's type"}, [TYPE] = {"type", "Its type"}, [WHY] = {"why", "Because"},
        [TENSORS] = {"tensors", "Tensors", "%.0f"}, [FIRST] = {"tensor", "The first"},
    };
    struct alikes all = {0};
    for (int i = 0; i < s->fallback_count; i++)
        add_alike(&all, &s->fallbacks[i]);
    document_number(d, "fallback_count", "Tensors whose row length forced another type", s->fallback_count, "%.0f", 1);
    document_table(d, "fallbacks", "Fallbacks", columns, ARRAY_LENGTH(columns), all.count, fallback_cell, &all);
    free(all.items);
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

/* ------------------------------------------------------------------ reproduction */

enum { ROLE, PATH, BYTES, SHA256 };

static struct document_cell input_cell(void *user, int row, int column)
{
    const struct run_input *i = &((const struct run_state *)user)->inputs[row];
    const char *texts[] = {[ROLE] = i->role, [PATH] = i->path, [BYTES] = NULL, [SHA256] = i->sha256};
    return (struct document_cell){.text = texts[column], .number = i->bytes};
}

static void add_inputs(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [ROLE] = {"role", "For"}, [PATH] = {"path", "File"}, [BYTES] = {"bytes", "Bytes", "%.0f", "-"},
        [SHA256] = {"sha256", "SHA-256"},
    };
    document_table(d, "inputs", "What went in (of a text, the SHA-256 is what quantwiz pins it with: of a folder, that of"
                   " its files' sums)", columns, ARRAY_LENGTH(columns), s->input_count, input_cell, (void *)s);
}

/* "echo 'SUM  PATH' | sha256sum -c": as sha256sum reads it, which marks a path with a backslash or a line break in it. */
static void add_check(struct str *lines, const char *sum, const char *path)
{
    char *line = xasprintf("%s  %s", sum, path), *word = str_word(line);
    str_addf(lines, "echo %s | sha256sum -c\n", word);
    free(word);
    free(line);
}

static void check_sources(struct str *lines, const struct run_state *s)
{
    for (int i = 0; i < s->input_count; i++) {
        const struct run_input *in = &s->inputs[i];
        bool file = in->role && in->path && in->sha256 && strcmp(in->role, "source") == 0;
        char *path = file ? path_absolute(in->path) : NULL;
        if (file)
            add_check(lines, in->sha256, path);
        free(path);
    }
}

/* Of a folder the sums of its files are summed up. */
static void check_artefact(struct str *lines, const struct run_state *s, const char *out)
{
    if (!s->artefact.sha256)
        return;
    char *folder = str_word(out);
    if (s->artefact.files)
        str_addf(lines, "(cd %s && LC_ALL=C sha256sum * | sha256sum) # %s\n", folder, s->artefact.sha256);
    else
        add_check(lines, s->artefact.sha256, out);
    free(folder);
}

char *making_commands(const struct plan *p, const struct run_state *s)
{
    char *source = path_absolute(p->source), *out = path_absolute(p->out);
    struct plan from_root = *p;
    struct str make = {0};
    from_root.source = p->source_hub ? p->source_hub : source;
    from_root.out = out;
    char *quantize = plan_command(&from_root);
    if (p->source_hub)
        str_addf(&make, "quantwiz fetch %s\n", p->source_hub);
    check_sources(&make, s);
    str_addf(&make, "%s\n", quantize);
    check_artefact(&make, s, out);
    free(quantize);
    free(out);
    free(source);
    return str_take(&make);
}

char *rerun_command(const char *run_folder)
{
    char *folder = path_absolute(run_folder), *plan = path_join(folder, "plan.yaml");
    struct str run = {0};
    str_add_word(&run, "quantwiz");
    str_add_word(&run, "run");
    str_add_word(&run, plan);
    free(plan);
    free(folder);
    return str_take(&run);
}

static void add_commands(struct document *d, const struct plan *p, const struct run_state *s)
{
    char *make = making_commands(p, s), *run = rerun_command(s->folder);
    document_code(d, "commands", "The commands that make the same bytes (put your own paths in where the source lies"
                  " elsewhere)", (const char *[]){make}, 1);
    document_code(d, "rerun", "The whole run again, evaluation and document included", (const char *[]){run}, 1);
    free(make);
    free(run);
}

/* What the bytes depend on. */
static void add_reproducibility(struct document *d, const struct plan *p, const struct run_state *s)
{
    bool text = p->calibration.text || p->imatrix;
    document_text(d, "quantwiz_version", "quantwiz", s->version);
    document_text(d, "reproducible", "Reproducible",
                  text ? "with this version, these inputs and the same kind of processor, whatever the number of threads;"
                         " another processor may add up products in another order, and then single weights round otherwise"
                       : "with this version and these inputs, on any processor and with any number of threads");
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
    add_reproducibility(d, p, s);
    add_inputs(d, s);
    add_commands(d, p, s);
    document_part_end(d);
}
