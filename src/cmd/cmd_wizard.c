/* quantwiz [MODEL]: the wizard. */
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/open.h"
#include "ui/ui.h"

static int run(const struct args *a, struct error *e)
{
    struct wishes wishes = {0};
    struct wizard w = {0};
    const char *script = args_get(a, "script");
    const struct wizard_options options = {
        .model = args_operand(a, 0),
        .pre = args_get(a, "pre"),
        .machine_file = args_get(a, "machine"),
        .out_folder = args_get(a, "out"),
        .wishes = &wishes,
    };
    const struct ui_options ui = {.script = script ? script : getenv("QUANTWIZ_SCRIPT"),
                                  .no_mouse = args_has(a, "no-mouse")};
    int rc = args_wishes(a, &wishes, e);
    rc = rc ? rc : wizard_start(&w, &options, e);
    rc = rc ? rc : ui_run(&w, &ui, e);
    wizard_done(&w);
    wishes_done(&wishes);
    return rc;
}

static const struct option_spec options[] = {
    {"out", 'o', "DIR", "where artefacts and the run folder go (default: the current folder)"},
    {"script", 0, "FILE",
     "keys and commands from a file instead of a terminal; quantwiz-hacking(7) lists them"},
    {"no-mouse", 0, NULL, "leave the mouse to the terminal"},
    PRE_OPTION,
    {0},
};

const struct command cmd_wizard = {
    .name = "wizard",
    .usage = "[MODEL]",
    .summary = "the wizard; what `quantwiz` without a command opens",
    .options = options,
    .wishes = true,
    .operands_max = 1,
    .run = run,
};
