#include "cmd/open.h"

#include <stdlib.h>

#include "base/watch.h"
#include "hub/source.h"

/* `stand_in` NULL: the weights are wanted too. */
static int resolve(const char *given, char **path, bool *stand_in, struct error *e)
{
    struct progress p;
    if (!source_is_named(given))
        return source_resolve(given, path, NULL, e);
    interrupt_catch();
    progress_init(&p, false);
    int rc = stand_in ? source_resolve_headers(given, path, stand_in, &p.watch, e)
                      : source_resolve(given, path, &p.watch, e);
    progress_done(&p);
    return rc;
}

int fetch_model(char **path, const char *given, struct error *e)
{
    return resolve(given, path, NULL, e);
}

int open_model(struct model **out, const char *given, int flags, struct error *e)
{
    char *path;
    *out = NULL;
    int rc = fetch_model(&path, given, e);
    rc = rc ? rc : model_open(out, path, flags, e);
    free(path);
    return rc;
}

int open_header(struct model **out, const char *given, int flags, struct error *e)
{
    char *path;
    bool stand_in = false;
    *out = NULL;
    int rc = resolve(given, &path, &stand_in, e);
    rc = rc ? rc : model_open(out, path, flags | (stand_in ? MODEL_HEADER_ONLY | MODEL_WITHOUT_DATA : 0), e);
    free(path);
    return rc;
}
