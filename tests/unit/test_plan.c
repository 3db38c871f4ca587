#include "unit.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "plan/plan.h"

static char folder[] = "/tmp/quantwiz-plan-XXXXXX";

static void write_plan(const char *path, const char *text)
{
    struct error e = {0};
    assert_ok(file_write(path, text, strlen(text), &e), &e);
}

static const char minimal[] =
    "schema: 1\n"
    "source: {path: models/m.gguf}\n"
    "quantization: {level: Q4_K_M}\n"
    "output: {artefact: m-Q4_K_M.gguf, run: m.quantwiz}\n";

/* Paths start at the plan's own folder; what is left out has its default. */
static void a_small_plan_is_enough(void **state)
{
    (void)state;
    struct error e = {0};
    struct plan *p;
    char *path = path_join(folder, "small.yaml"), *source = path_join(folder, "models/m.gguf");
    write_plan(path, minimal);
    assert_ok(plan_load(&p, path, &e), &e);
    assert_string_equal(p->source, source);
    assert_null(p->source_hash);
    assert_true(p->evaluate);
    assert_int_equal(p->eval_context, 512);
    assert_true(p->max_loss == 0.02 && p->runtime_speed);
    plan_free(p);
    free(path);
    free(source);
}

static void errors_name_line_and_expectation(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } cases[] = {
        {"schema: 2\nsource: {path: m}\nquantization: {level: Q4_K_M}\noutput: {artefact: a, run: r}\n",
         "bad.yaml:1: expected schema 1"},
        {"schema: 1\nsource: {path: m}\nquantization:\n  level: Q4_K_M\n  levle: x\noutput: {artefact: a, run: r}\n",
         "bad.yaml:5: expected one of the keys level,"},
        {"schema: 1\nsource: {path: m}\nquantization:\n  level: Q4_K_M\n  output_type: Q7\noutput: {artefact: a, run: r}\n",
         "bad.yaml:5: expected a tensor type that can be made"},
        {"schema: 1\nsource: {path: m}\nquantization: {level: Q4_K_M}\n", "expected the key 'output'"},
        {"schema: 1\nsource: {path: m}\nquantization: {level: Q4_K_M}\noutput: {artefact: a, run: r}\n"
         "evaluation:\n  context: 4\n", "bad.yaml:6: expected a whole number from 8"},
        {"schema: 1\nsource: {path: m}\nquantization: {level: Q4_K_M}\noutput: {artefact: a, run: r}\n"
         "wishes:\n  - {name: speed, value: 3}\n", "bad.yaml:6: expected the name of a wish"},
        {"schema: 1\nsource: {path: m}\nquantization: {level: Q4_K_M}\noutput: {artefact: a, run: r}\n"
         "wishes:\n  - {name: fit, value: tpu}\n", "expected one of gpu, cpu, split, found 'tpu'"},
    };
    char *path = path_join(folder, "bad.yaml");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error e = {0};
        struct plan *p;
        write_plan(path, cases[i].text);
        assert_int_equal(plan_load(&p, path, &e), ERROR_USAGE);
        assert_says(&e, cases[i].says);
        assert_null(p);
    }
    free(path);
}

