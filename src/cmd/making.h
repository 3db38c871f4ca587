/* What `quantize`, `convert`, `split` and `merge` share: a GGUF model made from another, and the account of it. */
#ifndef CMD_MAKING_H
#define CMD_MAKING_H

#include "cmd/cmd.h"
#include "plan/recipe.h"
#include "run/layout.h"
#include "run/quantize.h"

struct making {
    const char *in, *out, *pre;    /* pre: see model_open_as */
    const char *level;             /* NULL: every tensor and all metadata as they are */
    struct recipe_options options; /* `strict` also: refuse with the whole list of fallbacks */
    struct split split;
    struct calibration calibration; /* text NULL: none */
    bool nearest;                  /* the text says no more than what counts: importance */
    uint64_t memory_bytes;         /* see quantize_job */
    const char *imatrix;           /* file of importance; NULL: none */
    const char *const *skip;       /* [skip_count]: of checkpoint folders, see checkpoint_layout.h */
    int skip_count;
    bool dry_run, resume, json;
};
/* Rows for the options of a command that can write shards, and what was given for them. */
#define SPLIT_OPTIONS                                                                                        \
    {"split-max-size", 0, "SIZE", "write shards of at most this size (5G), named OUT-00001-of-0000N.gguf"},  \
    {"split-max-tensors", 0, "N", "write shards of at most so many tensors"}
int making_read_split(const struct args *a, struct split *s, struct error *e);

int making_run(const struct making *m, struct error *e);

#endif
