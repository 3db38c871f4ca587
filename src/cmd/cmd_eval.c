#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/watch.h"
#include "cmd/cmd.h"
#include "cmd/open.h"
#include "eval/eval.h"
#include "eval/runtime_speed.h"
#include "plan/rules.h"
#include "run/figures.h"

static const struct option_spec options[] = {
    {"base", 0, "MODEL", "the original: figures beside it, the divergence from it, and the verdict"},
    {"file", 'f', "TEXT", "text, or folder of texts, to measure the perplexity on (default: the one that comes with the program)"},
    {"ctx", 'c', "N", "tokens in a chunk (default 512)"},
    {"chunks", 0, "N", "chunks at most (default: all of the text)"},
    {"tasks", 0, "FILE", "questions, JSON lines in the layout of MMLU, ARC, HellaSwag, WinoGrande, or of question, choices"
                         " and answer; or a folder of such files"},
    {"log-items", 0, "FILE", "write what became of each question, with its log-likelihoods, as JSON lines"},
    {"prompts", 0, "FILE", "a prompt a line (\\n for a line break), answered by both models; or a use case (general, code,"
                           " creative, technical, edge): the questions that come with the program for it"},
    ACTIVATIONS_OPTION,
    {"runtime", 0, "NAME", "the speed in this runtime too, where its benchmark is on the PATH: llama.cpp (default for GGUF"
                           " files; llama-bench), ollama, vllm, none"},
    {"max-loss", 0, "PERCENT", "the gate: perplexity may rise by so much (default 2%)"},
    {"stop-early", 0, NULL, "stop as soon as the interval decides the gate"},
    PRE_OPTION,
    {0},
};

/* ----------------------------------------------------------------- reading */

/* A file, or else the name of a use case. */
static int read_prompts(const char *prompts, struct eval_options *o, struct arena *texts, struct error *e)
{
    int rc = prompts && !file_exists(prompts) ? rules_prompts(&o->messages, prompts, texts, e) : 0;
    if (!o->messages)
        o->prompts = prompts;
    return rc;
}

static int read_options(const struct args *a, struct eval_options *o, struct arena *texts, struct error *e)
{
    const char *loss = args_get(a, "max-loss");
    *o = (struct eval_options){.text = args_get(a, "file"), .tasks = args_get(a, "tasks"),
                               .context = 512, .prompt_tokens = 32,
                               .max_loss = 0.02, .speed = true, .stop_early = args_has(a, "stop-early")};
    if (loss && !parse_percent(loss, &o->max_loss))
        return error_set(e, ERROR_USAGE, "--max-loss: expected a percentage such as 2%%, found '%s'", loss);
    int rc = args_int(a, "ctx", 4, 1 << 20, &o->context, e);
    if (!rc)
        rc = args_int(a, "chunks", 1, 1 << 24, &o->chunks, e);
    if (!rc)
        rc = read_prompts(args_get(a, "prompts"), o, texts, e);
    return rc ? rc : read_activations(a, &o->activations, e);
}

/* ----------------------------------------------------------------- the runtime */

static int ask_runtime(struct runtime_speed *out, const struct args *a, const struct model *m, struct watch *w,
                       struct error *e)
{
    const char *runtime = args_get(a, "runtime");
    const struct runtime_question q = {.runtime = runtime ? runtime : m->folder ? "none" : "llama.cpp", .model = m->path,
                                       .threads = args_has(a, "threads") ? threads_count() : -1, .gpu_layers = -1};
    return runtime_speed(out, &q, w, e);
}

static void print_runtime(const struct runtime_speed *r)
{
    char size[FORMAT_SIZE];
    if (!r->program)
        return;
    printf("%-15s ", r->program);
    if (*r->error) {
        printf("not measured: %s\n", r->error);
        return;
    }
    printf("prefill %.1f, decode %.1f tokens/s, first token after %.0f ms of %.0f tokens", r->prefill_tokens_per_s,
           r->decode_tokens_per_s, 1000 * r->cost.ttft_s, r->cost.prompt_tokens);
    if (!isnan(r->cost.rss_bytes))
        printf(", memory %s", format_bytes(size, r->cost.rss_bytes));
    putchar('\n');
}

/* ---------------------------------------------------------------- printing */

static void put(json_t *j, const char *key, json_t *value)
{
    json_object_set_new(j, key, value);
}