/* Written elsewhere and read back, a plan means the same. */
static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    struct error e = {0};
    struct plan *p = plan_new(), *q;
    struct recipe_override o = {"blk\\.0\\..*", quant_type_named("Q8_0")};
    struct recipe_pin pins[] = {{"token_embd.weight", quant_type_named("Q6_K")}, {"blk.0.attn_v.weight", quant_type_named("F16")}};
    const char *why[] = {"it fits: 3 of 4 GiB", "- a dash"};
    char *path = path_join(folder, "deep/er/plan.yaml"), *source = path_join(folder, "it's \"here\".gguf");
    p->source = source;
    p->source_hash = "00ff";
    p->level = "Q5_K_M";
    p->out = "/elsewhere/a b.gguf";
    p->run_folder = folder;
    p->strict = true;
    p->output_type = quant_type_named("Q6_K");
    p->overrides = &o;
    p->override_count = 1;
    p->mix = (struct plan_mix){"measured", 3082272, 0.0125};
    p->tensors = pins;
    p->tensor_count = 2;
    p->eval_chunks = 7;
    p->max_loss = 0.015;
    p->activations = ACTIVATIONS_Q8;
    p->runtime_speed = false;
    p->machine_summary = "name: box\ngpus:\n  - name: RTX\n    vram_total_bytes: 1\n";
    p->rationale = why;
    p->rationale_count = 2;
    wishes_defaults(&p->wishes, NULL, NULL);
    assert_ok(wishes_set(&p->wishes, WISH_BUDGET, "10GiB", &e), &e);
    assert_ok(plan_save(p, path, &e), &e);
    assert_ok(plan_load(&q, path, &e), &e);
    assert_string_equal(q->source, source);
    assert_string_equal(q->out, p->out);
    assert_string_equal(q->source_hash, "00ff");
    assert_true(q->strict && !q->pure && q->activations == ACTIVATIONS_Q8);
    assert_false(q->runtime_speed);
    assert_ptr_equal(q->output_type, p->output_type);
    assert_int_equal(q->override_count, 1);
    assert_string_equal(q->overrides[0].pattern, o.pattern);
    assert_true(strcmp(q->mix.by, "measured") == 0 && q->mix.limit_bytes == 3082272 && q->mix.predicted_kld == 0.0125);
    assert_int_equal(q->tensor_count, 2);
    assert_string_equal(q->tensors[1].name, "blk.0.attn_v.weight");
    assert_ptr_equal(q->tensors[1].type, pins[1].type);
    assert_int_equal(q->eval_chunks, 7);
    assert_true(q->max_loss == 0.015);
    assert_string_equal(q->machine_summary, p->machine_summary);
    assert_int_equal(q->rationale_count, 2);
    assert_string_equal(q->rationale[1], why[1]);
    assert_true(q->wishes.value[WISH_BUDGET].set && q->wishes.value[WISH_BUDGET].number == 0x1p30 * 10);
    assert_false(q->wishes.value[WISH_CTX].set);
    q->file = path;
    p->file = path;
    char *a = plan_text(p), *b = plan_text(q);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(source);
    free(path);
    plan_free(p);
    plan_free(q);
}

/* A text beside the plan is written relative to it, the general one by its name. */
static void check_calibration(const char *text, const char *written)
{
    struct error e = {0};
    struct plan *p = plan_new(), *q;
    char *path = path_join(folder, "calibrated.yaml"), *yaml;
    p->source = p->out = "/m.gguf";
    p->run_folder = folder;
    p->level = "Q4_0";
    p->calibration = (struct calibration){.text = text, .hash = "0e1f", .samples = 300, .sample_length = 96};
    p->method = "nearest";
    wishes_defaults(&p->wishes, NULL, NULL);
    assert_ok(plan_save(p, path, &e), &e);
    assert_ok(file_read(path, 1 << 16, &yaml, NULL, &e), &e);
    assert_non_null(strstr(yaml, written));
    assert_ok(plan_load(&q, path, &e), &e);
    assert_string_equal(q->calibration.text, text);
    assert_string_equal(q->calibration.hash, "0e1f");
    assert_int_equal(q->calibration.samples, 300);
    assert_int_equal(q->calibration.sample_length, 96);
    assert_true(plan_rounds_to_nearest(q));
    free(yaml);
    free(path);
    plan_free(p);
    plan_free(q);
}

static void calibration_comes_back(void **state)
{
    char *text = path_join(folder, "texts/law");
    (void)state;
    check_calibration(text, "calibration:\n  path: texts/law\n");
    check_calibration(CALIBRATION_GENERAL, "calibration:\n  path: general\n");
    free(text);
}

static void the_command_is_quoted_for_a_shell(void **state)
{
    (void)state;
    struct plan *p = plan_new();
    struct recipe_override o = {"ffn_.*", quant_type_named("Q6_K")};
    p->source = "it's.gguf";
    p->out = "a b.gguf";
    p->level = "Q4_K_M";
    p->overrides = &o;
    p->override_count = 1;
    char *command = plan_command(p);
    assert_string_equal(command, "quantwiz quantize 'it'\\''s.gguf' 'a b.gguf' Q4_K_M --tensor-type 'ffn_.*=Q6_K'");
    free(command);
    plan_free(p);
}

