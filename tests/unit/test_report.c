/* The decision document: five parts, the same facts in both forms, nothing told that was not measured. */
#include "unit.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "plan/tips.h"
#include "report/document.h"
#include "report/report.h"
#include "run/events.h"
#include "run/figures.h"

static struct error e;
static struct arena arena;
static char folder[] = "/tmp/quantwiz-report-XXXXXX";
static char *markdown, *yaml_text_read;
static struct yaml *yaml;

/* ------------------------------------------------------------------- documents */

static struct document_cell cell(void *user, int row, int column)
{
    (void)user;
    static const struct document_cell cells[2][2] = {{{"a|b", 0}, {NULL, 1.5}}, {{"line\nbreak", 0}, {NULL,
                                                                                                      NAN}}};
    return cells[row][column];
}

static void both_forms_agree(void **state)
{
    (void)state;
    static const struct document_column columns[] = {{"name", "Name"}, {"value", "Value", "%.2f"}};
    static const char *const items[] = {"one: two", "- three", "yes"};
    struct document d = {0};
    struct yaml *y, *part, *list;
    struct arena a = {0};
    double number = 0;
    const char *text = NULL;
    document_title(&d, "A *title* of _%d_ Q4_K", 1);
    document_part(&d, "part", "Part");
    document_text(&d, "odd", "Odd", "\"quoted\"\ttab # no comment");
    document_text(&d, "unknown", "Unknown", NULL);
    document_number(&d, "share", "Share", 0.125, "%.1f %%", 100);
    document_number(&d, "missing", "Missing", NAN, "%.1f", 1);
    document_bytes(&d, "bytes", "Bytes", 5368709120.0);
    document_bytes(&d, "no_bytes", "No bytes", NAN);
    document_list(&d, "items", "Items", items, 3);
    document_list(&d, "none", "None", items, 0);
    document_table(&d, "rows", "Rows", columns, 2, 2, cell, NULL);
    document_part_end(&d);
    assert_non_null(strstr(d.markdown.data, "# A \\*title\\* of \\_1\\_ Q4_K\n"));
    assert_non_null(strstr(d.markdown.data, "- Share: 12.5 %\n"));
    assert_non_null(strstr(d.markdown.data, "- Missing: not measured\n"));
    assert_non_null(strstr(d.markdown.data, "- Bytes: 5.0 GiB (5368709120 bytes)\n"));
    assert_non_null(strstr(d.markdown.data, "| a\\|b | 1.50 |\n| line<br>break | not measured |\n"));
    assert_null(strstr(d.markdown.data, "None"));
    assert_ok(yaml_parse(&y, d.yaml.out.data, d.yaml.out.length, "document", &a, &e), &e);
    part = yaml_get(y, "part");
    assert_ok(yaml_text(part, "odd", true, &text, &e), &e);
    assert_string_equal(text, "\"quoted\"?tab # no comment");
    assert_ok(yaml_number(part, "share", true, &number, &e), &e);
    assert_true(number == 0.125);
    assert_ok(yaml_number(part, "bytes", true, &number, &e), &e);
    assert_true(number == 5368709120.0);
    assert_null(yaml_get(part, "missing")->text);
    assert_null(yaml_get(part, "unknown")->text);
    assert_ok(yaml_child(part, "items", true, YAML_LIST, &list, &e), &e);
    assert_string_equal(list->items[0]->text, "one: two");
    assert_string_equal(list->items[1]->text, "- three");
    assert_ok(yaml_child(part, "rows", true, YAML_LIST, &list, &e), &e);
    assert_int_equal(list->count, 2);
    assert_null(yaml_get(list->items[1], "value")->text);
    arena_done(&a);
    document_done(&d);
}

/* --------------------------------------------------------------------- reports */

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static void remove_in_folder(const char *name)
{
    char *path = path_join(folder, name);
    unlink(path);
    free(path);
}

static int clean(void **state)
{
    (void)state;
    remove_in_folder("events.jsonl");
    remove_in_folder("report.md");
    remove_in_folder("report.yaml");
    free(markdown);
    free(yaml_text_read);
    markdown = yaml_text_read = NULL;
    arena_done(&arena);
    return 0;
}