static void print_json(const struct eval_result *r, const struct eval_options *o, const struct runtime_speed *speed)
{
    json_t *j = figures_json(&r->figures), *tasks = json_array(), *samples = json_array();
    for (int i = 0; i < r->task_count; i++)
        json_array_append_new(tasks, task_json(&r->tasks[i], r->tasks[i].items));
    for (int i = 0; i < r->sample_count; i++)
        json_array_append_new(samples, sample_json(&r->samples[i]));
    put(j, "activations", json_string(r->activations));
    put(j, "text", json_text(o->text));
    put(j, "context", json_integer(o->context));
    put(j, "bytes", json_integer((json_int_t)r->bytes));
    if (r->figures.has_base) {
        put(j, "bytes_base", json_integer((json_int_t)r->bytes_base));
        put(j, "base_prefill_tokens_per_s", json_value(r->base_prefill_tokens_per_s));
        put(j, "base_decode_tokens_per_s", json_value(r->base_decode_tokens_per_s));
    }
    costs_put(j, r);
    put(j, "runtime", speed->program ? runtime_json(speed) : json_null());
    put(j, "tasks", tasks);
    put(j, "samples", samples);
    json_print(stdout, j, 0);
}

static void print_speed(double model, double base)
{
    printf("%.1f tokens/s", model);
    if (!isnan(base))
        printf(" (base %.1f)", base);
}

static void print_figures(const struct eval_result *r, const struct eval_options *o)
{
    const struct eval_figures *f = &r->figures;
    char size[FORMAT_SIZE], size_base[FORMAT_SIZE];
    printf("perplexity      %.4f (95 %%: %.4f to %.4f), %d chunks of %d, activations %s\n", f->ppl, f->ppl_low,
           f->ppl_high, f->chunks, o->context, r->activations);
    if (f->has_base) {
        printf("of the base     %.4f, a loss of %.2f %% (95 %%: %.2f to %.2f)\n", f->ppl_base,
               100 * expm1(f->delta_ln_ppl), 100 * expm1(f->delta_low), 100 * expm1(f->delta_high));
        printf("divergence      mean %.6f (95 %%: %.6f to %.6f), median %.6f, 99 %% %.6f, largest %.4f\n", f->kld_mean,
               f->kld_low, f->kld_high, f->kld_median, f->kld_p99, f->kld_max);
        printf("same top token  %.2f %%; change of the true token's probability %.2f %% (RMS)\n", 100 * f->same_top,
               100 * f->rms_dp);
    }
    printf("size            %s", format_bytes(size, r->bytes));
    if (f->has_base)
        printf(" (base %s)", format_bytes(size_base, r->bytes_base));
    printf("\nprefill         ");
    print_speed(f->prefill_tokens_per_s, r->base_prefill_tokens_per_s);
    printf("\ndecode          ");
    print_speed(f->decode_tokens_per_s, r->base_decode_tokens_per_s);
    printf("\nmemory          %s", format_bytes(size, r->cost.rss_bytes));
    if (f->has_base)
        printf(" (base %s)", format_bytes(size_base, r->base_cost.rss_bytes));
    printf("\nfirst token     after %.0f ms of %.0f tokens, then one every %.1f ms", 1000 * r->cost.ttft_s, r->cost.prompt_tokens,
           r->cost.ms_per_token);
    if (f->has_base)
        printf(" (base %.0f, %.1f)", 1000 * r->base_cost.ttft_s, r->base_cost.ms_per_token);
    putchar('\n');
}

static void print_task(const struct eval_task *t)
{
    printf("task %-10s %.1f %% of %d right (%s, 95 %%: %.1f to %.1f)", t->name, 100 * t->accuracy, t->items, t->metric,
           100 * t->low, 100 * t->high);
    if (!isnan(t->base))
        printf(", base %.1f %%, difference %+.1f (95 %%: %+.1f to %+.1f)", 100 * t->base, 100 * t->delta,
               100 * t->delta_low, 100 * t->delta_high);
    putchar('\n');
}

/* Line breaks would take the columns apart. */
static void print_text(const char *label, const char *text)
{
    printf("  %-8s", label);
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", stdout);
        else
            putchar(*text);
    putchar('\n');
}

static void print_sample(const struct eval_sample *s)
{
    puts("sample");
    print_text("prompt", s->prompt);
    if (s->base)
        print_text("base", s->base);
    print_text("answer", s->answer);
    if (s->base && s->differs_at >= 0)
        printf("  differs from character %d on\n", s->differs_at + 1);
    else if (s->base)
        puts("  the same");
}

