/* quantwiz estimate MODEL: what each quant level costs and gives on this machine. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/str.h"
#include "base/table.h"
#include "cmd/open.h"
#include "cmd/situation.h"
#include "plan/mixture.h"

/* ---------------------------------------------------------------------- JSON */

static json_t *reasons_json(const struct estimate_reason *list, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++) {
        char sign[2] = {list[i].sign, 0};
        json_t *o = json_object();
        json_object_set_new(o, "sign", json_text(sign));
        json_object_set_new(o, "text", json_text(list[i].text));
        json_object_set_new(o, "rule", json_text(list[i].rule));
        json_array_append_new(array, o);
    }
    return array;
}

static void put_bytes(json_t *o, const char *key, uint64_t bytes)
{
    json_object_set_new(o, key, json_integer((json_int_t)bytes));
}

static json_t *row_json(const struct estimate *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "level", json_text(r->level->name));
    json_object_set_new(o, "format", json_text(r->level->format));
    json_object_set_new(o, "bits_per_weight", json_value(r->bits_per_weight));
    put_bytes(o, "file_bytes", r->file_bytes);
    put_bytes(o, "weights_bytes", r->weights_bytes);
    put_bytes(o, "kv_bytes", r->kv_bytes);
    put_bytes(o, "compute_bytes", r->compute_bytes);
    put_bytes(o, "overhead_bytes", r->overhead_bytes);
    put_bytes(o, "total_bytes", r->total_bytes);
    put_bytes(o, "gpu_bytes", r->gpu_bytes);
    put_bytes(o, "cpu_bytes", r->cpu_bytes);
    put_bytes(o, "reclaimable_bytes", r->reclaimable_bytes);
    json_object_set_new(o, "gpu_layers", json_integer(r->gpu_layers));
    json_object_set_new(o, "layers", json_integer(r->layers));
    json_object_set_new(o, "tokens_per_s", json_value(r->tokens_per_s));
    json_object_set_new(o, "prefill_tokens_per_s", json_value(r->prefill_tokens_per_s));
    json_object_set_new(o, "expected_loss", json_value(r->expected_loss));
    json_object_set_new(o, "loss_from", json_text(r->loss_from));
    json_object_set_new(o, "kernel", json_text(r->kernel));
    json_object_set_new(o, "fallbacks", json_integer(r->fallbacks));
    json_object_set_new(o, "source", json_boolean(r->is_source));
    json_object_set_new(o, "verdict", json_text(verdict_name(r->verdict)));
    json_object_set_new(o, "forbidden", json_boolean(r->forbidden));
    json_object_set_new(o, "reasons", reasons_json(r->reasons, r->reason_count));
    json_object_set_new(o, "recommended", json_boolean(r->recommended));
    return o;
}

static json_t *lever_json(const struct lever *l)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(l->name));
    json_object_set_new(o, "wish", json_text(l->wish < 0 ? "level" : wish_specs[l->wish].name));
    json_object_set_new(o, "value", json_text(l->value));
    json_object_set_new(o, "gain_bytes", json_integer((json_int_t)l->gain_bytes));
    json_object_set_new(o, "loss", json_value(l->loss));
    json_object_set_new(o, "tokens_per_s", json_value(l->tokens_per_s));
    json_object_set_new(o, "level", json_text(l->level ? l->level->name : NULL));
    json_object_set_new(o, "level_loss", json_value(l->level_loss));
    json_object_set_new(o, "enough", json_boolean(l->enough));
    json_object_set_new(o, "together", json_boolean(l->together));
    json_object_set_new(o, "text", json_text(l->text));
    json_object_set_new(o, "rule", json_text(l->where));
    return o;
}

static json_t *levers_json(const struct levers *l)
{
    json_t *array = json_array();
    for (int i = 0; i < l->count; i++)
        json_array_append_new(array, lever_json(&l->items[i]));
    return array;
}

