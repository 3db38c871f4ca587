#include "report/parts.h"

#include "base/mem.h"

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

void rationale_part(struct document *d, const struct plan *p, const struct run_state *s)
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
