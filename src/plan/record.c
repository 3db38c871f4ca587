#include "plan/record.h"

#include <math.h>
#include <string.h>
#include <strings.h>

const struct plan_estimate plan_estimate_unknown = {
    .bits_per_weight = NAN, .weights_bytes = NAN, .kv_bytes = NAN, .compute_bytes = NAN, .overhead_bytes = NAN,
    .total_bytes = NAN, .gpu_bytes = NAN, .cpu_bytes = NAN, .tokens_per_s = NAN, .prefill_tokens_per_s = NAN, .expected_loss = NAN,
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

static struct plan_estimate estimate_of(const struct estimate *row)
{
    return (struct plan_estimate){
        .verdict = verdict_name(row->verdict),
        .bits_per_weight = row->bits_per_weight,
        .weights_bytes = (double)row->weights_bytes,
        .kv_bytes = (double)row->kv_bytes,
        .compute_bytes = (double)row->compute_bytes,
        .overhead_bytes = (double)row->overhead_bytes,
        .total_bytes = (double)row->total_bytes,
        .gpu_bytes = (double)row->gpu_bytes,
        .cpu_bytes = (double)row->cpu_bytes,
        .tokens_per_s = row->tokens_per_s,
        .prefill_tokens_per_s = row->prefill_tokens_per_s,
        .expected_loss = row->expected_loss,
        .layers = row->layers,
        .gpu_layers = row->gpu_layers,
    };
}

void record_make(struct plan_record *r, const struct estimates *s, int row, struct arena *a)
{
    const struct estimate *chosen = &s->rows[row];
    r->estimate = estimate_of(chosen);
    r->alternatives = arena_alloc(a, (size_t)s->count * sizeof *r->alternatives);
    r->alternative_count = 0;
    for (int i = 0; i < s->count; i++)
        if (i != row)
            r->alternatives[r->alternative_count++] = (struct plan_alternative){
                .level = arena_strdup(a, s->rows[i].level->name),
                .why = why_not(&s->rows[i], chosen, a),
                .kernel = s->rows[i].kernel ? arena_strdup(a, s->rows[i].kernel) : NULL,
                .estimate = estimate_of(&s->rows[i]),
            };
}

/* ------------------------------------------------------------- another level */

const struct plan_alternative *record_find(const struct plan_record *r, const char *level)
{
    for (int i = 0; i < r->alternative_count; i++)
        if (strcasecmp(r->alternatives[i].level, level) == 0)
            return &r->alternatives[i];
    return NULL;
}

static void add(struct plan_record *r, struct plan_alternative x)
{
    r->alternatives[r->alternative_count++] = x;
}

void record_step(struct plan_record *r, struct plan_alternative from, const char *to, struct arena *a)
{
    const struct plan_record before = *r;
    const struct plan_alternative *chosen = record_find(&before, to);
    bool told = !before.estimate.verdict; /* a plan that was made without estimates has none to tell */
    from.estimate = before.estimate;
    r->estimate = chosen ? chosen->estimate : plan_estimate_unknown;
    r->alternatives = arena_alloc(a, (size_t)(before.alternative_count + 1) * sizeof *r->alternatives);
    r->alternative_count = 0;
    for (int i = 0; i < before.alternative_count; i++) {
        const struct plan_alternative *x = &before.alternatives[i];
        if (!told && x->estimate.bits_per_weight < from.estimate.bits_per_weight) {
            add(r, from);
            told = true;
        }
        if (x != chosen)
            add(r, *x);
    }
    if (!told)
        add(r, from);
}

static bool is_too_big(const struct plan_estimate *e)
{
    return e->verdict && strcmp(e->verdict, verdict_name(VERDICT_TOO_BIG)) == 0;
}

const struct plan_alternative *record_too_big(const struct plan_record *r, const char *level)
{
    const struct plan_alternative *to = record_find(r, level);
    bool minded = r->estimate.verdict && !is_too_big(&r->estimate);
    return minded && to && is_too_big(&to->estimate) ? to : NULL;
}

/* ----------------------------------------------------------- plan.yaml's keys */

#define NUMBERS(X)                                                                   \
    X(bits_per_weight, "of all weights on average")                                  \
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
#define FIELD(name, text) {#name, SCHEMA_NUMBER, false, .help = text},
const struct schema_field record_estimate_fields[] = {
    {"verdict", SCHEMA_TEXT, true, .help = "whether it fits"},
    NUMBERS(FIELD){0},
};
const struct schema_field record_alternative_fields[] = {
    {"level", SCHEMA_TEXT, true, .help = "a level that was not chosen"},
    {"why", SCHEMA_TEXT, true, .help = "what speaks against it, with the rules that say so"},
    {"kernel", SCHEMA_TEXT, false, .help = "as under quantization"},
    {"verdict", SCHEMA_TEXT, false, .help = "whether it fits; what is too big is no next step of the gate's"},
    NUMBERS(FIELD){0},
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

static void put_figures(const struct plan_estimate *e, struct yaml_writer *w)
{
    if (e->verdict)
        yaml_put_text(w, "verdict", e->verdict);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        put_number(w, numbers[i].key, *number_at(e, i));
}

static void put_alternative(const struct plan_alternative *x, struct yaml_writer *w)
{
    yaml_item(w);
    yaml_put_text(w, "level", x->level);
    yaml_put_text(w, "why", x->why);
    if (x->kernel)
        yaml_put_text(w, "kernel", x->kernel);
    put_figures(&x->estimate, w);
    yaml_item_end(w);
}

void record_put(const struct plan_record *r, struct yaml_writer *w)
{
    if (r->estimate.verdict) {
        yaml_begin(w, "estimate");
        put_figures(&r->estimate, w);
        yaml_end(w);
    }
    if (r->alternative_count)
        yaml_begin(w, "alternatives");
    for (int i = 0; i < r->alternative_count; i++)
        put_alternative(&r->alternatives[i], w);
    if (r->alternative_count)
        yaml_end(w);
}

/* Of a map; NULL: nothing is known. */
static struct plan_estimate read_figures(const struct yaml *y)
{
    struct plan_estimate e = plan_estimate_unknown;
    if (!y)
        return e;
    e.verdict = checked_text(y, "verdict");
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        *number_at(&e, i) = checked_number(y, numbers[i].key, NAN);
    return e;
}

void record_read(struct plan_record *r, const struct yaml *plan, struct arena *a)
{
    const struct yaml *list = yaml_get(plan, "alternatives");
    r->estimate = read_figures(yaml_get(plan, "estimate"));
    r->alternative_count = list ? (int)list->count : 0;
    r->alternatives = arena_alloc(a, (size_t)r->alternative_count * sizeof *r->alternatives);
    for (int i = 0; i < r->alternative_count; i++)
        r->alternatives[i] = (struct plan_alternative){
            .level = checked_text(list->items[i], "level"),
            .why = checked_text(list->items[i], "why"),
            .kernel = checked_text(list->items[i], "kernel"),
            .estimate = read_figures(list->items[i]),
        };
}
