/* tests/decisions/cases.yaml: what is decided in which situation, and by which rule. Every named rule must decide
 * something in one of the cases. */
#include "situations.h"

#include "base/file.h"
#include "base/schema.h"
#include "plan/lever.h"
#include "plan/recommend.h"

/* --------------------------------------------------------------- what a case is */

static const struct schema_field model_fields[] = {
    {"embd", SCHEMA_INTEGER, true, .help = ""},    {"ffn", SCHEMA_INTEGER, true, .help = ""},
    {"layers", SCHEMA_INTEGER, true, .help = ""},  {"heads", SCHEMA_INTEGER, true, .help = ""},
    {"kv_heads", SCHEMA_INTEGER, true, .help = ""}, {"vocab", SCHEMA_INTEGER, true, .help = ""},
    {"context", SCHEMA_INTEGER, true, .help = ""}, {"tied", SCHEMA_BOOL, false, .help = ""},
    {"experts", SCHEMA_INTEGER, false, .help = ""}, {"experts_used", SCHEMA_INTEGER, false, .help = ""},
    {0},
};
static const struct schema_field machine_fields[] = {
    {"ram", SCHEMA_NUMBER, true, .help = ""},   {"gpus", SCHEMA_INTEGER, false, .help = ""},
    {"vram", SCHEMA_NUMBER, false, .help = ""}, {"capability", SCHEMA_NUMBER, false, .help = ""},
    {"maker", SCHEMA_TEXT, false, .help = ""},  {0},
};
static const struct schema_field case_fields[] = {
    {"case", SCHEMA_TEXT, true, .help = "what it shows"},
    {"model", SCHEMA_TEXT, true, .help = "one of the models; with ` folder` or ` Q4_0` behind it what it is stored as"},
    {"on", SCHEMA_TEXT, true, .help = "one of the machines"},
    {"wishes", SCHEMA_TREE, false, .help = "wishes and their values"},
    {"ask", SCHEMA_TEXT, false, .help = "a level that is asked for by name"},
    {"choose", SCHEMA_TEXT, false, .help = "the level that the warnings are about, instead of the recommended one"},
    {"evaluated", SCHEMA_BOOL, false, .help = "false: the result will not be measured"},
    {"takes", SCHEMA_TEXTS, false, .help = "the recommended level, or one of these"},
    {"by", SCHEMA_TEXTS, false, .help = "rules that favour it"},
    {"nothing", SCHEMA_BOOL, false, .help = "true: no level is recommended"},
    {"headline", SCHEMA_TEXT, false, .help = "a part of it"},
    {"refused", SCHEMA_TEXT, false, .help = "a part of the error: no estimates are made"},
    {"for", SCHEMA_TREE, false, .help = "by level, the rule that favours it"},
    {"against", SCHEMA_TREE, false, .help = "by level, the rule against it"},
    {"forbids", SCHEMA_TREE, false, .help = "by level, the rule that rules it out"},
    {"tells", SCHEMA_TREE, false, .help = "by level, the rule that only says something"},
    {"unknown", SCHEMA_TREE, false, .help = "by level, the rule that does not know whether it runs"},
    {"kernel", SCHEMA_TREE, false, .help = "by level, what will multiply its weights"},
    {"absent", SCHEMA_TEXTS, false, .help = "levels that are no candidates"},
    {"verdict", SCHEMA_TREE, false, .help = "by level: fits, split, too big, unknown"},
    {"warns", SCHEMA_TEXTS, false, .help = "warnings"},
    {"doubts", SCHEMA_TEXTS, false, .help = "doubts whether to quantize"},
    {"quiet", SCHEMA_TEXTS, false, .help = "warnings and doubts that are not said"},
    {"levers", SCHEMA_TEXTS, false, .help = "levers that are listed"},
    {"helps", SCHEMA_TEXT, false, .help = "the first lever that is enough alone; none: none is"},
    {"prompt", SCHEMA_INTEGER, false, .help = "tokens of a typical prompt with its answer"},
    {0},
};
static const struct schema_field file_fields[] = {
    {"models", SCHEMA_NAMED, true, model_fields, .help = ""},
    {"machines", SCHEMA_NAMED, true, machine_fields, .help = ""},
    {"cases", SCHEMA_MAPS, true, case_fields, .help = ""},
    {0},
};

