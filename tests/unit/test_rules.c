#include "unit.h"

#include <unistd.h>

#include "base/file.h"
#include "base/rulefile.h"
#include "plan/rules.h"

static char *folder;

static int make_folder(void **state)
{
    char name[] = "tests_rules_XXXXXX";
    (void)state;
    folder = mkdtemp(name) ? xstrdup(name) : NULL;
    return folder ? setenv("QUANTWIZ_RULES", folder, 1) : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    rmdir(folder);
    free(folder);
    return unsetenv("QUANTWIZ_RULES");
}

/* What loading says when the person's own NAME.yaml holds `text`. */
static struct error load_with(const char *name, const char *text)
{
    struct error e = {0}, write = {0};
    struct rules *r = NULL;
    char *path = xasprintf("%s/%s.yaml", folder, name);
    assert_ok(file_write(path, text, strlen(text), &write), &write);
    if (!rules_load(&r, &e))
        rules_free(r);
    unlink(path);
    free(path);
    return e;
}

static void ours_load(void **state)
{
    static const char *const offered[] = {"F16",    "BF16",   "Q8_0",   "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0",
                                          "Q5_1",   "Q4_K_M", "Q4_K_S", "Q4_0", "Q4_1",   "IQ4_NL", "IQ4_XS",
                                          "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "Q2_K_S", "IQ3_M", "IQ3_S",
                                          "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M",
                                          "IQ1_S"};
    struct error e = {0};
    struct rules *r;
    (void)state;
    assert_ok(rules_load(&r, &e), &e);
    for (size_t i = 0; i < ARRAY_LENGTH(offered); i++) {
        const struct level *l = rules_level(r, offered[i]);
        assert_non_null(l);
        assert_true(l->offered);
        assert_non_null(l->type->encode);
    }
    assert_false(rules_level(r, "f32")->offered);
    assert_int_equal(rules_level(r, "q4_k_m")->file_type, 15);
    rules_free(r);
}

#define ONE_LEVEL "levels:\n  - {name: A, format: gguf, type: Q4_K, file_type: 15, bits: 4.5, summary: x}\n"

#define RUNTIME \
    "schema: 1\nruntimes:\n  - {name: r, title: R, date: 2026-01-01, source: x, "
#define LEVER "schema: 1\nlevers:\n  - {name: l, title: L, why: y, source: x, "
#define DECISION "schema: 1\ndecisions:\n  - {name: d, why: y, source: x, "

#define KERNEL \
    "schema: 1\nkernels:\n  - {name: k, title: K, runtimes: vllm, formats: gptq, date: 2026-01-01, source: x, "

