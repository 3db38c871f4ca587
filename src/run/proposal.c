#include "run/proposal.h"

#include <string.h>
#include <strings.h>

#include "base/rulefile.h"

static int read_step(const struct yaml *row, const char **level, struct proposal *p, struct error *e)
{
    static const char *const keys[] = {"level", "next", "why", NULL};
    int rc = yaml_only(row, keys, e);
    if (!rc)
        rc = yaml_text(row, "level", true, level, e);
    if (!rc)
        rc = yaml_text(row, "next", true, &p->next, e);
    return rc ? rc : yaml_text(row, "why", true, &p->why, e);
}

int proposal_after(struct proposal *p, const char *level, struct arena *a, struct error *e)
{
    static const char *const keys[] = {"schema", "steps", NULL};
    struct yaml *file, *steps;
    *p = (struct proposal){0};
    int rc = rulefile_load(&file, "steps", a, e);
    if (!rc)
        rc = yaml_only(file, keys, e);
    if (!rc)
        rc = yaml_child(file, "steps", true, YAML_LIST, &steps, e);
    for (size_t i = 0; !rc && i < steps->count; i++) {
        struct proposal step = {0};
        const char *of = NULL;
        rc = read_step(steps->items[i], &of, &step, e);
        if (!rc && strcasecmp(of, level) == 0)
            *p = step;
    }
    return rc;
}
