#include "run/proposal.h"

#include <strings.h>

#include "base/rulefile.h"
#include "plan/rules.h"

int proposal_after(struct proposal *p, const char *level, struct arena *a, struct error *e)
{
    struct yaml *file;
    *p = (struct proposal){0};
    int rc = rulefile_load(&file, "steps", a, e);
    if (!rc)
        rc = schema_check(file, rules_schema("steps"), e);
    const struct yaml *steps = rc ? NULL : yaml_get(file, "steps");
    for (size_t i = 0; steps && i < steps->count; i++)
        if (strcasecmp(yaml_get(steps->items[i], "level")->text, level) == 0)
            *p = (struct proposal){yaml_get(steps->items[i], "next")->text, yaml_get(steps->items[i], "why")->text};
    return rc;
}