static struct yaml *file;
static struct arena arena;

/* ------------------------------------------------------------------------ rules */

/* A row of a rule file that has a name. */
struct rule { const char *name, *where, *title; bool decided; };
static struct rule *named;
static int named_count, named_capacity;

static void list_rules(const struct yaml *tree, const char *key)
{
    const struct yaml *rows = yaml_get(tree, key);
    for (size_t i = 0; i < rows->count; i++)
        array_push(named, named_count, named_capacity) =
            (struct rule){checked_text(rows->items[i], "name"), rules_where(rows->items[i], &arena),
                          checked_text(rows->items[i], "title"), false};
}

static int load(void **state)
{
    struct error e = {0};
    char *path = unit_source("tests/decisions/cases.yaml");
    int rc = situations_load(state);
    rc = rc ? rc : yaml_load(&file, path, &arena, &e);
    rc = rc ? rc : schema_check(file, file_fields, &e);
    free(path);
    if (rc) {
        fprintf(stderr, "%s\n", e.text);
        return -1;
    }
    list_rules(rules->decisions_tree, "decisions");
    list_rules(rules->usecases_tree, "usecases");
    list_rules(rules->warnings_tree, "warnings");
    list_rules(rules->necessity_tree, "doubts");
    list_rules(rules->levers_tree, "levers");
    list_rules(rules->kernels_tree, "kernels");
    list_rules(rules->runtimes_tree, "runtimes");
    return 0;
}

static int unload(void **state)
{
    free(named);
    arena_done(&arena);
    return situations_unload(state);
}

/* The rule of this name that stands there; NULL: another one does. */
static struct rule *rule_at(const char *name, const char *where)
{
    for (int i = 0; i < named_count && where; i++)
        if (strcmp(named[i].name, name) == 0 && strcmp(named[i].where, where) == 0)
            return &named[i];
    return NULL;
}

static bool is_rule(const char *name)
{
    for (int i = 0; i < named_count; i++)
        if (strcmp(named[i].name, name) == 0)
            return true;
    return false;
}

/* ----------------------------------------------------------------- the situation */

struct trial {
    const struct yaml *row;
    struct outcome o;
    struct error error;            /* why there are no estimates */
    int failures;
};

