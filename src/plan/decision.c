#include "plan/decision.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "plan/figures.h"

/* ---------------------------------------------------------------- conditions */

#define CONDITIONS(X)                                                                                     \
    X("parameters_min", NUMBER, AT_LEAST, FACT_PARAMETERS, "the model has at least so many parameters")   \
    X("parameters_below", NUMBER, BELOW, FACT_PARAMETERS, "the model has fewer parameters")               \
    X("vram_min", BYTES, AT_LEAST, FACT_VRAM, "the GPUs have at least so much memory together; none: 0")  \
    X("vram_below", BYTES, BELOW, FACT_VRAM, "the GPUs have less memory together")                        \
    X("ram_min", BYTES, AT_LEAST, FACT_RAM, "the machine has at least so much memory")                    \
    X("ram_below", BYTES, BELOW, FACT_RAM, "the machine has less memory")                                 \
    X("ctx_min", NUMBER, AT_LEAST, FACT_CTX, "the context wished for is at least so long")                \
    X("ctx_beyond_training", BOOL, IS, FACT_BEYOND_TRAINING,                                              \
      "the context wished for exceeds the trained one")                                                   \
    X("parallel_min", NUMBER, AT_LEAST, FACT_PARALLEL, "at least so many sequences at once")              \
    X("experts_min", NUMBER, AT_LEAST, FACT_EXPERTS, "a mixture of at least so many experts")             \
    X("capability_min", NUMBER, AT_LEAST, FACT_CAPABILITY,                                                \
      "the GPUs have at least this compute capability; unknown ones meet neither this nor the next")      \
    X("capability_below", NUMBER, BELOW, FACT_CAPABILITY, "some GPU has less")                            \
    X("capability_known", BOOL, IS, FACT_CAPABILITY_KNOWN,                                                \
      "whether the compute capability of the GPUs that are used is known; without, or of other makers, neither")\
    X("tensor_parallel_min", NUMBER, AT_LEAST, FACT_TENSOR_PARALLEL, "weights are cut over so many GPUs") \
    X("kv_share_min", NUMBER, AT_LEAST, FACT_KV_SHARE,                                                    \
      "of the original's weights and its cache the cache has at least this share")                        \
    X("prompt_share_min", NUMBER, AT_LEAST, FACT_PROMPT_SHARE,                                            \
      "of the time for a prompt that fills the context and a typical answer the prompt takes at least this share") \
    X("fit", TEXTS, ONE_OF, FACT_FIT, "the wish fit is one of these")                                     \
    X("use_case", TEXTS, ONE_OF, FACT_USE_CASE, "the wish use-case is one of these")                      \
    X("runtime", TEXTS, ONE_OF, FACT_RUNTIME, "the wish runtime is one of these")                         \
    X("kv_type", TEXTS, ONE_OF, FACT_KV_TYPE, "the wish kv-type is one of these")                         \
    X("priority", TEXTS, ONE_OF, FACT_PRIORITY, "the wish priority is one of these")                      \
    X("flash_attention", TEXTS, ONE_OF, FACT_FLASH_ATTENTION, "the wish flash-attention is one of these") \
    X("vendor", TEXTS, ONE_OF, FACT_VENDOR, "the GPUs that are used are of this maker: NVIDIA, AMD, Intel") \
    X("gpu", BOOL, IS, FACT_GPU, "whether there is a GPU")                                                \
    X("calibration", BOOL, IS, FACT_CALIBRATION, "whether a text or an importance matrix is given")                               \
    X("domain_text", BOOL, IS, FACT_DOMAIN_TEXT, "whether that is a text of one's own, not the general one") \
    X("quantized_source", BOOL, IS, FACT_QUANTIZED_SOURCE, "whether the checkpoint is quantized already") \
    X("source_folder", BOOL, IS, FACT_SOURCE_FOLDER, "whether the checkpoint is a folder, not a GGUF file") \
    X("source_fits", BOOL, IS, FACT_SOURCE_FITS, "whether the checkpoint would fit as it is")             \
    X("source_fast", BOOL, IS, FACT_SOURCE_FAST, "whether it then reaches the wish min-speed")            \
    X("max_loss_asked", BOOL, IS, FACT_LOSS_ASKED, "whether the person set the largest loss")             \
    X("evaluation", BOOL, IS, FACT_EVALUATION, "whether the result will be measured")                     \
    X("loss_over_wish", TEXT, LOSS_OVER, FACT_COUNT,                                                      \
      "the expected loss of this level exceeds the largest loss")

static const struct condition_kind kinds[] = {CONDITIONS(CONDITION_KIND)};
const struct schema_field condition_fields[] = {CONDITIONS(CONDITION_FIELD){0}};

