/* quantwiz convert IN.gguf OUT.gguf */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "cmd/args.h"
#include "cmd/making.h"

static const struct option_spec options[] = {
    {"type", 0, "TYPE", "f16 (the default), bf16, f32 or q8_0"},
    {"resume", 0, NULL, "go on with what an interrupted attempt left behind"},
    {0},
};

static int check_type(const char *type, struct error *e)
{
    static const char *const types[] = {"f16", "bf16", "f32", "q8_0"};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (strcasecmp(types[i], type) == 0)
            return 0;
    return error_set(e, ERROR_USAGE, "--type: expected f16, bf16, f32 or q8_0, found '%s' (quantwiz quantize makes"
                     " the rest)", type);
}

static int run(const struct args *a, struct error *e)
{
    const char *type = args_get(a, "type");
    struct making m = {
        .in = args_operand(a, 0),
        .out = args_operand(a, 1),
        .level = type ? type : "f16",
        .resume = args_has(a, "resume"),
        .json = args_json(a),
    };
    int rc = check_type(m.level, e);
    return rc ? rc : making_run(&m, e);
}

const struct command cmd_convert = {
    .name = "convert",
    .usage = "IN.gguf OUT.gguf [--type f16|bf16|f32|q8_0]",
    .summary = "change the number format of a GGUF file",
    .options = options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run,
};