static void print_verdict(const struct eval_figures *f, double max_loss)
{
    static const struct { const char *verdict, *means; } words[] = {
        {"accept", "the loss is within"}, {"reject", "the loss is more than"},
        {"undecided", "more chunks are needed to tell whether the loss is within"},
    };
    for (size_t i = 0; f->verdict && i < ARRAY_LENGTH(words); i++)
        if (strcmp(words[i].verdict, f->verdict) == 0)
            printf("verdict         %s: %s %.3g %%\n", f->verdict, words[i].means, 100 * max_loss);
}

static void print_result(const struct eval_result *r, const struct eval_options *o, const struct runtime_speed *speed)
{
    print_figures(r, o);
    print_runtime(speed);
    for (int i = 0; i < r->task_count; i++)
        print_task(&r->tasks[i]);
    for (int i = 0; i < r->sample_count; i++)
        print_sample(&r->samples[i]);
    print_verdict(&r->figures, o->max_loss);
}

/* ------------------------------------------------------------- what became of each question */

struct item_log {
    struct file_out file;
    struct error error;          /* the first that writing met */
};

static void on_item(void *user, const struct eval_item *i)
{
    struct item_log *log = user;
    json_t *j = item_json(i);
    char *line = json_dumps(j, JSON_COMPACT);
    if (!log->error.code && !file_out_write(&log->file, line, strlen(line), &log->error))
        file_out_write(&log->file, "\n", 1, &log->error);
    free(line);
    json_decref(j);
}

static int log_end(struct item_log *log, int rc, struct error *e)
{
    if (!rc && log->error.code) {
        *e = log->error;
        rc = e->code;
    }
    if (!rc)
        return file_out_commit(&log->file, e);
    file_out_abandon(&log->file, false);
    return rc;
}

/* ----------------------------------------------------------------- running */

static int gate(const struct eval_figures *f, double max_loss, struct error *e)
{
    if (!f->verdict || strcmp(f->verdict, "reject") != 0)
        return 0;
    return error_set(e, ERROR_REJECTED, "rejected: the perplexity rose by %.2f %%, and %.3g %% is the most allowed",
                     100 * expm1(f->delta_ln_ppl), 100 * max_loss);
}

static int evaluate(const struct args *a, const struct model *m, const struct model *base, struct eval_options *o,
                    struct error *e)
{
    struct eval_result r = {0};
    struct runtime_speed speed = {0};
    struct progress p;
    struct item_log log = {0};
    const struct eval_listener listener = {.item = on_item, .user = &log};
    const char *log_path = args_get(a, "log-items");
    int rc = log_path ? file_out_open(&log.file, log_path, false, e) : 0;
    if (rc)
        return rc;
    char *text = eval_text_named(o->text);
    if (text && !o->text && !args_json(a))
        printf("text            %s (name another with -f)\n", text);
    o->text = text;
    interrupt_catch();
    progress_init(&p, args_json(a));
    rc = eval_check(o, e);
    rc = rc ? rc : eval_run(&r, m, base, o, log_path ? &listener : NULL, &p.watch, e);
    rc = rc ? rc : ask_runtime(&speed, a, m, &p.watch, e);
    progress_done(&p);
    rc = log_path ? log_end(&log, rc, e) : rc;
    if (!rc && args_json(a))
        print_json(&r, o, &speed);
    else if (!rc)
        print_result(&r, o, &speed);
    if (!rc)
        rc = gate(&r.figures, o->max_loss, e);
    eval_result_done(&r);
    free(text);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    struct eval_options o;
    struct arena texts = {0};
    struct model *m = NULL, *base = NULL;
    int rc = read_options(a, &o, &texts, e);
    if (!rc)
        rc = open_model(&m, args_operand(a, 0), args_get(a, "pre"), 0, e);
    if (!rc && args_has(a, "base"))
        rc = open_model(&base, args_get(a, "base"), args_get(a, "pre"), 0, e);
    if (!rc)
        rc = evaluate(a, m, base, &o, e);
    model_close(base);
    model_close(m);
    arena_done(&texts);
    return rc;
}

const struct command cmd_eval = {
    .name = "eval",
    .usage = "MODEL [--base MODEL] [-f TEXT] [-c 512] [--chunks N] [--tasks FILE] [--prompts FILE] [--activations KIND]",
    .summary = "how good a model still is: perplexity, divergence from the original, tasks, samples, speed",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
