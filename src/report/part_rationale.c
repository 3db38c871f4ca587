#include "report/parts.h"

#include <math.h>

#include "base/mem.h"

/* --------------------------------------------------------------- what was asked for */

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

/* ------------------------------------------------------------------- what was expected */

static void add_estimate(struct document *d, const struct plan *p)
{
    const struct plan_estimate *e = &p->record.estimate;
    if (!e->verdict)
        return;
    document_text(d, "verdict", "On that machine it", e->verdict);
    document_bytes(d, "weights_bytes", "Weights in memory", e->weights_bytes);
    document_bytes(d, "kv_bytes", "KV cache", e->kv_bytes);
    document_bytes(d, "compute_bytes", "Compute buffers", e->compute_bytes);
    document_bytes(d, "total_bytes", "All memory that serving it takes", e->total_bytes);
    if (e->gpu_layers > 0)
        document_number(d, "gpu_layers", "Layers on the GPU", e->gpu_layers, "%.0f", 1);
    document_number(d, "layers", "Layers, the output counted", e->layers, "%.0f", 1);
    document_number(d, "expected_tokens_per_s", "Expected speed", e->tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "expected_loss", "Expected loss of perplexity", e->expected_loss, "%.2f %%", 100);
}

/* ------------------------------------------------------------------------ alternatives */

enum { LEVEL, BITS, MEMORY, WHY };

static struct document_cell alternative_cell(void *user, int row, int column)
{
    const struct plan_alternative *a = &((const struct plan *)user)->record.alternatives[row];
    const double numbers[] = {[BITS] = a->bits_per_weight, [MEMORY] = a->total_bytes / (1 << 20), [WHY] = NAN};
    return (struct document_cell){.text = column == LEVEL ? a->level : a->why, .number = numbers[column]};
}

static void add_alternatives(struct document *d, const struct plan *p)
{
    static const struct document_column columns[] = {
        [LEVEL] = {"level", "Level"},
        [BITS] = {"bits_per_weight", "Bits per weight", "%.2f"},
        [MEMORY] = {"total_mib", "Memory, MiB", "%.0f"},
        [WHY] = {"why", "Why not"},
    };
    document_table(d, "alternatives", "What was not chosen (in brackets the rule that says so)", columns,
                   ARRAY_LENGTH(columns), p->record.alternative_count, alternative_cell, (void *)p);
}

void rationale_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "format_selection_rationale", "Format Selection Rationale");
    document_text(d, "level", "Level", p->level);
    document_text(d, "format", "Format", plan_makes_folder(p) ? p->format : "GGUF");
    if (plan_makes_folder(p))
        document_text(d, "kernel", "Kernel that will multiply its weights", p->kernel);
    document_number(d, "bits_per_weight", "Bits per weight", s->artefact.bits_per_weight, "%.2f", 1);
    add_estimate(d, p);
    add_wishes(d, &p->wishes);
    document_list(d, "reasons", "Why this level", p->rationale, p->rationale_count);
    add_alternatives(d, p);
    document_part_end(d);
}