static struct plan *load(const char *name, const char *more)
{
    struct error e = {0};
    struct plan *p;
    char *path = path_join(folder, name), *text = xasprintf("%s%s", minimal, more);
    write_plan(path, text);
    assert_ok(plan_load(&p, path, &e), &e);
    free(path);
    free(text);
    return p;
}

static void gate_and_variants_come_back(void **state)
{
    (void)state;
    struct error e = {0};
    struct plan *q, *p = load("gate.yaml", "gate: {auto: true, attempts: 7, after: x.quantwiz, why: just so}\n"
                              "variants:\n  - {level: Q8_0}\n  - {name: b, pure: true, calibration: none}\n"
                              "  - {calibration: texts/law, samples: 9, sample_length: 64, method: nearest}\n"
                              "  - {samples: 33}\n");
    char *again = path_join(folder, "gate-again.yaml"), *law = path_join(folder, "texts/law");
    assert_ok(plan_save(p, again, &e), &e);
    assert_ok(plan_load(&q, again, &e), &e);
    assert_true(q->gate.automatic && q->gate.attempts == 7 && !q->stop_early);
    assert_string_equal(q->gate.after, p->gate.after);
    assert_string_equal(q->gate.why, "just so");
    assert_int_equal(q->variant_count, 4);
    assert_string_equal(q->variants[0].level, "Q8_0");
    assert_string_equal(q->variants[1].calibration.text, CALIBRATION_NONE);
    assert_true(q->variants[1].pure && !q->variants[2].pure);
    assert_string_equal(q->variants[2].calibration.text, law);
    assert_string_equal(q->variants[2].method, "nearest");
    assert_true(q->variants[2].calibration.samples == 9 && q->variants[2].calibration.sample_length == 64);
    assert_true(q->variants[3].calibration.samples == 33 && !q->variants[3].calibration.text);
    free(again);
    free(law);
    plan_free(p);
    plan_free(q);
}

/* Artefact and folder of a plan after a change, without its folder. */
static void check_names(const struct plan *p, struct plan_change c, const char *out, const char *run)
{
    struct error e = {0};
    struct plan *n;
    assert_ok(plan_with(&n, p, &c, "a test", &e), &e);
    assert_string_equal(path_name(n->out), out);
    assert_string_equal(path_name(n->run_folder), run);
    assert_int_equal(n->variant_count, 0);
    plan_free(n);
}

static void changes_have_names_of_their_own(void **state)
{
    (void)state;
    struct error e = {0};
    struct plan *p = load("change.yaml", ""), *n;
    check_names(p, (struct plan_change){.level = "q5_k_m"}, "m-Q5_K_M.gguf", "m-Q5_K_M.quantwiz");
    check_names(p, (struct plan_change){.level = "nf4"}, "m-nf4", "m-nf4.quantwiz");
    check_names(p, (struct plan_change){.name = "mine", .pure = true}, "m-mine.gguf", "m-mine.quantwiz");
    check_names(p, (struct plan_change){.pure = true}, "m-Q4_K_M-pure.gguf", "m-Q4_K_M-pure.quantwiz");
    const struct plan_change feedback = {.method = "feedback", .calibration = {.text = CALIBRATION_GENERAL}};
    check_names(p, feedback, "m-Q4_K_M-feedback-general.gguf", "m-Q4_K_M-feedback-general.quantwiz");
    assert_ok(plan_with(&n, p, &feedback, "a test", &e), &e);
    check_names(n, (struct plan_change){.level = "Q5_K_M"}, "m-Q5_K_M-feedback.gguf", "m-Q5_K_M-feedback.quantwiz");
    check_names(n, (struct plan_change){.calibration.samples = 512}, "m-Q4_K_M-feedback-512.gguf",
                "m-Q4_K_M-feedback-512.quantwiz");
    plan_free(n);
    assert_ok(plan_with(&n, p, &(struct plan_change){.level = "gptq-int4-g64"}, "a test", &e), &e);
    assert_string_equal(n->calibration.text, CALIBRATION_GENERAL); /* which it is not made without */
    assert_string_equal(n->format, "gptq");
    plan_free(n);
    assert_int_equal(plan_with(&n, p, &(struct plan_change){.level = "Q9"}, "a test", &e), ERROR_USAGE);
    plan_free(p);
}