static int tear_down(void **state)
{
    clean(state);
    return rmdir(folder);
}

static void send_run(bool evaluated)
{
    struct event_log l;
    setenv("QUANTWIZ_NOW", "1700000000", 1);
    assert_ok(event_log_open(&l, folder, NULL, &e), &e);
    event_send(&l, EVENT_START, json_pack("{s:s, s:s, s:i, s:s, s:i}", "source", "/m/base.gguf", "level",
                                          "Q4_K_M", "pid", 7, "host", "no-such-host.invalid", "threads", 2));
    event_send(&l, EVENT_FOUND, json_pack("{s:s, s:s}", "what", "adapter", "path", "/m/law"));
    event_send(&l, EVENT_FOUND, json_pack("{s:s, s:s}", "what", "adapter", "path", "/m/tax"));
    event_send(&l, EVENT_PHASE, json_pack("{s:s}", "name", "quantize"));
    for (int i = 0; i < 2; i++)
        event_send(&l, EVENT_FALLBACK, json_pack("{s:o, s:s, s:s, s:s}", "tensor", json_sprintf("blk.%d.ffn_down.weight", i),
                                                 "wanted", "Q6_K", "type", "Q8_0", "why", "the row of 96"));
    static const char *const types[] = {"Q4_K", "Q8_0", "Q4_K", "F32"};
    static const double errors[] = {0.06, 0.005, 0.08, 0};
    for (int i = 0; i < 4; i++)
        event_send(&l, EVENT_TENSOR, json_pack("{s:o, s:s, s:s, s:f, s:i, s:i}", "name", json_sprintf("t%d",
                                                                                                      i),
                                                                                                      "from",
                                               "F16", "to", types[i], "rmse", errors[i], "bytes",
                                               1000 * (i + 1), "count", 4));
    setenv("QUANTWIZ_NOW", "1700000012", 1);
    event_send(&l, EVENT_PHASE, json_pack("{s:s}", "name", "verify"));
    event_send(&l, EVENT_RESOURCES, json_pack("{s:i, s:i}", "rss_bytes", 2000000, "private_bytes", 1000000));
    event_send(&l, EVENT_ARTEFACT, json_pack("{s:s, s:i, s:i, s:i, s:f, s:s}", "path", "/m/it's.gguf",
                                             "bytes", 10000, "planned_bytes", 10000, "source_bytes", 40000,
                                             "bits_per_weight", 4.875, "sha256", "0123abcd"));
    struct eval_figures f = {.chunks = 8, .tokens = 2040, .ppl = 20.5, .ppl_low = NAN, .ppl_high = NAN,
                             .has_base = true, .ppl_base = 20, .delta_ln_ppl = 0.0247, .delta_low = 0.01,
                             .delta_high = 0.04, .kld_mean = 0.03, .same_top = 0.91,
                             .prefill_tokens_per_s = NAN, .decode_tokens_per_s = 17, .verdict = "reject",
                             .kld_median = NAN, .kld_p99 = NAN, .kld_max = NAN, .rms_dp = NAN};
    if (evaluated) {
        json_t *result = figures_json(&f);
        json_object_set_new(result, "activations", json_string("q8"));
        json_object_set_new(result, "proposal", json_string("Q5_K_M"));
        event_send(&l, EVENT_RESULT, result);
        struct eval_sample sample = {.prompt = "One | two", .base = "three\nfour", .answer = NULL,
                                     .differs_at = 0};
        event_send(&l, EVENT_SAMPLE, sample_json(&sample));
    }
    event_log_close(&l);
    unsetenv("QUANTWIZ_NOW");
}

static void write_and_read_plan(struct plan p, bool evaluated)
{
    struct run_state s;
    char *path;
    wishes_defaults(&p.wishes, NULL, NULL);
    run_state_init(&s, folder);
    send_run(evaluated);
    assert_true(run_state_poll(&s, &e) > 5);
    assert_ok(report_write(&p, &s, &path, &e), &e);
    assert_string_equal(path_name(path), "report.md");
    assert_ok(file_read(path, 1 << 20, &markdown, NULL, &e), &e);
    free(path);
    path = path_join(folder, "report.yaml");
    size_t length;
    assert_ok(file_read(path, 1 << 20, &yaml_text_read, &length, &e), &e);
    assert_ok(yaml_parse(&yaml, yaml_text_read, length, "report.yaml", &arena, &e), &e);
    free(path);
    run_state_done(&s);
    wishes_done(&p.wishes);
}