static void complain(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct trial *t, const char *fmt, ...)
{
    va_list ap;
    if (!t->failures++)
        fprintf(stderr, "%s:%d: %s\n", path_name(t->row->file), t->row->line, checked_text(t->row, "case"));
    fputs("    ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* "llama-2-7b", "llama-2-7b folder", "llama-2-7b Q4_0" */
static struct model *model_of(struct trial *t)
{
    char name[64], stored[16] = "F16";
    if (sscanf(checked_text(t->row, "model"), "%63s %15s", name, stored) < 1)
        return NULL;
    const struct yaml *y = yaml_get(yaml_get(file, "models"), name);
    bool folder = strcmp(stored, "folder") == 0;
    const struct quant_type *type = folder ? quant_type(QUANT_BF16) : quant_type_named(stored);
    if (!y || !type)
        return NULL;
    return shape_model(&(struct shape){
        "llama", checked_integer(y, "embd", 0), checked_integer(y, "ffn", 0), checked_integer(y, "layers", 0),
        checked_integer(y, "heads", 0), checked_integer(y, "kv_heads", 0), checked_integer(y, "vocab", 0),
        checked_integer(y, "context", 0), checked_bool(y, "tied", false), checked_integer(y, "experts", 0),
        checked_integer(y, "experts_used", 0), type->id, folder});
}

static bool set_machine(struct trial *t)
{
    const struct yaml *y = yaml_get(yaml_get(file, "machines"), checked_text(t->row, "on"));
    struct test_machine *m = &t->o.machine;
    if (!y)
        return false;
    int gpus = checked_integer(y, "gpus", yaml_get(y, "vram") ? 1 : 0);
    double vram = checked_number(y, "vram", 0), capability = checked_number(y, "capability", 0);
    const char *maker = checked_text(y, "maker");
    test_machine(m, checked_number(y, "ram", 0), gpus, vram);
    for (int i = 0; i < gpus; i++) {
        m->gpus[i].vendor = maker ? maker : "NVIDIA";
        m->gpus[i].compute_capability = capability > 0 ? found(capability) : (struct fact){0};
        if (!(vram > 0))
            m->gpus[i].vram_total_bytes = m->gpus[i].vram_free_bytes = (struct fact){0};
    }
    return true;
}

static bool set_wishes(struct trial *t)
{
    const struct yaml *wishes = yaml_get(t->row, "wishes");
    bool all = true;
    for (size_t i = 0; wishes && i < wishes->count; i++) {
        int id = wish_find(wishes->keys[i]->text);
        bool set = id >= 0 && !wishes_set(&t->o.wishes, id, wishes->items[i]->text, &t->error);
        if (!set)
            complain(t, "the wish %s: %s", wishes->keys[i]->text, id < 0 ? "there is none" : t->error.text);
        all &= set;
    }
    wishes_defaults(&t->o.wishes, &t->o.machine.machine, t->o.model);
    return all;
}

static bool set_situation(struct trial *t)
{
    t->o.model = model_of(t);
    if (!t->o.model || !set_machine(t)) {
        complain(t, "no such model or machine");
        return false;
    }
    return set_wishes(t);
}

/* ------------------------------------------------------------------- what is said */

/* Marks the rule that a reason names, if it is this one. */
static bool names_rule(const struct estimate_reason *r, const char *name)
{
    struct rule *rule = rule_at(name, r->rule);
    if (rule)
        rule->decided = true;
    return rule != NULL;
}

static bool row_says(const struct estimate *row, char sign, const char *name)
{
    bool said = false;
    for (int i = 0; i < row->reason_count; i++)
        said |= row->reasons[i].sign == sign && names_rule(&row->reasons[i], name);
    return said;
}

static bool list_says(const struct sayings *list, const char *name)
{
    bool said = false;
    for (int i = 0; i < list->count; i++)
        said |= names_rule(&list->items[i], name);
    return said;
}

static void print_reasons(const struct estimate *row)
{
    for (int i = 0; i < row->reason_count; i++)
        fprintf(stderr, "      %c %s [%s]\n", row->reasons[i].sign, row->reasons[i].text,
                row->reasons[i].rule ? row->reasons[i].rule : "");
}

static const char *const *texts(const struct trial *t, const char *key)
{
    static const char *const none[] = {NULL};
    const char *const *list = checked_texts(t->row, key, &arena);
    return list ? list : none;
}

/* --------------------------------------------------------------- what is expected */

static void check_winner(struct trial *t)
{
    const char *const *takes = texts(t, "takes"), *won = winner(t->o.s);
    if (*takes && !str_among(takes, won))
        complain(t, "%s is recommended (%s), not %s", won, t->o.s->headline, *takes);
    if (checked_bool(t->row, "nothing", false) && t->o.s->recommended >= 0)
        complain(t, "%s is recommended, though nothing should be", won);
    for (const char *const *by = texts(t, "by"); *by && t->o.s->recommended >= 0; by++) {
        const struct estimate *row = &t->o.s->rows[t->o.s->recommended];
        if (row_says(row, '+', *by))
            continue;
        complain(t, "%s is not favoured by %s", won, *by);
        print_reasons(row);
    }
    const char *headline = checked_text(t->row, "headline");
    if (headline && !strstr(t->o.s->headline, headline))
        complain(t, "the headline is '%s'", t->o.s->headline);
}

/* A key whose map goes from levels to rules. */
static const struct row_check {
    const char *key;
    char sign;
    bool forbidden, unproven;
} row_checks[] = {
    {"for", '+', false, false},  {"against", '-', false, false}, {"forbids", 'x', true, false},
    {"tells", 'i', false, false}, {"unknown", '-', false, true},
};

static void check_row(struct trial *t, const struct row_check *c, const char *level, const char *name)
{
    const struct estimate *row = find_row(t->o.s, level);
    if (!is_rule(name))
        complain(t, "there is no rule %s", name);
    else if (!row)
        complain(t, "%s has no row", level);
    else if (!row_says(row, c->sign, name) || (c->forbidden && !row->forbidden) || c->unproven > row->unproven) {
        complain(t, "%s: %s does not say '%c'", level, name, c->sign);
        print_reasons(row);
    }
}

static void check_rows(struct trial *t)
{
    for (size_t i = 0; i < ARRAY_LENGTH(row_checks); i++) {
        const struct yaml *map = yaml_get(t->row, row_checks[i].key);
        for (size_t k = 0; map && k < map->count; k++)
            check_row(t, &row_checks[i], map->keys[k]->text, map->items[k]->text);
    }
}

/* The kernel's title stands in the row, or with that of the experts in a remark. */
static void check_kernel(struct trial *t, const char *level, const char *name)
{
    const struct estimate *row = find_row(t->o.s, level);
    struct rule *rule = NULL;
    for (int i = 0; i < named_count; i++)
        if (strcmp(named[i].name, name) == 0 && named[i].title && strstr(named[i].where, "kernels.yaml"))
            rule = &named[i];
    char with[96];
    snprintf(with, sizeof with, "with %s multiplies it", rule ? rule->title : "");
    if (rule && row && ((row->kernel && strcmp(row->kernel, rule->title) == 0) || says(row, 'i', with)))
        rule->decided = true;
    else
        complain(t, "%s is multiplied by %s, not by %s", level, row && row->kernel ? row->kernel : "nothing known",
                 name);
}

static void check_kernels(struct trial *t)
{
    const struct yaml *map = yaml_get(t->row, "kernel");
    for (size_t i = 0; map && i < map->count; i++)
        check_kernel(t, map->keys[i]->text, map->items[i]->text);
}

static void check_verdicts(struct trial *t)
{
    const struct yaml *map = yaml_get(t->row, "verdict");
    for (size_t i = 0; map && i < map->count; i++) {
        const struct estimate *row = find_row(t->o.s, map->keys[i]->text);
        const char *verdict = row ? verdict_name(row->verdict) : "no row";
        if (strcmp(verdict, map->items[i]->text) != 0)
            complain(t, "%s: %s", map->keys[i]->text, verdict);
    }
    for (const char *const *level = texts(t, "absent"); *level; level++)
        if (find_row(t->o.s, *level))
            complain(t, "%s has a row", *level);
}

/* Warnings are about the recommended row, which is measured, unless the case says otherwise. */
static void choose(struct trial *t)
{
    const char *level = checked_text(t->row, "choose");
    const struct estimate *row = level ? find_row(t->o.s, level) : NULL;
    struct chosen c = {row ? (int)(row - t->o.s->rows) : t->o.s->recommended, checked_bool(t->row, "evaluated", true),
                       false};
    if (level && !row)
        complain(t, "%s has no row", level);
    recommend_warnings(t->o.s, &c, &t->o.machine.machine, t->o.model, &t->o.wishes, rules);
}

static void check_sayings(struct trial *t)
{
    choose(t);
    for (const char *const *name = texts(t, "warns"); *name; name++)
        if (!list_says(&t->o.s->warnings, *name))
            complain(t, "%s is not warned of", *name);
    for (const char *const *name = texts(t, "doubts"); *name; name++)
        if (!list_says(&t->o.s->doubts, *name))
            complain(t, "%s is not doubted", *name);
    for (const char *const *name = texts(t, "quiet"); *name; name++)
        if (!is_rule(*name) || list_says(&t->o.s->warnings, *name) || list_says(&t->o.s->doubts, *name))
            complain(t, "%s is no rule, or said", *name);
}

static const struct lever *find_lever(const struct levers *l, const char *name)
{
    for (int i = 0; i < l->count; i++) {
        struct rule *rule = strcmp(l->items[i].name, name) == 0 ? rule_at(name, l->items[i].where) : NULL;
        if (rule) {
            rule->decided = true;
            return &l->items[i];
        }
    }
    return NULL;
}

/* Of the estimates, or of the row that the case chose. */
static void check_levers(struct trial *t)
{
    const char *chosen = checked_text(t->row, "choose"), *helps = checked_text(t->row, "helps"), *first;
    const struct estimate *row = chosen ? find_row(t->o.s, chosen) : NULL;
    struct levers l = t->o.s->levers;
    if (row)
        levers_find(&l, &arena, t->o.s, (int)(row - t->o.s->rows), &t->o.machine.machine, t->o.model, &t->o.wishes,
                    rules);
    for (const char *const *name = texts(t, "levers"); *name; name++)
        if (!find_lever(&l, *name))
            complain(t, "the lever %s is not listed", *name);
    first = levers_first(&l) ? levers_first(&l)->name : "none";
    if (helps && strcmp(first, helps) != 0)
        complain(t, "the first lever that helps is %s", first);
}

static void check_prompt(struct trial *t)
{
    int tokens = checked_integer(t->row, "prompt", 0);
    if (!tokens)
        return;
    if (tokens != t->o.s->prompt_tokens)
        complain(t, "a typical prompt has %d tokens", t->o.s->prompt_tokens);
    for (int i = 0; i < named_count; i++)
        if (strcmp(named[i].name, wishes_choice(&t->o.wishes, WISH_USE_CASE)) == 0)
            named[i].decided = true;
}

static void check(struct trial *t)
{
    static void (*const checks[])(struct trial *t) = {check_winner, check_rows, check_kernels, check_verdicts,
                                                      check_sayings, check_levers, check_prompt};
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++)
        checks[i](t);
}

static void check_refusal(struct trial *t, int rc)
{
    const char *refused = checked_text(t->row, "refused");
    if (rc && !refused)
        complain(t, "refused: %s", t->error.text);
    else if (refused && (!rc || !strstr(t->error.text, refused)))
        complain(t, "not refused as expected: %s", rc ? t->error.text : "there are estimates");
}

static int try_case(const struct yaml *row)
{
    struct trial t = {.row = row};
    if (set_situation(&t)) {
        int rc = estimates_make_with(&t.o.s, &t.o.machine.machine, t.o.model, &t.o.wishes, rules,
                                     checked_text(row, "ask"), &t.error);
        check_refusal(&t, rc);
        if (!rc)
            check(&t);
    }
    estimates_free(t.o.s);
    wishes_done(&t.o.wishes);
    if (t.o.model)
        shape_free(t.o.model);
    return t.failures;
}

static void every_case_is_decided_as_written(void **state)
{
    const struct yaml *cases = yaml_get(file, "cases");
    int failed = 0;
    (void)state;
    for (size_t i = 0; i < cases->count; i++)
        failed += try_case(cases->items[i]) > 0;
    if (failed)
        fail_msg("%d of %zu cases are decided otherwise", failed, cases->count);
    if (cases->count < 120)
        fail_msg("only %zu cases", cases->count);
}

static void every_rule_decides_something(void **state)
{
    int idle = 0;
    (void)state;
    for (int i = 0; i < named_count; i++)
        if (!named[i].decided && ++idle)
            fprintf(stderr, "%s: no case is decided by %s\n", named[i].where, named[i].name);
    assert_int_equal(idle, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_decided_as_written),
        cmocka_unit_test(every_rule_decides_something),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
