#include "eval/runtime_speed.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"
#include "base/mem.h"

enum { PROMPT_TOKENS = 64, ANSWER_TOKENS = 32, ARGUMENTS = 32 };

/* One measurement. */
struct bench {
    const struct runtime_question *q;
    struct runtime_speed *out;
    char *program;             /* its path */
    char *folder;              /* a temporary one */
    double seconds;            /* limit of each start */
    struct watch *w;
    struct arena arena;
};

/* ---------------------------------------------------------------------- starts */

struct arguments { const char *list[ARGUMENTS]; int count; };

static void add(struct arguments *a, const char *argument)
{
    if (a->count < ARGUMENTS - 1)
        a->list[a->count++] = argument;
}

static void add_all(struct arguments *a, const char *const *list)
{
    for (; *list; list++)
        add(a, *list);
}

static void add_number(struct bench *b, struct arguments *a, const char *option, int value)
{
    if (value < 0)
        return;
    add(a, option);
    add(a, arena_printf(&b->arena, "%d", value));
}

/* The last line that it wrote before it gave up. */
static const char *last_line(const struct str *text, struct arena *a)
{
    size_t end = text->length, start;
    while (end && strchr(" \r\n\t", text->data[end - 1]))
        end--;
    for (start = end; start && text->data[start - 1] != '\n';)
        start--;
    char *line = arena_strndup(a, text->data ? text->data + start : "", end - start);
    text_make_printable(line);
    return line;
}

/* Interruptions are errors; everything else is told in `out` alone: 1. */
static int fail(struct bench *b, const char *why)
{
    snprintf(b->out->error, sizeof b->out->error, "%s", why);
    return 1;
}

/* "ended with status 1: its last line", "was killed: Segmentation fault". */
static const char *ending(struct bench *b, const struct child *c)
{
    const char *line = last_line(c->err.length ? &c->err : &c->out, &b->arena), *between = *line ? ": " : "";
    return c->status > 128 ? arena_printf(&b->arena, "%s was killed: %s%s%s", b->out->program,
                                          strsignal(c->status - 128), between, line)
                           : arena_printf(&b->arena, "%s ended with status %d%s%s", b->out->program, c->status, between,
                                          line);
}

static int run(struct bench *b, struct child *c, const struct arguments *a, struct error *e)
{
    struct error why;
    int rc = child_run(c, a->list, b->seconds, b->w, &why);
    if (rc == ERROR_INTERRUPTED) {
        *e = why;
        return rc;
    }
    if (rc)
        return fail(b, why.text);
    return c->status == 0 ? 0 : fail(b, ending(b, c));
}

/* ------------------------------------------------------------------ llama-bench */

static double number_of(const json_t *j, const char *key)
{
    const json_t *value = json_object_get(j, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* An array with an object for each test: reading (n_gen 0) and writing (n_prompt 0). */
static int read_llama(struct bench *b, const struct str *text)
{
    struct runtime_speed *out = b->out;
    json_t *tests = json_loadb(text->data ? text->data : "", text->length, 0, NULL), *test;
    size_t i;
    json_array_foreach(tests, i, test) {
        double read = number_of(test, "n_prompt"), written = number_of(test, "n_gen"), speed = number_of(test, "avg_ts");
        if (read > 0 && written == 0) {
            out->prefill_tokens_per_s = speed;
            out->cost.prompt_tokens = read;
            out->cost.ttft_s = number_of(test, "avg_ns") / 1e9;
        } else if (written > 0 && read == 0) {
            out->decode_tokens_per_s = speed;
        }
    }
    json_decref(tests);
    return isnan(out->prefill_tokens_per_s) || isnan(out->decode_tokens_per_s)
               ? fail(b, "llama-bench printed no tests that can be read") : 0;
}

static int bench_llama(struct bench *b, struct error *e)
{
    struct arguments a = {0};
    struct child c;
    add_all(&a, (const char *const[]){b->program, "-m", b->q->model, "-r", "3", "-o", "json", NULL});
    add_number(b, &a, "-p", PROMPT_TOKENS);
    add_number(b, &a, "-n", ANSWER_TOKENS);
    add_number(b, &a, "-t", b->q->threads);
    add_number(b, &a, "-ngl", b->q->gpu_layers);
    int rc = run(b, &c, &a, e);
    if (!rc) {
        b->out->cost.rss_bytes = c.peak_rss_bytes;
        rc = read_llama(b, &c.out);
    }
    child_done(&c);
    return rc;
}

/* ----------------------------------------------------------------------- ollama */

/* "eval rate:            9.54 tokens/s": the number behind a label that begins a line. */
static double labelled(const char *text, const char *label)
{
    size_t length = strlen(label);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, label, length) == 0)
            return strtod(line + length, NULL);
    return NAN;
}

static int read_ollama(struct bench *b, const struct child *c)
{
    struct runtime_speed *out = b->out;
    const char *text = c->err.data ? c->err.data : "";
    out->prefill_tokens_per_s = labelled(text, "prompt eval rate:");
    out->decode_tokens_per_s = labelled(text, "eval rate:");
    out->cost.prompt_tokens = labelled(text, "prompt eval count:");
    out->cost.ttft_s = out->cost.prompt_tokens / out->prefill_tokens_per_s;
    return isnan(out->decode_tokens_per_s) ? fail(b, "ollama printed no rates that can be read") : 0;
}