static void write_and_read(bool evaluated)
{
    write_and_read_plan((struct plan){.file = "/m/plan.yaml", .source = "/m/base.gguf", .level = "Q4_K_M",
                     .out = "/m/it's.gguf", .run_folder = folder, .max_loss = 0.02, .eval_context = 512,
                     .evaluate = true, .machine_summary = "cpu: Some CPU\ngpus:\n  - name: Some GPU\n   "
                                                          " vram: 12 GiB\n",
                     .rationale = (const char *[]){"it fits", "#: rule"}, .rationale_count = 2}, evaluated);
}

/* That people read each of these. */
#define assert_told(...) assert_all_told((const char *const[]){__VA_ARGS__, NULL})
static void assert_all_told(const char *const *parts)
{
    for (; *parts; parts++)
        if (!strstr(markdown, *parts))
            fail_msg("'%s' is missing", *parts);
}

static double number_at(const char *part, const char *key)
{
    double value = NAN;
    assert_ok(yaml_number(yaml_get(yaml, part), key, false, &value, &e), &e);
    return value;
}

static void five_parts(void **state)
{
    (void)state;
    static const char *const titles[] = {"Hardware Profile", "Format Selection Rationale",
                                         "Quantization Command or Config", "Quality Evaluation Results",
                                         "Deployment Artifact"};
    write_and_read(true);
    int found = 0;
    for (const char *at = markdown; (at = strstr(at, "\n## ")); found++, at++)
        assert_true(found < 5 && strncmp(at + 4, titles[found], strlen(titles[found])) == 0);
    assert_int_equal(found, 5);
    assert_told("The quality gate rejected it.", "- gpus\n  - name: Some GPU\n  - vram: 12 GiB\n",
                "| Q6_K | Q8_0 | the row of 96 | 2 | blk.0.ffn_down.weight |\n", "- Activations measured: rounded to 8 bits",
                "- Same most likely token: 91.00 %\n", "- Reading a prompt here: not measured\n",
                "- Time for quantizing: 0:12\n", "| One \\| two | three<br>four |  |");
    assert_true(number_at("quality_evaluation_results", "ppl") == 20.5);
    assert_true(isnan(number_at("quality_evaluation_results", "prefill_tokens_per_s")));
    assert_true(number_at("deployment_artifact", "bytes") == 10000);
    assert_string_equal(yaml_get(yaml_get(yaml, "deployment_artifact"), "adapter")->text, "/m/law");
    assert_string_equal(yaml_get(yaml_get(yaml, "deployment_artifact"), "adapter_2")->text, "/m/tax");
    assert_true(number_at("quantization", "seconds") == 12);
}

static void types_are_summed_up(void **state)
{
    (void)state;
    write_and_read(false);
    struct yaml *types, *row;
    double value = 0;
    assert_ok(yaml_child(yaml_get(yaml, "quantization"), "types", true, YAML_LIST, &types, &e), &e);
    assert_int_equal(types->count, 3);
    row = types->items[0]; /* the most bytes: Q4_K and F32 have 4000 each */
    assert_string_equal(yaml_get(row, "type")->text, "F32");
    assert_null(yaml_get(row, "worst")->text);
    row = types->items[1];
    assert_string_equal(yaml_get(row, "type")->text, "Q4_K");
    assert_string_equal(yaml_get(row, "worst")->text, "t2");
    assert_ok(yaml_number(row, "rmse_mean", true, &value, &e), &e);
    assert_true(fabs(value - 0.07) < 1e-9);
}

static void what_was_not_measured_is_not_told(void **state)
{
    (void)state;
    write_and_read(false);
    assert_told("Its quality was not measured.");
    assert_null(strstr(markdown, "erplexity"));
    assert_null(yaml_get(yaml_get(yaml, "quality_evaluation_results"), "ppl"));
}

