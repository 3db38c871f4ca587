/* quantwiz split IN OUT */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "cmd/args.h"
#include "cmd/making.h"

/* Below the limit of every file system and host that people share models on. */
static const uint64_t usual_bytes = UINT64_C(4000) << 20;

static const struct option_spec options[] = {
    {"resume", 0, NULL, "go on with what an interrupted attempt left behind"},
    SPLIT_OPTIONS,
    {0},
};

static int run(const struct args *a, struct error *e)
{
    const char *out = args_operand(a, 1);
    char *file = str_ends(out, ".gguf") ? xstrdup(out) : xasprintf("%s.gguf", out);
    struct making m = {
        .in = args_operand(a, 0),
        .out = file,
        .resume = args_has(a, "resume"),
        .json = args_json(a),
    };
    int rc = making_read_split(a, &m.split, e);
    if (!m.split.max_bytes && !m.split.max_tensors)
        m.split.max_bytes = usual_bytes;
    rc = rc ? rc : making_run(&m, e);
    free(file);
    return rc;
}

const struct command cmd_split = {
    .name = "split",
    .usage = "IN.gguf OUT [--split-max-size 4000M] [--split-max-tensors N]",
    .summary = "cut a GGUF file into shards OUT-00001-of-0000N.gguf",
    .options = options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run,
};