static const char *const row_tests[ROW_TEST_COUNT] = {
    [ROW_OVER_LOSS] = "over-loss",       [ROW_UNDER_SPEED] = "under-speed",   [ROW_SPLIT] = "split",
    [ROW_ABOVE_SOURCE] = "above-source", [ROW_BELOW_SOURCE] = "below-source", [ROW_SOURCE] = "source",
    [ROW_NEEDS_IMATRIX] = "needs-imatrix", [ROW_CALIBRATED] = "calibrated",
    [ROW_TWO_BITS] = "two-bits",
};

static int row_test(const char *word)
{
    for (int i = 0; i < ROW_TEST_COUNT; i++)
        if (strcmp(row_tests[i], word) == 0)
            return i;
    return -1;
}

static bool is_row_test(const char *text)
{
    return row_test(text) >= 0;
}

#define WHY .valid = figures_known, .expected = "a text whose {figures} are known"

/* What decisions and warnings are about. */
#define TARGET_FIELDS                                                                                      \
    {"when", SCHEMA_MAP, false, condition_fields, .help = "conditions, all of which must hold"},           \
    {"levels", SCHEMA_TEXTS, false, .help = "levels, the preferred one first; without: all"},              \
    {"rows", SCHEMA_TEXTS, false, .valid = is_row_test,                                                    \
     .expected = "over-loss, under-speed, split, above-source, below-source, source, needs-imatrix, calibrated or two-bits", \
     .help = "only rows of this kind"},                                                                    \
    {"formats", SCHEMA_TEXTS, false, .help = "only rows of these formats"},                                \
    {"loss_over", SCHEMA_NUMBER, false, .help = "only rows that are expected to lose more, a fraction"}

const struct schema_field decision_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "what people call it"},
    TARGET_FIELDS,
    {"prefer", SCHEMA_NUMBER, false, .help = "points for these rows; each later level gets one less"},
    {"avoid", SCHEMA_NUMBER, false, .help = "points against these rows"},
    {"forbid", SCHEMA_BOOL, false, .help = "true: never, whatever speaks for it"},
    {"tell", SCHEMA_BOOL, false, .help = "true: only said"},
    {"why", SCHEMA_TEXT, true, WHY, .help = "the reason, with {figures} of the row"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};
const struct schema_field warning_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "what people call it"},
    TARGET_FIELDS,
    {"why", SCHEMA_TEXT, true, WHY, .help = "what may go wrong, and what to do instead, with {figures}"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};
const struct schema_field usecase_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "the value of the wish use-case"},
    {"levels", SCHEMA_TEXTS, false, .help = "levels that suit it, the preferred one first"},
    {"prefer", SCHEMA_NUMBER, false, .help = "points for them; each later one gets one less"},
    {"prompt_tokens", SCHEMA_INTEGER, true, .help = "a typical prompt with its answer: the length of calibration samples"},
    {"answer_tokens", SCHEMA_INTEGER, false, .help = "of these the answer's"},
    {"prompts", SCHEMA_TEXTS, false, .help = "questions of this kind, which both models answer side by side"},
    {"why", SCHEMA_TEXT, true, WHY, .help = "the reason"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};

/* ------------------------------------------------------------------ compiling */

int conditions_compile(struct rules *r, const struct yaml *when, struct decision *d, struct error *e)
{
    d->when = arena_alloc(&r->arena, (when ? when->count : 0) * sizeof *d->when);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        const struct yaml *y = yaml_get(when, kinds[i].key);
        if (!y)
            continue;
        struct condition *c = &d->when[d->when_count++];
        *c = condition_read(&kinds[i], when, &r->arena);
        if (kinds[i].comparison == LOSS_OVER && !(c->level = rules_level(r, y->text)))
            return yaml_expected(y, e, "a level from levels.yaml");
    }
    return 0;
}

static int compile_target(struct rules *r, const struct yaml *row, struct decision *d, struct error *e)
{
    const char *const *names = checked_texts(row, "levels", &r->arena);
    const char *const *tests = checked_texts(row, "rows", &r->arena);
    int n = 0;
    d->levels = names ? arena_alloc(&r->arena, ((size_t)r->level_count + 1) * sizeof *d->levels) : NULL;
    for (; names && names[n] && n < r->level_count; n++)
        if (!(d->levels[n] = rules_level(r, names[n])))
            return error_set(e, ERROR_USAGE,
                             "%s:%d: expected a level from levels.yaml in 'levels', found '%s'", row->file,
                             row->line, names[n]);
    for (; tests && *tests; tests++)
        d->rows |= 1u << row_test(*tests);
    d->formats = checked_texts(row, "formats", &r->arena);
    d->loss_over = checked_number(row, "loss_over", NAN);
    return conditions_compile(r, yaml_get(row, "when"), d, e);
}

static int compile(struct rules *r, const struct yaml *row, struct decision *d, struct error *e)
{
    static const struct { const char *key; char sign; } actions[] = {
        {"prefer", '+'}, {"avoid", '-'}, {"forbid", 'x'}, {"tell", 'i'},
    };
    *d = (struct decision){.name = checked_text(row, "name"),
                           .why = checked_text(row, "why"),
                           .source = checked_text(row, "source"),
                           .where = rules_where(row, &r->arena),
                           .sign = 0};
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (!yaml_get(row, actions[i].key))
            continue;
        if (d->sign)
            return yaml_expected(row, e, "only one of the keys prefer, avoid, forbid, tell");
        d->sign = actions[i].sign;
        d->weight = i < 2 ? checked_number(row, actions[i].key, 0) : 0;
    }
    return compile_target(r, row, d, e);
}