static void same_events_same_document(void **state)
{
    (void)state;
    write_and_read(true);
    char *first = xstrdup(markdown), *first_yaml = xstrdup(yaml_text_read);
    clean(NULL);
    write_and_read(true);
    assert_string_equal(markdown, first);
    assert_string_equal(yaml_text_read, first_yaml);
    free(first);
    free(first_yaml);
}

/* A folder's document has its method, the kernel, the text that it was calibrated on and what starts it. */
static void folders_are_described(void **state)
{
    (void)state;
    write_and_read_plan(
        (struct plan){.file = "/m/plan.yaml", .source = "/m/base", .level = "gptq-int4-g64-asym", .format = "gptq",
                      .kernel = "Marlin", .out = "/m/base-gptq", .run_folder = folder, .max_loss = 0.02,
                      .calibration = {"/m/text.txt", "00ff", 128, 512}},
        true);
    assert_told("- Format: gptq\n", "- Kernel that will multiply its weights: Marlin\n",
                "- quant_method of config.json: gptq\n", "- Weights that share a scale: 64\n",
                "- Without zero points: no\n", "- Calibrated on: /m/text.txt\n", "- SHA-256 of that text: 00ff\n",
                "- Folder: /m/");
    assert_null(strstr(markdown, "One type for all tensors"));
    assert_null(strstr(markdown, "while it is loaded"));
    assert_true(number_at("quantization", "group_size") == 64);
}

static void bitsandbytes_needs_no_file(void **state)
{
    (void)state;
    write_and_read_plan((struct plan){.file = "/m/plan.yaml", .source = "/m/base", .level = "nf4-single",
                                      .format = "bitsandbytes", .out = "/m/base-nf4", .run_folder = folder},
                        false);
    assert_told("AutoModelForCausalLM.from_pretrained(\"/m/base\", quantization_config=BitsAndBytesConfig(load_in_4bit=True, "
                "bnb_4bit_quant_type=\"nf4\",");
    assert_null(strstr(markdown, "use_double_quant=True"));
}

/* ----------------------------------------------------------------- start lines */

