/* quantwiz fetch MODEL: from the hub into the Hugging Face cache. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/open.h"

static int run(const struct args *a, struct error *e)
{
    char *path;
    int rc = fetch_model(&path, args_operand(a, 0), e);
    if (!rc && args_json(a))
        json_print(stdout, json_pack("{s:o}", "path", json_text(path)), 0);
    else if (!rc)
        puts(path);
    free(path);
    return rc;
}

const struct command cmd_fetch = {
    .name = "fetch",
    .usage = "hf:ORG/NAME[@REVISION][:FILE or LEVEL] [--json]",
    .summary = "fetch a model from the Hugging Face hub into its cache, and print the path",
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
