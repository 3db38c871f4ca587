/* Subcommands: a row each; one file per subcommand reads its arguments, calls, prints. No logic. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdbool.h>

#include "base/error.h"
#include "plan/wishes.h"

struct option_spec {
    const char *name;      /* long name without dashes */
    char letter;           /* 0: none */
    const char *argument;  /* "FILE"; NULL: a switch */
    const char *help;
    bool optional;         /* the argument may be left out, and is given as --name=ARGUMENT */
};

struct args;
struct command {
    const char *name;
    const char *usage;                    /* operands: "MODEL [-f TEXT]" */
    const char *summary;                  /* one line for the help; NULL: not shown there */
    const struct option_spec *options;    /* ends with {0} */
    bool wishes;                          /* takes the wishes too */
    int operands_min, operands_max;       /* max -1: any */
    int (*run)(const struct args *a, struct error *e); /* 0 or a negative error code */
};
extern const struct command *const commands[]; /* NULL-terminated */

/* Parsed arguments. */
const char *args_operand(const struct args *a, int i);         /* NULL past the end */
int args_operand_count(const struct args *a);
const char *args_get(const struct args *a, const char *option); /* last value; "" for a switch; NULL: not given */
bool args_has(const struct args *a, const char *option);
/* The i-th of a repeated option's values, NULL past the end. */
const char *args_nth(const struct args *a, const char *option, int i);
int args_int(const struct args *a, const char *option, int low, int high, int *value, struct error *e); /* unset: untouched */
bool args_json(const struct args *a);
/* Sets the wishes that were given, and the defaults of all others; what a machine and a model know better is the
 * caller's (wishes_defaults). */
int args_wishes(const struct args *a, struct wishes *w, struct error *e);

extern const struct command cmd_machine, cmd_models, cmd_offers, cmd_fetch, cmd_inspect, cmd_estimate, cmd_plan, cmd_run, cmd_attach,
    cmd_convert, cmd_quantize, cmd_split, cmd_merge, cmd_imatrix, cmd_eval, cmd_generate, cmd_tokenize, cmd_compare, cmd_report, cmd_doctor, cmd_wizard, cmd_docs;

#endif