/* Each runtime's line for a folder of two GPUs and 4096 tokens, and for a file where that differs. */
static void each_runtime_has_its_line(void **state)
{
    static const struct { const char *runtime, *format, *line; } rows[] = {
        {"vllm", "awq", "vllm serve /m/out --max-model-len 4096 --tensor-parallel-size 2"},
        {"sglang", "awq", "python3 -m sglang.launch_server --model-path /m/out --context-length 4096 --tp 2"},
        {"sglang", "gguf", "python3 -m sglang.launch_server --model-path /m/out --load-format gguf --context-length 4096"},
        {"tgi", "gptq", "text-generation-launcher --model-id /m/out --max-total-tokens 4096 --num-shard 2"},
        {"tensorrt-llm", "fp8", "trtllm-serve /m/out --max_seq_len 4096 --tp_size 2"},
        {"transformers", "bitsandbytes", "path = \"/m/out\"\n"},
        {"transformers", "gguf", "folder, file = \"/m\", \"out\"\n"},
        {"llama.cpp", "gguf", "llama-server -m /m/out -ngl 0 -c 4096 -np 1 -ctk f16 -ctv f16 -fa on"},
        {"ollama", "gguf", "cat >/m/out.Modelfile <<'END'\nFROM ./out\nPARAMETER num_ctx 4096\nPARAMETER num_gpu 0\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct plan p = {.format = rows[i].format, .source = "/m/base.gguf"};
        struct arena a = {0};
        assert_ok(wishes_set(&p.wishes, WISH_RUNTIME, rows[i].runtime, &e), &e);
        assert_ok(wishes_set(&p.wishes, WISH_CTX, "4096", &e), &e);
        assert_ok(wishes_set(&p.wishes, WISH_TENSOR_PARALLEL, "2", &e), &e);
        wishes_defaults(&p.wishes, NULL, NULL);
        const char **lines = report_start_lines(&p, "/m/out", &a);
        assert_non_null(lines[0]);
        if (!strstr(lines[0], rows[i].line))
            fail_msg("%s of %s: %s", rows[i].format, rows[i].runtime, lines[0]);
        arena_done(&a);
        wishes_done(&p.wishes);
    }
}

static struct plan served_plan(const char *runtime, const char *kv_type, const char *parallel)
{
    struct plan p = {.format = "gguf", .source = "/m/base", .record.estimate = {
        .verdict = "split", .kv_bytes = 300e6, .total_bytes = 1000e6, .cpu_bytes = 500e6, .layers = 33, .gpu_layers = 20}};
    p.machine_summary = "cores: 4\nthreads: 8\nmemory_available_bytes: 1000000000\ngpus:\n  - name: A\n";
    assert_ok(wishes_set(&p.wishes, WISH_RUNTIME, runtime, &e), &e);
    assert_ok(wishes_set(&p.wishes, WISH_FIT, "split", &e), &e);
    assert_ok(wishes_set(&p.wishes, WISH_CTX, "4096", &e), &e);
    assert_ok(wishes_set(&p.wishes, WISH_KV_TYPE, kv_type, &e), &e);
    assert_ok(wishes_set(&p.wishes, WISH_PARALLEL, parallel, &e), &e);
    wishes_defaults(&p.wishes, NULL, NULL);
    return p;
}

/* Paths with blanks and quotes stay one word; what is not known goes with its option; other brackets stay. */
static void placeholders_are_filled(void **state)
{
    (void)state;
    static const struct { const char *text, *filled; } rows[] = {
        {"-m {file} {other} {", "-m '/m/it'\\''s a.gguf' {other} {"},
        {"f({file_python})[0]", "f(\"/m/it's a.gguf\")[0]"},
        {"run[ -t {cores}][ -md {draft}]", "run -t 4"},
        {"[A {numa}]\n[B {gpu_layers}]", "\nB 20"},
        {"-c {context}, {sequence_context} each", "-c 8192, 4096 each"},
        {"{name}: FROM ./{raw_basename}", "it-s-a: FROM ./it's a.gguf"},
        {"[not closed {cores}", "[not closed 4"},
    };
    struct plan p = served_plan("llama.cpp", "f16", "2");
    struct arena a = {0};
    struct serving s;
    serving_of(&s, &p, "/m/it's a.gguf", NULL, &a);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(serving_fill(&s, rows[i].text, &a), rows[i].filled);
    arena_done(&a);
    wishes_done(&p.wishes);
}

/* A name cannot break out of the lines that it stands in. */
static void hostile_names_stay_names(void **state)
{
    (void)state;
    struct plan p = served_plan("ollama", "f16", "1");
    struct arena a = {0};
    struct serving s;
    serving_of(&s, &p, "/m/x\nEND\nrm \"y\"", NULL, &a);
    assert_string_equal(serving_fill(&s, "FROM ./{raw_basename}", &a), "FROM ./x?END?rm \"y\"");
    assert_string_equal(serving_fill(&s, "{basename_python}", &a), "\"x\\x0aEND\\x0arm \\\"y\\\"\"");
    assert_string_equal(serving_fill(&s, "{basename}", &a), "'x\nEND\nrm \"y\"'");
    arena_done(&a);
    wishes_done(&p.wishes);
}

static bool has_tip(const struct tip *tips, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(tips[i].name, name) == 0)
            return true;
    return false;
}