/* The types by the weights' names, and what each type was measured to cost. */
static json_t *mix_json(const struct mixture *x)
{
    const struct mix_costs *c = x->costs;
    json_t *o = json_object(), *tensors = json_object(), *costs = json_object();
    for (int i = 0; i < x->count; i++) {
        json_t *row = json_object();
        for (int k = 0; k < c->s.type_count && !x->preset; k++)
            json_object_set_new(row, c->types[k]->name, json_value(c->s.loss[i * c->s.type_count + k]));
        json_object_set_new(costs, x->pins[i].name, row);
        json_object_set_new(tensors, x->pins[i].name, json_text(x->pins[i].type->name));
    }
    json_object_set_new(o, "preset", json_text(x->preset ? x->preset->name : NULL));
    put_bytes(o, "file_bytes", x->file_bytes);
    put_bytes(o, "limit_bytes", x->limit_bytes);
    json_object_set_new(o, "predicted_kld", json_value(x->kld));
    json_object_set_new(o, "least_kld", json_value(x->bound));
    json_object_set_new(o, "measured_groups", json_integer(c->s.groups));
    json_object_set_new(o, "measuring_s", json_value(c->s.seconds));
    json_object_set_new(o, "tensors", tensors);
    json_object_set_new(o, "costs", costs);
    return o;
}

static void print_json(const struct estimates *s)
{
    json_t *o = json_object(), *levels = json_array();
    const struct estimate *winner = estimates_winner(s);
    for (int i = 0; i < s->count; i++)
        json_array_append_new(levels, row_json(&s->rows[i]));
    json_object_set_new(o, "context", json_integer(s->context));
    json_object_set_new(o, "kv_type", json_text(s->kv_type));
    json_object_set_new(o, "gpu_budget_bytes", json_value(s->gpu_budget_known ? (double)s->gpu_budget : NAN));
    json_object_set_new(o, "cpu_budget_bytes", json_value(s->cpu_budget_known ? (double)s->cpu_budget : NAN));
    json_object_set_new(o, "levels", levels);
    json_object_set_new(o, "levers_to_fit", levers_json(&s->levers));
    json_object_set_new(o, "wanted", json_text(s->levers.wanted ? s->levers.wanted->name : NULL));
    json_object_set_new(o, "when_not_to_quantize", reasons_json(s->doubts.items, s->doubts.count));
    json_object_set_new(o, "warnings", reasons_json(s->warnings.items, s->warnings.count));
    json_object_set_new(o, "recommended", json_text(winner ? winner->level->name : NULL));
    json_object_set_new(o, "headline", json_text(s->headline));
    json_object_set_new(o, "mix", estimates_mix(s) ? mix_json(estimates_mix(s)->mix) : json_null());
    json_print(stdout, o, 0);
}

/* ---------------------------------------------------------------- for people */

static void add_bytes(struct table *t, uint64_t bytes)
{
    char text[FORMAT_SIZE];
    table_add(t, "%s", format_bytes(text, (double)bytes));
}

static void add_number(struct table *t, const char *fmt, double value) __attribute__((format(printf, 2, 0)));
static void add_number(struct table *t, const char *fmt, double value)
{
    char text[32];
    snprintf(text, sizeof text, fmt, value);
    table_add(t, "%s", isnan(value) ? "?" : text);
}

static const char *verdict_of(const struct estimate *r)
{
    return r->forbidden && r->verdict != VERDICT_TOO_BIG ? "forbidden" : verdict_name(r->verdict);
}

static void add_row(struct table *t, const struct estimate *r)
{
    table_add(t, "%s %s", r->recommended ? "*" : " ", r->level->name);
    add_number(t, "%.2f", r->bits_per_weight);
    add_bytes(t, r->file_bytes);
    add_bytes(t, r->weights_bytes);
    add_bytes(t, r->kv_bytes);
    add_bytes(t, r->compute_bytes + r->overhead_bytes);
    add_bytes(t, r->total_bytes);
    table_add(t, "%d/%d", r->gpu_layers, r->layers);
    add_number(t, r->tokens_per_s < 10 ? "%.1f" : "%.0f", r->tokens_per_s);
    add_number(t, "%.1f %%", fabs(r->expected_loss) < 0.0005 ? 0 : 100 * r->expected_loss);
    table_add(t, "%s%s", verdict_of(r), r->is_source ? ", as it is" : "");
}

static void print_table(const struct estimates *s)
{
    static const char *const heads[] = {"  level", "bpw",        "file",     "weights", "KV",     "buffers",
                                        "total",   "GPU layers", "tokens/s", "loss",    "verdict"};
    struct table t;
    table_init(&t, "lrrrrrrrrrl");
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++)
        table_add(&t, "%s", heads[i]);
    for (int i = 0; i < s->count; i++)
        add_row(&t, &s->rows[i]);
    table_print(&t, stdout, 1);
    table_done(&t);
}

