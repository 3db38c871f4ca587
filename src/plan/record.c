#include "plan/record.h"

#include <math.h>
#include <string.h>
#include <strings.h>

const struct plan_estimate plan_estimate_unknown = {
    .weights_bytes = NAN, .kv_bytes = NAN, .compute_bytes = NAN, .overhead_bytes = NAN, .total_bytes = NAN,
    .gpu_bytes = NAN, .cpu_bytes = NAN, .tokens_per_s = NAN, .prefill_tokens_per_s = NAN, .expected_loss = NAN,
    .layers = NAN, .gpu_layers = NAN,
};

/* ------------------------------------------------------------------- making */

static const char *without_fault(const struct estimate *row, const struct estimate *chosen)
{
    return row->recommended ? "recommended; the other one was chosen by hand"
           : chosen->mix    ? "a mix was wished for"
           : chosen->asked  ? "the other one was asked for by name"
                            : "the other one was chosen by hand";
}

/* What speaks against a row, with the rules that say so. */
static const char *why_not(const struct estimate *row, const struct estimate *chosen, struct arena *a)
{
    struct str s = {0};
    for (int i = 0; i < row->reason_count; i++) {
        const struct estimate_reason *r = &row->reasons[i];
        if (r->sign != '-' && r->sign != 'x')
            continue;
        str_addf(&s, "%s%s", s.length ? "; " : "", r->text);
        if (r->rule)
            str_addf(&s, " [%s]", r->rule);
    }
    const char *text = arena_strdup(a, s.length ? s.data : without_fault(row, chosen));
    str_done(&s);
    return text;
}

void record_make(struct plan_record *r, const struct estimates *s, int row, struct arena *a)
{
    const struct estimate *chosen = &s->rows[row];
    r->estimate = (struct plan_estimate){
        .verdict = verdict_name(chosen->verdict),
        .weights_bytes = (double)chosen->weights_bytes,
        .kv_bytes = (double)chosen->kv_bytes,
        .compute_bytes = (double)chosen->compute_bytes,
        .overhead_bytes = (double)chosen->overhead_bytes,
        .total_bytes = (double)chosen->total_bytes,
        .gpu_bytes = (double)chosen->gpu_bytes,
        .cpu_bytes = (double)chosen->cpu_bytes,
        .tokens_per_s = chosen->tokens_per_s,
        .prefill_tokens_per_s = chosen->prefill_tokens_per_s,
        .expected_loss = chosen->expected_loss,
        .layers = chosen->layers,
        .gpu_layers = chosen->gpu_layers,
    };
    r->alternatives = arena_alloc(a, (size_t)s->count * sizeof *r->alternatives);
    r->alternative_count = 0;
    for (int i = 0; i < s->count; i++)
        if (i != row)
            r->alternatives[r->alternative_count++] = (struct plan_alternative){
                .level = arena_strdup(a, s->rows[i].level->name),
                .why = why_not(&s->rows[i], chosen, a),
                .bits_per_weight = s->rows[i].bits_per_weight,
                .total_bytes = (double)s->rows[i].total_bytes,
                .verdict = verdict_name(s->rows[i].verdict),
            };
}

/* ------------------------------------------------------------- another level */

static const struct plan_alternative *find(const struct plan_record *r, const char *level)
{
    for (int i = 0; i < r->alternative_count; i++)
        if (strcasecmp(r->alternatives[i].level, level) == 0)
            return &r->alternatives[i];
    return NULL;
}

static bool is_verdict(const char *text, enum verdict v)
{
    return text && strcmp(text, verdict_name(v)) == 0;
}

/* The cache is the same at any level, and so is the number of layers; where they lie, if all of them fit. */
static struct plan_estimate estimate_of(const struct plan_alternative *to, const struct plan_estimate *before)
{
    struct plan_estimate e = plan_estimate_unknown;
    if (!to || !to->verdict)
        return e;
    bool both_fit = is_verdict(to->verdict, VERDICT_FITS) && is_verdict(before->verdict, VERDICT_FITS);
    e.verdict = to->verdict;
    e.total_bytes = to->total_bytes;
    e.kv_bytes = before->kv_bytes;
    e.layers = before->layers;
    e.gpu_layers = both_fit ? before->gpu_layers : NAN;
    return e;
}

void record_step(struct plan_record *r, const char *level, struct arena *a)
{
    const struct plan_alternative *to = find(r, level);
    const struct plan_record before = *r;
    r->estimate = estimate_of(to, &before.estimate);
    r->alternatives = arena_alloc(a, (size_t)before.alternative_count * sizeof *r->alternatives);
    r->alternative_count = 0;
    for (int i = 0; i < before.alternative_count; i++)
        if (&before.alternatives[i] != to)
            r->alternatives[r->alternative_count++] = before.alternatives[i];
}