/* A tip is told where it holds, and nowhere else. */
static void tips_hold_on_the_machine(void **state)
{
    (void)state;
    static const struct { const char *runtime, *kv_type, *parallel, *draft, *tip; bool told; } rows[] = {
        {"llama.cpp", "f16", "1", NULL, "physical-cores", true},
        {"vllm", "f16", "1", NULL, "physical-cores", false},
        {"llama.cpp", "f16", "1", NULL, "some-layers-on-the-gpu", true},
        {"llama.cpp", "f16", "1", NULL, "all-layers-on-the-gpu", false},
        {"llama.cpp", "f16", "1", NULL, "smaller-cache", true},
        {"llama.cpp", "q8_0", "1", NULL, "smaller-cache", false},
        {"llama.cpp", "q8_0", "1", NULL, "flash-attention-for-the-cache", true},
        {"ollama", "q8_0", "1", NULL, "cache-of-ollama", true},
        {"llama.cpp", "f16", "1", NULL, "continuous-batching", false},
        {"llama.cpp", "f16", "4", NULL, "continuous-batching", true},
        {"llama.cpp", "f16", "1", NULL, "draft", false},
        {"llama.cpp", "f16", "1", "/m/small.gguf", "draft", true},
        {"llama.cpp", "f16", "4", "/m/small.gguf", "draft", false},
        {"llama.cpp", "f16", "1", NULL, "several-gpus", false},
        {"llama.cpp", "f16", "1", NULL, "numa", false},
        {"vllm", "f16", "1", NULL, "fp8-cache", false},     /* its compute capability is not known */
        {"llama.cpp", "f16", "1", NULL, "little-memory-left", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct plan p = served_plan(rows[i].runtime, rows[i].kv_type, rows[i].parallel);
        struct arena a = {0};
        struct serving s;
        struct tip *tips;
        int count;
        serving_of(&s, &p, "/m/a.gguf", rows[i].draft, &a);
        assert_ok(tips_of(&tips, &count, rows[i].runtime, &s, &a, &e), &e);
        if (has_tip(tips, count, rows[i].tip) != rows[i].told)
            fail_msg("row %zu: %s", i, rows[i].tip);
        for (int k = 0; k < count; k++)
            assert_null(strchr(tips[k].text, '{'));
        arena_done(&a);
        wishes_done(&p.wishes);
    }
}

static void alternatives_are_told(void **state)
{
    (void)state;
    struct plan_alternative others[] = {
        {"Q8_0", "too big: needs 9 GiB", .estimate = {.bits_per_weight = 8.5, .total_bytes = 9e9}},
        {"Q2_K", "falls apart [d.yaml:1]", .estimate = {.bits_per_weight = 2.6, .total_bytes = NAN}},
    };
    struct plan p = {.file = "/m/plan.yaml", .source = "/m/base.gguf", .level = "Q4_K_M", .format = "gguf", .out = "/m/it's.gguf",
                     .run_folder = folder, .max_loss = 0.02, .record = {.alternatives = others, .alternative_count = 2}};
    p.record.estimate = (struct plan_estimate){.verdict = "fits", .total_bytes = 5e9, .layers = 33, .gpu_layers = 33,
                                               .tokens_per_s = 40, .expected_loss = NAN};
    write_and_read_plan(p, true);
    assert_told("| Q8_0 | 8.50 | 8583 | too big: needs 9 GiB |\n",
                "| Q2_K | 2.60 | not measured | falls apart \\[d.yaml:1] |\n",
                "- All memory that serving it takes: 4.7 GiB (5000000000 bytes)\n", "LoRA adapters", "awq",
                ": llama.cpp does not read them \\[runtimes.yaml:");
}

/* Whatever its length: of many runs a paragraph lists those on the front. */
static void paragraphs_are_whole(void **state)
{
    (void)state;
    struct document d = {0};
    char *text = xmalloc(5000);
    memset(text, 'x', 4999);
    text[4999] = 0;
    document_say(&d, "long", "%s", text);
    document_say(&d, NULL, "for people");
    assert_non_null(strstr(d.markdown.data, text));
    assert_non_null(strstr(d.yaml.out.data, text));
    assert_non_null(strstr(d.markdown.data, "\n\nfor people\n"));
    assert_null(strstr(d.yaml.out.data, "for people"));
    free(text);
    document_done(&d);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_teardown(test, clean)
    const struct CMUnitTest tests[] = {
        ROW(both_forms_agree),
        ROW(paragraphs_are_whole),
        ROW(five_parts),
        ROW(types_are_summed_up),
        ROW(what_was_not_measured_is_not_told),
        ROW(same_events_same_document),
        ROW(placeholders_are_filled),
        ROW(folders_are_described),
        ROW(bitsandbytes_needs_no_file),
        ROW(each_runtime_has_its_line),
        ROW(hostile_names_stay_names),
        ROW(tips_hold_on_the_machine),
        ROW(alternatives_are_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
