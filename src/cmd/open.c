#include "cmd/open.h"

#include <stdlib.h>

#include "base/watch.h"
#include "hub/source.h"

static int resolve(const char *given, char **path, struct error *e)
{
    struct progress p;
    interrupt_catch();
    progress_init(&p, false);
    int rc = source_resolve(given, path, &p.watch, e);
    progress_done(&p);
    return rc;
}

int open_model(struct model **out, const char *given, int flags, struct error *e)
{
    char *path;
    *out = NULL;
    int rc = source_is_named(given) ? resolve(given, &path, e) : source_resolve(given, &path, NULL, e);
    rc = rc ? rc : model_open(out, path, flags, e);
    free(path);
    return rc;
}
