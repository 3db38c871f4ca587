#include "report/parts.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/runtime.h"

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
    const double numbers[] = {[BITS] = a->estimate.bits_per_weight, [MEMORY] = a->estimate.total_bytes / (1 << 20),
                              [WHY] = NAN};
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

/* --------------------------------------------------------------------- formats */

enum { READ, REFUSED, UNSAID, STANDINGS };

/* Each format once, in the order of the levels, by what the rules say of it; the plan's own is not told. */
static void sort_formats(struct str names[STANDINGS], const struct rules *rules, const struct runtime *r, const char *own)
{
    for (int i = 0; i < rules->level_count; i++) {
        const char *format = rules->levels[i].format;
        bool before = strcmp(format, own) == 0;
        for (int k = 0; k < i; k++)
            before = before || strcmp(rules->levels[k].format, format) == 0;
        struct str *s = &names[runtime_accepts(r, format) ? READ : str_among(r->refuses, format) ? REFUSED : UNSAID];
        if (!before)
            str_addf(s, "%s%s", s->length ? ", " : "", format);
    }
}

/* Whole formats that were no candidates: the runtime decides, and what the source is. */
static void add_formats(struct document *d, const struct plan *p)
{
    struct rules *rules;
    struct error ignored;
    struct arena a = {0};
    struct str names[STANDINGS] = {0};
    if (rules_load(&rules, &ignored))
        return;
    const struct runtime *r = runtime_named(rules, wishes_choice(&p->wishes, WISH_RUNTIME));
    const char *lines[STANDINGS], *where = rules_where(r->row, &a);
    int count = 0;
    sort_formats(names, rules, r, p->format ? p->format : "gguf");
    if (names[REFUSED].length)
        lines[count++] = arena_printf(&a, "%s: %s does not read them [%s]", names[REFUSED].data, r->title, where);
    if (names[UNSAID].length)
        lines[count++] = arena_printf(&a, "%s: whether %s reads them is not known [%s]", names[UNSAID].data, r->title, where);
    if (names[READ].length && str_ends(p->source, ".gguf"))
        lines[count++] = arena_printf(&a, "%s: made of checkpoint folders alone, and the source is a GGUF file",
                                      names[READ].data);
    document_list(d, "formats", "Formats that were out altogether", lines, count);
    for (int i = 0; i < STANDINGS; i++)
        str_done(&names[i]);
    arena_done(&a);
    rules_free(rules);
}

static void add_mix(struct document *d, const struct plan *p)
{
    if (!p->tensor_count)
        return;
    document_text(d, "mix", "Types of tensors", "as plan.yaml lists them, one by one");
    document_text(d, "mix_by", "Chosen", p->mix.by);
    document_bytes(d, "mix_limit_bytes", "The file could take", (double)p->mix.limit_bytes);
    document_number(d, "mix_predicted_kld", "Divergence that was predicted", p->mix.by ? p->mix.predicted_kld : NAN, "%.5f", 1);
}

void rationale_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "format_selection_rationale", "Format Selection Rationale");
    document_text(d, "level", "Level", p->level);
    add_mix(d, p);
    document_text(d, "format", "Format", plan_makes_folder(p) ? p->format : "GGUF");
    if (plan_makes_folder(p))
        document_text(d, "kernel", "Kernel that will multiply its weights", p->kernel);
    document_number(d, "bits_per_weight", "Bits per weight", s->artefact.bits_per_weight, "%.2f", 1);
    add_estimate(d, p);
    add_wishes(d, &p->wishes);
    document_list(d, "reasons", "Why this level", p->rationale, p->rationale_count);
    add_alternatives(d, p);
    add_formats(d, p);
    document_part_end(d);
}
