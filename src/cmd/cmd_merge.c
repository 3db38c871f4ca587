/* quantwiz merge IN-00001-of-0000N.gguf OUT.gguf */
#include "cmd/args.h"
#include "cmd/making.h"
#include "model/shard.h"

static const struct option_spec options[] = {
    {"resume", 0, NULL, "go on with what an interrupted attempt left behind"},
    {0},
};

static int run(const struct args *a, struct error *e)
{
    int number, count;
    const struct making m = {
        .in = args_operand(a, 0),
        .out = args_operand(a, 1),
        .resume = args_has(a, "resume"),
        .json = args_json(a),
    };
    if (!shard_name(m.in, &number, &count))
        return error_set(e, ERROR_USAGE,
                         "cannot merge %s: its name does not end in -0000N-of-0000M.gguf, as those of shards do",
                         m.in);
    return making_run(&m, e);
}

const struct command cmd_merge = {
    .name = "merge",
    .usage = "IN-00001-of-0000N.gguf OUT.gguf",
    .summary = "put the shards of a GGUF model together in one file",
    .options = options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run,
};