/* A use case is a decision under the condition that it was wished for. */
static void ask_use_case(struct rules *r, struct decision *d)
{
    const char **words = arena_alloc(&r->arena, 2 * sizeof *words);
    words[0] = d->name;
    d->when = arena_alloc(&r->arena, sizeof *d->when);
    d->when[0] = (struct condition){.words = words};
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (kinds[i].fact == FACT_USE_CASE)
            d->when[0].kind = &kinds[i];
    d->when_count = 1;
}

static int compile_decisions(struct rules *r, struct error *e)
{
    const struct yaml *rows = yaml_get(r->decisions_tree, "decisions");
    const struct yaml *uses = yaml_get(r->usecases_tree, "usecases");
    int rc = 0;
    r->decisions = arena_alloc(&r->arena, (rows->count + uses->count) * sizeof *r->decisions);
    for (size_t i = 0; !rc && i < rows->count; i++) {
        struct decision *d = &r->decisions[r->decision_count++];
        rc = compile(r, rows->items[i], d, e);
        if (!rc && !d->sign)
            rc = yaml_expected(rows->items[i], e, "one of the keys prefer, avoid, forbid, tell");
    }
    for (size_t i = 0; !rc && i < uses->count; i++) {
        struct decision *d = &r->decisions[r->decision_count++];
        rc = compile(r, uses->items[i], d, e);
        ask_use_case(r, d);
    }
    return rc;
}

/* What is only said: warnings, doubts. */
static int compile_sayings(struct rules *r, const struct yaml *rows, struct decision **list, int *count,
                           struct error *e)
{
    int rc = 0;
    *list = arena_alloc(&r->arena, rows->count * sizeof **list);
    for (size_t i = 0; !rc && i < rows->count; i++)
        rc = compile(r, rows->items[i], &(*list)[(*count)++], e);
    return rc;
}

int decisions_compile(struct rules *r, struct error *e)
{
    const struct yaml *warnings = yaml_get(r->warnings_tree, "warnings");
    const struct yaml *doubts = yaml_get(r->necessity_tree, "doubts");
    int rc = compile_decisions(r, e);
    rc = rc ? rc : compile_sayings(r, warnings, &r->warnings, &r->warning_count, e);
    return rc ? rc : compile_sayings(r, doubts, &r->doubts, &r->doubt_count, e);
}

/* -------------------------------------------------------------------- asking */

static bool meets(const struct condition *c, const struct facts *f)
{
    if (c->kind->comparison != LOSS_OVER)
        return condition_meets(c, f->number, f->word);
    const struct estimate *row = estimates_row(f->s, c->level);
    return row && row->expected_loss > f->max_loss;
}

bool decision_holds(const struct decision *d, const struct facts *f)
{
    for (int i = 0; i < d->when_count; i++)
        if (!meets(&d->when[i], f))
            return false;
    return true;
}

static bool passes(enum row_test test, const struct facts *f, const struct estimate *row)
{
    const struct estimate *source = estimates_source(f->s);
    double bits = source ? source->bits_per_weight : f->s->source_bits;
    switch (test) {
    case ROW_OVER_LOSS: return row->expected_loss > f->max_loss;
    case ROW_UNDER_SPEED: return row->tokens_per_s < f->min_speed;
    case ROW_SPLIT: return row->verdict == VERDICT_SPLIT;
    case ROW_ABOVE_SOURCE: return !row->is_source && row->bits_per_weight > bits * 1.005;
    case ROW_BELOW_SOURCE: return !row->is_source && row->bits_per_weight <= bits * 1.005;
    case ROW_SOURCE: return row->is_source;
    case ROW_NEEDS_IMATRIX: return row->level->imatrix;
    case ROW_CALIBRATED: return row->level->calibrated;
    case ROW_TWO_BITS: return row->level->scheme && row->level->scheme->bits < 3;
    case ROW_TEST_COUNT: break;
    }
    return false;
}

bool decision_takes(const struct decision *d, const struct facts *f, const struct estimate *row, int *rank)
{
    *rank = 0;
    if (d->levels) {
        while (d->levels[*rank] && d->levels[*rank] != row->level)
            ++*rank;
        if (!d->levels[*rank])
            return false;
    }
    if (d->formats && !str_among(d->formats, row->level->format))
        return false;
    if (!isnan(d->loss_over) && !(row->expected_loss > d->loss_over))
        return false;
    for (int i = 0; i < ROW_TEST_COUNT; i++)
        if (d->rows >> i & 1 && !passes(i, f, row))
            return false;
    return true;
}
