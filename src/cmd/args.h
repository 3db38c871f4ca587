/* The command line, parsed by the tables: a command's options, the wishes, and the common options. */
#ifndef CMD_ARGS_H
#define CMD_ARGS_H

#include "cmd/cmd.h"

extern const struct option_spec common_options[]; /* --json, --threads, --help: taken by every command */

/* argv[0] is the command's name. On "--help" prints the command's help and sets *helped. */
int args_parse(struct args **out, const struct command *c, int argc, char **argv, bool *helped, struct error *e);
void args_free(struct args *a);
void args_help(const struct command *c);

/* Every option that a command takes: its own, the wishes, the common ones. free() the items. */
struct option_list {
    struct option_spec *items;
    int count, capacity;
};
struct option_list args_options(const struct command *c);
/* An option's help with its choices, where it is a wish with choices. free() it. */
char *args_option_help(const struct command *c, const struct option_spec *o);

#endif
