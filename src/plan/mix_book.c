#include "plan/mix_book.h"

#include <string.h>

enum { GROUPS_MOST = 4096 };

/* ---------------------------------------------------------------------- schema */

static bool is_made(const char *text)
{
    const struct quant_type *t = quant_type_named(text);
    return t && t->encode && t->quantized;
}

static enum tensor_role role_named(const char *name)
{
    for (int role = 0; role < ROLE_COUNT; role++)
        if (tensor_role_name(role) && strcmp(tensor_role_name(role), name) == 0)
            return role;
    return ROLE_OTHER;
}

static bool is_role(const char *text)
{
    return role_named(text) != ROLE_OTHER;
}

#define MADE .valid = is_made, .expected = "a quantized type that can be made, such as Q4_K"

static const struct schema_field type_fields[] = {
    {"types", SCHEMA_TEXTS, true, MADE, .help = "types that a weight may get; those that its rows do not allow are passed over"},
    {"importance", SCHEMA_BOOL, false, .help = "true: only where a calibration text tells what counts"},
    {"why", SCHEMA_TEXT, true, .help = "the reason"},
    {0},
};
static const struct schema_field weight_fields[] = {
    {"roles", SCHEMA_TEXTS, false, .valid = is_role, .expected = "what a weight does, such as attn_v or ffn_down",
     .help = "weights that it is about, as GGUF files call them; without: all"},
    {"first", SCHEMA_INTEGER, false, .help = "in so many layers from the start"},
    {"last", SCHEMA_INTEGER, false, .help = "or in so many at the end; without either: in all"},
    {"times", SCHEMA_NUMBER, true, .help = "by how much more their error counts than that of others"},
    {0},
};
static const struct schema_field preset_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "the value of the wish mix"},
    {"why", SCHEMA_TEXT, true, .help = "what it does, and the reason"},
    {"source", SCHEMA_TEXT, true, .help = "where it comes from"},
    {"weights", SCHEMA_MAPS, true, weight_fields, .help = "what matters more; those that are about a weight multiply"},
    {0},
};
const struct schema_field mixes_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"types", SCHEMA_MAPS, true, type_fields, .help = "the types that a mix is made of"},
    {"probes", SCHEMA_TEXTS, true, MADE,
     .help = "the type that weights are probed with: the first whose block divides their rows"},
    {"groups", SCHEMA_INTEGER, true, .help = "groups of weights that are probed, about; more take longer and tell more"},
    {"presets", SCHEMA_MAPS, true, preset_fields, .help = "which weights matter, where nothing is measured"},
    {0},
};

/* ------------------------------------------------------------------- compiling */

/* All rows' types one behind the other. */
static const struct quant_type **join_types(struct rules *r, const struct yaml *rows, bool told)
{
    const struct quant_type **out;
    size_t count = 0, most = 0;
    for (size_t i = 0; i < rows->count; i++)
        most += yaml_get(rows->items[i], "types")->count + 1;
    out = arena_alloc(&r->arena, (most + 1) * sizeof *out);
    for (size_t i = 0; i < rows->count; i++) {
        const struct quant_type **types = rules_types(r, checked_texts(rows->items[i], "types", &r->arena));
        for (; *types && (told || !checked_bool(rows->items[i], "importance", false)); types++)
            out[count++] = *types;
    }
    return out;
}

static struct mix_weight compile_weight(struct rules *r, const struct yaml *row)
{
    struct mix_weight w = {.first = checked_integer(row, "first", 0), .last = checked_integer(row, "last", 0),
                           .times = checked_number(row, "times", 1)};
    for (const char *const *t = checked_texts(row, "roles", &r->arena); t && *t; t++)
        w.roles |= UINT64_C(1) << role_named(*t);
    return w;
}

static int compile_preset(struct rules *r, struct mix_preset *p, const struct yaml *row, struct error *e)
{
    const struct yaml *weights = yaml_get(row, "weights");
    *p = (struct mix_preset){.name = checked_text(row, "name"), .why = checked_text(row, "why"),
                             .where = rules_where(row, &r->arena), .count = (int)weights->count};
    p->weights = arena_alloc(&r->arena, weights->count * sizeof *p->weights);
    for (int i = 0; i < p->count; i++) {
        p->weights[i] = compile_weight(r, weights->items[i]);
        if (!(p->weights[i].times > 0))
            return yaml_expected(yaml_get(weights->items[i], "times"), e, "a number above 0");
    }
    return 0;
}

int mix_book_compile(struct rules *r, struct error *e)
{
    const struct yaml *types = yaml_get(r->mixes_tree, "types"), *presets = yaml_get(r->mixes_tree, "presets");
    struct mix_book *b = r->mixes = arena_alloc(&r->arena, sizeof *b);
    int rc = 0;
    b->types = join_types(r, types, false);
    b->told_types = join_types(r, types, true);
    b->probes = rules_types(r, checked_texts(r->mixes_tree, "probes", &r->arena));
    b->groups = checked_integer(r->mixes_tree, "groups", 0);
    if (b->groups < 1 || b->groups > GROUPS_MOST)
        return yaml_expected(yaml_get(r->mixes_tree, "groups"), e, "a whole number from 1 to %d", GROUPS_MOST);
    if (!b->types[0] || !b->probes[0])
        return yaml_expected(types, e, "at least one type that needs no importance, and one to probe with");
    b->presets = arena_alloc(&r->arena, presets->count * sizeof *b->presets);
    for (size_t i = 0; i < presets->count && !rc; i++)
        rc = compile_preset(r, &b->presets[b->preset_count++], presets->items[i], e);
    return rc;
}

/* ------------------------------------------------------------------------ use */

const struct mix_preset *mix_preset_named(const struct mix_book *b, const char *name)
{
    for (int i = 0; i < b->preset_count; i++)
        if (strcmp(b->presets[i].name, name) == 0)
            return &b->presets[i];
    return NULL;
}

static bool is_about(const struct mix_weight *w, const struct model *m, const struct tensor *t)
{
    bool everywhere = !w->first && !w->last;
    bool at_end = t->layer >= 0 && (t->layer < w->first || t->layer >= m->hp.layers - w->last);
    return (!w->roles || w->roles >> t->role & 1) && (everywhere || at_end);
}

double mix_preset_weight(const struct mix_preset *p, const struct model *m, const struct tensor *t)
{
    double times = 1;
    for (int i = 0; i < p->count; i++)
        if (is_about(&p->weights[i], m, t))
            times *= p->weights[i].times;
    return times;
}