static void errors_name_file_line_and_what_was_expected(void **state)
{
    static const struct { const char *name, *text, *says; } rows[] = {
        {"levels", "schema: 2\n", "levels.yaml:1: expected schema 1, found '2'"},
        {"levels", "schema: 1\nlevel: []\n", "levels.yaml:2: expected one of the keys schema, levels"},
        {"levels",
         "schema: 1\nlarger_at_most: 1\npublished: []\nlevels:\n  - {name: A, format: gguf, type: Q4_X, "
         "file_type: 15, bits: 4, summary: x}\n",
         "levels.yaml:5: expected a tensor type such as Q4_K for 'type', found 'Q4_X'"},
        {"levels", "schema: 1\nlarger_at_most: 1\npublished: []\nlevels:\n  - {name: A}\n",
         "levels.yaml:5: expected the key 'format'"},
        {"levels", "schema: 1\nlarger_at_most: 1\npublished: []\n" ONE_LEVEL ONE_LEVEL,
         "stands here a second time"},
        {"levels", "schema: 1\nlarger_at_most: 1\npublished: []\n" ONE_LEVEL,
         "expected a level from levels.yaml"},
        {"recipes",
         "schema: 1\nsource: x\nlast_resort: F16\nkeep: []\nimatrix_needed: []\nfallbacks: []\nlayer_sets: {a: {first: 1/0}}\n"
         "roles: []\nrules: []\n",
         "recipes.yaml:7: expected a count of layers such as 2, or a share such as 1/8 for 'first', found "
         "'1/0'"},
        {"recipes",
         "schema: 1\nsource: x\nlast_resort: F16\nkeep: []\nimatrix_needed: []\nfallbacks: []\nlayer_sets: {}\nroles: "
         "[]\nrules:\n"
         "  - {roles: attn_q, type: Q6_K, why: y}\n",
         "recipes.yaml:10: expected a role from the list 'roles', found 'attn_q'"},
        {"levels",
         "schema: 1\nlarger_at_most: 1\npublished: []\nlevels:\n  - {name: A, format: awq, scheme: awq-int5, "
         "bits: 4, summary: x}\n",
         "levels.yaml:5: expected a format of checkpoint folders such as gptq-int4-g128 for 'scheme', found "
         "'awq-int5'"},
        {"levels",
         "schema: 1\nlarger_at_most: 1\npublished: []\nlevels:\n  - {name: A, format: awq, scheme: nf4, type: Q4_0, "
         "file_type: 2, bits: 4, summary: x}\n",
         "levels.yaml:5: expected a type or a scheme, not both"},
        {"kernels", KERNEL "tiles: 64by64}\n", "expected multiples of outputs and inputs such as 64x128 for 'tiles'"},
        {"kernels", KERNEL "groups: [64, none]}\n", "expected columns of a group, or row for 'groups', found 'none'"},
        {"kernels", KERNEL "bits: [4, 5]}\n", "expected 2, 3, 4 or 8 for 'bits', found '5'"},
        {"kernels", KERNEL "rows: 0}\n", "expected multiples of at least 1 for 'rows' and 'columns'"},
        {"kernels", KERNEL "act_order: maybe}\n", "expected alone or never for 'act_order', found 'maybe'"},
        {"runtimes", RUNTIME "formats: []}\n", "runtimes.yaml:3: expected the key 'version'"},
        {"runtimes", RUNTIME "version: 1, formats: [{format: gguf, works_on: Apple}]}\n",
         "expected AMD or Intel for 'works_on', found 'Apple'"},
        {"levers", LEVER "wish: speed, to: half}\n", "expected the name of a wish, or level for 'wish', found 'speed'"},
        {"levers", LEVER "wish: kv-type, to: q3_0}\n", "levers.yaml:3: KV cache type: expected one of f16, q8_0, q4_0"},
        {"levers", LEVER "wish: kv-type, to: half}\n", "levers.yaml:3: KV cache type: expected one of f16, q8_0, q4_0"},
        {"levers", LEVER "wish: level, to: half}\n", "expected smaller for 'to', since 'wish' is level, found 'half'"},
        {"levers", LEVER "wish: ctx, to: half, when: {kv_typ: f16}}\n", "expected one of the keys parameters_min"},
        {"necessity", "schema: 1\ndoubts:\n  - {name: d, why: it takes {bytes}, source: x}\n", "necessity.yaml:3"},
        {"necessity", "schema: 1\ndoubts:\n  - {name: d, why: 'it takes {bytes}', source: x}\n",
         "expected a text whose {figures} are known"},
        {"decisions", DECISION "prefer: 1, avoid: 1}\n", "only one of the keys prefer, avoid, forbid, tell"},
        {"decisions", DECISION "prefer: 1, when: {capability_min: new}}\n", "decisions.yaml:3: expected a number"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error e = load_with(rows[i].name, rows[i].text);
        assert_int_equal(e.code, ERROR_USAGE);
        assert_says(&e, rows[i].says);
    }
}

/* Also those that are read when they are needed. */
static void files_of_another_version_are_refused(void **state)
{
    static const char *const names[] = {"usecases", "runtimes", "steps", "tips"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct error e = {0}, write = {0};
        struct arena a = {0};
        struct yaml *file;
        char *path = xasprintf("%s/%s.yaml", folder, names[i]), *says = xasprintf("%s.yaml:1: expected schema 1", names[i]);
        assert_ok(file_write(path, "schema: 2\n", 10, &write), &write);
        assert_int_equal(rulefile_load_checked(&file, names[i], rules_schema(names[i]), &a, &e), ERROR_USAGE);
        assert_says(&e, says);
        unlink(path);
        free(path);
        free(says);
        arena_done(&a);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_load),
        cmocka_unit_test_setup_teardown(errors_name_file_line_and_what_was_expected, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(files_of_another_version_are_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