const struct plan_alternative *record_too_big(const struct plan_record *r, const char *level)
{
    const struct plan_alternative *to = find(r, level);
    bool minded = r->estimate.verdict && !is_verdict(r->estimate.verdict, VERDICT_TOO_BIG);
    return minded && to && is_verdict(to->verdict, VERDICT_TOO_BIG) ? to : NULL;
}

/* ----------------------------------------------------------- plan.yaml's keys */

#define NUMBERS(X)                                                                   \
    X(weights_bytes, "its weights in memory")                                        \
    X(kv_bytes, "the KV cache")                                                      \
    X(compute_bytes, "compute buffers")                                              \
    X(overhead_bytes, "what the runtime takes beside")                               \
    X(total_bytes, "all of it")                                                      \
    X(gpu_bytes, "of that on GPUs")                                                  \
    X(cpu_bytes, "of that in RAM")                                                   \
    X(tokens_per_s, "decoding")                                                      \
    X(prefill_tokens_per_s, "reading a prompt")                                      \
    X(expected_loss, "of perplexity, as a share")                                    \
    X(layers, "blocks and the output layer")                                         \
    X(gpu_layers, "of these on GPUs")

static const struct { const char *key; size_t at; } numbers[] = {
#define NUMBER(name, help) {#name, offsetof(struct plan_estimate, name)},
    NUMBERS(NUMBER)
};
const struct schema_field record_estimate_fields[] = {
    {"verdict", SCHEMA_TEXT, true, .help = "whether it fits"},
#define FIELD(name, text) {#name, SCHEMA_NUMBER, false, .help = text},
    NUMBERS(FIELD){0},
};
const struct schema_field record_alternative_fields[] = {
    {"level", SCHEMA_TEXT, true, .help = "a level that was not chosen"},
    {"bits_per_weight", SCHEMA_NUMBER, false, .help = "what it would have"},
    {"total_bytes", SCHEMA_NUMBER, false, .help = "memory that it would take"},
    {"verdict", SCHEMA_TEXT, false, .help = "whether it fits; what is too big is no next step of the gate's"},
    {"why", SCHEMA_TEXT, true, .help = "what speaks against it, with the rules that say so"},
    {0},
};

static double *number_at(const struct plan_estimate *e, size_t i)
{
    return (double *)((char *)e + numbers[i].at);
}

/* Unknown ones are left out. */
static void put_number(struct yaml_writer *w, const char *key, double value)
{
    if (!isnan(value))
        yaml_put_number(w, key, value);
}

static void put_estimate(const struct plan_estimate *e, struct yaml_writer *w)
{
    yaml_begin(w, "estimate");
    yaml_put_text(w, "verdict", e->verdict);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        put_number(w, numbers[i].key, *number_at(e, i));
    yaml_end(w);
}

void record_put(const struct plan_record *r, struct yaml_writer *w)
{
    if (r->estimate.verdict)
        put_estimate(&r->estimate, w);
    if (r->alternative_count)
        yaml_begin(w, "alternatives");
    for (int i = 0; i < r->alternative_count; i++) {
        const struct plan_alternative *a = &r->alternatives[i];
        yaml_item(w);
        yaml_put_text(w, "level", a->level);
        put_number(w, "bits_per_weight", a->bits_per_weight);
        put_number(w, "total_bytes", a->total_bytes);
        if (a->verdict)
            yaml_put_text(w, "verdict", a->verdict);
        yaml_put_text(w, "why", a->why);
        yaml_item_end(w);
    }
    if (r->alternative_count)
        yaml_end(w);
}

void record_read(struct plan_record *r, const struct yaml *plan, struct arena *a)
{
    const struct yaml *estimate = yaml_get(plan, "estimate"), *list = yaml_get(plan, "alternatives");
    r->estimate.verdict = estimate ? checked_text(estimate, "verdict") : NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        *number_at(&r->estimate, i) = estimate ? checked_number(estimate, numbers[i].key, NAN) : NAN;
    r->alternative_count = list ? (int)list->count : 0;
    r->alternatives = arena_alloc(a, (size_t)r->alternative_count * sizeof *r->alternatives);
    for (int i = 0; i < r->alternative_count; i++)
        r->alternatives[i] = (struct plan_alternative){
            .level = checked_text(list->items[i], "level"),
            .why = checked_text(list->items[i], "why"),
            .bits_per_weight = checked_number(list->items[i], "bits_per_weight", NAN),
            .total_bytes = checked_number(list->items[i], "total_bytes", NAN),
            .verdict = checked_text(list->items[i], "verdict"),
        };
}
