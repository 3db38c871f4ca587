/* quantwiz compare RUN... */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/table.h"
#include "cmd/args.h"
#include "run/run_state.h"

static const struct option_spec options[] = {{0}};

/* As llama.cpp does, which is a choice of the measurement; other rounding is the format's own. */
static bool rounds_as_llama(const struct run_state *s)
{
    return s->eval.activations && strcmp(s->eval.activations, "q8") == 0;
}

/* Perplexities compare only on the same text, in the same chunks. */
static bool alike(const struct run_state *a, const struct run_state *b)
{
    const char *x = a->eval_text ? a->eval_text : "", *y = b->eval_text ? b->eval_text : "";
    const struct eval_figures *f = &a->eval.figures, *g = &b->eval.figures;
    return strcmp(x, y) == 0 && a->eval_context == b->eval_context && f->chunks == g->chunks &&
           f->tokens == g->tokens && rounds_as_llama(a) == rounds_as_llama(b);
}

static bool all_alike(const struct run_state *runs, int count)
{
    const struct run_state *first = NULL;
    for (int i = 0; i < count; i++) {
        if (!runs[i].has_result)
            continue;
        if (first && !alike(first, &runs[i]))
            return false;
        first = first ? first : &runs[i];
    }
    return true;
}

static const char *verdict_of(const struct run_state *s)
{
    if (s->has_result && s->eval.figures.verdict)
        return s->eval.figures.verdict;
    return !s->over ? "running" : s->status ? s->status : "unknown";
}

/* The columns, for people and for programs alike. */
struct column {
    const char *title, *key, *format;
    double scale;                     /* for people */
    double (*value)(const struct run_state *s);
};

static double get_bytes(const struct run_state *s) { return s->artefact.path ? s->artefact.bytes : NAN; }
static double get_bits(const struct run_state *s) { return s->artefact.path ? s->artefact.bits_per_weight : NAN; }
static double get_ppl(const struct run_state *s) { return s->eval.figures.ppl; }
static double get_delta(const struct run_state *s) { return expm1(s->eval.figures.delta_ln_ppl); }
static double get_kld(const struct run_state *s) { return s->eval.figures.kld_mean; }
static double get_same_top(const struct run_state *s) { return s->eval.figures.same_top; }
static double get_prefill(const struct run_state *s) { return s->eval.figures.prefill_tokens_per_s; }
static double get_decode(const struct run_state *s) { return s->eval.figures.decode_tokens_per_s; }

static const struct column columns[] = {
    {"MiB", "bytes", "%.1f", 0x1p-20, get_bytes},
    {"bpw", "bits_per_weight", "%.2f", 1, get_bits},
    {"ppl", "ppl", "%.3f", 1, get_ppl},
    {"loss %", "loss", "%+.2f", 100, get_delta},
    {"KLD", "kld_mean", "%.4f", 1, get_kld},
    {"same top %", "same_top", "%.1f", 100, get_same_top},
    {"prefill t/s", "prefill_tokens_per_s", "%.0f", 1, get_prefill},
    {"decode t/s", "decode_tokens_per_s", "%.1f", 1, get_decode},
};

static void print_table(const struct run_state *runs, int count)
{
    struct table t;
    table_init(&t, "llrrrrrrrrl");
    table_add(&t, "run");
    table_add(&t, "level");
    for (size_t c = 0; c < ARRAY_LENGTH(columns); c++)
        table_add(&t, "%s", columns[c].title);
    table_add(&t, "verdict");
    for (int i = 0; i < count; i++) {
        table_add(&t, "%s", path_name(runs[i].folder));
        table_add(&t, "%s", runs[i].level ? runs[i].level : "?");
        for (size_t c = 0; c < ARRAY_LENGTH(columns); c++) {
            double value = columns[c].value(&runs[i]);
            if (isnan(value))
                table_add(&t, "-");
            else
                table_add(&t, columns[c].format, value * columns[c].scale);
        }
        table_add(&t, "%s", verdict_of(&runs[i]));
    }
    table_print(&t, stdout, 1);
    table_done(&t);
    if (!all_alike(runs, count))
        puts("\nThe runs were not measured on the same chunks of the same text: their perplexities and divergences do"
             " not compare.");
}

static void print_json(const struct run_state *runs, int count)
{
    json_t *list = json_array(), *j = json_object();
    for (int i = 0; i < count; i++) {
        json_t *r = json_object();
        json_object_set_new(r, "run", json_text(runs[i].folder));
        json_object_set_new(r, "level", json_text(runs[i].level));
        for (size_t c = 0; c < ARRAY_LENGTH(columns); c++)
            json_object_set_new(r, columns[c].key, json_value(columns[c].value(&runs[i])));
        json_object_set_new(r, "status", json_text(runs[i].status));
        json_object_set_new(r, "verdict", json_text(runs[i].eval.figures.verdict));
        json_array_append_new(list, r);
    }
    json_object_set_new(j, "runs", list);
    json_object_set_new(j, "comparable", json_boolean(all_alike(runs, count)));
    json_print(stdout, j, 0);
}

static int read_run(struct run_state *s, const char *folder, struct error *e)
{
    run_state_init(s, folder);
    int events = run_state_poll(s, e);
    if (events == 0)
        return error_set(e, ERROR_USAGE, "%s is no run: give the folders of runs (NAME.quantwiz)", folder);
    return events < 0 ? events : 0;
}

static int run(const struct args *a, struct error *e)
{
    int count = args_operand_count(a), read = 0, rc = 0;
    struct run_state *runs = xcalloc(count, sizeof *runs);
    while (!rc && read < count) {
        rc = read_run(&runs[read], args_operand(a, read), e);
        read++;
    }
    if (!rc)
        (args_json(a) ? print_json : print_table)(runs, count);
    for (int i = 0; i < read; i++)
        run_state_done(&runs[i]);
    free(runs);
    return rc;
}

const struct command cmd_compare = {
    .name = "compare",
    .usage = "RUN...",
    .summary = "several runs in one table",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};
