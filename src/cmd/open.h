/* MODEL on the command line: a path, or a name that source_resolve() knows. */
#ifndef CMD_OPEN_H
#define CMD_OPEN_H

#include "cmd/args.h"
#include "infer/decoder.h"
#include "model/model.h"

/* The path of what `given` stands for, fetched where it lies on the hub, with the progress on stderr; free() it. */
int fetch_model(char **path, const char *given, struct error *e);
/* model_open_as() on what `given` stands for; `pre`: what --pre says, or NULL. */
int open_model(struct model **out, const char *given, const char *pre, int flags, struct error *e);
/* For who needs no weights: of a model on the hub that is not in the cache only headers are fetched. */
int open_header(struct model **out, const char *given, const char *pre, int flags, struct error *e);

/* A row for the options of a command that opens models. */
#define PRE_OPTION                                                                                           \
    {"pre", 0, "NAME", "how words are cut, for a folder whose tokenizer.json cuts them in a way that is not known"}

/* --activations of commands that evaluate; leaves *to as it is where it is not given. */
int read_activations(const struct args *a, enum activations *to, struct error *e);
#define ACTIVATIONS_OPTION                                                                                   \
    {"activations", 0, "KIND", "how they are rounded: served (default: not, but to 8 bits where the format says so:"  \
                               " fp8, w8a8, bnb-int8), f32 (not), q8 (to 8 bits, as llama.cpp does on a CPU)"}

#endif