static int write_modelfile(struct bench *b, const char *path, struct error *e)
{
    char *model = path_absolute(b->q->model);
    struct str s = {0};
    str_addf(&s, "FROM %s\nPARAMETER temperature 0\nPARAMETER num_predict %d\n", model, ANSWER_TOKENS);
    if (b->q->gpu_layers >= 0)
        str_addf(&s, "PARAMETER num_gpu %d\n", b->q->gpu_layers);
    int rc = file_write(path, s.data, s.length, e);
    str_done(&s);
    free(model);
    return rc ? fail(b, e->text) : 0;
}

static int run_ollama(struct bench *b, struct child *c, struct error *e, const char *const *words)
{
    struct arguments a = {0};
    add(&a, b->program);
    add_all(&a, words);
    return run(b, c, &a, e);
}

/* Also after an interruption: it is a copy of the whole file. */
static void remove_from_store(const struct bench *b, const char *name)
{
    const double seconds = 30;
    struct child c;
    struct error ignored;
    child_run(&c, (const char *const[]){b->program, "rm", name, NULL}, seconds, NULL, &ignored);
    child_done(&c);
}

/* The file has to be in its store to be run, for as long as this takes. */
static int bench_ollama(struct bench *b, struct error *e)
{
    const char *prompt = "You are asked to answer the following question in two or three plain sentences, without any list. Why"
                         " does the sea look blue on a clear day, and grey when the sky is covered by clouds?";
    const char *name = arena_printf(&b->arena, "quantwiz-speed-%d", (int)getpid());
    const char *file = arena_printf(&b->arena, "%s/Modelfile", b->folder);
    struct child made = {0}, said = {0};
    int rc = write_modelfile(b, file, e);
    rc = rc ? rc : run_ollama(b, &made, e, (const char *const[]){"create", name, "-f", file, NULL});
    rc = rc ? rc : run_ollama(b, &said, e, (const char *const[]){"run", name, "--verbose", prompt, NULL});
    rc = rc ? rc : read_ollama(b, &said);
    remove_from_store(b, name);
    child_done(&made);
    child_done(&said);
    unlink(file);
    return rc;
}

/* ------------------------------------------------------------------------- vllm */

static int vllm_latency(struct bench *b, int answer, double *seconds, struct error *e)
{
    const char *file = arena_printf(&b->arena, "%s/latency.json", b->folder);
    struct arguments a = {0};
    struct child c;
    add_all(&a, (const char *const[]){b->program, "bench", "latency", "--model", b->q->model, "--batch-size", "1",
                                      "--num-iters-warmup", "1", "--num-iters", "3", "--max-model-len", "512",
                                      "--output-json", file, NULL});
    add_number(b, &a, "--input-len", PROMPT_TOKENS);
    add_number(b, &a, "--output-len", answer);
    int rc = run(b, &c, &a, e);
    json_t *j = rc ? NULL : json_load_file(file, 0, NULL);
    *seconds = number_of(j, "avg_latency");
    child_done(&c);
    json_decref(j);
    unlink(file);
    return rc ? rc : isnan(*seconds) ? fail(b, "vllm bench latency wrote no latency that can be read") : 0;
}

/* It tells the time of a whole answer: that of one token, and of many, give both figures. */
static int bench_vllm(struct bench *b, struct error *e)
{
    struct runtime_speed *out = b->out;
    double first, all;
    int rc = vllm_latency(b, 1, &first, e);
    rc = rc ? rc : vllm_latency(b, ANSWER_TOKENS + 1, &all, e);
    if (rc)
        return rc;
    out->cost.ttft_s = first;
    out->cost.prompt_tokens = PROMPT_TOKENS;
    out->prefill_tokens_per_s = PROMPT_TOKENS / first;
    out->decode_tokens_per_s = all > first ? ANSWER_TOKENS / (all - first) : NAN;
    return 0;
}

/* -------------------------------------------------------------------------- all */

static const struct {
    const char *runtime, *program;
    double seconds;
    int (*measure)(struct bench *b, struct error *e);
} benches[] = {
    {"llama.cpp", "llama-bench", 180, bench_llama},
    {"ollama", "ollama", 300, bench_ollama},
    {"vllm", "vllm", 900, bench_vllm},
};

static char *temporary_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = xasprintf("%s/quantwiz-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (mkdtemp(folder))
        return folder;
    free(folder);
    return NULL;
}

static int measure(struct bench *b, int (*how)(struct bench *b, struct error *e), struct error *e)
{
    b->folder = temporary_folder();
    if (!b->folder)
        return fail(b, "there is no folder for temporary files: TMPDIR names one");
    int rc = how(b, e);
    b->out->cost.ms_per_token = 1000 / b->out->decode_tokens_per_s;
    rmdir(b->folder);
    free(b->folder);
    return rc;
}

int runtime_speed(struct runtime_speed *out, const struct runtime_question *q, struct watch *w, struct error *e)
{
    struct bench b = {.q = q, .out = out, .w = w};
    int rc = 0;
    *out = (struct runtime_speed){.prefill_tokens_per_s = NAN, .decode_tokens_per_s = NAN, .cost = {NAN, NAN, NAN, NAN}};
    for (size_t i = 0; i < ARRAY_LENGTH(benches); i++)
        if (strcmp(benches[i].runtime, q->runtime) == 0 && (b.program = child_find(benches[i].program))) {
            out->program = benches[i].program;
            b.seconds = benches[i].seconds;
            rc = measure(&b, benches[i].measure, e);
        }
    free(b.program);
    arena_done(&b.arena);
    return rc < 0 ? rc : 0;
}
