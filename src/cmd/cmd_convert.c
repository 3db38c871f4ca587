/* quantwiz convert IN OUT.gguf [TYPE] */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "cmd/args.h"
#include "cmd/making.h"
#include "cmd/open.h"

static const struct option_spec options[] = {
    {"type", 0, "TYPE", "f16 (the default), bf16, f32 or q8_0"},
    {"resume", 0, NULL, "go on with what an interrupted attempt left behind"},
    SPLIT_OPTIONS,
    PRE_OPTION,
    {0},
};

static int check_type(const char *type, struct error *e)
{
    static const char *const types[] = {"f16", "bf16", "f32", "q8_0"};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (strcasecmp(types[i], type) == 0)
            return 0;
    return error_set(e, ERROR_USAGE, "the type: expected f16, bf16, f32 or q8_0, found '%s' (quantwiz quantize makes"
                     " the rest)", type);
}

static int run(const struct args *a, struct error *e)
{
    const char *type = args_operand(a, 2) ? args_operand(a, 2) : args_get(a, "type");
    struct making m = {
        .in = args_operand(a, 0),
        .out = args_operand(a, 1),
        .level = type ? type : "f16",
        .resume = args_has(a, "resume"),
        .json = args_json(a),
        .pre = args_get(a, "pre"),
    };
    int rc = check_type(m.level, e);
    if (!rc)
        rc = making_read_split(a, &m.split, e);
    return rc ? rc : making_run(&m, e);
}

const struct command cmd_convert = {
    .name = "convert",
    .usage = "IN OUT.gguf [f16|bf16|f32|q8_0]",
    .summary = "make a GGUF file of a checkpoint folder, or change the number format of one",
    .options = options,
    .operands_min = 2,
    .operands_max = 3,
    .run = run,
};
