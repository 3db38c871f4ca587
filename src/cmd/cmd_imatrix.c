/* quantwiz imatrix MODEL -f TEXT -o OUT.gguf */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/watch.h"
#include "calib/imatrix.h"
#include "cmd/cmd.h"
#include "cmd/open.h"

static const struct option_spec options[] = {
    {"file", 'f', "TEXT", "text like that which the model will see: plain text, JSON lines, or a folder of them"},
    {"output", 'o', "FILE", "what to write (default: MODEL's name, with -imatrix.gguf)"},
    {"ctx", 'c', "N", "tokens in a chunk (default 512)"},
    {"chunks", 0, "N", "chunks at most, spread over the text (default: all of it)"},
    {"merge", 0, "FILE", "add what this file of importance holds; may be repeated"},
    PRE_OPTION,
    {0},
};

static void print_chunks(const struct chunks *c)
{
    char *what = chunks_describe(c);
    printf("from      %s\n", what);
    free(what);
}

static int collect(struct imatrix *m, const struct args *a, const struct model *model, struct error *e)
{
    const char *text = args_get(a, "file");
    struct tokenizer *t = NULL;
    struct chunks c = {0};
    struct progress p;
    int length = 512, at_most = 0;
    int rc = args_int(a, "ctx", 4, 1 << 20, &length, e);
    rc = rc ? rc : args_int(a, "chunks", 1, 1 << 24, &at_most, e);
    rc = rc ? rc : tokenizer_open(&t, model, NULL, e);
    rc = rc ? rc : chunks_read(&c, text, t, length, at_most, e);
    if (!rc && !args_json(a))
        print_chunks(&c);
    if (!rc) {
        interrupt_catch();
        progress_init(&p, args_json(a));
        rc = imatrix_collect(m, model, &c, text, &p.watch, e);
        progress_done(&p);
    }
    chunks_done(&c);
    tokenizer_free(t);
    return rc;
}

static int merge(struct imatrix *m, const struct args *a, struct error *e)
{
    const char *path;
    int rc = 0;
    for (int i = 0; !rc && (path = args_nth(a, "merge", i)); i++) {
        struct imatrix other;
        rc = imatrix_read(&other, path, e);
        rc = rc ? rc : imatrix_merge(m, &other, e);
        imatrix_done(&other);
    }
    return rc;
}

/* ---------------------------------------------------------------- printing */

static void print_coverage(const struct imatrix *m)
{
    int partly = 0;
    for (int i = 0; i < m->count; i++) {
        const struct imatrix_entry *x = &m->entries[i];
        if (imatrix_coverage(x) < 1) {
            printf("coverage  %s: %.1f %% of %d experts met any input\n", x->name, 100 * imatrix_coverage(x),
                   x->matrices);
            partly++;
        }
    }
    if (partly)
        printf("warning   %d weights have experts that the text never reached; use more text\n", partly);
}

static void print_text(const struct imatrix *m)
{
    printf("weights   %d\n", m->count);
    printf("text      %lld chunks of %d tokens\n", (long long)m->chunks, m->chunk_length);
    print_coverage(m);
}

static void print_json(const struct imatrix *m, const char *out)
{
    json_t *j = json_object(), *weights = json_array();
    for (int i = 0; i < m->count; i++) {
        const struct imatrix_entry *x = &m->entries[i];
        json_t *row = json_object();
        json_object_set_new(row, "name", json_text(x->name));
        json_object_set_new(row, "columns", json_integer(x->columns));
        json_object_set_new(row, "matrices", json_integer(x->matrices));
        json_object_set_new(row, "coverage", json_real(imatrix_coverage(x)));
        json_array_append_new(weights, row);
    }
    json_object_set_new(j, "output", json_text(out));
    json_object_set_new(j, "chunks", json_integer(m->chunks));
    json_object_set_new(j, "context", json_integer(m->chunk_length));
    json_object_set_new(j, "weights", weights);
    json_print(stdout, j, 0);
}

static int finish(const struct imatrix *m, const struct args *a, const char *out, struct error *e)
{
    int rc = m->count ? 0 : error_set(e, ERROR_USAGE, "nothing to write: name a text with -f, or files with --merge");
    if (!rc && !args_json(a))
        print_text(m);
    rc = rc ? rc : imatrix_write(m, out, e);
    if (!rc && args_json(a))
        print_json(m, out);
    else if (!rc)
        printf("wrote     %s\n", out);
    return rc;
}

static char *output_name(const struct args *a, const struct model *model)
{
    const char *given = args_get(a, "output"), *name = path_name(model->path), *dot = strrchr(name, '.');
    if (given)
        return path_expand(given);
    return xasprintf("%.*s-imatrix.gguf", (int)(dot && dot > name ? dot - name : (long)strlen(name)), name);
}

static int run(const struct args *a, struct error *e)
{
    struct model *model = NULL;
    struct imatrix m = {0};
    int rc = open_model(&model, args_operand(a, 0), args_get(a, "pre"), 0, e);
    if (!rc && args_has(a, "file"))
        rc = collect(&m, a, model, e);
    rc = rc ? rc : merge(&m, a, e);
    if (!rc) {
        char *out = output_name(a, model);
        rc = finish(&m, a, out, e);
        free(out);
    }
    imatrix_done(&m);
    model_close(model);
    return rc;
}

const struct command cmd_imatrix = {
    .name = "imatrix",
    .usage = "MODEL -f TEXT [-o OUT.gguf] [-c 512] [--chunks N] [--merge FILE]...",
    .summary = "measure how much each column of each weight matters for a text",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
