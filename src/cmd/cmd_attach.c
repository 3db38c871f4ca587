/* quantwiz attach [RUN]: panes on a run that is going on, or over. */
#include <stdlib.h>

#include "cmd/cmd.h"
#include "run/run.h"
#include "ui/ui.h"

/* Without an operand there must be exactly one run here to choose. */
static int choose_run(char **folder, const char *below, struct error *e)
{
    char **runs = run_find(below);
    int count = 0, rc = 0;
    while (runs[count])
        count++;
    if (count == 1)
        *folder = xstrdup(runs[0]);
    else
        rc = error_set(e, ERROR_USAGE, "%s in this folder: name one, as in quantwiz attach NAME.quantwiz",
                       count ? "there are several runs" : "no run is going on or was interrupted");
    for (int i = 0; i < count; i++)
        free(runs[i]);
    free(runs);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    struct wizard w = {0};
    const char *script = args_get(a, "script");
    char *folder = args_operand(a, 0) ? xstrdup(args_operand(a, 0)) : NULL;
    int rc = folder ? 0 : choose_run(&folder, ".", e);
    const struct wizard_options options = {.attach = folder, .machine_file = args_get(a, "machine")};
    const struct ui_options ui = {.script = script ? script : getenv("QUANTWIZ_SCRIPT"),
                                  .no_mouse = args_has(a, "no-mouse")};
    rc = rc ? rc : wizard_start(&w, &options, e);
    rc = rc ? rc : ui_run(&w, &ui, e);
    wizard_done(&w);
    free(folder);
    return rc;
}

static const struct option_spec options[] = {
    {"script", 0, "FILE", "keys and commands from a file instead of a terminal"},
    {"no-mouse", 0, NULL, "leave the mouse to the terminal"},
    {0},
};

const struct command cmd_attach = {
    .name = "attach",
    .usage = "[RUN]",
    .summary = "panes on a run that is going on, or over",
    .options = options,
    .operands_max = 1,
    .run = run,
};