static void assert_figures(const struct plan_estimate *e, const char *verdict, double bits, double total, double speed,
                           double gpu_layers)
{
    assert_string_equal(e->verdict, verdict);
    assert_true(e->bits_per_weight == bits && e->total_bytes == total && e->gpu_layers == gpu_layers);
    assert_true(isnan(speed) ? isnan(e->tokens_per_s) : e->tokens_per_s == speed);
}

/* The estimates of a plan are those of its level: another one has all of its own row, and the one that it left is an
 * alternative, in its place by size. */
static void another_level_has_its_own_estimates(void **state)
{
    (void)state;
    struct error e = {0};
    struct plan *n, *q, *p = load("record.yaml", "estimate: {verdict: fits, bits_per_weight: 4.8, total_bytes: 5000,"
                                  " kv_bytes: 700, tokens_per_s: 9, layers: 33, gpu_layers: 33}\nalternatives:\n"
                                  "  - {level: nf4, bits_per_weight: 9, why: slow, kernel: Other}\n"
                                  "  - {level: Q8_0, bits_per_weight: 8.5, total_bytes: 9000, verdict: split, why: slow,"
                                  " tokens_per_s: 3, gpu_layers: 20}\n"
                                  "  - {level: Q3_K_M, bits_per_weight: 3.9, total_bytes: 4000, why: not favoured}\n");
    const struct plan_record *r;
    char *again = path_join(folder, "record-again.yaml");
    assert_ok(plan_with(&n, p, &(struct plan_change){.level = "q8_0"}, "a test", &e), &e);
    assert_ok(plan_save(n, again, &e), &e);
    assert_ok(plan_load(&q, again, &e), &e);
    r = &q->record;
    assert_figures(&r->estimate, "split", 8.5, 9000, 3, 20);
    assert_int_equal(r->alternative_count, 3);
    assert_string_equal(r->alternatives[1].level, "Q4_K_M");
    assert_string_equal(r->alternatives[1].why, "a test");
    assert_figures(&r->alternatives[1].estimate, "fits", 4.8, 5000, 9, 33);
    assert_string_equal(r->alternatives[2].level, "Q3_K_M");
    assert_null(r->alternatives[2].estimate.verdict);
    plan_free(q);
    plan_free(n);
    assert_ok(plan_with(&n, p, &(struct plan_change){.level = "nf4"}, "a test", &e), &e);
    assert_string_equal(n->kernel, "Other");
    assert_null(n->record.estimate.verdict);
    plan_free(n);
    assert_ok(plan_with(&n, p, &(struct plan_change){.pure = true}, "a test", &e), &e);
    assert_true(n->record.estimate.tokens_per_s == 9 && n->record.alternative_count == 3);
    plan_free(n);
    plan_free(p);
    free(again);
}

/* Nobody estimated it: there is nothing to tell of what was left. */
static void a_plan_without_estimates_gets_none(void **state)
{
    (void)state;
    struct error e = {0};
    struct plan *n, *p = load("plain.yaml", "");
    assert_ok(plan_with(&n, p, &(struct plan_change){.level = "Q8_0"}, "a test", &e), &e);
    assert_null(n->record.estimate.verdict);
    assert_int_equal(n->record.alternative_count, 0);
    plan_free(n);
    plan_free(p);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -r %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_plan_is_enough),
        cmocka_unit_test(errors_name_line_and_expectation),
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(calibration_comes_back),
        cmocka_unit_test(gate_and_variants_come_back),
        cmocka_unit_test(changes_have_names_of_their_own),
        cmocka_unit_test(another_level_has_its_own_estimates),
        cmocka_unit_test(a_plan_without_estimates_gets_none),
        cmocka_unit_test(the_command_is_quoted_for_a_shell),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
