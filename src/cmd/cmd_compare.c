/* quantwiz compare RUN... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cmd/args.h"
#include "report/comparison.h"

static const struct option_spec options[] = {
    {"markdown", 0, NULL, "a document: the table, and how to make each of them again"},
    {"csv", 0, NULL, "a line a run (RFC 4180), unrounded"},
    {"plot", 0, NULL, "the table, and size against divergence as a plot"},
    {"output", 'o', "FILE", "write it there instead"},
    {0},
};

static void table_and_plot(const struct comparison *c, FILE *out)
{
    enum { WIDTH = 64, HEIGHT = 14 };
    comparison_table(c, out);
    comparison_plot(c, WIDTH, HEIGHT, out);
}

/* The form that was asked for; of several the first of these. */
static void (*form_of(const struct args *a))(const struct comparison *c, FILE *out)
{
    return args_json(a)             ? comparison_json
           : args_has(a, "csv")      ? comparison_csv
           : args_has(a, "markdown") ? comparison_markdown
           : args_has(a, "plot")     ? table_and_plot
                                     : comparison_table;
}

static int print(const struct comparison *c, const struct args *a, struct error *e)
{
    const char *path = args_get(a, "output");
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int rc = 0;
    form_of(a)(c, out);
    fclose(out);
    if (path)
        rc = file_write(path, text, length, e);
    else
        fwrite(text, 1, length, stdout);
    free(text);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    int count = args_operand_count(a);
    const char **folders = xcalloc(count, sizeof *folders);
    struct comparison c;
    for (int i = 0; i < count; i++)
        folders[i] = args_operand(a, i);
    int rc = comparison_read(&c, folders, count, e);
    rc = rc ? rc : print(&c, a, e);
    comparison_done(&c);
    free(folders);
    return rc;
}

const struct command cmd_compare = {
    .name = "compare",
    .usage = "RUN... [--markdown|--csv|--json|--plot] [-o FILE]",
    .summary = "several runs in one table",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};