static void print_reason(const char *name, const struct estimate_reason *r)
{
    printf("  %c %s%s%s", r->sign == 'i' ? ' ' : r->sign, name, *name ? ": " : "", r->text);
    printf(r->rule ? "  [%s]\n" : "\n", r->rule);
}

/* What decided against a row: a prohibition, else the last thing said. */
static const struct estimate_reason *against(const struct estimate *r)
{
    for (int i = 0; i < r->reason_count; i++)
        if (r->reasons[i].sign == 'x' || (r->verdict == VERDICT_TOO_BIG && r->reasons[i].sign == '-'))
            return &r->reasons[i];
    return &r->reasons[r->reason_count - 1];
}

static void print_levers(const struct levers *l)
{
    static const char *const heads[] = {
        [LEVERS_FIT_ANY] = "What would help, the cheapest first (bytes are those of %s):",
        [LEVERS_FIT_BETTER] = "%s and others are favoured more, but too big. One change that helps, the cheapest first:",
        [LEVERS_SPEED] = "%s is too slow. What would help, the cheapest first:",
    };
    if (!l->count)
        return;
    printf("\n");
    printf(heads[l->goal], l->wanted->name);
    printf("\n");
    for (int i = 0; i < l->count; i++)
        printf("  %d %s%s  [%s]\n", i + 1, l->items[i].together ? "(with the others) " : "", l->items[i].text,
               l->items[i].where);
}

static void print_why(const struct estimates *s)
{
    const struct estimate *best = estimates_winner(s);
    printf("\n%s\n", s->headline);
    for (int i = 0; i < s->doubts.count; i++)
        print_reason("", &s->doubts.items[i]);
    for (int i = 0; best && i < best->reason_count; i++)
        print_reason("", &best->reasons[i]);
    print_levers(&s->levers);
    puts(best ? "\nThe others:" : "\nWhy:");
    for (int i = 0; i < s->count; i++)
        if (!s->rows[i].recommended)
            print_reason(s->rows[i].level->name, against(&s->rows[i]));
    for (int i = 0; i < s->warnings.count; i++)
        printf("%sMind: %s  [%s]\n", i ? "" : "\n", s->warnings.items[i].text, s->warnings.items[i].rule);
}

static void print_head(const struct situation *s)
{
    const struct model *m = s->model;
    char count[FORMAT_SIZE], size[FORMAT_SIZE], show[64];
    printf("%s: %s, %s parameters, %s, %s\n", m->name, m->arch_name,
           format_count(count, (double)m->parameters), m->file_type,
           format_bytes(size, (double)m->file_bytes));
    for (int i = 0; i < WISH_COUNT; i++)
        if (s->wishes.value[i].set || i == WISH_CTX || i == WISH_FIT || i == WISH_KV_TYPE)
            printf("%s%s %s", i ? ", " : "", wish_specs[i].name, wishes_show(&s->wishes, i, show));
    puts("\n");
}

static void print_explanation(struct situation *s)
{
    int count, row = 0;
    while (!s->estimates->rows[row].asked)
        row++;
    const char **lines =
        estimate_explain(s->estimates, row, s->machine, s->model, &s->wishes, s->rules, &count);
    for (int i = 0; i < count; i++)
        puts(lines[i]);
}

static int show(struct situation *s, const struct args *a, struct error *e)
{
    if (args_has(a, "explain")) {
        print_explanation(s);
        return 0;
    }
    if (args_json(a)) {
        print_json(s->estimates);
    } else {
        print_head(s);
        print_table(s->estimates);
        print_why(s->estimates);
    }
    return s->estimates->recommended < 0 ? error_set(e, ERROR_NOFIT, "%s", s->estimates->headline) : 0;
}

static int run(const struct args *a, struct error *e)
{
    struct situation s;
    int rc = situation_init(&s, a, false, args_get(a, "explain"), e);
    if (!rc)
        rc = show(&s, a, e);
    situation_done(&s);
    return rc;
}

static const struct option_spec options[] = {
    {"explain", 0, "LEVEL", "the arithmetic of one level, line by line"},
    PRE_OPTION,
    {0},
};

const struct command cmd_estimate = {
    .name = "estimate",
    .usage = "MODEL [wishes]",
    .summary = "what each quant level costs and gives here, and which to take",
    .options = options,
    .wishes = true,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
